//! What the setting says about where the servers are, and which of them has a key.

use std::{fmt, path::PathBuf};

use crate::{error::ConfigError, store::percent};

const KEY: &str = "SESSION_MEMCACHED";
const PORT: u16 = 11211;
const SERVERS_MAX: usize = 64;

/// A server, and how to sign in there.
#[derive(PartialEq, Eq)]
pub(super) struct Server {
    pub(super) place: Place,
    pub(super) login: Option<Login>,
    /// What it is called, hashed: its part in who has a key.
    weight: u64,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Place {
    Tcp(String, u16),
    Unix(PathBuf),
}

/// A user and a password, as one text with a space between.
#[derive(PartialEq, Eq)]
pub(super) struct Login(pub(super) String);

/// Reads one or several servers with commas between. No message holds any part of them, as any may be of a password.
pub(super) fn parse(text: &str) -> Result<Vec<Server>, ConfigError> {
    let mut servers: Vec<Server> = Vec::new();
    for part in text.split(',') {
        let server = Server::parse(part.trim())?;
        if servers.iter().any(|known| known.place == server.place) {
            return Err(refused("names a server twice"));
        }
        servers.push(server);
    }
    if servers.len() > SERVERS_MAX {
        return Err(refused(format_args!("names more than {SERVERS_MAX} servers")));
    }
    Ok(servers)
}

/// Which of some servers has a key: the one that, hashed together with the key, is the highest.
///
/// So a server that is added or taken away moves the keys of no other, and the order does not matter. The hash is fixed:
/// programs of different versions agree.
pub(super) fn owner<'a>(servers: impl IntoIterator<Item = &'a Server>, key: &str) -> usize {
    let key = hash(key.as_bytes());
    let weights = servers.into_iter().map(|server| mix(key ^ server.weight)).enumerate();
    weights.max_by_key(|(_, weight)| *weight).map_or(0, |(index, _)| index)
}

impl Server {
    fn parse(text: &str) -> Result<Self, ConfigError> {
        let (place, login) = if let Some(rest) = text.strip_prefix("unix://") {
            let (path, login) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
            if !path.starts_with('/') || path.ends_with('/') {
                return Err(refused("lacks the path of a Unix socket"));
            }
            let path = percent::decoded(path).ok_or_else(|| refused("has a path that is not percent-encoded right"))?;
            (Place::Unix(path.into()), login.map(query_login).transpose()?)
        } else {
            let rest = text.strip_prefix("memcached://").unwrap_or(text);
            // another scheme would pass for a user
            if rest.contains("://") {
                return Err(refused("has a scheme other than `memcached://` and `unix://`"));
            }
            let rest = rest.strip_suffix('/').unwrap_or(rest);
            let (login, host) = rest.rsplit_once('@').map_or((None, rest), |(login, host)| (Some(login), host));
            let (host, port) = host_and_port(host)?;
            (Place::Tcp(host, port), login.map(pair_login).transpose()?)
        };
        let weight = hash(place.to_string().as_bytes());
        Ok(Self { place, login, weight })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

fn host_and_port(text: &str) -> Result<(String, u16), ConfigError> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((host, rest)) = rest.split_once(']') else { return Err(refused("has a `[` that is not closed")) };
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(refused("has no IPv6 address between `[` and `]`"));
            }
            match rest.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if rest.is_empty() => (host, None),
                None => return Err(refused("has something else than a port after `]`")),
            }
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    if host.is_empty() || !host.bytes().all(known) {
        return Err(refused("lacks the host, or has one that is no name and no address"));
    }
    let port = match port {
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => port.parse().unwrap_or(0),
        Some(_) => 0,
        None => PORT,
    };
    if port == 0 {
        return Err(refused("has a port that is none"));
    }
    Ok((host.to_ascii_lowercase(), port))
}

fn pair_login(text: &str) -> Result<Login, ConfigError> {
    let Some((user, password)) = text.split_once(':') else { return Err(refused("has a user and no password")) };
    login(user, password)
}

fn query_login(text: &str) -> Result<Login, ConfigError> {
    let (mut user, mut pass) = (None, None);
    for part in text.split('&') {
        match part.split_once('=') {
            Some(("user", value)) => user = Some(value),
            Some(("pass", value)) => pass = Some(value),
            _ => return Err(refused("has a parameter other than `user` and `pass`")),
        }
    }
    match (user, pass) {
        (Some(user), Some(pass)) => login(user, pass),
        _ => Err(refused("has only one of `user` and `pass`")),
    }
}

fn login(user: &str, password: &str) -> Result<Login, ConfigError> {
    let bad = || refused("has a user or a password that memcached can't take");
    let (user, password) = (percent::decoded(user).ok_or_else(bad)?, percent::decoded(password).ok_or_else(bad)?);
    // the server takes them as one text, in which a space ends the user
    let is_plain = |text: &str| !text.is_empty() && !text.chars().any(|c| c.is_control());
    if !is_plain(&user) || user.contains([' ', ':']) || !is_plain(&password) {
        return Err(bad());
    }
    Ok(Login(format!("{user} {password}")))
}

/// FNV-1a, with its bits mixed.
fn hash(bytes: &[u8]) -> u64 {
    mix(bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)))
}

/// The finish of `SplitMix64`: each bit of the outcome depends on all that came in.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

fn refused(what: impl fmt::Display) -> ConfigError {
    ConfigError::new(
        KEY,
        format_args!(
            "{what}: accepted are one or several servers with commas between, each `host[:port]`, \
             `memcached://[user:password@]host[:port]` or `unix:///path[?user=…&pass=…]`, with user and password \
             percent-encoded"
        ),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

    use super::*;

    fn places(text: &str) -> Vec<String> {
        let servers = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        servers.iter().map(|server| server.place.to_string()).collect()
    }

    fn servers(count: u16) -> Vec<Server> {
        parse(&(0..count).map(|index| format!("10.0.0.1:{}", 11211 + index)).collect::<Vec<_>>().join(",")).unwrap()
    }

    #[test]
    fn one_or_several_servers_are_named_in_three_ways() {
        assert_eq!(places("127.0.0.1:11211"), ["127.0.0.1:11211"]);
        assert_eq!(
            places("Cache-1, memcached://cache-2:2 ,memcached://cache-3/"),
            ["cache-1:11211", "cache-2:2", "cache-3:11211"]
        );
        assert_eq!(places("[::1],[::1]:2"), ["[::1]:11211", "[::1]:2"]);
        assert_eq!(places("unix:///run/mem%20cached.sock"), ["/run/mem cached.sock"]);
    }

    #[test]
    fn a_server_may_want_a_user_and_a_password() {
        for text in
            ["memcached://ann:hunter%402@cache", "ann:hunter%402@cache", "unix:///s.sock?user=ann&pass=hunter%402"]
        {
            assert_eq!(parse(text).unwrap()[0].login.as_ref().unwrap().0, "ann hunter@2", "{text}");
        }
        assert!(parse("cache").unwrap()[0].login.is_none());
    }

    #[test]
    fn what_names_no_server_is_an_error_that_names_the_setting_and_what_is_accepted() {
        let bad = [
            "",
            ",",
            "cache,",
            "cache:0",
            "cache:port",
            "cache:65536",
            "cache:1:2",
            "ca che",
            "redis://cache",
            "redis://ann:hunter@cache",
            "memcached://memcached://ann:hunter@cache",
            "[::1",
            "[x]",
            "[::1]2",
            "::1",
            "memcached://",
            "unix://",
            "unix://run/x",
            "unix:///run/x?db=1",
            "unix:///run/x?user=ann",
            "unix:///%zz",
            "cache/1",
            "cache,Cache:11211",
            "ann@cache",
            ":x@cache",
            "ann:@cache",
            "a%20b:c@cache",
            "a:%0a@cache",
        ];
        for text in bad {
            let Err(error) = parse(text) else { panic!("{text} was taken") };
            assert_eq!(error.key(), "SESSION_MEMCACHED");
            assert!(error.to_string().contains("memcached://[user:password@]host[:port]"), "{error}");
        }
        assert!(parse(&(1..=65).map(|port| format!("cache:{port}")).collect::<Vec<_>>().join(",")).is_err());
    }

    #[test]
    fn no_error_shows_a_password() {
        for text in [
            "ann:hunter2@",
            "ann:1,hunter2@cache",
            "unix:///s?pass=hunter2",
            "hunter2 ",
            "a:1%hunter2@b",
            "hunter2@b:x",
        ] {
            let Err(error) = parse(&format!("{text}, ,")) else { panic!("{text} was taken") };
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{text}: {error}");
        }
    }

    #[test]
    fn keys_are_spread_and_those_of_other_servers_stay_where_they_are() {
        let (four, mut three) = (servers(4), servers(4));
        three.remove(1);
        let mut counts = [0; 4];
        for key in (0..4000).map(|key| format!("session:{key}")) {
            let before = owner(&four, &key);
            counts[before] += 1;
            let after = owner(&three, &key);
            match before {
                0 => assert_eq!(after, 0),
                1 => {}
                before => assert_eq!(after, before - 1),
            }
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }

    /// Another hash would move every session to another server with an update of the crate.
    #[test]
    fn a_key_is_on_the_same_server_in_every_version() {
        let four = servers(4);
        let owners: Vec<usize> = (0..12).map(|key| owner(&four, &format!("session:{key}"))).collect();
        assert_eq!(owners, [2, 2, 0, 1, 0, 0, 3, 2, 1, 1, 0, 3]);
    }
}
