//! The store that `SESSION_CACHE` names.

use std::sync::Arc;

use crate::{
    config::SessionConfig,
    error::ConfigError,
    store::{CacheSetting, SessionStore},
};

const KEY: &str = "SESSION_CACHE";

/// The store of `SESSION_TYPE=cache`.
pub(crate) fn store(config: &SessionConfig) -> Result<Arc<dyn SessionStore>, ConfigError> {
    match &config.store.cache {
        None => Err(ConfigError::new(
            KEY,
            "has to be set where `SESSION_TYPE` is `cache`: accepted are `moka:64MiB`, or another size, and \
             `s3://bucket/folder?region=eu-central-1`",
        )),
        Some(CacheSetting::Moka(max_bytes)) => moka(*max_bytes, config),
        Some(CacheSetting::At(url)) => s3(&url.0, config),
    }
}

#[cfg(feature = "cache-moka")]
fn moka(max_bytes: usize, config: &SessionConfig) -> Result<Arc<dyn SessionStore>, ConfigError> {
    let cache = super::MokaCache::new(max_bytes as u64);
    Ok(Arc::new(super::CacheStore::new(cache).clock(config.clock.clone())))
}

#[cfg(not(feature = "cache-moka"))]
fn moka(_: usize, _: &SessionConfig) -> Result<Arc<dyn SessionStore>, ConfigError> {
    Err(without("cache-moka"))
}

#[cfg(feature = "cache-s3")]
fn s3(url: &str, config: &SessionConfig) -> Result<Arc<dyn SessionStore>, ConfigError> {
    let cache = super::OpendalCache::from_url(url)?.timeout(config.store_timeout);
    Ok(Arc::new(super::CacheStore::new(cache).clock(config.clock.clone())))
}

#[cfg(not(feature = "cache-s3"))]
fn s3(_: &str, _: &SessionConfig) -> Result<Arc<dyn SessionStore>, ConfigError> {
    Err(without("cache-s3"))
}

#[cfg(not(all(feature = "cache-moka", feature = "cache-s3")))]
fn without(feature: &str) -> ConfigError {
    let lacks =
        format_args!("needs the feature `{feature}` of actix-typed-session, which this program is built without");
    ConfigError::new(KEY, lacks)
}

#[cfg(all(test, feature = "cache-moka", feature = "cache-s3"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use crate::SessionConfig;

    #[test]
    fn the_setting_says_which_cache_it_is() {
        let built =
            |cache| SessionConfig::from_vars([("SESSION_TYPE", "cache"), ("SESSION_CACHE", cache)]).unwrap().store();
        assert_eq!(built("moka:1MiB").unwrap().name(), "moka");
        assert_eq!(built("s3://bucket/folder?region=eu-central-1").unwrap().name(), "opendal");
    }

    #[test]
    fn a_cache_that_is_none_is_an_error_that_shows_no_secret() {
        let of =
            |vars: &[(&str, &str)]| SessionConfig::from_vars(vars.iter().copied()).and_then(|config| config.store());
        for cache in
            ["s3://", "s3://?secret_access_key=hunter2", "s3://b?region=r&disable_config_load=hunter2", "hunter2"]
        {
            let error = of(&[("SESSION_TYPE", "cachelib"), ("SESSION_CACHELIB", cache)]).err().unwrap();
            assert!(error.key().starts_with("SESSION_CACHE"), "{error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        let error = of(&[("SESSION_TYPE", "cache")]).err().unwrap();
        assert!(error.to_string().contains("has to be set"), "{error}");
    }
}
