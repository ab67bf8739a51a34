//! The store that the settings name.

use std::{fmt, path::PathBuf, sync::Arc};

use crate::{
    config::{Secret, SessionConfig},
    error::ConfigError,
    store::{Migration, NullStore, SessionStore},
};

impl SessionConfig {
    /// The store that `SESSION_TYPE` names, made of its settings: [`NullStore`] where none is named.
    ///
    /// It opens no connection yet, but makes the directory of the `filesystem` store.
    ///
    /// # Errors
    ///
    /// The store can't be made of its settings: a URL that is none, a directory that can't be written.
    ///
    /// ```
    /// use actix_typed_session::SessionConfig;
    ///
    /// # fn main() -> Result<(), actix_typed_session::ConfigError> {
    /// let store = SessionConfig::from_vars([("SESSION_TYPE", "null")])?.store()?;
    /// assert_eq!(store.name(), "null");
    /// # Ok(()) }
    /// ```
    pub fn store(&self) -> Result<Arc<dyn SessionStore>, ConfigError> {
        if let Some(migration) = &self.store.migration {
            let mut config = self.clone();
            config.store.migration = None;
            return migration.store(&config);
        }
        match self.store.kind {
            StoreKind::Null => Ok(Arc::new(NullStore)),
            #[cfg(feature = "memory")]
            StoreKind::Memory => Ok(Arc::new(super::MemoryStore::default().clock(self.clock.clone()))),
            #[cfg(feature = "filesystem")]
            StoreKind::Filesystem => Ok(Arc::new(
                super::FilesystemStore::new(&self.store.file_dir)?
                    .mode(self.store.file_mode)?
                    .threshold(self.store.file_threshold.unwrap_or(0))
                    .timeout(self.store_timeout)
                    .clock(self.clock.clone()),
            )),
            #[cfg(feature = "redis")]
            StoreKind::Redis => Ok(Arc::new(
                super::RedisStore::new(&self.store.redis_url())?
                    .timeout(self.store_timeout)
                    .client_cache(self.store.redis_client_cache)?,
            )),
            #[cfg(feature = "memcached")]
            StoreKind::Memcached => {
                Ok(Arc::new(super::MemcachedStore::new(&self.store.memcached.0)?.timeout(self.store_timeout)))
            }
            #[cfg(feature = "dynamodb")]
            StoreKind::Dynamodb => Ok(Arc::new(
                super::DynamodbStore::at(super::dynamodb::Address::of(&self.store)?)?
                    .timeout(self.store_timeout)
                    .clock(self.clock.clone()),
            )),
            #[cfg(feature = "mongodb")]
            StoreKind::Mongodb => Ok(Arc::new(self.mongodb_store()?)),
            #[cfg(feature = "firestore")]
            StoreKind::Firestore => {
                let address = super::google::Address::of(super::google::Service::Firestore, &self.store)?;
                let store = super::FirestoreStore::at(address);
                Ok(Arc::new(store.timeout(self.store_timeout).clock(self.clock.clone())))
            }
            #[cfg(feature = "datastore")]
            StoreKind::Datastore => {
                let address = super::google::Address::of(super::google::Service::Datastore, &self.store)?;
                let store = super::DatastoreStore::at(address);
                Ok(Arc::new(store.timeout(self.store_timeout).clock(self.clock.clone())))
            }
            #[cfg(feature = "elasticsearch")]
            StoreKind::Elasticsearch => Ok(Arc::new(self.elasticsearch_store()?)),
            #[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
            StoreKind::Sql => Ok(Arc::new(self.sql_store()?)),
            #[cfg(feature = "orm")]
            StoreKind::Orm => Ok(Arc::new(self.orm_store()?)),
            #[cfg(feature = "cache")]
            StoreKind::Cache => super::cache::store(self),
            #[allow(unreachable_patterns, reason = "with all features on, every kind has its arm")]
            kind => Err(missing(kind)),
        }
    }
}

#[cfg(feature = "mongodb")]
impl SessionConfig {
    fn mongodb_store(&self) -> Result<super::MongodbStore, ConfigError> {
        let settings = &self.store;
        let store = super::MongodbStore::new(&settings.mongodb_url.0)?
            .database(&settings.mongodb_database)?
            .collection(&settings.mongodb_collection)?
            .timeout(self.store_timeout)
            .clock(self.clock.clone());
        Ok(if settings.mongodb_majority_reads { store.majority_reads() } else { store })
    }
}

#[cfg(feature = "elasticsearch")]
impl SessionConfig {
    fn elasticsearch_store(&self) -> Result<super::ElasticsearchStore, ConfigError> {
        let settings = &self.store;
        let nodes = settings.elasticsearch_nodes.as_ref().unwrap_or(&settings.elasticsearch_host);
        let store = super::ElasticsearchStore::new(&nodes.0)?
            .index(&settings.elasticsearch_index)?
            .timeout(self.store_timeout)
            .clock(self.clock.clone());
        match &settings.elasticsearch_api_key {
            Some(key) => store.api_key(&key.0),
            None => Ok(store),
        }
    }
}

#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
impl SessionConfig {
    fn sql_store(&self) -> Result<super::SqlStore, ConfigError> {
        let url = self.store.sql_url.as_ref().ok_or_else(|| unset("SESSION_SQL"))?;
        let mut store = super::SqlStore::new(&url.0)?
            .table(&self.store.sql_table)?
            .connections(self.store.sql_connections)
            .timeout(self.store_timeout)
            .clock(self.clock.clone());
        if let Some(schema) = &self.store.sql_schema {
            store = store.schema(schema)?;
        }
        Ok(store)
    }
}

#[cfg(feature = "orm")]
impl SessionConfig {
    /// Without the app's connection, which no setting can name, it has connections of its own.
    fn orm_store(&self) -> Result<super::OrmStore, ConfigError> {
        let settings = &self.store;
        let (url, key) = match (&settings.peewee_config, &settings.sql_url) {
            (Some(url), _) => (url, "SESSION_PEEWEE_CONFIG"),
            (None, Some(url)) => (url, "SESSION_SQL"),
            (None, None) => return Err(unset("SESSION_PEEWEE_CONFIG")),
        };
        let store = super::OrmStore::at(&url.0, key)?;
        let mut store = match &settings.peewee_table {
            Some(table) => store.table_of(table, "SESSION_PEEWEE_TABLE")?,
            None => store.table(&settings.sql_table)?,
        };
        if let Some(schema) = &settings.sql_schema {
            store = store.schema(schema)?;
        }
        Ok(store.connections(settings.sql_connections).timeout(self.store_timeout).clock(self.clock.clone()))
    }
}

#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite", feature = "orm"))]
fn unset(key: &'static str) -> ConfigError {
    ConfigError::new(key, "is not set: accepted is a URL such as `postgresql://user:password@host/database`")
}

/// What the settings say about the store.
#[derive(Clone, Debug)]
pub(crate) struct StoreSettings {
    pub(crate) kind: StoreKind,
    pub(crate) migration: Option<Migration>,
    pub(crate) redis_url: Option<Url>,
    pub(crate) redis_host: String,
    pub(crate) redis_port: u16,
    /// How many bytes of what it reads a worker keeps; 0 for nothing.
    pub(crate) redis_client_cache: usize,
    pub(crate) memcached: Servers,
    pub(crate) mongodb_url: Url,
    pub(crate) mongodb_database: String,
    pub(crate) mongodb_collection: String,
    pub(crate) mongodb_majority_reads: bool,
    pub(crate) elasticsearch_nodes: Option<Url>,
    pub(crate) elasticsearch_host: Url,
    pub(crate) elasticsearch_index: String,
    pub(crate) elasticsearch_api_key: Option<Secret<String>>,
    pub(crate) cache: Option<CacheSetting>,
    pub(crate) file_dir: PathBuf,
    /// Over so many records, those that expire soonest are removed.
    pub(crate) file_threshold: Option<u64>,
    pub(crate) file_mode: u32,
    /// As it was set: it may be another program's, and is looked at when it is used.
    pub(crate) sql_url: Option<Url>,
    pub(crate) sql_table: String,
    pub(crate) sql_schema: Option<String>,
    /// How many connections a worker opens at most.
    pub(crate) sql_connections: usize,
    pub(crate) peewee_config: Option<Url>,
    pub(crate) peewee_table: Option<String>,
    pub(crate) dynamodb: Option<Url>,
    pub(crate) dynamodb_table: Option<String>,
    pub(crate) dynamodb_endpoint: Option<Url>,
    pub(crate) dynamodb_region: Option<String>,
    pub(crate) dynamodb_key_id: Option<Secret<String>>,
    pub(crate) dynamodb_secret: Option<Secret<String>>,
    pub(crate) firestore: Option<Url>,
    pub(crate) firestore_collect: Option<String>,
    pub(crate) firestore_emulator: Option<String>,
    pub(crate) datastore: Option<Url>,
    pub(crate) datastore_emulator: Option<String>,
    pub(crate) gcloud_project: Option<String>,
}

impl StoreSettings {
    /// The URL of the Redis server: the one that is set, or that of host and port.
    #[cfg(feature = "redis")]
    pub(crate) fn redis_url(&self) -> String {
        match &self.redis_url {
            Some(url) => url.0.clone(),
            None if self.redis_host.contains(':') => format!("redis://[{}]:{}", self.redis_host, self.redis_port),
            None => format!("redis://{}:{}", self.redis_host, self.redis_port),
        }
    }
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            kind: StoreKind::Null,
            migration: None,
            redis_url: None,
            redis_host: "127.0.0.1".to_owned(),
            redis_port: 6379,
            redis_client_cache: 0,
            memcached: Servers("127.0.0.1:11211".to_owned()),
            mongodb_url: Url("mongodb://127.0.0.1:27017".to_owned()),
            mongodb_database: "flask_session".to_owned(),
            mongodb_collection: "sessions".to_owned(),
            mongodb_majority_reads: false,
            elasticsearch_nodes: None,
            elasticsearch_host: Url("http://localhost:9200".to_owned()),
            elasticsearch_index: "sessions".to_owned(),
            elasticsearch_api_key: None,
            cache: None,
            file_dir: PathBuf::from("flask_session"),
            file_threshold: None,
            file_mode: 0o600,
            sql_url: None,
            sql_table: "sessions".to_owned(),
            sql_schema: None,
            sql_connections: 4,
            peewee_config: None,
            peewee_table: None,
            dynamodb: None,
            dynamodb_table: None,
            dynamodb_endpoint: None,
            dynamodb_region: None,
            dynamodb_key_id: None,
            dynamodb_secret: None,
            firestore: None,
            firestore_collect: None,
            firestore_emulator: None,
            datastore: None,
            datastore_emulator: None,
            gcloud_project: None,
        }
    }
}

/// The stores that a setting can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreKind {
    Null,
    Memory,
    Filesystem,
    Redis,
    Memcached,
    Mongodb,
    Elasticsearch,
    Sql,
    Orm,
    Cache,
    Dynamodb,
    Firestore,
    Datastore,
}

impl StoreKind {
    /// The feature that it needs, and whether that is on.
    pub(crate) fn feature(self) -> Option<(&'static str, bool)> {
        match self {
            Self::Null => None,
            Self::Memory => Some(("memory", cfg!(feature = "memory"))),
            Self::Filesystem => Some(("filesystem", cfg!(feature = "filesystem"))),
            Self::Redis => Some(("redis", cfg!(feature = "redis"))),
            Self::Memcached => Some(("memcached", cfg!(feature = "memcached"))),
            Self::Mongodb => Some(("mongodb", cfg!(feature = "mongodb"))),
            Self::Elasticsearch => Some(("elasticsearch", cfg!(feature = "elasticsearch"))),
            Self::Sql => Some(("sql", cfg!(any(feature = "postgres", feature = "mysql", feature = "sqlite")))),
            Self::Orm => Some(("orm", cfg!(feature = "orm"))),
            Self::Cache => Some(("cache", cfg!(feature = "cache"))),
            Self::Dynamodb => Some(("dynamodb", cfg!(feature = "dynamodb"))),
            Self::Firestore => Some(("firestore", cfg!(feature = "firestore"))),
            Self::Datastore => Some(("datastore", cfg!(feature = "datastore"))),
        }
    }
}

/// The cache that sessions are kept in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CacheSetting {
    /// One in this process, of so many bytes.
    Moka(usize),
    /// One at a URL.
    At(Url),
}

/// A URL that `Debug` shows without what may be secret in it: the user's part and the query.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Url(pub(crate) String);

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, rest)) = self.0.split_once("://") else { return f.write_str("[redacted]") };
        // the last `@`, for a password may hold one that nobody escaped, or a `/` or a `?`
        let (user, host) = rest.rsplit_once('@').map_or(("", rest), |(_, host)| ("[redacted]@", host));
        let (place, query) = host.split_once(['?', '#']).map_or((host, ""), |(place, _)| (place, "?[redacted]"));
        write!(f, "{scheme}://{user}{place}{query}")
    }
}

/// Several servers with commas between, which `Debug` shows where none of them has a password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Servers(pub(crate) String);

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // a password may hold a comma that nobody escaped, so that no part can be told from another
        f.write_str(if self.0.contains(['@', '?']) { "[redacted]" } else { &self.0 })
    }
}

fn missing(kind: StoreKind) -> ConfigError {
    let (feature, _) = kind.feature().unwrap_or_default();
    ConfigError::bad_value(
        "SESSION_TYPE",
        feature,
        format_args!("that needs the feature `{feature}` of actix-typed-session, which this program is built without"),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    #[cfg(feature = "redis")]
    use super::StoreSettings;
    use super::{Servers, Url};
    #[cfg(all(feature = "memory", feature = "filesystem"))]
    use crate::config::SessionConfig;

    #[cfg(all(feature = "memory", feature = "filesystem"))]
    #[test]
    fn each_kind_of_store_is_built_of_its_settings() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().to_str().unwrap();
        let built =
            |kind| SessionConfig::from_vars([("SESSION_TYPE", kind), ("SESSION_FILE_DIR", dir)]).unwrap().store();
        for kind in ["null", "memory", "filesystem"] {
            assert_eq!(built(kind).unwrap().name(), kind);
        }
    }

    /// H8
    #[test]
    fn debug_shows_a_url_without_password_and_query() {
        for (url, shown) in [
            ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
            ("redis://:hunter2@cache:6379", "redis://[redacted]@cache:6379"),
            ("rediss://user:hun@ter/2?@cache/1", "rediss://[redacted]@cache/1"),
            ("redis://cache?password=hunter2", "redis://cache?[redacted]"),
            ("hunter2", "[redacted]"),
        ] {
            assert_eq!(format!("{:?}", Url(url.to_owned())), shown);
        }
    }

    /// H8
    #[test]
    fn debug_shows_servers_without_a_password() {
        for (servers, shown) in [
            ("cache-1:11211, unix:///run/memcached.sock", "cache-1:11211, unix:///run/memcached.sock"),
            ("cache-1,memcached://ann:hunt,er2@cache-2", "[redacted]"),
            ("unix:///run/memcached.sock?user=ann&pass=hunter2", "[redacted]"),
        ] {
            assert_eq!(format!("{:?}", Servers(servers.to_owned())), shown);
        }
    }

    #[cfg(feature = "redis")]
    #[test]
    fn host_and_port_make_the_redis_url() {
        let of = |host: &str| StoreSettings { redis_host: host.to_owned(), ..StoreSettings::default() }.redis_url();
        assert_eq!(StoreSettings::default().redis_url(), "redis://127.0.0.1:6379");
        assert_eq!(of("cache"), "redis://cache:6379");
        assert_eq!(of("::1"), "redis://[::1]:6379");
    }
}
