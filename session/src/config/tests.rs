//! Every key through every source, and what is said of a bad value.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::time::Duration;

use serde_json::{Value, json};

use crate::config::{SessionConfig, keys::SETTINGS, sources};

mod family;

const KEY: &str = "a-key-of-32-characters-or-more-0";

/// A key, its value in the environment, the same in JSON, and what `Debug` then shows in place of the default.
fn cases() -> Vec<(&'static str, &'static str, Value, &'static str)> {
    vec![
        #[cfg(feature = "filesystem")]
        ("SESSION_TYPE", "Filesystem", json!("filesystem"), "kind: Filesystem"),
        ("SESSION_COOKIE_NAME", "sid", json!("sid"), "cookie_name: \"sid\""),
        ("SESSION_COOKIE_DOMAIN", "a.com", json!("a.com"), "cookie_domain: Some(\"a.com\")"),
        (
            "SESSION_MIGRATE_FROM",
            "redis://:pw@old/0",
            json!("redis://:pw@old/0"),
            "migration: Some(Migration { direction: From, other: At(redis://[redacted]@old/0) })",
        ),
        (
            "SESSION_MIGRATE_TO",
            "filesystem",
            json!("filesystem"),
            "migration: Some(Migration { direction: To, other: Kind(Filesystem) })",
        ),
        ("SESSION_COOKIE_PATH", "/app", json!("/app"), "cookie_path: \"/app\""),
        ("SESSION_COOKIE_HTTPONLY", "False", json!(false), "http_only: false"),
        ("SESSION_COOKIE_SECURE", "0", json!(0), "secure: false"),
        ("SESSION_COOKIE_SAMESITE", "strict", json!("Strict"), "same_site: Strict"),
        ("SESSION_COOKIE_PARTITIONED", "True", json!(true), "partitioned: true"),
        ("PERMANENT_SESSION_LIFETIME", "1800", json!(1800), "idle_timeout: 1800s"),
        ("PERMANENT_SESSION_LIFETIME", "30m", json!(1800.0), "idle_timeout: 1800s"),
        ("SESSION_ABSOLUTE_LIFETIME", "None", json!("none"), "absolute_lifetime: None"),
        ("SESSION_ABSOLUTE_LIFETIME", "1d", json!("24h"), "absolute_lifetime: Some(86400s)"),
        ("SESSION_PERMANENT", "no", json!("off"), "permanent: false"),
        ("SESSION_REFRESH_EACH_REQUEST", "off", json!(false), "refresh: false"),
        ("SESSION_CACHE_GUARDED", "on", json!(true), "cache_guarded: true"),
        ("SESSION_USE_SIGNER", "yes", json!(true), "use_signer: true"),
        ("SESSION_SECRET_KEYS", "one, two", json!(["one", "two"]), "secret_keys: [[redacted], [redacted]]"),
        ("SECRET_KEY", "one", json!("one"), "secret_keys: [[redacted]]"),
        ("SESSION_KEY_PREFIX", "", json!(""), "key_prefix: \"\""),
        ("SESSION_KEY_PREFIX", "5", json!(5), "key_prefix: \"5\""),
        ("SESSION_ID_LENGTH", "64", json!(64), "id_length: 64"),
        ("SESSION_MAX_BYTES", "1MiB", json!(1_048_576), "max_bytes: 1048576"),
        ("SESSION_STORE_TIMEOUT", "500ms", json!("500 ms"), "store_timeout: 500ms"),
        ("SESSION_LIMIT_PER_OWNER", "3", json!(3), "limit_per_owner: Some(3), refuse_over_limit: false"),
        ("SESSION_LIMIT_PER_OWNER", "Refuse", json!("refuse"), "limit_per_owner: None, refuse_over_limit: true"),
        (
            "SESSION_LIMIT_PER_OWNER",
            "5 refuse",
            json!(" 5  refuse "),
            "limit_per_owner: Some(5), refuse_over_limit: true",
        ),
        ("SESSION_CLEANUP_N_REQUESTS", "100", json!(100), "cleanup_n_requests: Some(100)"),
        ("SESSION_AUTODELETE", "on", json!(true), "cleanup_n_requests: Some(1)"),
        (
            "SESSION_REDIS",
            "redis://:pw@cache/0",
            json!("redis://:pw@cache/0"),
            "redis_url: Some(redis://[redacted]@cache/0)",
        ),
        ("SESSION_MEMCACHED", "cache:1,cache:2", json!("cache:1,cache:2"), "memcached: cache:1,cache:2"),
        (
            "SESSION_MONGODB",
            "mongodb://a:pw@db/admin?tls=true",
            json!("mongodb://a:pw@db/admin?tls=true"),
            "mongodb_url: mongodb://[redacted]@db/admin?[redacted]",
        ),
        ("SESSION_MONGODB_DB", "app", json!("app"), "mongodb_database: \"app\""),
        ("SESSION_MONGODB_COLLECT", "web", json!("web"), "mongodb_collection: \"web\""),
        ("SESSION_MONGODB_READ_CONCERN", "majority", json!("majority"), "mongodb_majority_reads: true"),
        (
            "SESSION_ELASTICSEARCH",
            "http://a:pw@es-1,http://es-2",
            json!("http://a:pw@es-1,http://es-2"),
            "elasticsearch_nodes: Some(http://[redacted]@es-1,http://es-2)",
        ),
        ("SESSION_ELASTICSEARCH_HOST", "http://es", json!("http://es"), "elasticsearch_host: http://es"),
        ("SESSION_ELASTICSEARCH_INDEX", "web", json!("web"), "elasticsearch_index: \"web\""),
        ("SESSION_ELASTICSEARCH_API_KEY", "a2V5", json!("a2V5"), "elasticsearch_api_key: Some([redacted])"),
        ("SESSION_REDIS_HOST", "cache", json!("cache"), "redis_host: \"cache\""),
        ("SESSION_REDIS_PORT", "6380", json!(6380), "redis_port: 6380"),
        ("SESSION_REDIS_CLIENT_CACHE", "16MiB", json!(16_777_216), "redis_client_cache: 16777216"),
        ("SESSION_CACHE", "moka:1MiB", json!("moka:1MiB"), "cache: Some(Moka(1048576))"),
        ("SESSION_CACHELIB", "s3://b?a=pw", json!("s3://b?a=pw"), "cache: Some(At(s3://b?[redacted]))"),
        ("SESSION_FILE_DIR", "/tmp/s", json!("/tmp/s"), "file_dir: \"/tmp/s\""),
        ("SESSION_FILE_THRESHOLD", "500", json!(500), "file_threshold: Some(500)"),
        ("SESSION_FILE_MODE", "0o640", json!(0o640), "file_mode: 416"),
        ("SESSION_FILE_MODE", "640", json!("0640"), "file_mode: 416"),
        #[cfg(feature = "sqlite")]
        ("SESSION_TYPE", "SQLAlchemy", json!("sql"), "kind: Sql"),
        #[cfg(feature = "orm")]
        ("SESSION_TYPE", "peewee", json!("orm"), "kind: Orm"),
        (
            "SESSION_SQL",
            "postgresql://ann:pw@db/app",
            json!("postgresql://ann:pw@db/app"),
            "sql_url: Some(postgresql://[redacted]@db/app)",
        ),
        ("SESSION_SQL_TABLE", "web", json!("web"), "sql_table: \"web\""),
        ("SESSION_SQL_SCHEMA", "web", json!("web"), "sql_schema: Some(\"web\")"),
        ("SESSION_SQL_CONNECTIONS", "2", json!(2), "sql_connections: 2"),
        ("SESSION_PEEWEE_CONFIG", "sqlite:///a", json!("sqlite:///a"), "peewee_config: Some(sqlite:///a)"),
        ("SESSION_PEEWEE_TABLE", "web", json!("web"), "peewee_table: Some(\"web\")"),
        (
            "SESSION_DYNAMODB",
            "dynamodb://id:pw@eu/web",
            json!("dynamodb://id:pw@eu/web"),
            "dynamodb: Some(dynamodb://[redacted]@eu/web)",
        ),
        ("SESSION_DYNAMODB_TABLE", "web", json!("web"), "dynamodb_table: Some(\"web\")"),
        ("SESSION_DYNAMODB_ENDPOINT", "http://h:1", json!("http://h:1"), "dynamodb_endpoint: Some(http://h:1)"),
        ("SESSION_DYNAMODB_REGION", "eu", json!("eu"), "dynamodb_region: Some(\"eu\")"),
        ("SESSION_DYNAMODB_KEY_ID", "id", json!("id"), "dynamodb_key_id: Some([redacted])"),
        ("SESSION_DYNAMODB_SECRET", "pw", json!("pw"), "dynamodb_secret: Some([redacted])"),
        ("SESSION_FIRESTORE", "firestore://a", json!("firestore://a"), "firestore: Some(firestore://a)"),
        ("SESSION_FIRESTORE_COLLECT", "web", json!("web"), "firestore_collect: Some(\"web\")"),
        ("SESSION_DATASTORE", "datastore://a", json!("datastore://a"), "datastore: Some(datastore://a)"),
        ("GCLOUD_APP_PROJECT_ID", "app", json!("app"), "gcloud_project: Some(\"app\")"),
        ("FIRESTORE_EMULATOR_HOST", "h:1", json!("h:1"), "firestore_emulator: Some(\"h:1\")"),
        ("DATASTORE_EMULATOR_HOST", "h:1", json!("h:1"), "datastore_emulator: Some(\"h:1\")"),
    ]
}

fn from_json(json: &Value) -> Result<SessionConfig, serde_json::Error> {
    serde_json::from_str(&json.to_string())
}

fn refusal(key: &str, value: &str) -> String {
    let error = SessionConfig::from_vars([(key, value)]).unwrap_err();
    assert_eq!(error.key(), key);
    let from_json = from_json(&json!({ key: value })).unwrap_err().to_string();
    assert!(from_json.starts_with(&error.to_string()), "`{from_json}` says `{error}`");
    error.to_string()
}

#[test]
fn a_key_means_the_same_in_the_environment_and_in_upper_and_lower_case_in_serde() {
    let default = format!("{:?}", SessionConfig::default());
    for (key, text, json, shown) in cases() {
        let env = format!("{:?}", SessionConfig::from_vars([(key, text)]).unwrap());
        assert!(env.contains(shown) && !default.contains(shown), "{key}={text} gives {env}");
        assert_eq!(format!("{:?}", from_json(&json!({ key: json })).unwrap()), env, "{key}");
        assert_eq!(format!("{:?}", from_json(&json!({ key.to_lowercase(): json })).unwrap()), env, "{key}");
        assert_eq!(
            format!("{:?}", serde_json::from_value::<SessionConfig>(json!({ key: json })).unwrap()),
            env,
            "{key}"
        );
    }
}

#[test]
fn every_key_of_the_table_is_tested_and_documented() {
    let docs = include_str!("keys.md");
    let (table, _) = docs.split_once("\n\nValues:").unwrap();
    let cases = cases();
    for setting in SETTINGS {
        for name in setting.names() {
            assert!(docs.contains(&format!("`{name}`")), "{name} is in the docs");
        }
        let documented = table.contains(&format!("| `{}`", setting.name));
        let tested = cases.iter().any(|(key, ..)| *key == setting.name);
        let elsewhere =
            ["SESSION_TYPE", "SESSION_ENCRYPTION_KEYS", "SESSION_SERIALIZATION_FORMAT"].contains(&setting.name);
        assert_eq!(documented, tested || elsewhere, "{}", setting.name);
    }
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let name = row.split('`').nth(1).unwrap();
        assert!(SETTINGS.iter().any(|setting| setting.name == name), "{name} is in the table of settings");
    }
}

#[test]
fn the_documented_defaults_are_the_defaults() {
    let default = format!("{:?}", SessionConfig::default());
    let table = include_str!("keys.md").lines().filter(|line| line.starts_with("| `"));
    for row in table {
        let mut columns = row.split(" | ");
        let (key, default_text) = (columns.next().unwrap(), columns.next().unwrap());
        let key = key.split('`').nth(1).unwrap();
        if default_text != "none" {
            let config = SessionConfig::from_vars([(key, default_text.trim_matches('`'))]).unwrap();
            assert_eq!(format!("{config:?}"), default, "{key}");
        }
    }
}

#[test]
fn a_bad_value_is_told_with_its_key_and_what_is_accepted() {
    let stores = "accepted are `null`, `memory`, `filesystem`, `redis`, `memcached`, `cache`, `cachelib`, `mongodb`, `sql`, `sqlalchemy`, `orm`, `peewee`, `elasticsearch`, `datastore`, `firestore`, `dynamodb`";
    let limit = "accepted are 1 to 1000 sessions, over which the oldest is ended, and `refuse`, or both: `5 refuse`";
    let flag = "accepted are `true` and `false` (or `1 yes on` and `0 no off`)";
    let duration = "accepted are seconds such as `1800`, or `500ms`, `90s`, `30m`, `12h`, `31d`";
    let lifetime = "accepted are more than 0 seconds and at most 36500 days";
    let bytes = "accepted are bytes such as `262144`, or `256KiB`, `1MiB`";
    let mode = "accepted are permissions as an octal text such as `0600` or `0o640`, by which the owner reads and writes and nobody executes";
    for (key, value, accepted) in [
        ("SESSION_TYPE", "postgres", stores.to_owned()),
        ("SESSION_TYPE", "", stores.to_owned()),
        (
            "SESSION_COOKIE_NAME",
            "a b",
            "accepted are 1 to 128 letters, digits and the characters !#$%&'*+-.^_`|~".to_owned(),
        ),
        (
            "SESSION_COOKIE_DOMAIN",
            "a b",
            "accepted is a host name such as `example.com` (an international one in its `xn--` form), or none"
                .to_owned(),
        ),
        (
            "SESSION_COOKIE_PATH",
            "app",
            "accepted is a path that begins with `/`, in at most 1024 visible ASCII characters other than `;`"
                .to_owned(),
        ),
        ("SESSION_COOKIE_HTTPONLY", "maybe", flag.to_owned()),
        ("SESSION_COOKIE_SECURE", "", flag.to_owned()),
        ("SESSION_COOKIE_SAMESITE", "sometimes", "accepted are `Strict`, `Lax` and `None`".to_owned()),
        ("SESSION_COOKIE_PARTITIONED", "2", flag.to_owned()),
        ("PERMANENT_SESSION_LIFETIME", "31 days", duration.to_owned()),
        ("PERMANENT_SESSION_LIFETIME", "-1", duration.to_owned()),
        ("PERMANENT_SESSION_LIFETIME", "1.5h", duration.to_owned()),
        ("PERMANENT_SESSION_LIFETIME", "none", duration.to_owned()),
        ("PERMANENT_SESSION_LIFETIME", "99999999999999999999s", duration.to_owned()),
        ("PERMANENT_SESSION_LIFETIME", "99999999999999999d", duration.to_owned()),
        ("SESSION_ABSOLUTE_LIFETIME", "never", format!("{duration}, or `none`")),
        ("SESSION_PERMANENT", "y", flag.to_owned()),
        ("SESSION_REFRESH_EACH_REQUEST", "t", flag.to_owned()),
        ("SESSION_USE_SIGNER", "sha256", flag.to_owned()),
        ("SESSION_ID_LENGTH", "8", "accepted are whole numbers from 16 to 64".to_owned()),
        ("SESSION_ID_LENGTH", "+32", "accepted are whole numbers from 16 to 64".to_owned()),
        ("SESSION_MAX_BYTES", "1MB", bytes.to_owned()),
        ("SESSION_STORE_TIMEOUT", "soon", duration.to_owned()),
        ("SESSION_LIMIT_PER_OWNER", "0", limit.to_owned()),
        ("SESSION_LIMIT_PER_OWNER", "1001", limit.to_owned()),
        ("SESSION_LIMIT_PER_OWNER", "refuse 5", limit.to_owned()),
        ("SESSION_LIMIT_PER_OWNER", "5 evict", limit.to_owned()),
        ("SESSION_LIMIT_PER_OWNER", "", limit.to_owned()),
        ("SESSION_LIMIT_PER_OWNER", "none", limit.to_owned()),
        (
            "SESSION_CLEANUP_N_REQUESTS",
            "often",
            "accepted are whole numbers from 0 to 4294967295, or `none`".to_owned(),
        ),
        ("SESSION_AUTODELETE", "daily", flag.to_owned()),
        ("SESSION_SERIALIZATION_FORMAT", "msgpack", "accepted is `json`".to_owned()),
        ("SESSION_REDIS_PORT", "65536", "accepted are whole numbers from 1 to 65535".to_owned()),
        ("SESSION_FILE_DIR", "", "accepted is the path of a directory".to_owned()),
        ("SESSION_FILE_THRESHOLD", "0", "accepted are whole numbers from 1 to 1000000000, or `none`".to_owned()),
        ("SESSION_SQL_CONNECTIONS", "0", "accepted are whole numbers from 1 to 1000".to_owned()),
        ("SESSION_FILE_MODE", "384", mode.to_owned()),
        ("SESSION_FILE_MODE", "0400", mode.to_owned()),
        ("SESSION_FILE_MODE", "0700", mode.to_owned()),
        ("SESSION_FILE_MODE", "1600", mode.to_owned()),
        ("SESSION_FILE_MODE", "+600", mode.to_owned()),
    ] {
        assert_eq!(refusal(key, value), format!("`{key}` is `{value}`: {accepted}"));
    }
    assert_eq!(refusal("PERMANENT_SESSION_LIFETIME", "0"), format!("`PERMANENT_SESSION_LIFETIME` is `0s`: {lifetime}"));
    assert_eq!(
        refusal("SESSION_ABSOLUTE_LIFETIME", "36501d"),
        format!("`SESSION_ABSOLUTE_LIFETIME` is `3153686400s`: {lifetime}, or `none`")
    );
    assert_eq!(refusal("SESSION_MAX_BYTES", "1000"), "`SESSION_MAX_BYTES` is `1000`: accepted are 1KiB to 1GiB");
    assert_eq!(refusal("SESSION_STORE_TIMEOUT", "2h"), "`SESSION_STORE_TIMEOUT` is `7200s`: accepted are 1ms to 1h");
    assert_eq!(
        refusal("SESSION_KEY_PREFIX", "a\nb"),
        "`SESSION_KEY_PREFIX` is `a\\nb`: accepted are at most 128 bytes without control characters"
    );
}

#[test]
fn a_bad_value_that_may_be_secret_is_not_shown() {
    let hidden = "has a value that is not shown";
    assert_eq!(
        refusal("SESSION_REDIS", "hunter2@cache"),
        format!("`SESSION_REDIS` {hidden}: accepted is a URL such as `redis://127.0.0.1:6379/0`")
    );
    assert_eq!(
        refusal("SESSION_REDIS_HOST", "user:hunter2@cache"),
        format!(
            "`SESSION_REDIS_HOST` {hidden}: accepted is a host name or an address; a URL goes into `SESSION_REDIS`"
        )
    );
    assert_eq!(
        refusal("SESSION_ENCRYPTION_KEYS", "hunter2"),
        format!(
            "`SESSION_ENCRYPTION_KEYS` {hidden}: accepted are keys of 32 bytes, newest first, each as 64 hex digits or in base64, such as `openssl rand -base64 32` makes"
        )
    );
    let error = from_json(&json!({ "SESSION_SECRET_KEYS": { "first": "hunter2" } })).unwrap_err();
    assert!(error.to_string().starts_with(&format!("`SESSION_SECRET_KEYS` {hidden}: ")), "{error}");
    let error = from_json(&json!({ "SESSION_REDIS": ["hunter2"] })).unwrap_err();
    assert!(error.to_string().starts_with("`SESSION_REDIS` is a list: accepted is a text"), "{error}");
}

#[test]
fn what_each_method_sets_is_checked_when_the_middleware_is_built() {
    let config = SessionConfig::new;
    for (config, key) in [
        (config().cookie_name(""), "SESSION_COOKIE_NAME"),
        (config().cookie_domain("a b"), "SESSION_COOKIE_DOMAIN"),
        (config().cookie_path(""), "SESSION_COOKIE_PATH"),
        (config().cookie_partitioned(true).cookie_secure(false), "SESSION_COOKIE_PARTITIONED"),
        (config().idle_timeout(Duration::ZERO), "PERMANENT_SESSION_LIFETIME"),
        (config().idle_timeout(Duration::MAX), "PERMANENT_SESSION_LIFETIME"),
        (config().absolute_lifetime(Duration::ZERO), "SESSION_ABSOLUTE_LIFETIME"),
        (config().signing_keys(["short"]), "SESSION_SECRET_KEYS"),
        (config().signing_keys([KEY, "short"]), "SESSION_SECRET_KEYS"),
        (config().key_prefix("p".repeat(129)), "SESSION_KEY_PREFIX"),
        (config().id_length(65), "SESSION_ID_LENGTH"),
        (config().max_bytes(1023), "SESSION_MAX_BYTES"),
        (config().store_timeout(Duration::from_micros(999)), "SESSION_STORE_TIMEOUT"),
        (config().limit_per_owner(0), "SESSION_LIMIT_PER_OWNER"),
        (config().limit_per_owner(1001), "SESSION_LIMIT_PER_OWNER"),
    ] {
        assert_eq!(config.validate().unwrap_err().key(), key);
    }
    config().validate().unwrap();
    config().absolute_lifetime(None).signing_keys([KEY]).idle_timeout(Duration::from_millis(1)).validate().unwrap();
    config().idle_timeout(Duration::from_secs(60)).absolute_lifetime(Duration::from_secs(30)).validate().unwrap();
}

#[test]
fn signing_keys_are_only_judged_where_signing_is_on() {
    SessionConfig::from_vars([("SECRET_KEY", "dev")]).unwrap().validate().unwrap();
    let on = |keys: &str| SessionConfig::from_vars([("SESSION_USE_SIGNER", "1"), ("SESSION_SECRET_KEYS", keys)]);
    on(KEY).unwrap().validate().unwrap();
    let too_short = "`SESSION_SECRET_KEYS` (or `SECRET_KEY`) holds a key that is too short: accepted are 32 characters or more, such as `openssl rand -base64 32` makes";
    for keys in ["hunter2", "", &format!("{KEY},hunter2"), &format!("{KEY},")] {
        assert_eq!(on(keys).unwrap().validate().unwrap_err().to_string(), too_short);
    }
    let none = SessionConfig::from_vars([("SESSION_USE_SIGNER", "1")]).unwrap();
    assert_eq!(
        none.validate().unwrap_err().to_string(),
        "`SESSION_USE_SIGNER` is `true`: that needs keys in `SESSION_SECRET_KEYS`"
    );
    none.signing_keys([KEY]).validate().unwrap();
}

#[test]
fn the_name_counts_before_its_alias_whatever_their_order() {
    for vars in [
        [("SECRET_KEY", "alias"), ("SESSION_SECRET_KEYS", "name")],
        [("SESSION_SECRET_KEYS", "name"), ("SECRET_KEY", "alias")],
    ] {
        let config = SessionConfig::from_vars(vars).unwrap();
        let keys: Vec<_> = config.secret_keys.iter().map(|key| key.0.as_slice()).collect();
        assert_eq!(keys, [b"name"]);
    }
    let config = from_json(&json!({ "session_secret_keys": null, "secret_key": "alias" })).unwrap();
    assert_eq!(config.secret_keys.first().unwrap().0, b"alias");
}

#[test]
fn null_in_serde_leaves_the_default() {
    let all: serde_json::Map<_, _> =
        SETTINGS.iter().map(|setting| (setting.name.to_lowercase(), Value::Null)).collect();
    let config = from_json(&Value::Object(all)).unwrap();
    assert_eq!(format!("{config:?}"), format!("{:?}", SessionConfig::default()));
}

#[test]
fn an_unknown_key_is_an_error_in_serde_and_none_in_the_environment() {
    let error = from_json(&json!({ "session_cookie_nam": "sid" })).unwrap_err().to_string();
    assert!(error.starts_with("`session_cookie_nam` is no setting: did you mean `SESSION_COOKIE_NAME`?"), "{error}");
    let error = from_json(&json!({ "Session_Cookie_Name": "sid" })).unwrap_err().to_string();
    assert!(error.starts_with("`Session_Cookie_Name` is no setting: did you mean `SESSION_COOKIE_NAME`?"), "{error}");
    let error = from_json(&json!({ "colour": "red" })).unwrap_err().to_string();
    assert!(error.starts_with("`colour` is no setting: accepted are SESSION_TYPE, SESSION_COOKIE_NAME, "), "{error}");
    let config =
        SessionConfig::from_vars([("SESSION_COOKIE_NAM", "sid"), ("session_cookie_name", "sid"), ("PATH", "/bin")]);
    assert_eq!(format!("{:?}", config.unwrap()), format!("{:?}", SessionConfig::default()));
}

#[test]
fn a_variable_that_looks_like_a_setting_is_worth_a_warning() {
    let advice = "this environment variable is no setting of the session middleware";
    let near = format!("{advice}: did you mean `SESSION_COOKIE_NAME`?");
    assert_eq!(sources::stray("SESSION_COOKIE_NMAE"), Some(near));
    assert_eq!(sources::stray("SESSION_FAVOURITE_COLOUR").as_deref(), Some(advice));
    for foreign in ["SESSION_MANAGER", "PATH", "XDG_SESSION_TYPE"] {
        assert_eq!(sources::stray(foreign), None);
    }
}

#[test]
fn a_key_in_both_cases_is_an_error() {
    let error = from_json(&json!({ "SESSION_TYPE": "null", "session_type": "memory" })).unwrap_err().to_string();
    assert!(error.starts_with("`SESSION_TYPE` is set twice, in upper and in lower case"), "{error}");
}

#[test]
fn the_settings_of_a_store_that_is_not_chosen_do_not_matter() {
    let vars = [("SESSION_MONGODB", "mongodb://db"), ("SESSION_TYPE", "null"), ("SQLALCHEMY_DATABASE_URI", "")];
    assert_eq!(SessionConfig::from_vars(vars).unwrap().store().unwrap().name(), "null");
}

#[cfg(not(feature = "redis"))]
#[test]
fn a_store_whose_feature_is_off_is_refused_with_the_feature() {
    assert_eq!(
        refusal("SESSION_TYPE", "redis"),
        "`SESSION_TYPE` is `redis`: that needs the feature `redis` of actix-typed-session, which this program is built without"
    );
}

#[cfg(not(feature = "encryption"))]
#[test]
fn encryption_keys_without_the_feature_are_refused_with_the_feature() {
    let error = SessionConfig::from_vars([("SESSION_ENCRYPTION_KEYS", "00".repeat(32))]).unwrap_err();
    let needs = "`SESSION_ENCRYPTION_KEYS` needs the feature `encryption` of actix-typed-session, which this program is built without";
    assert_eq!(error.to_string(), needs);
    assert_eq!(SessionConfig::new().encryption_keys([[0; 32]]).validate().unwrap_err().to_string(), needs);
}

#[cfg(feature = "encryption")]
#[test]
fn encryption_keys_are_hex_or_either_base64() {
    use base64::{Engine as _, engine::general_purpose as engines};

    let key = [0xfb; 32];
    let spelled = [
        "fb".repeat(32),
        "FB".repeat(32),
        engines::STANDARD.encode(key),
        engines::STANDARD_NO_PAD.encode(key),
        engines::URL_SAFE.encode(key),
        engines::URL_SAFE_NO_PAD.encode(key),
    ];
    let ring = SessionConfig::from_vars([("SESSION_ENCRYPTION_KEYS", spelled.join(", "))]).unwrap();
    assert_eq!(ring.encryption_keys.iter().map(|key| key.0).collect::<Vec<_>>(), [key; 6]);
    assert_eq!(from_json(&json!({ "session_encryption_keys": spelled })).unwrap().encryption_keys.len(), 6);
    for bad in [
        "fb".repeat(31),
        "fb".repeat(33),
        format!("+{}", "f".repeat(63)),
        engines::STANDARD.encode([0; 31]),
        String::new(),
    ] {
        let error = SessionConfig::from_vars([("SESSION_ENCRYPTION_KEYS", &bad)]).unwrap_err().to_string();
        assert!(bad.is_empty() || !error.contains(&bad), "{error}");
    }
}

/// H8
#[test]
fn debug_shows_no_secret() {
    let config = SessionConfig::from_vars([("SESSION_REDIS", "redis://:hunter2@cache")]).unwrap();
    let shown =
        format!("{:#?}", config.signing_keys([b"hunter2"]).encryption_keys([*b"hunter2hunter2hunter2hunter2hunt"]));
    let bytes = format!("{:?}", b"hunter2");
    let first = bytes.trim_matches(['[', ']']);
    assert!(!shown.contains("hunter2") && !shown.replace(['\n', ' '], "").contains(&first.replace(' ', "")), "{shown}");
    assert_eq!(shown.matches("[redacted]").count(), 3, "{shown}");
}
