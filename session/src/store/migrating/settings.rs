//! [`Migration`]: the other store of two, as the settings name it.

use std::sync::Arc;

use crate::{
    config::SessionConfig,
    error::ConfigError,
    store::{CacheSetting, MigratingStore, Servers, SessionStore, StoreKind, StoreSettings, Url},
};

/// From or to which other store sessions move.
#[derive(Clone, Debug)]
pub(crate) struct Migration {
    pub(crate) direction: Direction,
    pub(crate) other: Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// The other store is the old one.
    From,
    /// The other store is the one to come, and this is a standby.
    To,
}

/// The other store.
#[derive(Clone, Debug)]
pub(crate) enum Other {
    /// Of another kind, with the settings of that kind.
    Kind(StoreKind),
    /// At a place of its own.
    At(Url),
}

impl Direction {
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::From => "SESSION_MIGRATE_FROM",
            Self::To => "SESSION_MIGRATE_TO",
        }
    }
}

/// How a URL begins, the store that is behind it then, and how its settings take the URL.
type Scheme = (&'static str, StoreKind, fn(&mut StoreSettings, &str));

const SCHEMES: &[Scheme] = &[
    ("redis://", StoreKind::Redis, at_redis),
    ("rediss://", StoreKind::Redis, at_redis),
    ("redis-cluster://", StoreKind::Redis, at_redis),
    ("rediss-cluster://", StoreKind::Redis, at_redis),
    ("redis-sentinel://", StoreKind::Redis, at_redis),
    ("rediss-sentinel://", StoreKind::Redis, at_redis),
    ("unix://", StoreKind::Redis, at_redis),
    ("s3://", StoreKind::Cache, |settings, url| settings.cache = Some(CacheSetting::At(Url(url.to_owned())))),
    ("memcached://", StoreKind::Memcached, |settings, url| settings.memcached = Servers(url.to_owned())),
    ("dynamodb://", StoreKind::Dynamodb, |settings, url| settings.dynamodb = Some(Url(url.to_owned()))),
    ("mongodb://", StoreKind::Mongodb, at_mongodb),
    ("mongodb+srv://", StoreKind::Mongodb, at_mongodb),
    ("firestore://", StoreKind::Firestore, |settings, url| settings.firestore = Some(Url(url.to_owned()))),
    ("datastore://", StoreKind::Datastore, |settings, url| settings.datastore = Some(Url(url.to_owned()))),
    ("postgresql", StoreKind::Sql, at_sql),
    ("postgres", StoreKind::Sql, at_sql),
    ("mysql", StoreKind::Sql, at_sql),
    ("mariadb", StoreKind::Sql, at_sql),
    ("sqlite", StoreKind::Sql, at_sql),
    ("file://", StoreKind::Filesystem, |settings, url| {
        settings.file_dir = url.trim_start_matches("file://").into();
    }),
];

fn at_redis(settings: &mut StoreSettings, url: &str) {
    settings.redis_url = Some(Url(url.to_owned()));
}

fn at_mongodb(settings: &mut StoreSettings, url: &str) {
    settings.mongodb_url = Url(url.to_owned());
}

fn at_sql(settings: &mut StoreSettings, url: &str) {
    settings.sql_url = Some(Url(url.to_owned()));
}

impl Other {
    /// The kind of store that is at a URL.
    pub(crate) fn kind_at(url: &str) -> Option<StoreKind> {
        scheme(url).map(|(_, kind, _)| *kind)
    }

    /// What to write where another store is named.
    pub(crate) fn accepted() -> String {
        let schemes: Vec<_> = SCHEMES.iter().map(|(scheme, ..)| format!("`{scheme}…`")).collect();
        format!("accepted is a store as in `SESSION_TYPE`, or a URL that begins with one of {}", schemes.join(", "))
    }
}

impl Migration {
    /// Both stores as one; `config` has the settings of both, and no migration.
    pub(crate) fn store(&self, config: &SessionConfig) -> Result<Arc<dyn SessionStore>, ConfigError> {
        let key = self.direction.key();
        let mut other = config.clone();
        match &self.other {
            Other::Kind(kind) if *kind == config.store.kind => {
                return Err(ConfigError::new(
                    key,
                    "names the store of `SESSION_TYPE`: from one such store to another, it has to be the other's URL",
                ));
            }
            Other::Kind(kind) => other.store.kind = *kind,
            Other::At(Url(url)) => {
                if let Some((_, kind, apply)) = scheme(url) {
                    other.store.kind = *kind;
                    apply(&mut other.store, url);
                }
            }
        }
        if [config.store.kind, other.store.kind].contains(&StoreKind::Null) {
            return Err(ConfigError::new(key, "needs two stores, and `null` keeps nothing"));
        }
        let this = config.store()?;
        let other = other.store().map_err(|error| ConfigError::new(key, format_args!("can't be used: {error}")))?;
        Ok(Arc::new(match self.direction {
            Direction::From => MigratingStore::over(this, other),
            Direction::To => MigratingStore::over(other, this).standby(),
        }))
    }
}

fn scheme(url: &str) -> Option<&'static Scheme> {
    SCHEMES.iter().find(|(scheme, ..)| url.starts_with(scheme))
}

#[cfg(all(test, feature = "memory", feature = "filesystem"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use crate::{ConfigError, SessionConfig, store::SessionStore};

    fn built(vars: &[(&str, &str)]) -> Result<std::sync::Arc<dyn SessionStore>, ConfigError> {
        SessionConfig::from_vars(vars.iter().copied())?.store()
    }

    #[test]
    fn the_other_store_is_named_by_its_type_or_its_url() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().to_str().unwrap();
        let url = format!("file://{dir}/old");
        let files = ("SESSION_TYPE", "filesystem");
        let from = |other| built(&[files, ("SESSION_FILE_DIR", dir), ("SESSION_MIGRATE_FROM", other)]);
        assert_eq!(from("memory").unwrap().name(), "filesystem");
        assert_eq!(from(&url).unwrap().name(), "filesystem");
        assert!(folder.path().join("old").is_dir());
        // a standby's new store is the other one
        let to = built(&[files, ("SESSION_FILE_DIR", dir), ("SESSION_MIGRATE_TO", "memory")]).unwrap();
        assert_eq!(to.name(), "memory");
    }

    #[test]
    fn two_stores_that_are_one_or_none_are_an_error() {
        for (vars, says) in [
            (&[("SESSION_TYPE", "memory"), ("SESSION_MIGRATE_FROM", "memory")][..], "the other's URL"),
            (&[("SESSION_TYPE", "memory"), ("SESSION_MIGRATE_FROM", "null")], "keeps nothing"),
            (&[("SESSION_MIGRATE_TO", "memory")], "keeps nothing"),
            (&[("SESSION_TYPE", "memory"), ("SESSION_MIGRATE_FROM", "https://user:hunter2@host")], "accepted is"),
            (
                &[
                    ("SESSION_TYPE", "memory"),
                    ("SESSION_MIGRATE_FROM", "file:///tmp/a"),
                    ("SESSION_MIGRATE_TO", "file:///tmp/b"),
                ],
                "both",
            ),
        ] {
            let error = built(vars).err().unwrap();
            assert!(error.key().starts_with("SESSION_MIGRATE_"), "{error}");
            assert!(error.to_string().contains(says), "{error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
