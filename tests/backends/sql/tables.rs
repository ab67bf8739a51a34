//! The table: made, missing, another one.

use actix_typed_session::store::{SessionStore, SqlDatabase, SqlStore, StoreErrorKind};
use futures_util::{FutureExt, future::join_all};

use super::{
    assert_works,
    database::{Database, Kind},
    record,
};

trials![
    a_missing_table_is_an_error_that_says_what_makes_it: Postgres MariaDb Sqlite,
    a_table_that_is_made_later_is_found: Postgres MariaDb Sqlite,
    a_table_of_flask_session_is_an_error_and_is_left_alone: Postgres MariaDb Sqlite,
    a_table_without_a_primary_key_is_an_error: Postgres MariaDb Sqlite,
    a_column_that_would_cut_is_an_error: MariaDb,
    a_table_that_became_another_is_an_error: Postgres MariaDb Sqlite,
    many_may_make_the_table_at_once: Postgres MariaDb Sqlite,
    the_statements_as_text_make_the_table: Postgres MariaDb Sqlite,
    an_index_that_is_missing_is_made: Postgres Sqlite,
    a_schema_is_used: Postgres MariaDb,
    a_schema_that_is_not_there_is_an_error: Postgres MariaDb,
    a_name_in_upper_case_or_of_a_keyword_is_taken: Postgres MariaDb Sqlite,
];

fn database_of(database: &Database) -> SqlDatabase {
    match database.kind() {
        Kind::Postgres => SqlDatabase::Postgres,
        Kind::MariaDb => SqlDatabase::MySql,
        Kind::Sqlite => SqlDatabase::Sqlite,
    }
}

/// The errors of a call of each kind.
async fn errors(store: &SqlStore) -> Vec<String> {
    let first = record("hunter2");
    let errors = [
        store.load("k").await.unwrap_err(),
        store.create("k", &first).await.unwrap_err(),
        store.update("k", &first, &first.version).await.unwrap_err(),
        store.touch("k", super::MINUTE).await.unwrap_err(),
        store.delete("k").await.unwrap_err(),
        store.delete_expired(10).await.unwrap_err(),
        store.ping().await.unwrap_err(),
    ];
    errors
        .into_iter()
        .map(|error| {
            assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
            error.to_string()
        })
        .collect()
}

async fn a_missing_table_is_an_error_that_says_what_makes_it(database: &Database) {
    let table = database.table();
    let store = database.store().table(&table).unwrap();
    for error in errors(&store).await {
        assert!(error.contains(&format!("has no table `{table}`: `migrate` makes it")), "{error}");
    }
}

async fn a_table_that_is_made_later_is_found(database: &Database) {
    let store = database.store().table(&database.table()).unwrap();
    assert!(store.load("k").await.is_err());
    store.migrate().await.unwrap();
    assert_works(&store).await;
}

async fn a_table_of_flask_session_is_an_error_and_is_left_alone(database: &Database) {
    let table = database.table();
    let (serial, bytes) = match database.kind() {
        Kind::Postgres => ("SERIAL", "BYTEA"),
        Kind::MariaDb => ("INTEGER AUTO_INCREMENT", "BLOB"),
        Kind::Sqlite => ("INTEGER", "BLOB"),
    };
    let flask = format!(
        "CREATE TABLE {table} (id {serial} NOT NULL PRIMARY KEY, session_id VARCHAR(255) UNIQUE, data {bytes}, expiry TIMESTAMP NULL)"
    );
    database.execute(&flask).await;
    database.execute(&format!("INSERT INTO {table} (id, session_id) VALUES (1, 'session:1')")).await;
    let store = database.store().table(&table).unwrap();
    let mut errors = errors(&store).await;
    errors.push(store.migrate().await.unwrap_err().to_string());
    for error in errors {
        assert!(error.contains(&format!("has a table `{table}` with another schema: the column `id` is")), "{error}");
    }
    assert!(database.holds(&table, "session_id = 'session:1'").await);
}

async fn a_table_without_a_primary_key_is_an_error(database: &Database) {
    let table = database.table();
    let made = SqlStore::ddl(database_of(database), &table, None).unwrap();
    let made = made.replace(" PRIMARY KEY,", ",").replace("PRIMARY KEY (id),", "");
    database.execute(&made).await;
    let store = database.store().table(&table).unwrap();
    let error = store.create("k", &record("")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(error.to_string().contains("with another schema"), "{error}");
}

async fn a_column_that_would_cut_is_an_error(database: &Database) {
    for (right, wrong) in [
        ("LONGBLOB", "BLOB"),
        ("LONGBLOB", "LONGTEXT"),
        ("BINARY(16)", "BINARY(8)"),
        ("BIGINT", "INT"),
        ("COLLATE ascii_bin", "COLLATE ascii_general_ci"),
    ] {
        let table = database.table();
        let made = SqlStore::ddl(SqlDatabase::MySql, &table, None).unwrap();
        database.execute(&made.replace(right, wrong)).await;
        let error = database.store().table(&table).unwrap().create("k", &record("")).await.unwrap_err();
        assert!(error.to_string().contains("with another schema: the column"), "{wrong}: {error}");
    }
}

async fn a_table_that_became_another_is_an_error(database: &Database) {
    let (store, table) = super::fresh(database).await;
    let first = record("first");
    let _ = store.create("k", &first).await.unwrap();
    database.execute(&format!("ALTER TABLE {table} RENAME COLUMN data TO contents")).await;
    for error in [
        store.load("k").await.unwrap_err(),
        store.update("k", &first, &first.version).await.unwrap_err(),
        store.ping().await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("with another schema"), "{error}");
    }
    database.execute(&format!("ALTER TABLE {table} RENAME COLUMN contents TO data")).await;
    assert_eq!(store.load("k").await.unwrap().unwrap().bytes, "first");
    // and a column more is no matter, though what the connection prepared is out of date
    database.execute(&format!("ALTER TABLE {table} ADD COLUMN note INTEGER NULL")).await;
    assert_works(&store).await;
    database.execute(&format!("DROP TABLE {table}")).await;
    let error = store.load("k").await.unwrap_err();
    assert!(error.to_string().contains("has no table"), "{error}");
}

async fn many_may_make_the_table_at_once(database: &Database) {
    for _ in 0..5 {
        let table = database.table();
        let stores: Vec<_> = (0..12).map(|_| database.store().table(&table).unwrap()).collect();
        for migrated in join_all(stores.iter().map(|store| store.migrate())).await {
            migrated.unwrap();
        }
        assert_works(&stores[0]).await;
    }
}

async fn the_statements_as_text_make_the_table(database: &Database) {
    let table = database.table();
    let text = SqlStore::ddl(database_of(database), &table, None).unwrap();
    assert_eq!(database.store().table(&table).unwrap().migration(), Some(text.clone()));
    database.execute(&text).await;
    database.execute(&text).await;
    let store = database.store().table(&table).unwrap();
    assert_works(&store).await;
    store.migrate().await.unwrap();
    assert_works(&store).await;
}

async fn an_index_that_is_missing_is_made(database: &Database) {
    let (store, table) = super::fresh(database).await;
    let indexes = match database.kind() {
        Kind::Postgres => format!("SELECT COUNT(*) FROM pg_indexes WHERE indexname = '{table}_expires'"),
        _ => format!("SELECT COUNT(*) FROM sqlite_master WHERE type = 'index' AND name = '{table}_expires'"),
    };
    assert_eq!(database.number(&indexes).await, 1);
    database.execute(&format!("DROP INDEX {table}_expires")).await;
    store.migrate().await.unwrap();
    assert_eq!(database.number(&indexes).await, 1);
}

async fn a_schema_is_used(database: &Database) {
    let table = database.table();
    database.execute(&format!("CREATE SCHEMA web_{table}")).await;
    let store = database.store().table(&table).unwrap().schema(&format!("web_{table}")).unwrap();
    store.migrate().await.unwrap();
    store.migrate().await.unwrap();
    let first = record("first");
    let _ = store.create("k", &first).await.unwrap();
    assert!(database.holds(&format!("web_{table}.{table}"), "id = 'k'").await);
    assert_works(&store).await;
    store.delete_expired(10).await.unwrap();
    let elsewhere = database.store().table(&table).unwrap();
    assert!(elsewhere.load("k").await.unwrap_err().to_string().contains("has no table"));
}

async fn a_schema_that_is_not_there_is_an_error(database: &Database) {
    let store = database.store().table(&database.table()).unwrap().schema("nowhere").unwrap();
    let error = store.load("k").await.unwrap_err();
    assert!(error.to_string().contains("has no table `nowhere."), "{error}");
    assert_eq!(store.migrate().await.unwrap_err().kind(), StoreErrorKind::Unavailable);
}

async fn a_name_in_upper_case_or_of_a_keyword_is_taken(database: &Database) {
    for name in ["Sessions_Of_Web", "select"] {
        let store = database.store().table(name).unwrap();
        store.migrate().boxed().await.unwrap();
        store.migrate().await.unwrap();
        assert_works(&store).await;
        store.delete_expired(10).await.unwrap();
    }
}
