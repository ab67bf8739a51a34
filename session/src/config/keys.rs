//! The table of settings that the environment and serde sources share.

use crate::{
    config::{
        SameSite, Secret, SessionConfig,
        parse::{Raw, Value},
    },
    error::ConfigError,
    store::{CacheSetting, Direction, Migration, Other, Servers, StoreKind, Url},
};

/// A setting by its name in a source.
pub(super) struct Setting {
    pub(super) name: &'static str,
    /// Other names, which count where the name is not set.
    pub(super) aliases: &'static [&'static str],
    pub(super) apply: Apply,
}

pub(super) type Apply = fn(&mut SessionConfig, &Value<'_>) -> Result<(), ConfigError>;

impl Setting {
    /// Its names, in the order in which they count.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        [self.name].into_iter().chain(self.aliases.iter().copied())
    }
}

/// Every setting, in the order in which they apply.
pub(super) const SETTINGS: &[Setting] = &[
    setting("SESSION_TYPE", |config, value| store_kind(value).map(|kind| config.store.kind = kind)),
    setting("SESSION_COOKIE_NAME", |config, value| value.text().map(|name| config.cookie_name = name.into())),
    setting("SESSION_COOKIE_DOMAIN", |config, value| {
        value.none_or(|value| value.text().map(Into::into)).map(|domain| config.cookie_domain = domain)
    }),
    setting("SESSION_COOKIE_PATH", |config, value| value.text().map(|path| config.cookie_path = path.into())),
    setting("SESSION_COOKIE_HTTPONLY", |config, value| value.flag().map(|on| config.http_only = on)),
    setting("SESSION_COOKIE_SECURE", |config, value| value.flag().map(|on| config.secure = on)),
    setting("SESSION_COOKIE_SAMESITE", |config, value| {
        let all = [SameSite::Strict, SameSite::Lax, SameSite::None].map(|same_site| (same_site.as_str(), same_site));
        value.choice(&all, "accepted are `Strict`, `Lax` and `None`").map(|same_site| config.same_site = same_site)
    }),
    setting("SESSION_COOKIE_PARTITIONED", |config, value| value.flag().map(|on| config.partitioned = on)),
    setting("PERMANENT_SESSION_LIFETIME", |config, value| value.duration("").map(|time| config.idle_timeout = time)),
    setting("SESSION_ABSOLUTE_LIFETIME", |config, value| {
        value.none_or(|value| value.duration(", or `none`")).map(|time| config.absolute_lifetime = time)
    }),
    setting("SESSION_PERMANENT", |config, value| value.flag().map(|on| config.permanent = on)),
    setting("SESSION_REFRESH_EACH_REQUEST", |config, value| value.flag().map(|on| config.refresh = on)),
    setting("SESSION_CACHE_GUARDED", |config, value| value.flag().map(|on| config.cache_guarded = on)),
    setting("SESSION_USE_SIGNER", |config, value| value.flag().map(|on| config.use_signer = on)),
    Setting {
        name: "SESSION_SECRET_KEYS",
        aliases: &["SECRET_KEY"],
        apply: |config, value| {
            let bytes = |key: Secret<String>| Secret(key.0.into_bytes());
            value.ring().map(|keys| config.secret_keys = keys.into_iter().map(bytes).collect())
        },
    },
    setting("SESSION_ENCRYPTION_KEYS", |config, value| {
        value.ring_of_32_bytes().map(|keys| config.encryption_keys = keys)
    }),
    setting("SESSION_KEY_PREFIX", |config, value| value.text().map(|prefix| config.key_prefix = prefix.into())),
    setting("SESSION_ID_LENGTH", |config, value| value.integer(16..=64, "").map(|bytes| config.id_length = bytes)),
    setting("SESSION_MAX_BYTES", |config, value| value.bytes().map(|bytes| config.max_bytes = bytes)),
    setting("SESSION_STORE_TIMEOUT", |config, value| value.duration("").map(|time| config.store_timeout = time)),
    setting("SESSION_LIMIT_PER_OWNER", |config, value| {
        value.limit().map(|(most, refuse)| {
            config.limit_per_owner = most.or(config.limit_per_owner);
            config.refuse_over_limit = refuse;
        })
    }),
    setting("SESSION_CLEANUP_N_REQUESTS", |config, value| {
        let requests = value.none_or(|value| value.integer(0..=u32::MAX.into(), ", or `none`"))?;
        config.cleanup_n_requests = requests.filter(|requests| *requests > 0);
        Ok(())
    }),
    setting("SESSION_AUTODELETE", |config, value| {
        if value.flag()? {
            config.cleanup_n_requests = Some(1);
        }
        Ok(())
    }),
    setting("SESSION_SERIALIZATION_FORMAT", |_, value| value.choice(&[("json", ())], "accepted is `json`")),
    setting("SESSION_MIGRATE_FROM", |config, value| migration(config, value, Direction::From)),
    setting("SESSION_MIGRATE_TO", |config, value| migration(config, value, Direction::To)),
    setting("SESSION_REDIS", |config, value| {
        let url = value.text()?;
        let schemes =
            ["redis", "rediss", "unix", "redis-cluster", "rediss-cluster", "redis-sentinel", "rediss-sentinel"];
        if !url.split_once("://").is_some_and(|(scheme, _)| schemes.contains(&scheme)) {
            return Err(value.bad_secret("accepted is a URL such as `redis://127.0.0.1:6379/0`"));
        }
        config.store.redis_url = Some(Url(url.into()));
        Ok(())
    }),
    setting("SESSION_REDIS_HOST", |config, value| {
        let host = value.text()?;
        if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte)) {
            return Err(value.bad_secret("accepted is a host name or an address; a URL goes into `SESSION_REDIS`"));
        }
        config.store.redis_host = host.into();
        Ok(())
    }),
    setting("SESSION_REDIS_PORT", |config, value| {
        value.integer(1..=u16::MAX.into(), "").map(|port| config.store.redis_port = port)
    }),
    setting("SESSION_REDIS_CLIENT_CACHE", |config, value| {
        let bytes = value.none_or(Value::bytes)?;
        config.store.redis_client_cache = bytes.unwrap_or(0);
        Ok(())
    }),
    Setting {
        name: "SESSION_CACHE",
        aliases: &["SESSION_CACHELIB"],
        apply: |config, value| cache(value).map(|cache| config.store.cache = Some(cache)),
    },
    setting("SESSION_FILE_DIR", |config, value| {
        let dir = value.text()?;
        if dir.trim().is_empty() || dir.contains('\0') {
            return Err(value.bad("accepted is the path of a directory"));
        }
        config.store.file_dir = dir.into_owned().into();
        Ok(())
    }),
    setting("SESSION_FILE_THRESHOLD", |config, value| {
        let files = value.none_or(|value| value.integer(1..=1_000_000_000, ", or `none`"))?;
        config.store.file_threshold = files;
        Ok(())
    }),
    setting("SESSION_FILE_MODE", |config, value| value.mode().map(|mode| config.store.file_mode = mode)),
    setting("SESSION_MEMCACHED", |config, value| {
        let servers = value.text()?;
        if servers.trim().is_empty() {
            return Err(value.bad_secret("accepted are servers with commas between, such as `127.0.0.1:11211`"));
        }
        config.store.memcached = Servers(servers.into());
        Ok(())
    }),
    setting("SESSION_MONGODB", |config, value| {
        let url = value.text()?;
        if !["mongodb://", "mongodb+srv://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(value.bad_secret("accepted is a URL such as `mongodb://127.0.0.1:27017`"));
        }
        config.store.mongodb_url = Url(url.into());
        Ok(())
    }),
    setting("SESSION_MONGODB_DB", |config, value| value.text().map(|name| config.store.mongodb_database = name.into())),
    setting("SESSION_MONGODB_COLLECT", |config, value| {
        value.text().map(|name| config.store.mongodb_collection = name.into())
    }),
    setting("SESSION_MONGODB_READ_CONCERN", |config, value| {
        let all = [("linearizable", false), ("majority", true)];
        let is_majority = value.choice(&all, "accepted are `linearizable` and `majority`")?;
        config.store.mongodb_majority_reads = is_majority;
        Ok(())
    }),
    Setting {
        name: "SESSION_SQL",
        aliases: &["SESSION_SQLALCHEMY", "SQLALCHEMY_DATABASE_URI"],
        apply: |config, value| value.text().map(|url| config.store.sql_url = Some(Url(url.into()))),
    },
    Setting {
        name: "SESSION_SQL_TABLE",
        aliases: &["SESSION_SQLALCHEMY_TABLE"],
        apply: |config, value| value.text().map(|name| config.store.sql_table = name.into()),
    },
    Setting {
        name: "SESSION_SQL_SCHEMA",
        aliases: &["SESSION_SQLALCHEMY_SCHEMA"],
        apply: |config, value| {
            value.none_or(|value| value.text().map(Into::into)).map(|name| config.store.sql_schema = name)
        },
    },
    setting("SESSION_SQL_CONNECTIONS", |config, value| {
        value.integer(1..=1000, "").map(|most| config.store.sql_connections = most)
    }),
    needless("SESSION_SQLALCHEMY_SEQUENCE"),
    needless("SESSION_SQLALCHEMY_BIND_KEY"),
    setting("SESSION_PEEWEE_CONFIG", |config, value| {
        value.text().map(|url| config.store.peewee_config = Some(Url(url.into())))
    }),
    setting("SESSION_PEEWEE_TABLE", |config, value| {
        value.text().map(|name| config.store.peewee_table = Some(name.into()))
    }),
    setting("SESSION_ELASTICSEARCH", |config, value| {
        nodes(value).map(|nodes| config.store.elasticsearch_nodes = Some(nodes))
    }),
    setting("SESSION_ELASTICSEARCH_HOST", |config, value| {
        nodes(value).map(|nodes| config.store.elasticsearch_host = nodes)
    }),
    setting("SESSION_ELASTICSEARCH_INDEX", |config, value| {
        value.text().map(|name| config.store.elasticsearch_index = name.into())
    }),
    setting("SESSION_ELASTICSEARCH_API_KEY", |config, value| {
        value.text().map(|key| config.store.elasticsearch_api_key = Some(Secret(key.into())))
    }),
    setting("SESSION_DYNAMODB", |config, value| value.text().map(|url| config.store.dynamodb = Some(Url(url.into())))),
    setting("SESSION_DYNAMODB_TABLE", |config, value| {
        value.text().map(|name| config.store.dynamodb_table = Some(name.into()))
    }),
    setting("SESSION_DYNAMODB_ENDPOINT", |config, value| {
        value.none_or(|value| value.text().map(|url| Url(url.into()))).map(|url| config.store.dynamodb_endpoint = url)
    }),
    setting("SESSION_DYNAMODB_REGION", |config, value| {
        value.text().map(|name| config.store.dynamodb_region = Some(name.into()))
    }),
    setting("SESSION_DYNAMODB_KEY_ID", |config, value| secret(value).map(|id| config.store.dynamodb_key_id = Some(id))),
    setting("SESSION_DYNAMODB_SECRET", |config, value| {
        secret(value).map(|secret| config.store.dynamodb_secret = Some(secret))
    }),
    setting("SESSION_FIRESTORE", |config, value| {
        value.text().map(|url| config.store.firestore = Some(Url(url.into())))
    }),
    setting("SESSION_FIRESTORE_COLLECT", |config, value| {
        value.text().map(|name| config.store.firestore_collect = Some(name.into()))
    }),
    setting("SESSION_DATASTORE", |config, value| {
        value.text().map(|url| config.store.datastore = Some(Url(url.into())))
    }),
    setting("GCLOUD_APP_PROJECT_ID", |config, value| {
        value.text().map(|project| config.store.gcloud_project = Some(project.into()))
    }),
    setting("FIRESTORE_EMULATOR_HOST", |config, value| {
        value.text().map(|host| config.store.firestore_emulator = Some(host.into()))
    }),
    setting("DATASTORE_EMULATOR_HOST", |config, value| {
        value.text().map(|host| config.store.datastore_emulator = Some(host.into()))
    }),
];

const fn setting(name: &'static str, apply: Apply) -> Setting {
    Setting { name, aliases: &[], apply }
}

/// One of Flask-Session's for which there is nothing to be set here.
const fn needless(name: &'static str) -> Setting {
    setting(name, |_, _| Ok(()))
}

/// What names a store.
const STORES: &[(&str, StoreKind)] = &[
    ("null", StoreKind::Null),
    ("memory", StoreKind::Memory),
    ("filesystem", StoreKind::Filesystem),
    ("redis", StoreKind::Redis),
    ("memcached", StoreKind::Memcached),
    ("cache", StoreKind::Cache),
    ("cachelib", StoreKind::Cache),
    ("mongodb", StoreKind::Mongodb),
    ("sql", StoreKind::Sql),
    ("sqlalchemy", StoreKind::Sql),
    ("orm", StoreKind::Orm),
    ("peewee", StoreKind::Orm),
    ("elasticsearch", StoreKind::Elasticsearch),
    ("datastore", StoreKind::Datastore),
    ("firestore", StoreKind::Firestore),
    ("dynamodb", StoreKind::Dynamodb),
];

/// Whether it names a store.
#[cfg(feature = "cli")]
pub(super) fn is_store(name: &str) -> bool {
    STORES.iter().any(|(known, _)| *known == name)
}

fn store_kind(value: &Value<'_>) -> Result<StoreKind, ConfigError> {
    let names: Vec<_> = STORES.iter().map(|(name, _)| format!("`{name}`")).collect();
    let kind = value.choice(STORES, &format!("accepted are {}", names.join(", ")))?;
    built_in(kind).map_err(|why| value.bad(why))
}

/// The kind, or why this program does not have it.
fn built_in(kind: StoreKind) -> Result<StoreKind, String> {
    match kind.feature() {
        Some((feature, false)) => Err(format!(
            "that needs the feature `{feature}` of actix-typed-session, which this program is built without"
        )),
        _ => Ok(kind),
    }
}

fn migration(config: &mut SessionConfig, value: &Value<'_>, direction: Direction) -> Result<(), ConfigError> {
    if config.store.migration.is_some() {
        return Err(value.bad_secret("`SESSION_MIGRATE_FROM` and `SESSION_MIGRATE_TO` can't both be set"));
    }
    let text = value.text()?;
    let other = if text.contains("://") {
        let kind = Other::kind_at(&text).ok_or_else(|| value.bad_secret(Other::accepted()))?;
        built_in(kind).map_err(|why| value.bad_secret(why))?;
        Other::At(Url(text.into()))
    } else {
        Other::Kind(store_kind(value)?)
    };
    config.store.migration = Some(Migration { direction, other });
    Ok(())
}

fn secret(value: &Value<'_>) -> Result<Secret<String>, ConfigError> {
    let text = value.text()?;
    if text.trim().is_empty() {
        return Err(value.bad_secret("accepted is a text that is not empty"));
    }
    Ok(Secret(text.into()))
}

fn nodes(value: &Value<'_>) -> Result<Url, ConfigError> {
    let text = value.text()?;
    if !["http://", "https://"].iter().any(|scheme| text.starts_with(scheme)) {
        return Err(value.bad_secret("accepted are URLs with commas between, such as `http://localhost:9200`"));
    }
    Ok(Url(text.into()))
}

fn cache(value: &Value<'_>) -> Result<CacheSetting, ConfigError> {
    let text = value.text()?;
    if text.starts_with("s3://") {
        return Ok(CacheSetting::At(Url(text.into())));
    }
    let Some(size) = text.strip_prefix("moka:") else {
        return Err(
            value.bad_secret("accepted are `moka:64MiB`, or another size, and a URL such as `s3://bucket/folder`")
        );
    };
    Value { key: value.key, raw: &Raw::Text(size.to_owned()) }.bytes().map(CacheSetting::Moka)
}
