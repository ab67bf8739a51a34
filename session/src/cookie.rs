//! The session's cookie: read, set, removed, by rules that are fixed when the middleware is built.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

use actix_web::http::header::HeaderValue;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::{
    clock::Clock,
    config::{SameSite, SessionConfig},
    error::ConfigError,
    events,
    token::Token,
};

const HOST: &str = "__Host-";
const SECURE: &str = "__Secure-";
/// How many cookies of the name are looked at, where more than one may be meant.
const MAX_COOKIES: usize = 4;
/// Room for a token, a signature and a lifetime.
const ROOM: usize = 256;
/// Browsers keep no cookie for longer (RFC 6265bis, section 5.5).
pub(crate) const MAX_AGE: Duration = Duration::from_secs(400 * 24 * 60 * 60);
/// The last second that an HTTP date can name: 9999-12-31 23:59:59.
const MAX_DATE: Duration = Duration::from_secs(253_402_300_799);

/// How the cookie is written and read.
pub(crate) struct CookieRules {
    /// As sent, with its prefix.
    name: String,
    /// What follows the value in every `Set-Cookie`.
    attributes: String,
    remove: HeaderValue,
    /// One a signing key, with the name already in it, the key that signs first; none with signing off.
    signers: Vec<Hmac<Sha256>>,
    clock: Clock,
    lifetime: Mutex<Lifetime>,
}

/// `Max-Age` and `Expires` as they were last written: all cookies of a second have the same.
#[derive(Default)]
struct Lifetime {
    seconds: u64,
    ends: u64,
    text: String,
}

/// A token that a request came with; whether it is known is for the store to say.
#[derive(Debug)]
pub(crate) struct Presented {
    pub(crate) token: Token,
    /// Only a key that no longer signs has verified it.
    pub(crate) stale_key: bool,
}

impl CookieRules {
    /// The rules that follow from the settings; an error where these contradict each other, or a browser's rules.
    pub(crate) fn new(config: &SessionConfig) -> Result<Self, ConfigError> {
        check_name(&config.cookie_name)?;
        check_path(&config.cookie_path)?;
        let domain = config.cookie_domain.as_deref().map(hostname).transpose()?;
        let needs_secure = "needs `SESSION_COOKIE_SECURE` to be true: browsers refuse such a cookie otherwise";
        if config.same_site == SameSite::None && !config.secure {
            return Err(ConfigError::bad_value("SESSION_COOKIE_SAMESITE", config.same_site, needs_secure));
        }
        if config.partitioned && !config.secure {
            return Err(ConfigError::bad_value("SESSION_COOKIE_PARTITIONED", true, needs_secure));
        }

        let name = prefixed(config, domain.as_deref())?;
        let mut attributes = format!("; Path={}", config.cookie_path);
        if let Some(domain) = domain {
            attributes.push_str("; Domain=");
            attributes.push_str(&domain);
        }
        for (on, attribute) in [(config.http_only, "; HttpOnly"), (config.secure, "; Secure")] {
            attributes.push_str(if on { attribute } else { "" });
        }
        attributes.push_str("; SameSite=");
        attributes.push_str(config.same_site.as_str());
        attributes.push_str(if config.partitioned { "; Partitioned" } else { "" });

        let remove = format!("{name}={attributes}; Max-Age=0; Expires={}", httpdate::fmt_http_date(UNIX_EPOCH));
        let remove = HeaderValue::try_from(remove)
            .map_err(|_| ConfigError::new("SESSION_COOKIE_NAME", "and the cookie's attributes make no valid header"))?;
        let keys = if config.use_signer { config.secret_keys.as_slice() } else { &[] };
        if config.use_signer && keys.is_empty() {
            return Err(ConfigError::bad_value("SESSION_USE_SIGNER", true, "that needs keys in `SESSION_SECRET_KEYS`"));
        }
        let signers = keys.iter().map(|key| signer(&key.0, &name)).collect::<Result<_, _>>()?;
        Ok(Self { name, attributes, remove, signers, clock: config.clock.clone(), lifetime: Mutex::default() })
    }

    /// The cookie's name as sent, with its prefix.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The tokens that the `Cookie` lines of a request hold, each once.
    ///
    /// A `__Host-` name can be set by this host alone, and a browser puts the cookie that it means first: only the
    /// first of the name counts, valid or not.
    pub(crate) fn read<'a>(&self, lines: impl Iterator<Item = &'a [u8]>) -> Vec<Presented> {
        let limit = if self.name.starts_with(HOST) { 1 } else { MAX_COOKIES };
        let mut found: Vec<Presented> = Vec::new();
        let pairs = lines.flat_map(|line| line.split(|byte| *byte == b';'));
        for value in pairs.filter_map(|pair| self.value(pair)).take(limit) {
            match self.verify(value) {
                Ok(presented) => match found.iter_mut().find(|other| other.token == presented.token) {
                    Some(other) => other.stale_key &= presented.stale_key,
                    None => {
                        found.reserve_exact(1);
                        found.push(presented);
                    }
                },
                Err(reason) => events::rejected(None, &self.name, reason),
            }
        }
        found
    }

    /// The `Set-Cookie` for a token. Without `max_age` it ends with the browser; with one, in 400 days at the latest.
    pub(crate) fn set(&self, token: &Token, max_age: Option<Duration>) -> Option<HeaderValue> {
        let mut header = String::with_capacity(self.name.len() + self.attributes.len() + ROOM);
        header.push_str(&self.name);
        header.push('=');
        let start = header.len();
        token.write(&mut header);
        if let Some(signer) = self.signers.first() {
            let signed = header.get(start..).unwrap_or_default();
            let signature = signer.clone().chain_update(signed).finalize().into_bytes();
            header.push('.');
            URL_SAFE_NO_PAD.encode_string(signature, &mut header);
        }
        header.push_str(&self.attributes);
        if let Some(max_age) = max_age {
            self.write_lifetime(max_age.min(MAX_AGE), &mut header);
        }
        HeaderValue::try_from(header).ok()
    }

    /// The `Set-Cookie` that makes a browser forget the cookie.
    pub(crate) fn remove(&self) -> HeaderValue {
        self.remove.clone()
    }

    /// The value of a `name=value` pair, if the name is ours.
    fn value<'a>(&self, pair: &'a [u8]) -> Option<&'a [u8]> {
        let after = trim(pair).strip_prefix(self.name.as_bytes())?;
        trim(after).strip_prefix(b"=").map(trim)
    }

    fn verify(&self, value: &[u8]) -> Result<Presented, &'static str> {
        let text = std::str::from_utf8(value).map_err(|_| "malformed")?;
        if self.signers.is_empty() {
            let token = Token::parse(text).ok_or("malformed")?;
            return Ok(Presented { token, stale_key: false });
        }
        let (text, signature) = text.split_once('.').ok_or("unsigned")?;
        let token = Token::parse(text).ok_or("malformed")?;
        let mut bytes = [0; 33];
        let len = URL_SAFE_NO_PAD.decode_slice(signature, &mut bytes).map_err(|_| "signature")?;
        let bytes = bytes.get(..len).unwrap_or_default();
        let verifies = |signer: &Hmac<Sha256>| signer.clone().chain_update(text).verify_slice(bytes).is_ok();
        let key = self.signers.iter().position(verifies).ok_or("signature")?;
        Ok(Presented { token, stale_key: key > 0 })
    }

    fn write_lifetime(&self, max_age: Duration, header: &mut String) {
        let seconds = max_age.as_secs() + u64::from(max_age.subsec_nanos() > 0);
        let now = Duration::from_millis(self.clock.now());
        let ends = now.saturating_add(Duration::from_secs(seconds)).min(MAX_DATE).as_secs();
        let mut last = self.lifetime.lock().unwrap_or_else(PoisonError::into_inner);
        if (last.seconds, last.ends) != (seconds, ends) || last.text.is_empty() {
            let date = UNIX_EPOCH.checked_add(Duration::from_secs(ends)).unwrap_or(UNIX_EPOCH);
            let text = format!("; Max-Age={seconds}; Expires={}", httpdate::fmt_http_date(date));
            *last = Lifetime { seconds, ends, text };
        }
        header.push_str(&last.text);
    }
}

impl fmt::Debug for CookieRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CookieRules")
            .field("name", &self.name)
            .field("attributes", &self.attributes)
            .field("signed", &!self.signers.is_empty())
            .finish_non_exhaustive()
    }
}

/// Whether a cookie may be called so: a token as RFC 6265 has it.
pub(crate) fn check_name(name: &str) -> Result<(), ConfigError> {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if (1..=128).contains(&name.len()) && name.bytes().all(valid) {
        return Ok(());
    }
    let accepted = "accepted are 1 to 128 letters, digits and the characters !#$%&'*+-.^_`|~";
    Err(ConfigError::bad_value("SESSION_COOKIE_NAME", name.escape_debug(), accepted))
}

/// Whether this is a path that a `Set-Cookie` can hold.
pub(crate) fn check_path(path: &str) -> Result<(), ConfigError> {
    let valid = |byte: u8| byte.is_ascii_graphic() && byte != b';';
    if path.starts_with('/') && path.len() <= 1024 && path.bytes().all(valid) {
        return Ok(());
    }
    let accepted = "accepted is a path that begins with `/`, in at most 1024 visible ASCII characters other than `;`";
    Err(ConfigError::bad_value("SESSION_COOKIE_PATH", path.escape_debug(), accepted))
}

/// The host that a domain names, in lower case and without a leading dot.
pub(crate) fn hostname(domain: &str) -> Result<String, ConfigError> {
    let host = domain.strip_prefix('.').unwrap_or(domain).to_ascii_lowercase();
    let valid = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if host.len() <= 253 && host.split('.').all(valid) {
        return Ok(host);
    }
    let accepted = "accepted is a host name such as `example.com` (an international one in its `xn--` form), or none";
    Err(ConfigError::bad_value("SESSION_COOKIE_DOMAIN", domain.escape_debug(), accepted))
}

/// The name with the prefix by which a browser guards the attributes.
fn prefixed(config: &SessionConfig, domain: Option<&str>) -> Result<String, ConfigError> {
    let name = config.cookie_name.as_str();
    let guarded = config.secure && config.cookie_path == "/" && domain.is_none();
    let refuse = |accepted: &str| Err(ConfigError::bad_value("SESSION_COOKIE_NAME", name, accepted));
    // browsers know the prefixes in any case, so that a name in another spelling is held to the same rules
    for prefix in [HOST, SECURE] {
        let given = name.get(..prefix.len()).unwrap_or_default();
        if given.eq_ignore_ascii_case(prefix) && given != prefix {
            return refuse(&format!("the prefix is spelled `{prefix}`"));
        }
    }
    if name == HOST || name == SECURE {
        return refuse("a prefix alone is no name");
    }
    if name.starts_with(HOST) && !guarded {
        return refuse(
            "the prefix `__Host-` goes with `SESSION_COOKIE_SECURE` true, `SESSION_COOKIE_PATH` `/` and no \
             `SESSION_COOKIE_DOMAIN`",
        );
    }
    if name.starts_with(SECURE) && !config.secure {
        return refuse("the prefix `__Secure-` goes with `SESSION_COOKIE_SECURE` true");
    }
    Ok(match name {
        _ if name.starts_with(HOST) || name.starts_with(SECURE) => name.to_owned(),
        _ if guarded => format!("{HOST}{name}"),
        _ if config.secure => format!("{SECURE}{name}"),
        _ => name.to_owned(),
    })
}

fn signer(key: &[u8], name: &str) -> Result<Hmac<Sha256>, ConfigError> {
    let signer = Hmac::new_from_slice(key)
        .map_err(|_| ConfigError::new("SESSION_SECRET_KEYS", "holds a key that HMAC-SHA256 does not take"))?;
    Ok(signer.chain_update(name).chain_update([0]))
}

fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests;
