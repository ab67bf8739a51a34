//! [`Handle`]: how the store comes to its client.

use std::{fmt, sync::Arc, time::Duration};

use aws_sdk_dynamodb::{
    Client, Config,
    config::{
        BehaviorVersion, Builder, Credentials, Region, StalledStreamProtectionConfig, retry::RetryConfig,
        timeout::TimeoutConfig,
    },
};
use tokio::sync::OnceCell;

use super::address::Address;
use crate::{
    error::ConfigError,
    store::{StoreError, StoreErrorKind},
};

/// A client that is made when it is needed, on the runtime that needs it.
#[derive(Clone)]
pub(super) struct Handle {
    origin: Arc<Origin>,
    client: Arc<OnceCell<Client>>,
    /// How long a call may take.
    timeout: Duration,
}

enum Origin {
    Settings(Address),
    App(Box<Config>),
}

impl Handle {
    pub(super) fn of_settings(address: Address) -> Result<Self, ConfigError> {
        Ok(Self::over(Origin::Settings(address)))
    }

    pub(super) fn of_app(client: &Client) -> Self {
        Self::over(Origin::App(Box::new(client.config().clone())))
    }

    /// The same with connections of its own.
    pub(super) fn another(&self, timeout: Duration) -> Self {
        Self { origin: Arc::clone(&self.origin), client: Arc::default(), timeout }
    }

    /// The client. The first call may look for the region where the AWS tools do.
    pub(super) async fn client(&self) -> Result<&Client, StoreError> {
        self.client
            .get_or_try_init(async || {
                let config = match &*self.origin {
                    Origin::App(config) => config.to_builder(),
                    Origin::Settings(address) => of(address).await?,
                };
                Ok(Client::from_conf(guarded(config, self.timeout)))
            })
            .await
    }

    fn over(origin: Origin) -> Self {
        Self { origin: Arc::new(origin), client: Arc::default(), timeout: Duration::ZERO }
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (endpoint, region) = match &*self.origin {
            Origin::Settings(address) => (address.endpoint.as_deref(), address.region.as_deref()),
            Origin::App(config) => (None, config.region().map(Region::as_ref)),
        };
        match (endpoint, region) {
            (Some(endpoint), _) => write!(f, "dynamodb at {endpoint}"),
            (None, Some(region)) => write!(f, "dynamodb in {region}"),
            (None, None) => f.write_str("dynamodb"),
        }
    }
}

/// The configuration with what the contract needs: nothing is sent twice, and what can't be reached is told from what
/// does not answer.
fn guarded(config: Builder, timeout: Duration) -> Config {
    // before a call's own time is over, so that it is known then that nothing was sent
    let connecting = timeout.mul_f64(0.75).max(Duration::from_millis(1));
    config
        .retry_config(RetryConfig::disabled())
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(connecting)
                .operation_timeout(timeout.saturating_add(Duration::from_secs(1)))
                .build(),
        )
        // a call's own time covers the whole answer
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build()
}

async fn of(address: &Address) -> Result<Builder, StoreError> {
    let version = BehaviorVersion::v2026_01_12();
    let region = match (&address.region, &address.endpoint) {
        (Some(region), _) => Some(region.clone()),
        (None, Some(_)) => Some("us-east-1".to_owned()),
        (None, None) => None,
    };
    let key = address.key.as_ref().map(|key| Credentials::new(&key.id, &*key.secret.0, None, None, "settings"));
    let builder = match (region, key) {
        (Some(region), Some(key)) => {
            Config::builder().behavior_version(version).region(Region::new(region)).credentials_provider(key)
        }
        (region, key) => {
            let mut loader = aws_config::defaults(version).retry_config(RetryConfig::disabled());
            if let Some(region) = region {
                loader = loader.region(Region::new(region));
            }
            if let Some(key) = key {
                loader = loader.credentials_provider(key);
            }
            let found = loader.load().await;
            if found.region().is_none() {
                return Err(StoreError::new(
                    StoreErrorKind::Unavailable,
                    "nothing says in which region DynamoDB is: set `SESSION_DYNAMODB_REGION` or `AWS_REGION`",
                ));
            }
            Builder::from(&found)
        }
    };
    Ok(match &address.endpoint {
        Some(endpoint) => builder.endpoint_url(endpoint),
        None => builder,
    })
}
