//! [`SessionConfig`]: every setting, from code, from the environment or from a serde source.

use std::{fmt, ops::RangeInclusive, time::Duration};

use crate::{
    clock::Clock,
    cookie::{CookieRules, check_name, check_path, hostname},
    error::ConfigError,
    store::StoreSettings,
};

mod keys;
mod parse;
#[cfg(feature = "cli")]
mod shown;
mod sources;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const LIFETIME_MAX: Duration = Duration::from_secs(36_500 * DAY.as_secs());
const KEY_CHARS_MIN: usize = 32;

/// The settings of a session middleware.
///
/// A setting is made in code by the method, in the environment by [`from_env`](Self::from_env), or in any serde source
/// (TOML, JSON, figment, config), where the keys are in upper or lower case and the values are strings, numbers,
/// booleans or lists of strings. What is not set has its default. The methods come after the source, so that code has
/// the last word:
///
/// ```
/// use actix_typed_session::{SameSite, SessionConfig};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), actix_typed_session::ConfigError> {
/// let config = SessionConfig::from_vars([("SESSION_COOKIE_NAME", "sid"), ("PERMANENT_SESSION_LIFETIME", "12h")])?
///     .cookie_same_site(SameSite::Strict)
///     .idle_timeout(Duration::from_secs(30 * 60));
/// # let _ = config; Ok(()) }
/// ```
///
/// A value that can't be honoured is a [`ConfigError`] that names the key, the value (unless it may be secret) and what
/// is accepted: from a source where one value is wrong by itself, and from the middleware, when it is built, where
/// values contradict each other or were set by a method.
///
#[doc = include_str!("config/keys.md")]
#[derive(Clone, Debug)]
#[must_use]
pub struct SessionConfig {
    pub(crate) cookie_name: String,
    pub(crate) cookie_domain: Option<String>,
    pub(crate) cookie_path: String,
    pub(crate) http_only: bool,
    pub(crate) secure: bool,
    pub(crate) same_site: SameSite,
    pub(crate) partitioned: bool,
    pub(crate) idle_timeout: Duration,
    pub(crate) absolute_lifetime: Option<Duration>,
    pub(crate) permanent: bool,
    pub(crate) refresh: bool,
    pub(crate) cache_guarded: bool,
    pub(crate) use_signer: bool,
    pub(crate) secret_keys: Vec<Secret<Vec<u8>>>,
    pub(crate) encryption_keys: Vec<Secret<[u8; 32]>>,
    pub(crate) key_prefix: String,
    pub(crate) id_length: usize,
    pub(crate) max_bytes: usize,
    pub(crate) store_timeout: Duration,
    pub(crate) limit_per_owner: Option<usize>,
    pub(crate) refuse_over_limit: bool,
    pub(crate) cleanup_n_requests: Option<u32>,
    pub(crate) clock: Clock,
    pub(crate) store: StoreSettings,
}

impl SessionConfig {
    /// The defaults, which are safe for production over HTTPS and work on `localhost` without.
    ///
    /// ```
    /// use actix_typed_session::{SessionConfig, SessionMiddleware, store::MemoryStore};
    ///
    /// let sessions = SessionMiddleware::with_config(MemoryStore::default(), SessionConfig::new())?;
    /// # Ok::<(), actix_typed_session::ConfigError>(())
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// The cookie's name, without its prefix. Default: `session`, which is sent as `__Host-session`.
    ///
    /// The prefix follows from the attributes, and makes browsers enforce them: `__Host-` with `Secure`, the path `/`
    /// and no domain; `__Secure-` with `Secure` otherwise; none without `Secure` (RFC 6265bis, section 4.1.3; OWASP
    /// ASVS 5.0, 3.3.1 and 3.3.3). A name that has a fitting prefix is taken as it is. Only the cookie with the prefix
    /// is read: whoever changes these attributes signs everybody out. 1 to 128 letters, digits and
    /// ``!#$%&'*+-.^_`|~``.
    ///
    /// ```
    /// use actix_typed_session::{SessionConfig, SessionMiddleware, store::MemoryStore};
    ///
    /// let config = SessionConfig::new().cookie_name("sid"); // sent as `__Host-sid`
    /// assert!(SessionMiddleware::with_config(MemoryStore::default(), config).is_ok());
    ///
    /// let config = SessionConfig::new().cookie_name("__Host-sid").cookie_path("/shop");
    /// let error = SessionMiddleware::with_config(MemoryStore::default(), config).unwrap_err();
    /// assert_eq!(error.key(), "SESSION_COOKIE_NAME");
    /// ```
    pub fn cookie_name(mut self, name: impl Into<String>) -> Self {
        self.cookie_name = name.into();
        self
    }

    /// The domain whose hosts all get the cookie. Default: none, so that only the host that set it gets it.
    ///
    /// With one, each of its hosts can read and replace the visitor's session: leave it out unless they are all yours.
    ///
    /// ```
    /// use actix_typed_session::SessionConfig;
    ///
    /// // `shop.example.com` and `help.example.com` share the session; the cookie is `__Secure-session`
    /// let config = SessionConfig::new().cookie_domain("example.com");
    /// ```
    pub fn cookie_domain(mut self, domain: impl Into<String>) -> Self {
        self.cookie_domain = Some(domain.into());
        self
    }

    /// The path below which the cookie is sent. Default: `/`.
    ///
    /// It saves bytes and protects nothing: scripts under any path of a host can reach the pages under all others.
    ///
    /// ```
    /// use actix_typed_session::SessionConfig;
    ///
    /// let config = SessionConfig::new().cookie_path("/shop"); // the cookie is `__Secure-session`
    /// ```
    pub fn cookie_path(mut self, path: impl Into<String>) -> Self {
        self.cookie_path = path.into();
        self
    }

    /// Whether the cookie is hidden from scripts (`HttpOnly`). Default: true, as OWASP ASVS 5.0, 3.3.4 asks for.
    ///
    /// Without it, one injected script can send the token elsewhere.
    ///
    /// ```
    /// use actix_typed_session::SessionConfig;
    ///
    /// let config = SessionConfig::new().cookie_http_only(false);
    /// ```
    pub fn cookie_http_only(mut self, on: bool) -> Self {
        self.http_only = on;
        self
    }

    /// Whether the cookie is sent over HTTPS only (`Secure`). Default: true, as OWASP ASVS 5.0, 3.3.1 asks for.
    ///
    /// Browsers make an exception for `http://localhost`, so that development needs no certificate. Without `Secure`,
    /// whoever is on the visitor's network can read the token.
    ///
    /// ```
    /// use actix_typed_session::SessionConfig;
    ///
    /// // for a device that speaks plain HTTP in a closed network; the cookie is `session`
    /// let config = SessionConfig::new().cookie_secure(false);
    /// ```
    pub fn cookie_secure(mut self, on: bool) -> Self {
        self.secure = on;
        self
    }

    /// On which requests from other sites the cookie is sent. Default: [`SameSite::Lax`] (OWASP ASVS 5.0, 3.3.2).
    ///
    /// ```
    /// use actix_typed_session::{SameSite, SessionConfig, SessionMiddleware, store::MemoryStore};
    ///
    /// let config = SessionConfig::new().cookie_same_site(SameSite::None).cookie_secure(false);
    /// let error = SessionMiddleware::with_config(MemoryStore::default(), config).unwrap_err();
    /// assert_eq!(error.key(), "SESSION_COOKIE_SAMESITE"); // browsers refuse `SameSite=None` without `Secure`
    /// ```
    pub fn cookie_same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// Whether a page that embeds this site has a session of its own for it (CHIPS). Default: false. Needs `Secure`.
    ///
    /// ```
    /// use actix_typed_session::{SameSite, SessionConfig};
    ///
    /// // a widget that other sites embed
    /// let config = SessionConfig::new().cookie_same_site(SameSite::None).cookie_partitioned(true);
    /// ```
    pub fn cookie_partitioned(mut self, on: bool) -> Self {
        self.partitioned = on;
        self
    }

    /// A session ends when it was not used for so long. Default: 31 days. More than 0, at most 36500 days.
    ///
    /// The record in the store enforces it, and not the cookie. How long is right depends on what a session gives
    /// access to (OWASP ASVS 5.0, 7.3.1): minutes for a bank, weeks for a shop.
    ///
    /// ```
    /// use actix_typed_session::SessionConfig;
    /// use std::time::Duration;
    ///
    /// let config = SessionConfig::new().idle_timeout(Duration::from_secs(15 * 60));
    /// ```
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// A session ends at this age, whatever its use. Default: 90 days. `None`: never by age.
    ///
    /// It limits what a stolen token is worth (OWASP ASVS 5.0, 7.3.2). More than 0, at most 36500 days; where it is
    /// shorter than the idle timeout, it comes first. A session that began under a shorter setting keeps that, and a
    /// new shorter one holds for the sessions that exist, too. The cookie has the same lifetime, up to 400 days, which
    /// is all that browsers allow (RFC 6265bis, section 5.5).
    ///
    /// ```
    /// use actix_typed_session::SessionConfig;
    /// use std::time::Duration;
    ///
    /// let a_day = SessionConfig::new().absolute_lifetime(Duration::from_secs(24 * 60 * 60));
    /// let as_long_as_it_is_used = SessionConfig::new().absolute_lifetime(None);
    /// ```
    pub fn absolute_lifetime(mut self, lifetime: impl Into<Option<Duration>>) -> Self {
        self.absolute_lifetime = lifetime.into();
        self
    }

    /// Whether the cookie outlives the browser. Default: true. The record keeps its lifetimes either way.
    ///
    /// ```
    /// use actix_typed_session::SessionConfig;
    ///
    /// let config = SessionConfig::new().permanent(false); // a cookie without `Max-Age` and `Expires`
    /// ```
    pub fn permanent(mut self, on: bool) -> Self {
        self.permanent = on;
        self
    }

    /// Whether reading keeps a session alive. Default: true. Costs at most one `touch` per tenth of the idle timeout.
    ///
    /// Without it, a session ends when it was not written for the idle timeout.
    ///
    /// ```
    /// use actix_typed_session::SessionConfig;
    ///
    /// let config = SessionConfig::new().refresh_each_request(false);
    /// ```
    pub fn refresh_each_request(mut self, on: bool) -> Self {
        self.refresh = on;
        self
    }

    /// Whether types that can refuse a visitor, too, are read from what the store keeps of earlier reads: those with an
    /// `owner` or a `rotate` field, or with one that must be there. Default: false. Without a store that keeps any, such
    /// as [`RedisStore`](crate::store::RedisStore) by `client_cache`, it has no effect.
    ///
    /// A user who is signed out or blocked elsewhere is then let in for as long as the store may be behind.
    ///
    /// ```
    /// use actix_typed_session::SessionConfig;
    ///
    /// let config = SessionConfig::new().cache_guarded(true);
    /// ```
    pub fn cache_guarded(mut self, on: bool) -> Self {
        self.cache_guarded = on;
        self
    }

    /// Signs the cookie with HMAC-SHA256, so that forged tokens never reach the store. Default: off.
    ///
    /// The newest key first: it signs, and all of them verify. Each has at least 32 bytes, from a random source.
    /// Without any, the middleware fails to build. A cookie that only an older key verifies is signed anew with the
    /// response. To begin or to stop signing signs everybody out, for it changes how a cookie is spelled.
    ///
    /// ```
    /// use actix_typed_session::{SessionConfig, SessionMiddleware, store::MemoryStore};
    ///
    /// let config = SessionConfig::new().signing_keys(["too short"]);
    /// let error = SessionMiddleware::with_config(MemoryStore::default(), config).unwrap_err();
    /// assert_eq!(error.key(), "SESSION_SECRET_KEYS");
    /// ```
    pub fn signing_keys<K: Into<Vec<u8>>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.use_signer = true;
        self.secret_keys = keys.into_iter().map(|key| Secret(key.into())).collect();
        self
    }

    /// Encrypts the records with XChaCha20-Poly1305 (feature `encryption`). Default: off.
    ///
    /// The newest key first: it encrypts, and all of them decrypt. A record that none of them opens, or that was
    /// stored without, is unknown: setting the first key or dropping an old one too early signs visitors out. Users'
    /// records are found by the keys too: with [`Sessions`](crate::Sessions) or a limit, keep an old key for as long as
    /// the absolute lifetime, for a session that was saved since lives on by the new one.
    ///
    /// ```
    /// use actix_typed_session::SessionConfig;
    ///
    /// # fn read_key(_: &str) -> [u8; 32] { [0; 32] }
    /// // 32 random bytes each, from where the app keeps its secrets
    /// let config = SessionConfig::new().encryption_keys([read_key("new"), read_key("old")]);
    /// ```
    pub fn encryption_keys(mut self, keys: impl IntoIterator<Item = [u8; 32]>) -> Self {
        self.encryption_keys = keys.into_iter().map(Secret).collect();
        self
    }

    /// What the keys in the store begin with. Default: `session:`. At most 128 bytes, no control characters.
    ///
    /// Two applications over one store need two prefixes: with one they share their sessions.
    ///
    /// ```
    /// use actix_typed_session::SessionConfig;
    ///
    /// let config = SessionConfig::new().key_prefix("shop:session:");
    /// ```
    pub fn key_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.key_prefix = prefix.into();
        self
    }

    /// The bytes of randomness in a new token's secret. Default: 32. 16 to 64; tokens of other lengths stay valid.
    ///
    /// 16 bytes are the 128 bits of entropy that OWASP ASVS 5.0, 7.2.3 asks for at least. The id comes on top of them
    /// and does not count.
    ///
    /// ```
    /// use actix_typed_session::{SessionConfig, SessionMiddleware, store::MemoryStore};
    ///
    /// let config = SessionConfig::new().id_length(8);
    /// let error = SessionMiddleware::with_config(MemoryStore::default(), config).unwrap_err();
    /// assert_eq!(error.key(), "SESSION_ID_LENGTH");
    /// ```
    pub fn id_length(mut self, bytes: usize) -> Self {
        self.id_length = bytes;
        self
    }

    /// The bytes that a session's record may have, before it is encrypted. Default: 256 KiB. 1 KiB to 1 GiB.
    ///
    /// They are the fields' names and JSON texts, 6 bytes a field and 57 a record. Checked when a change is saved,
    /// after it was merged: a larger record fails with [`SessionError::TooLarge`](crate::SessionError::TooLarge), and
    /// the old one stays as it is.
    ///
    /// ```
    /// use actix_typed_session::SessionConfig;
    ///
    /// let config = SessionConfig::new().max_bytes(16 * 1024);
    /// ```
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// How long one call to the store may take. Default: 2 s. 1 ms to 1 h.
    ///
    /// Saving a request's changes may take twice that, with all its calls and all that it waits for. Running out of
    /// time is answered with 503.
    ///
    /// ```
    /// use actix_typed_session::SessionConfig;
    /// use std::time::Duration;
    ///
    /// let config = SessionConfig::new().store_timeout(Duration::from_millis(500));
    /// ```
    pub fn store_timeout(mut self, timeout: Duration) -> Self {
        self.store_timeout = timeout;
        self
    }

    /// How many sessions a user may have at once. Default: 100. 1 to 1000.
    ///
    /// One more sign-in ends the session that signed in first ([`refuse_over_limit`](Self::refuse_over_limit): is
    /// refused). It is exact under any number of sign-ins at once, and never ends the session that is signing in. Costs
    /// nothing below the limit; at it, a sign-in looks up the user's sessions, one round trip each, 16 at once. The user
    /// is who the field marked `owner` names, and sessions of nobody are not counted.
    ///
    /// ```
    /// use actix_typed_session::SessionConfig;
    ///
    /// let config = SessionConfig::new().limit_per_owner(5);
    /// ```
    pub fn limit_per_owner(mut self, sessions: usize) -> Self {
        self.limit_per_owner = Some(sessions);
        self
    }

    /// Whether a sign-in over the limit is refused with 409 [`LimitReached`](crate::SessionError::LimitReached), and
    /// does not end the session that signed in first. Default: false.
    ///
    /// ```
    /// use actix_typed_session::SessionConfig;
    ///
    /// let config = SessionConfig::new().limit_per_owner(1).refuse_over_limit(true);
    /// ```
    pub fn refuse_over_limit(mut self, on: bool) -> Self {
        self.refuse_over_limit = on;
        self
    }

    /// One in so many requests that use a session also deletes expired records. Default: 0, none.
    ///
    /// For stores that don't expire records by themselves, such as files. Which request it is, is left to chance. The
    /// deletion runs beside it, up to 1000 records at a time, and a failure is only a warning in the log. A task,
    /// which [`sweep_every`](crate::SessionMiddleware::sweep_every) starts, does not depend on traffic.
    ///
    /// ```
    /// use actix_typed_session::SessionConfig;
    ///
    /// let config = SessionConfig::new().cleanup_every_n_requests(1000);
    /// ```
    pub fn cleanup_every_n_requests(mut self, requests: u32) -> Self {
        self.cleanup_n_requests = (requests > 0).then_some(requests);
        self
    }

    /// The time that lifetimes are counted by. Default: the system's. A test gives one that it moves.
    ///
    /// A store that counts time by itself needs the same clock; [`store`](Self::store) gives it to the stores that it
    /// makes, but for Redis, where the server counts.
    ///
    /// ```
    /// use actix_typed_session::{Clock, SessionConfig};
    ///
    /// let clock = Clock::manual();
    /// let config = SessionConfig::new().clock(clock.clone());
    /// ```
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Whether a limit of sessions is asked for, beside the one that holds where nothing is said.
    pub(crate) fn limits_owners(&self) -> bool {
        self.limit_per_owner.is_some() || self.refuse_over_limit
    }

    /// Whether the settings can be honoured, each by itself and all together.
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        self.validate_each()?;
        if self.use_signer && self.secret_keys.iter().any(|key| key.0.len() < KEY_CHARS_MIN) {
            return Err(ConfigError::new(
                "SESSION_SECRET_KEYS",
                format_args!(
                    "(or `SECRET_KEY`) holds a key that is too short: accepted are {KEY_CHARS_MIN} characters or more, \
                     such as `openssl rand -base64 32` makes"
                ),
            ));
        }
        CookieRules::new(self).map(drop)
    }

    /// Whether each setting is valid by itself, as far as a source can tell before the code had its word.
    fn validate_each(&self) -> Result<(), ConfigError> {
        check_name(&self.cookie_name)?;
        check_path(&self.cookie_path)?;
        self.cookie_domain.as_deref().map(hostname).transpose()?;
        let lifetime = |key, value: Duration, none| {
            let accepted = format!("accepted are more than 0 seconds and at most 36500 days{none}");
            in_range(key, value, Duration::from_nanos(1)..=LIFETIME_MAX, Spelled(value), &accepted)
        };
        lifetime("PERMANENT_SESSION_LIFETIME", self.idle_timeout, "")?;
        if let Some(absolute) = self.absolute_lifetime {
            lifetime("SESSION_ABSOLUTE_LIFETIME", absolute, ", or `none`")?;
        }
        if !self.encryption_keys.is_empty() && !cfg!(feature = "encryption") {
            return Err(ConfigError::new(
                "SESSION_ENCRYPTION_KEYS",
                "needs the feature `encryption` of actix-typed-session, which this program is built without",
            ));
        }
        if self.key_prefix.len() > 128 || self.key_prefix.chars().any(char::is_control) {
            let accepted = "accepted are at most 128 bytes without control characters";
            return Err(ConfigError::bad_value("SESSION_KEY_PREFIX", self.key_prefix.escape_debug(), accepted));
        }
        let (length, bytes, timeout) = (self.id_length, self.max_bytes, self.store_timeout);
        in_range("SESSION_ID_LENGTH", length, 16..=64, length, "accepted are 16 to 64 bytes")?;
        in_range("SESSION_MAX_BYTES", bytes, 1 << 10..=1 << 30, bytes, "accepted are 1KiB to 1GiB")?;
        if let Some(limit) = self.limit_per_owner {
            in_range("SESSION_LIMIT_PER_OWNER", limit, LIMITS, limit, "accepted are 1 to 1000 sessions")?;
        }
        let timeouts = Duration::from_millis(1)..=Duration::from_secs(60 * 60);
        in_range("SESSION_STORE_TIMEOUT", timeout, timeouts, Spelled(timeout), "accepted are 1ms to 1h")
    }
}

/// How many sessions a user may be allowed.
const LIMITS: RangeInclusive<usize> = 1..=1000;

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            cookie_name: "session".to_owned(),
            cookie_domain: None,
            cookie_path: "/".to_owned(),
            http_only: true,
            secure: true,
            same_site: SameSite::Lax,
            partitioned: false,
            idle_timeout: 31 * DAY,
            absolute_lifetime: Some(90 * DAY),
            permanent: true,
            refresh: true,
            cache_guarded: false,
            use_signer: false,
            secret_keys: Vec::new(),
            encryption_keys: Vec::new(),
            key_prefix: "session:".to_owned(),
            id_length: 32,
            max_bytes: 256 << 10,
            store_timeout: Duration::from_secs(2),
            limit_per_owner: None,
            refuse_over_limit: false,
            cleanup_n_requests: None,
            clock: Clock::default(),
            store: StoreSettings::default(),
        }
    }
}

/// On which requests from other sites a browser sends the cookie (RFC 6265bis, section 4.1.2.7).
///
/// ```
/// use actix_typed_session::{SameSite, SessionConfig};
///
/// let config = SessionConfig::new().cookie_same_site(SameSite::Strict);
/// # let _ = config;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// On none: a link from another site shows the visitor signed out.
    Strict,
    /// When a link is followed, not for forms, scripts and embedded pages.
    Lax,
    /// On all, which needs `Secure`, and a defence against request forgery in the app.
    None,
}

impl SameSite {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "Strict",
            Self::Lax => "Lax",
            Self::None => "None",
        }
    }
}

impl fmt::Display for SameSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A value that `Debug` does not show.
#[derive(Clone)]
pub(crate) struct Secret<T>(pub(crate) T);

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A duration as the sources spell it.
struct Spelled(Duration);

impl fmt::Display for Spelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_zero() { f.write_str("0s") } else { write!(f, "{:?}", self.0) }
    }
}

fn in_range<T: PartialOrd + Copy>(
    key: &'static str,
    value: T,
    range: RangeInclusive<T>,
    shown: impl fmt::Display,
    accepted: &str,
) -> Result<(), ConfigError> {
    if range.contains(&value) { Ok(()) } else { Err(ConfigError::bad_value(key, shown, accepted)) }
}

#[cfg(test)]
mod tests;
