//! [`DynamodbStore`].

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure as OnFailure},
};
use tokio::time::Instant;

pub(crate) use self::address::Address;
use self::{
    call::{Call, Effect},
    client::Handle,
    layout::Found,
};
use crate::{
    clock::Clock,
    error::ConfigError,
    store::{Created, Record, SessionStore, StoreError, Swept, Updated, Version, async_trait},
};

mod address;
mod call;
mod client;
mod failure;
mod layout;
mod sweep;
mod table;

/// Sessions in a table of Amazon DynamoDB.
///
#[doc = include_str!("dynamodb/dynamodb.md")]
#[derive(Clone)]
pub struct DynamodbStore {
    handle: Handle,
    table: Arc<str>,
    timeout: Duration,
    clock: Clock,
    /// Where the walk of the sweeps goes on, in all copies of this store.
    walk: Arc<Mutex<Option<String>>>,
}

impl DynamodbStore {
    /// A store at `dynamodb://[key_id:secret@][region][/table][?endpoint=url]`, which opens its connections when they are
    /// needed, on the tokio runtime that needs them.
    ///
    /// What is left out comes from where all AWS tools look for it: `AWS_REGION`, `AWS_ACCESS_KEY_ID` and the like,
    /// profiles, the role of the machine or container. The table is `Sessions` by default. An endpoint is for a server
    /// that is not Amazon's, or an interface of a private network: `http://localhost:8000`; the region is `us-east-1`
    /// there, if none is given. What has special characters is percent-encoded.
    ///
    /// # Errors
    ///
    /// If the URL is no such one. The message never holds the URL, as that may hold a secret.
    ///
    /// ```
    /// use actix_typed_session::store::DynamodbStore;
    ///
    /// # fn main() -> Result<(), actix_typed_session::ConfigError> {
    /// // asks nobody yet: the app starts while the service can't be reached
    /// let store = DynamodbStore::new("dynamodb://eu-central-1/web_sessions")?;
    /// # let _ = store;
    ///
    /// let error = DynamodbStore::new("dynamodb://AKIA:hunter2@eu central/").unwrap_err();
    /// assert_eq!(error.key(), "SESSION_DYNAMODB");
    /// assert!(!error.to_string().contains("hunter2"));
    /// # Ok(()) }
    /// ```
    pub fn new(url: &str) -> Result<Self, ConfigError> {
        Self::at(Address::parse(url)?)
    }

    /// A store that asks as this client does: with its credentials, region, endpoint and interceptors.
    ///
    /// The retries and the time limits are the store's own, whatever the client's are: a write whose outcome is unknown
    /// must not be sent again. An HTTP client that the app set in the client's configuration is shared as it is; if it
    /// set none, each worker has connections of its own.
    ///
    /// ```
    /// use actix_typed_session::store::DynamodbStore;
    /// use aws_sdk_dynamodb::{Client, Config, config::{BehaviorVersion, Region}};
    ///
    /// // or `aws_config::load_from_env().await`
    /// let config = Config::builder().behavior_version(BehaviorVersion::v2026_01_12()).region(Region::new("eu-central-1"));
    /// let store = DynamodbStore::from_client(&Client::from_conf(config.build()));
    /// # let _ = store;
    /// ```
    #[must_use]
    pub fn from_client(client: &Client) -> Self {
        Self::over(Handle::of_app(client), address::TABLE)
    }

    /// The table's name. `Sessions` by default.
    ///
    /// # Errors
    ///
    /// If it is not made of 3 to 255 ASCII letters, digits, underscores, hyphens and dots.
    ///
    /// ```
    /// # fn main() -> Result<(), actix_typed_session::ConfigError> {
    /// # use actix_typed_session::store::DynamodbStore;
    /// let store = DynamodbStore::new("dynamodb://eu-central-1")?.table("web_sessions")?;
    /// assert!(store.table("web sessions").is_err());
    /// # Ok(()) }
    /// ```
    pub fn table(mut self, name: &str) -> Result<Self, ConfigError> {
        address::check_table(name, "SESSION_DYNAMODB_TABLE")?;
        self.table = name.into();
        Ok(self)
    }

    /// How long a call may take, from the credentials to the answer. 2 s by default, an hour at most.
    ///
    /// ```
    /// # fn main() -> Result<(), actix_typed_session::ConfigError> {
    /// # use actix_typed_session::store::DynamodbStore;
    /// # use std::time::Duration;
    /// let store = DynamodbStore::new("dynamodb://eu-central-1")?.timeout(Duration::from_millis(500));
    /// # let _ = store;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(Duration::from_secs(60 * 60));
        self.handle = self.handle.another(self.timeout);
        self
    }

    /// The clock that expiry goes by. Default: the system's, which all machines of an app have to agree about.
    ///
    /// ```
    /// # fn main() -> Result<(), actix_typed_session::ConfigError> {
    /// # use actix_typed_session::store::DynamodbStore;
    /// let store = DynamodbStore::new("dynamodb://eu-central-1")?.clock(actix_typed_session::Clock::manual());
    /// # let _ = store;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The store that the settings describe.
    pub(crate) fn at(address: Address) -> Result<Self, ConfigError> {
        let table = address.table.clone();
        Ok(Self::over(Handle::of_settings(address)?, &table))
    }

    fn over(handle: Handle, table: &str) -> Self {
        let timeout = Duration::from_secs(2);
        Self {
            handle: handle.another(timeout),
            table: table.into(),
            timeout,
            clock: Clock::default(),
            walk: Arc::default(),
        }
    }
}

impl fmt::Debug for DynamodbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamodbStore")
            .field("server", &format_args!("{}", self.handle))
            .field("table", &self.table)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl SessionStore for DynamodbStore {
    async fn load(&self, key: &str) -> Result<Option<Record>, StoreError> {
        let id = layout::key(key)?;
        self.find(key, id, self.deadline()).await
    }

    async fn create(&self, key: &str, record: &Record) -> Result<Created, StoreError> {
        let id = layout::key(key)?;
        layout::check_size(record)?;
        let now = self.clock.now();
        let call = self.call(Effect::Write, self.deadline()).await?;
        let request = call
            .client
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(layout::item(id, record, now)))
            .condition_expression("attribute_not_exists(#id) OR #expires <= :now")
            .expression_attribute_names("#id", layout::ID)
            .expression_attribute_names("#expires", layout::EXPIRES)
            .expression_attribute_values(":now", layout::moment(now));
        match call.answer(request.customize().interceptor(call.sent()).send()).await {
            Ok(_) => Ok(Created::Created),
            Err(refused) if refused.is_condition() => Ok(Created::Taken),
            Err(refused) => Err(refused.into()),
        }
    }

    async fn update(&self, key: &str, record: &Record, expected: &Version) -> Result<Updated, StoreError> {
        let id = layout::key(key)?;
        layout::check_size(record)?;
        let (now, deadline) = (self.clock.now(), self.deadline());
        let call = self.call(Effect::Write, deadline).await?;
        let request = call
            .client
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(layout::item(id, record, now)))
            .condition_expression("#version = :version AND #expires > :now")
            .expression_attribute_names("#version", layout::VERSION)
            .expression_attribute_names("#expires", layout::EXPIRES)
            .expression_attribute_values(":version", layout::version(expected))
            .expression_attribute_values(":now", layout::moment(now))
            .return_values_on_condition_check_failure(OnFailure::AllOld);
        let refused = match call.answer(request.customize().interceptor(call.sent()).send()).await {
            Ok(_) => return Ok(Updated::Done),
            Err(refused) => refused,
        };
        let found = match refused.into_condition()? {
            Some(item) => self.record(key, item, now),
            // there is none, or the server knows no better than to keep it to itself
            None => self.find(key, id, deadline).await?,
        };
        match found {
            None => Ok(Updated::Gone),
            Some(record) if record.version == *expected => Err(call.nonsense()),
            Some(record) => Ok(Updated::Conflict(record)),
        }
    }

    async fn touch(&self, key: &str, expires_in: Duration) -> Result<bool, StoreError> {
        let id = layout::key(key)?;
        let now = self.clock.now();
        let expires = layout::expiry(expires_in, now);
        let call = self.call(Effect::Write, self.deadline()).await?;
        let request = call
            .client
            .update_item()
            .table_name(&*self.table)
            .key(layout::ID, AttributeValue::S(id.to_owned()))
            .update_expression("SET #expires = :expires, #ttl = :ttl")
            .condition_expression(
                "#expires > :now AND #expires < :expires AND attribute_type(#version, :binary) \
                 AND attribute_type(#data, :binary)",
            )
            .expression_attribute_names("#version", layout::VERSION)
            .expression_attribute_names("#expires", layout::EXPIRES)
            .expression_attribute_names("#ttl", layout::TTL)
            .expression_attribute_names("#data", layout::DATA)
            .expression_attribute_values(":now", layout::moment(now))
            .expression_attribute_values(":expires", layout::moment(expires))
            .expression_attribute_values(":ttl", layout::seconds(expires))
            .expression_attribute_values(":binary", AttributeValue::S("B".to_owned()))
            .return_values_on_condition_check_failure(OnFailure::AllOld);
        match call.answer(request.customize().interceptor(call.sent()).send()).await {
            Ok(_) => Ok(true),
            // it is there, and lives that long without
            Err(refused) => Ok(refused.into_condition()?.and_then(|item| self.record(key, item, now)).is_some()),
        }
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let id = layout::key(key)?;
        let call = self.call(Effect::Write, self.deadline()).await?;
        let request =
            call.client.delete_item().table_name(&*self.table).key(layout::ID, AttributeValue::S(id.to_owned()));
        call.answer(request.customize().interceptor(call.sent()).send()).await?;
        Ok(())
    }

    async fn delete_expired(&self, limit: u64) -> Result<Swept, StoreError> {
        self.sweep(limit).await
    }

    async fn count_expired(&self) -> Result<Option<u64>, StoreError> {
        self.count().await
    }

    /// Asks for a key that no record has.
    async fn ping(&self) -> Result<(), StoreError> {
        self.item(layout::NOBODY, self.deadline()).await?;
        Ok(())
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        self.make_table().await
    }

    fn migration(&self) -> Option<String> {
        Some(table::commands(&self.table))
    }

    fn for_worker(&self) -> Option<Arc<dyn SessionStore>> {
        Some(Arc::new(Self { handle: self.handle.another(self.timeout), ..self.clone() }))
    }

    fn timeout(&self) -> Option<Duration> {
        Some(self.timeout)
    }

    fn name(&self) -> &'static str {
        "dynamodb"
    }
}

impl DynamodbStore {
    fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    async fn call(&self, effect: Effect, deadline: Instant) -> Result<Call<'_>, StoreError> {
        Call::begin(&self.handle, &self.table, effect, deadline, self.timeout).await
    }

    async fn find(&self, key: &str, id: &str, deadline: Instant) -> Result<Option<Record>, StoreError> {
        let Some(item) = self.item(id, deadline).await? else { return Ok(None) };
        Ok(self.record(key, item, self.clock.now()))
    }

    async fn item(&self, id: &str, deadline: Instant) -> Result<Option<HashMap<String, AttributeValue>>, StoreError> {
        let call = self.call(Effect::Read, deadline).await?;
        let request = call
            .client
            .get_item()
            .table_name(&*self.table)
            .key(layout::ID, AttributeValue::S(id.to_owned()))
            .consistent_read(true);
        Ok(call.answer(request.customize().interceptor(call.sent()).send()).await?.item)
    }

    /// The live record that an item is.
    fn record(&self, key: &str, item: HashMap<String, AttributeValue>, now: u64) -> Option<Record> {
        match layout::read(item, now) {
            Found::Live(record) => Some(record),
            Found::Expired => None,
            Found::Foreign => {
                crate::events::record_foreign("dynamodb", key);
                None
            }
        }
    }
}
