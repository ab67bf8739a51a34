//! S3 by a URL, with connections of each worker's own.

use std::time::Duration;

use opendal::{HttpTransporter, Operator};
use opendal_http_transport_reqwest::ReqwestTransport;

use super::OpendalCache;
use crate::error::ConfigError;

impl OpendalCache {
    /// S3, or what speaks like it, at a URL: `s3://bucket/folder?region=eu-central-1`.
    ///
    /// What follows the `?` are settings of [OpenDAL's S3](https://docs.rs/opendal/latest/opendal/services/struct.S3Config.html),
    /// percent-encoded: `endpoint` for a server that is not Amazon's, `region`, `access_key_id`, `secret_access_key`,
    /// `enable_virtual_host_style` and more. What is left out comes from where the AWS tools look for it:
    /// `AWS_REGION`, `AWS_ACCESS_KEY_ID` and the like, profiles, the machine's role.
    ///
    /// # Errors
    ///
    /// If the URL is no such one. The message never holds the URL, as that may hold a secret.
    ///
    /// ```
    /// use actix_typed_session::store::{CacheStore, OpendalCache};
    ///
    /// # fn main() -> Result<(), actix_typed_session::ConfigError> {
    /// let cache = OpendalCache::from_url("s3://sessions/shop?region=eu-central-1")?;
    /// let store = CacheStore::new(cache);
    /// # let _ = store;
    /// let error = OpendalCache::from_url("gopher://sessions?secret=hunter2").unwrap_err();
    /// assert!(!error.to_string().contains("hunter2"));
    /// # Ok(()) }
    /// ```
    pub fn from_url(url: &str) -> Result<Self, ConfigError> {
        let refused = |why: &str| {
            ConfigError::new(
                "SESSION_CACHE",
                format_args!(
                    "has a value that is not shown: {why}; accepted is a URL such as `s3://bucket/folder?region=eu-central-1`"
                ),
            )
        };
        if !url.starts_with("s3://") {
            return Err(refused("it does not begin with `s3://`"));
        }
        opendal::init_default_registry();
        // what OpenDAL says of it may quote it
        let operator = Operator::from_uri(url)
            .map_err(|_| refused("it lacks the bucket or the region, or has a setting that is none"))?;
        let operator = with_own_connections(operator)?;
        Ok(Self { is_own: true, ..Self::new(operator)? })
    }
}

/// The operator with a client that nobody else uses: connections belong to the runtime that opens them.
pub(super) fn with_own_connections(operator: Operator) -> Result<Operator, ConfigError> {
    let client = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(10))
        // a write whose outcome is not known is not sent again
        .retry(reqwest::retry::never())
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| ConfigError::new("SESSION_CACHE", format_args!("can't be used: {error}")))?;
    let transport = HttpTransporter::new(ReqwestTransport::new(client));
    let context = operator.context().with_http_transport(transport);
    Ok(operator.with_context(context))
}
