//! The keys in the guide "Coming from Flask-Session", against those that are taken.

use serde_json::json;

use super::from_json;
use crate::config::{
    SessionConfig,
    keys::SETTINGS,
    sources::{known, stray},
};

/// All that Flask-Session 0.3 to 0.8, its unreleased head, Flask-Session2 and, for a session, Flask itself read.
const FAMILY: &[&str] = &[
    "SESSION_TYPE",
    "SESSION_PERMANENT",
    "SESSION_USE_SIGNER",
    "SESSION_KEY_PREFIX",
    "SESSION_ID_LENGTH",
    "SESSION_SERIALIZATION_FORMAT",
    "SESSION_REDIS",
    "SESSION_MEMCACHED",
    "SESSION_FILE_DIR",
    "SESSION_FILE_THRESHOLD",
    "SESSION_FILE_MODE",
    "SESSION_CACHELIB",
    "SESSION_MONGODB",
    "SESSION_MONGODB_DB",
    "SESSION_MONGODB_COLLECT",
    "SESSION_MONGODB_TZ_AWARE",
    "SESSION_SQLALCHEMY",
    "SQLALCHEMY_DATABASE_URI",
    "SESSION_SQLALCHEMY_TABLE",
    "SESSION_SQLALCHEMY_SEQUENCE",
    "SESSION_SQLALCHEMY_SCHEMA",
    "SESSION_SQLALCHEMY_BIND_KEY",
    "SESSION_CLEANUP_N_REQUESTS",
    "SESSION_AUTODELETE",
    "SESSION_DYNAMODB",
    "SESSION_DYNAMODB_TABLE",
    "SESSION_DYNAMODB_TABLE_EXISTS",
    "SESSION_DYNAMODB_ENDPOINT",
    "SESSION_DYNAMODB_KEY_ID",
    "SESSION_DYNAMODB_SECRET",
    "SESSION_DYNAMODB_REGION",
    "SESSION_ELASTICSEARCH",
    "SESSION_ELASTICSEARCH_HOST",
    "SESSION_ELASTICSEARCH_INDEX",
    "GCLOUD_APP_PROJECT_ID",
    "SESSION_FIRESTORE",
    "SESSION_FIRESTORE_COLLECT",
    "SESSION_PEEWEE_CONFIG",
    "SESSION_PEEWEE_TABLE",
    "SESSION_DB",
    "SESSION_DB_CLASS",
    "SESSION_POSTGRESQL",
    "SESSION_POSTGRESQL_TABLE",
    "SESSION_POSTGRESQL_SCHEMA",
    "SESSION_COOKIE_NAME",
    "SESSION_COOKIE_DOMAIN",
    "SESSION_COOKIE_PATH",
    "SESSION_COOKIE_HTTPONLY",
    "SESSION_COOKIE_SECURE",
    "SESSION_COOKIE_SAMESITE",
    "SESSION_COOKIE_PARTITIONED",
    "PERMANENT_SESSION_LIFETIME",
    "SESSION_REFRESH_EACH_REQUEST",
    "SECRET_KEY",
    "SECRET_KEY_FALLBACKS",
];

/// What is taken and not the family's: new here, or a platform's.
const OURS: &[&str] = &[
    "SESSION_ABSOLUTE_LIFETIME",
    "SESSION_CACHE_GUARDED",
    "SESSION_SECRET_KEYS",
    "SESSION_ENCRYPTION_KEYS",
    "SESSION_MAX_BYTES",
    "SESSION_STORE_TIMEOUT",
    "SESSION_LIMIT_PER_OWNER",
    "SESSION_MIGRATE_FROM",
    "SESSION_MIGRATE_TO",
    "SESSION_REDIS_HOST",
    "SESSION_REDIS_PORT",
    "SESSION_REDIS_CLIENT_CACHE",
    "SESSION_CACHE",
    "SESSION_MONGODB_READ_CONCERN",
    "SESSION_SQL",
    "SESSION_SQL_TABLE",
    "SESSION_SQL_SCHEMA",
    "SESSION_SQL_CONNECTIONS",
    "SESSION_ELASTICSEARCH_API_KEY",
    "SESSION_DATASTORE",
    "FIRESTORE_EMULATOR_HOST",
    "DATASTORE_EMULATOR_HOST",
];

/// The key of each row of the guide's table, and its default here.
fn rows() -> Vec<(&'static str, &'static str)> {
    let guide = include_str!("../../docs/from_flask_session.md");
    let (_, table) = guide.split_once("| key | there | here | ").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `")).map(|line| {
        let mut cells = line.trim_matches(['|', ' ']).split(" | ");
        let (key, here) = (cells.next().unwrap(), cells.nth(1).unwrap());
        assert_eq!(cells.count(), 1, "{key}");
        (key.trim_matches('`'), here)
    });
    rows.collect()
}

/// What `keys.md` says a setting is by default.
fn documented(key: &str) -> Option<&'static str> {
    let rows = include_str!("../keys.md").lines().filter(|line| line.starts_with("| `"));
    let mut cells = rows.map(|line| line.trim_matches(['|', ' ']).split(" | "));
    cells.find_map(|mut cells| cells.next()?.contains(&format!("`{key}`")).then(|| cells.next())?)
}

#[test]
fn the_guide_has_a_row_for_every_key_of_the_family_and_for_no_other() {
    let sorted = |mut keys: Vec<&'static str>| {
        keys.sort_unstable();
        keys
    };
    let rows = rows().into_iter().map(|(key, _)| key).collect();
    assert_eq!(sorted(rows), sorted(FAMILY.to_vec()));
}

#[test]
fn every_key_that_is_taken_is_the_familys_or_ours() {
    for name in SETTINGS.iter().flat_map(|setting| setting.names()) {
        assert!(FAMILY.contains(&name) != OURS.contains(&name), "{name}");
    }
    for name in OURS {
        assert!(known(name).is_some(), "{name} is taken");
    }
}

#[test]
fn a_key_that_the_guide_says_is_taken_is_and_its_default_is_the_documented_one() {
    let default = format!("{:?}", SessionConfig::default());
    for (key, here) in rows() {
        let set = |value: &str| format!("{:?}", SessionConfig::from_vars([(key, value)]).unwrap());
        match here {
            "no such key" => {
                assert_eq!(known(key), None, "{key}");
                assert_eq!(stray(key).is_some(), key.starts_with("SESSION_"), "{key}: a warning");
                assert!(from_json(&json!({ key: "x" })).is_err(), "{key}: an error in a serde source");
            }
            "no effect" => {
                assert_eq!(known(key), Some(key));
                assert_eq!(set("x"), default, "{key}");
            }
            _ => {
                assert_eq!(known(key), Some(key));
                assert_eq!(Some(here), documented(key), "{key}");
                if here != "none" {
                    assert_eq!(set(here.trim_matches('`')), default, "{key}");
                }
            }
        }
    }
}
