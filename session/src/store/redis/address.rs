//! What a URL says about where Redis is.

use std::{fmt, sync::Arc};

use redis::{ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo};

use crate::error::ConfigError;

const KEY: &str = "SESSION_REDIS";

/// What a URL names.
pub(super) enum Target {
    /// One server, or the one that sentinels say is the primary.
    One(Address),
    Cluster(Seeds),
}

/// A server, and how to sign in there.
pub(super) struct Address {
    pub(super) place: Place,
    pub(super) login: RedisConnectionInfo,
    pub(super) tls: Tls,
}

/// Where a server is.
pub(super) enum Place {
    At(ConnectionAddr),
    /// Where these say.
    Asked(Sentinels),
}

/// Those who know which server is the primary of a name.
pub(super) struct Sentinels {
    pub(super) servers: Vec<ConnectionAddr>,
    pub(super) name: String,
    pub(super) login: RedisConnectionInfo,
}

/// Some servers of a cluster, which know the others.
#[derive(Clone)]
pub(super) struct Seeds {
    pub(super) servers: Arc<[(String, u16)]>,
    pub(super) login: RedisConnectionInfo,
    pub(super) tls: Tls,
}

/// How a connection is encrypted, if it is.
#[cfg(feature = "redis-tls")]
pub(super) type Tls = Option<tokio_rustls::TlsConnector>;
#[cfg(not(feature = "redis-tls"))]
pub(super) type Tls = ();

impl Target {
    /// Reads a URL. No message holds any part of it: where it is misspelt, any part may be of the password.
    pub(super) fn parse(url: &str) -> Result<Self, ConfigError> {
        let (scheme, rest) = url.trim().split_once("://").unwrap_or_default();
        let (kind, is_encrypted) = match scheme {
            "redis-cluster" => (Kind::Cluster, false),
            "rediss-cluster" => (Kind::Cluster, true),
            "redis-sentinel" => (Kind::Sentinel, false),
            "rediss-sentinel" => (Kind::Sentinel, true),
            _ => return Address::parse(url).map(Self::One),
        };
        let several = Several::of(rest)?;
        match kind {
            Kind::Cluster => several.cluster(is_encrypted).map(Self::Cluster),
            Kind::Sentinel => several.sentinel(is_encrypted).map(Self::One),
        }
    }
}

enum Kind {
    Cluster,
    Sentinel,
}

impl Address {
    fn parse(url: &str) -> Result<Self, ConfigError> {
        let (tls, url) = match url.trim() {
            url if url.starts_with("rediss:") => (true, url.replacen("rediss:", "redis:", 1)),
            url if url.starts_with("valkeys:") => (true, url.replacen("valkeys:", "redis:", 1)),
            url => (false, url.to_owned()),
        };
        let Some(url) = redis::parse_redis_url(&url) else { return Err(refused("is not a Redis URL")) };

        let socket = url.scheme().ends_with("unix");
        if url.fragment().is_some() {
            return Err(refused("has a `#`, which means nothing in it"));
        }
        let known: &[&str] = if socket { &["db", "user", "pass", "protocol"] } else { &["protocol"] };
        if url.query_pairs().any(|(name, _)| !known.contains(&&*name)) {
            return Err(refused(format_args!("has a parameter other than {}", Names(known))));
        }
        let Ok(info) = url.into_connection_info() else {
            return Err(refused("lacks the host or the path, or has a database or protocol that is no number"));
        };
        if info.redis_settings().db() < 0 {
            return Err(refused("has a negative database number"));
        }
        let (place, login) = (Place::At(info.addr().clone()), info.redis_settings().clone());
        Ok(Self { place, login, tls: encryption(tls)? })
    }
}

impl Seeds {
    /// One server of the cluster.
    pub(super) fn server(&self, host: &str, port: u16) -> Address {
        let place = Place::At(ConnectionAddr::Tcp(host.to_owned(), port));
        #[cfg_attr(
            not(feature = "redis-tls"),
            allow(
                clippy::clone_on_copy,
                clippy::let_unit_value,
                clippy::unit_arg,
                reason = "without TLS there is nothing to clone"
            )
        )]
        let tls = self.tls.clone();
        Address { place, login: self.login.clone(), tls }
    }
}

/// The parts of a URL that names several servers.
struct Several<'a> {
    userinfo: Option<&'a str>,
    hosts: Vec<&'a str>,
    path: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Several<'a> {
    fn of(rest: &'a str) -> Result<Self, ConfigError> {
        if rest.contains('#') {
            return Err(refused("has a `#`, which means nothing in it"));
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (rest, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (userinfo, hosts) = rest.rsplit_once('@').map_or((None, rest), |(userinfo, hosts)| (Some(userinfo), hosts));
        let parameters = query.split('&').filter(|one| !one.is_empty());
        let parameters = parameters.map(|one| one.split_once('=').unwrap_or((one, ""))).collect();
        Ok(Self { userinfo, hosts: hosts.split(',').collect(), path, parameters })
    }

    fn cluster(&self, is_encrypted: bool) -> Result<Seeds, ConfigError> {
        self.known(&["protocol"])?;
        if !["", "0"].contains(&self.path) {
            return Err(refused("has a database, of which a cluster knows only 0"));
        }
        let (servers, login) = self.servers(self.userinfo, 6379, "0", self.parameter("protocol"))?;
        let of = |server| match server {
            ConnectionAddr::Tcp(host, port) => Some((host, port)),
            _ => None,
        };
        let servers = servers.into_iter().filter_map(of).collect();
        Ok(Seeds { servers, login, tls: encryption(is_encrypted)? })
    }

    fn sentinel(&self, is_encrypted: bool) -> Result<Address, ConfigError> {
        const KNOWN: &[&str] = &["db", "protocol", "sentinel_user", "sentinel_pass"];
        self.known(KNOWN)?;
        let name = percent_decoded(self.path).filter(|name| !name.is_empty() && !name.contains('/'));
        let Some(name) = name else { return Err(refused("lacks the name that sentinels know the primary by")) };
        let db = self.parameter("db").unwrap_or("0");
        // what is of the servers is read as that of one
        let (_, login) = self.servers(self.userinfo, 26379, db, self.parameter("protocol"))?;
        let (user, pass) = (self.parameter("sentinel_user"), self.parameter("sentinel_pass"));
        let userinfo = pass.map(|pass| format!("{}:{pass}", user.unwrap_or_default()));
        if user.is_some() && pass.is_none() {
            return Err(refused("has a `sentinel_user` without a `sentinel_pass`"));
        }
        let (servers, sentinel_login) = self.servers(userinfo.as_deref(), 26379, "0", None)?;
        let sentinels = Sentinels { servers, name, login: sentinel_login };
        Ok(Address { place: Place::Asked(sentinels), login, tls: encryption(is_encrypted)? })
    }

    fn known(&self, known: &[&str]) -> Result<(), ConfigError> {
        match self.parameters.iter().all(|(name, _)| known.contains(name)) {
            true => Ok(()),
            false => Err(refused(format_args!("has a parameter other than {}", Names(known)))),
        }
    }

    fn parameter(&self, name: &str) -> Option<&'a str> {
        self.parameters.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// The servers, and the login that this comes to at each of them.
    fn servers(
        &self,
        userinfo: Option<&str>,
        port: u16,
        db: &str,
        protocol: Option<&str>,
    ) -> Result<(Vec<ConnectionAddr>, RedisConnectionInfo), ConfigError> {
        let userinfo = userinfo.map(|userinfo| format!("{userinfo}@")).unwrap_or_default();
        let protocol = protocol.map(|protocol| format!("?protocol={protocol}")).unwrap_or_default();
        let (mut servers, mut login) = (Vec::new(), RedisConnectionInfo::default());
        for host in &self.hosts {
            let has_port = host.rsplit(']').next().is_some_and(|rest| rest.contains(':'));
            let port = if has_port { String::new() } else { format!(":{port}") };
            let one = Address::parse(&format!("redis://{userinfo}{host}{port}/{db}{protocol}"))?;
            let Place::At(server) = one.place else { continue };
            servers.push(server);
            login = one.login;
        }
        Ok((servers, login))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::At(server) => server.fmt(f),
            Place::Asked(Sentinels { servers, name, .. }) => {
                write!(f, "the primary `{name}` of the sentinels {}", List(servers))
            }
        }
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<_> = self.servers.iter().map(|(host, port)| format!("{host}:{port}")).collect();
        write!(f, "the cluster of {}", List(&servers))
    }
}

struct List<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for List<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, one) in self.0.iter().enumerate() {
            write!(f, "{}{one}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

struct Names<'a>(&'a [&'a str]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|name| format!("`{name}`")).collect();
        List(&names).fmt(f)
    }
}

/// A text in which `%` and two hex digits stand for a byte; none if it is no such one.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match byte {
            b'%' => decoded.push(digit(bytes.next())? << 4 | digit(bytes.next())?),
            byte => decoded.push(byte),
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(feature = "redis-tls")]
fn encryption(is_asked_for: bool) -> Result<Tls, ConfigError> {
    is_asked_for.then(super::tls::connector).transpose().map_err(|reason| ConfigError::new(KEY, reason))
}

#[cfg(not(feature = "redis-tls"))]
fn encryption(is_asked_for: bool) -> Result<Tls, ConfigError> {
    if is_asked_for {
        return Err(ConfigError::new(
            KEY,
            "is `rediss://`, which this program is built without: add feature `redis-tls` of `actix-typed-session`",
        ));
    }
    Ok(())
}

fn refused(what: impl fmt::Display) -> ConfigError {
    ConfigError::new(
        KEY,
        format_args!(
            "{what}: accepted are `redis://[user:password@]host[:port][/db]`, \
             `redis-cluster://[user:password@]host[:port],…`, `redis-sentinel://[user:password@]host[:port],…/name`, \
             the same with `rediss`, and `unix:///path[?db=…]`, with user and password percent-encoded"
        ),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

    use std::path::Path;

    use super::*;

    fn parse(url: &str) -> Address {
        Address::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    fn cluster(url: &str) -> Seeds {
        match Target::parse(url) {
            Ok(Target::Cluster(seeds)) => seeds,
            Ok(Target::One(_)) => panic!("{url} is one server"),
            Err(error) => panic!("{url}: {error}"),
        }
    }

    fn sentinels(url: &str) -> (Address, Vec<String>, String, Option<String>) {
        let Ok(Target::One(address)) = Target::parse(url) else { panic!("{url}") };
        let Place::Asked(sentinels) = &address.place else { panic!("{url} has no sentinels") };
        let servers = sentinels.servers.iter().map(ToString::to_string).collect();
        let (name, password) = (sentinels.name.clone(), sentinels.login.password().map(str::to_owned));
        (address, servers, name, password)
    }

    #[test]
    fn a_url_of_a_cluster_says_servers_user_and_password() {
        let seeds = cluster("redis-cluster://ann:hunter%402@a,b:7001,[::1]:7002");
        assert_eq!(*seeds.servers, [("a".to_owned(), 6379), ("b".to_owned(), 7001), ("::1".to_owned(), 7002)]);
        assert_eq!((seeds.login.username(), seeds.login.password()), (Some("ann"), Some("hunter@2")));
        assert_eq!(cluster("redis-cluster://a/0").to_string(), "the cluster of a:6379");
    }

    #[test]
    fn a_url_of_sentinels_says_their_places_the_primarys_name_and_who_signs_in_where() {
        let (address, servers, name, password) =
            sentinels("redis-sentinel://ann:hunter2@a,b:7001/my%2Dprimary?db=3&sentinel_pass=hunter3");
        assert_eq!(servers, ["a:26379", "b:7001"]);
        assert_eq!((name.as_str(), password.as_deref()), ("my-primary", Some("hunter3")));
        assert_eq!((address.login.db(), address.login.password()), (3, Some("hunter2")));
        assert_eq!(address.to_string(), "the primary `my-primary` of the sentinels a:26379, b:7001");
        let (address, _, _, password) = sentinels("redis-sentinel://a/main");
        assert_eq!((address.login.password(), password), (None, None));
    }

    #[test]
    fn what_names_no_servers_or_no_primary_is_an_error() {
        for url in [
            "redis-cluster://",
            "redis-cluster://a,",
            "redis-cluster://a/1",
            "redis-cluster://a?db=1",
            "redis-cluster://a#b",
            "redis-cluster://a:b",
            "redis-sentinel://a",
            "redis-sentinel://a/",
            "redis-sentinel:///main",
            "redis-sentinel://a/main/0",
            "redis-sentinel://a/%zz",
            "redis-sentinel://a/main?db=one",
            "redis-sentinel://a/main?sentinel_user=ann",
            "redis-sentinel://a/main?password=hunter2",
            "redis-sentinel://hunter2:a/main@b",
        ] {
            let Err(error) = Target::parse(url) else { panic!("{url} was taken") };
            assert!(error.to_string().contains("`redis-sentinel://"), "{error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_url_says_host_port_database_user_and_password() {
        let address = parse("redis://ann:hunter%402@cache.internal:6380/3");
        assert_eq!(address.to_string(), "cache.internal:6380");
        assert_eq!(address.login.db(), 3);
        assert_eq!(address.login.username(), Some("ann"));
        assert_eq!(address.login.password(), Some("hunter@2"));
    }

    #[test]
    fn a_url_may_say_no_more_than_the_host() {
        let address = parse(" redis://cache.internal ");
        assert_eq!(address.to_string(), "cache.internal:6379");
        assert_eq!((address.login.db(), address.login.username(), address.login.password()), (0, None, None));
        assert_eq!(parse("redis://:hunter2@[::1]").to_string(), "::1:6379");
    }

    #[test]
    fn a_url_may_name_a_socket() {
        for scheme in ["unix", "redis+unix"] {
            let address = parse(&format!("{scheme}:///run/redis.sock?db=2&user=ann&pass=hunter2"));
            assert!(
                matches!(&address.place, Place::At(place) if *place == ConnectionAddr::Unix(Path::new("/run/redis.sock").to_owned()))
            );
            assert_eq!((address.login.db(), address.login.password()), (2, Some("hunter2")));
        }
    }

    #[test]
    fn what_is_no_redis_url_is_an_error_that_names_the_setting_and_what_is_accepted() {
        let bad = [
            "",
            "cache.internal:6379",
            "http://cache.internal",
            "redis://",
            "redis://host:port",
            "redis://host/one",
            "redis://host/-1",
            "redis://host/0/1",
            "redis://host?db=1",
            "redis://host#1",
            "redis://0.0.0.0",
            "redis://host?protocol=9",
            "unix://",
            "unix:///run/redis.sock?db=one",
            "unix:///run/redis.sock?database=1",
        ];
        for url in bad {
            let Err(error) = Address::parse(url) else { panic!("{url} was taken") };
            assert_eq!(error.key(), "SESSION_REDIS");
            assert!(error.to_string().starts_with("`SESSION_REDIS` "), "{error}");
            assert!(error.to_string().contains("redis://[user:password@]host[:port][/db]"), "{error}");
        }
    }

    #[test]
    fn no_error_shows_a_password() {
        let bad = [
            "hunter2",
            "redis:hunter2@host",
            "redis://ann:hunter2@",
            "redis://ann:hunter2@host/one",
            "redis://ann:hun/hunter2@host",
            "redis://ann:1?hunter2@host",
            "redis://ann:1#hunter2@host",
            "redis://ann:1?protocol=hunter2@host",
            "unix:///redis.sock?password=hunter2",
            "unix:///redis.sock?db=x&pass=hunter2",
        ];
        for url in bad {
            let Err(error) = Address::parse(url) else { panic!("{url} was taken") };
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{url}: {error}");
        }
    }

    #[cfg(feature = "redis-tls")]
    #[test]
    fn tls_is_asked_for_by_the_scheme() {
        // a machine without certificates refuses, and says what to do
        match Address::parse("rediss://cache.internal") {
            Ok(address) => assert!(address.tls.is_some()),
            Err(error) => assert!(error.to_string().contains("SSL_CERT_FILE"), "{error}"),
        }
        assert!(parse("redis://cache.internal").tls.is_none());
        assert!(Address::parse("rediss://cache.internal/#insecure").is_err());
    }

    #[cfg(not(feature = "redis-tls"))]
    #[test]
    fn tls_without_its_feature_is_an_error_that_names_it() {
        let Err(error) = Address::parse("rediss://ann:hunter2@cache.internal") else { panic!("it was taken") };
        assert!(error.to_string().contains("`redis-tls`"), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
