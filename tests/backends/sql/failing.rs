//! Servers that are down, hang, talk nonsense, undo what met others, and come back.

use std::time::Duration;

use actix_typed_session::store::{Created, SessionStore, SqlStore, StoreErrorKind, Updated, Version};
use actix_typed_session_tests::support::proxy::{Mode, Proxy};
use futures_util::future::join_all;
use sqlx::Connection;

use super::{
    MINUTE, assert_works,
    database::{Database, Kind},
    fresh, record,
};
use crate::calls::{Call, UNAVAILABLE, assert_left_calls_harm_no_other, errors};

trials![
    a_server_that_was_down_at_the_start_is_used_once_it_is_up: Postgres MariaDb,
    a_server_that_was_restarted_is_read_by_the_very_next_call: Postgres MariaDb,
    while_the_server_is_down_every_call_is_unavailable_at_once: Postgres MariaDb,
    a_server_that_stops_answering_leaves_the_outcome_of_writes_unknown: Postgres MariaDb,
    a_connection_that_was_closed_while_idle_is_no_matter_to_a_read: Postgres MariaDb,
    a_write_whose_answer_is_lost_is_of_unknown_outcome_and_is_not_repeated: Postgres MariaDb,
    an_answer_that_makes_no_sense_is_an_error: Postgres MariaDb,
    a_write_that_waits_for_a_lock_does_not_come_after_its_caller_is_gone: Postgres MariaDb,
    a_server_that_takes_no_writes_is_unavailable: Postgres MariaDb Sqlite,
    what_the_database_undid_is_sent_again: Postgres,
    what_met_in_a_deadlock_is_done: Postgres MariaDb,
    a_dropped_call_never_makes_a_later_one_wrong: Postgres MariaDb Sqlite,
    a_dropped_call_of_the_apps_pool_never_makes_a_later_one_wrong: Postgres MariaDb Sqlite,
    a_file_that_somebody_writes_to_for_long_is_unavailable_within_the_time_out: Sqlite,
    a_file_that_many_open_at_once_is_used_by_all: Sqlite,
    a_store_in_memory_is_refused: Sqlite,
];

const SHORT: Duration = Duration::from_millis(700);

async fn a_server_that_was_down_at_the_start_is_used_once_it_is_up(database: &Database) {
    let mut database = Database::start(database.kind());
    let (store, _) = fresh(&database).await;
    let store = store.connections(2);
    database.stop();
    for _ in 0..20 {
        assert_eq!(store.load("k").await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    }
    database.restart();
    assert_works(&store).await;
}

async fn a_server_that_was_restarted_is_read_by_the_very_next_call(database: &Database) {
    let mut database = Database::start(database.kind());
    let (store, _) = fresh(&database).await;
    let first = record("first");
    let _ = store.create("k", &first).await.unwrap();
    // as many connections as it may have
    join_all((0..8).map(|_| store.load("k"))).await;
    database.restart();
    assert_eq!(store.load("k").await.unwrap().unwrap().bytes, "first");
    assert_works(&store).await;
    join_all((0..8).map(|_| store.load("k"))).await;
    database.restart();
    // of a write on a connection that is gone nobody knows, until it is asked
    let second = record("second");
    match store.update("k", &second, &first.version).await {
        Ok(outcome) => assert_eq!(outcome, Updated::Done),
        Err(error) => {
            assert_eq!(error.kind(), StoreErrorKind::OutcomeUnknown, "{error}");
            assert_eq!(store.update("k", &second, &first.version).await.unwrap(), Updated::Done);
        }
    }
    assert_works(&store).await;
}

async fn while_the_server_is_down_every_call_is_unavailable_at_once(database: &Database) {
    let mut database = Database::start(database.kind());
    let (store, _) = fresh(&database).await;
    // so that what takes all of its time would not end here
    let store = store.timeout(Duration::from_secs(3000));
    database.stop();
    assert_eq!(errors(&store).await, UNAVAILABLE);
    let error = store.load("k").await.unwrap_err();
    let name = if database.kind() == Kind::Postgres { "postgres" } else { "mysql" };
    assert_eq!(error.to_string(), format!("can't connect to {name} at 127.0.0.1:{}", database.port()));
}

async fn a_server_that_stops_answering_leaves_the_outcome_of_writes_unknown(database: &Database) {
    let database = Database::start(database.kind());
    let (store, _) = fresh(&database).await;
    for call in Call::ALL {
        let store = store.clone().timeout(SHORT);
        let first = record("first");
        store.delete("k").await.unwrap();
        let _ = store.create("k", &first).await.unwrap();
        database.pause();
        let error = call.error(&store, &first).await;
        let expected = if call.is_read() { StoreErrorKind::Unavailable } else { StoreErrorKind::OutcomeUnknown };
        assert_eq!(error.kind(), expected, "{error}");
        // nothing was sent on a connection that could not be opened
        assert_eq!(store.create("other", &first).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
        database.resume();
        let store = store.timeout(Duration::from_secs(20));
        assert_works(&store).await;
        store.delete("other").await.unwrap();
    }
}

async fn a_connection_that_was_closed_while_idle_is_no_matter_to_a_read(database: &Database) {
    let database = Database::start(database.kind());
    let (store, _) = fresh(&database).await;
    let first = record("first");
    let _ = store.create("k", &first).await.unwrap();
    for _ in 0..3 {
        join_all((0..8).map(|_| store.load("k"))).await;
        match database.kind() {
            Kind::Postgres => {
                database
                    .execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
                    .await;
            }
            _ => {
                // MariaDB can't name all but its own
                let Database::MariaDb(server) = &database else { panic!("it is MariaDB") };
                let mut connection = sqlx::MySqlConnection::connect(&server.url()).await.unwrap();
                let others = "SELECT CAST(id AS SIGNED) FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND user = 'app'";
                let ids: Vec<i64> = sqlx::query_scalar(others).fetch_all(&mut connection).await.unwrap();
                for id in ids {
                    let kill = sqlx::AssertSqlSafe(format!("KILL {id}"));
                    let _ = sqlx::raw_sql(kill).execute(&mut connection).await;
                }
            }
        }
        assert_eq!(store.load("k").await.unwrap().unwrap().bytes, "first");
        assert_works(&store).await;
    }
}

async fn a_write_whose_answer_is_lost_is_of_unknown_outcome_and_is_not_repeated(database: &Database) {
    let (direct, table) = fresh(database).await;
    let proxy = Proxy::start(database.port()).await;
    let store = SqlStore::new(&database.url_at(proxy.port())).unwrap().table(&table).unwrap().connections(1);
    let first = record("first");
    let _ = store.create("k", &first).await.unwrap();
    // so that the statements are prepared
    assert!(matches!(store.update("k", &first, &Version::random()).await.unwrap(), Updated::Conflict(_)));

    proxy.set(Mode::Cut);
    let (hits, second) = (proxy.hits(), record("second"));
    let error = store.update("k", &second, &first.version).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::OutcomeUnknown, "{error}");
    assert_eq!(proxy.hits() - hits, 1, "it was sent once");
    assert_eq!(direct.load("k").await.unwrap().unwrap().version, second.version, "it did happen");
    proxy.set(Mode::Forward);
    store.ping().await.unwrap();
    let _ = store.create("k", &first).await.unwrap();
    proxy.set(Mode::Cut);
    assert_eq!(store.create("other", &first).await.unwrap_err().kind(), StoreErrorKind::OutcomeUnknown);
    assert_eq!(direct.load("other").await.unwrap().unwrap().version, first.version, "it did happen");
    // nothing can be opened now
    assert_eq!(store.create("third", &first).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    proxy.set(Mode::Forward);
    assert_works(&store).await;
    proxy.set(Mode::Cut);
    assert_eq!(store.load("k").await.unwrap_err().kind(), StoreErrorKind::Unavailable);
}

async fn an_answer_that_makes_no_sense_is_an_error(database: &Database) {
    let (_, table) = fresh(database).await;
    let proxy = Proxy::start(database.port()).await;
    let at = |port| SqlStore::new(&database.url_at(port)).unwrap().table(&table).unwrap().connections(1);
    let store = at(proxy.port()).timeout(SHORT);
    for call in Call::ALL {
        proxy.set(Mode::Forward);
        let store = store.clone().timeout(SHORT);
        store.ping().await.unwrap();
        let _ = store.load("k").await.unwrap();
        proxy.set(Mode::Garble);
        let error = call.error(&store, &record("")).await;
        // or it waits for the rest of what it takes for the beginning of an answer
        let expected: &[_] = if call.is_read() {
            &[StoreErrorKind::Protocol, StoreErrorKind::Unavailable]
        } else {
            &[StoreErrorKind::OutcomeUnknown]
        };
        assert!(expected.contains(&error.kind()), "{call:?}: {error}");
        assert!(!format!("{error:?}").contains("HTTP"), "{error:?}");
    }
    proxy.set(Mode::Forward);
    assert_works(&at(proxy.port())).await;
}

async fn a_write_that_waits_for_a_lock_does_not_come_after_its_caller_is_gone(database: &Database) {
    let (store, table) = fresh(database).await;
    let first = record("first");
    let _ = store.create("k", &first).await.unwrap();
    let patient = store.clone();
    let store = store.timeout(Duration::from_millis(1500));
    let lock = format!("SELECT 1 FROM {table} WHERE id = 'k' FOR UPDATE");
    macro_rules! while_locked {
        ($connection:ty) => {
            let mut other = <$connection>::connect(&database.url()).await.unwrap();
            let mut held = other.begin().await.unwrap();
            sqlx::raw_sql(sqlx::AssertSqlSafe(lock)).execute(&mut *held).await.unwrap();
            // on a connection that is open, and on one that is not
            for _ in 0..2 {
                let error = store.update("k", &record("second"), &first.version).await.unwrap_err();
                let unknown = matches!(error.kind(), StoreErrorKind::OutcomeUnknown | StoreErrorKind::Unavailable);
                assert!(unknown, "{error}");
            }
            assert_eq!(patient.load("k").await.unwrap().unwrap().bytes, "first");
            // by then the server has given up, too
            tokio::time::sleep(Duration::from_millis(1500)).await;
            held.rollback().await.unwrap();
        };
    }
    match database.kind() {
        Kind::Postgres => {
            while_locked!(sqlx::PgConnection);
        }
        _ => {
            while_locked!(sqlx::MySqlConnection);
        }
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(patient.load("k").await.unwrap().unwrap().bytes, "first");
    assert_eq!(store.update("k", &record("third"), &first.version).await.unwrap(), Updated::Done);
}

async fn a_server_that_takes_no_writes_is_unavailable(database: &Database) {
    let database = Database::start(database.kind());
    let (store, table) = fresh(&database).await;
    let first = record("first");
    let _ = store.create("k", &first).await.unwrap();
    let back = match &database {
        Database::Postgres(_) => {
            database.execute("ALTER DATABASE postgres SET default_transaction_read_only = on").await;
            "BEGIN READ WRITE; ALTER DATABASE postgres RESET default_transaction_read_only; COMMIT"
        }
        Database::MariaDb(_) => {
            // which does not bind who may do everything
            let user = "CREATE USER eve@'127.0.0.1'; GRANT SELECT, INSERT, UPDATE, DELETE ON app.* TO eve@'127.0.0.1'";
            database.execute(user).await;
            database.execute("SET GLOBAL read_only = 1").await;
            "SET GLOBAL read_only = 0"
        }
        Database::Sqlite(_) => "",
    };
    let url = database.url().replace("app@", "eve@");
    let store = match &database {
        Database::Sqlite(_) => {
            let options = sqlx::sqlite::SqliteConnectOptions::new();
            let Database::Sqlite(folder) = &database else { panic!("it is a file") };
            let options = options.filename(folder.path().join("app.db")).read_only(true);
            SqlStore::from_pool(sqlx::SqlitePool::connect_with(options).await.unwrap())
        }
        _ => SqlStore::new(&url).unwrap(),
    };
    let store = store.table(&table).unwrap();
    for error in [
        store.create("other", &first).await.unwrap_err(),
        store.update("k", &record("hunter2"), &first.version).await.unwrap_err(),
        store.touch("k", 2 * MINUTE).await.unwrap_err(),
        store.delete("k").await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("takes no writes"), "{error}");
    }
    assert_eq!(store.load("k").await.unwrap().unwrap().bytes, "first");
    // and the table that is there needs no making
    store.migrate().await.unwrap();
    if !back.is_empty() {
        database.execute(back).await;
        // the connection that met the refusal is of no use any more, and the next one is another
        while store.create("other", &first).await.is_err() {}
        assert_works(&store).await;
    }
}

/// With a stricter isolation than it needs a statement fails that met another; it did nothing.
async fn what_the_database_undid_is_sent_again(database: &Database) {
    let (_, table) = fresh(database).await;
    for isolation in ["repeatable%20read", "serializable"] {
        let url = format!(
            "{}?options=-c%20default_transaction_isolation={}",
            database.url(),
            isolation.replace("%20", "%5C%20")
        );
        let store = SqlStore::new(&url).unwrap().table(&table).unwrap().connections(8).timeout(Duration::from_secs(20));
        let mut at = record("first");
        let _ = store.create(isolation, &at).await.unwrap();
        for _ in 0..20 {
            let updates = (0..8).map(|_| {
                let next = record("next");
                let expected = at.version;
                let store = &store;
                async move { (store.update(isolation, &next, &expected).await.unwrap(), next) }
            });
            let touches = (0..4).map(|_| store.touch(isolation, 2 * MINUTE));
            let (outcomes, touched) = futures_util::future::join(join_all(updates), join_all(touches)).await;
            assert!(touched.into_iter().all(|touched| touched.unwrap()));
            let done: Vec<_> = outcomes.iter().filter(|(outcome, _)| *outcome == Updated::Done).collect();
            assert_eq!(done.len(), 1);
            at = done[0].1.clone();
        }
    }
}

/// Two transactions of somebody else's hold a row each and want the other's, with a write of the store's between them.
async fn what_met_in_a_deadlock_is_done(database: &Database) {
    let (store, table) = fresh(database).await;
    let first = record("first");
    for key in ["a", "b"] {
        let _ = store.create(key, &first).await.unwrap();
    }
    let touch = |key: &str| format!("UPDATE {table} SET expires = expires + 1 WHERE id = '{key}'");
    macro_rules! rounds {
        ($connection:ty) => {
            let mut one = <$connection>::connect(&database.url()).await.unwrap();
            let mut two = <$connection>::connect(&database.url()).await.unwrap();
            for _ in 0..3 {
                let (mut of_one, mut of_two) = (one.begin().await.unwrap(), two.begin().await.unwrap());
                sqlx::raw_sql(sqlx::AssertSqlSafe(touch("a"))).execute(&mut *of_one).await.unwrap();
                sqlx::raw_sql(sqlx::AssertSqlSafe(touch("b"))).execute(&mut *of_two).await.unwrap();
                let (a, b) = (touch("b"), touch("a"));
                let of_one = async move {
                    let _ = sqlx::raw_sql(sqlx::AssertSqlSafe(a)).execute(&mut *of_one).await;
                    let _ = of_one.commit().await;
                };
                let of_two = async move {
                    let _ = sqlx::raw_sql(sqlx::AssertSqlSafe(b)).execute(&mut *of_two).await;
                    let _ = of_two.commit().await;
                };
                let touches = join_all(["a", "b", "a", "b"].map(|key| store.touch(key, 2 * MINUTE)));
                let ((), (), touched) = futures_util::join!(of_one, of_two, touches);
                assert!(touched.into_iter().all(|touched| touched.unwrap()));
            }
        };
    }
    match database.kind() {
        Kind::Postgres => {
            rounds!(sqlx::PgConnection);
        }
        _ => {
            rounds!(sqlx::MySqlConnection);
        }
    }
}

async fn a_dropped_call_never_makes_a_later_one_wrong(database: &Database) {
    let (store, _) = fresh(database).await;
    assert_left_calls_harm_no_other(&store, 20, 200).await;
}

async fn a_dropped_call_of_the_apps_pool_never_makes_a_later_one_wrong(database: &Database) {
    let (_, table) = fresh(database).await;
    let url = database.sqlx_url();
    let store = match database.kind() {
        Kind::Postgres => SqlStore::from_pool(sqlx::PgPool::connect(&url).await.unwrap()),
        Kind::MariaDb => SqlStore::from_pool(sqlx::MySqlPool::connect(&url).await.unwrap()),
        Kind::Sqlite => SqlStore::from_pool(sqlx::SqlitePool::connect(&url).await.unwrap()),
    };
    let store = store.table(&table).unwrap().timeout(Duration::from_secs(20));
    assert_left_calls_harm_no_other(&store, 20, 200).await;
}

async fn a_file_that_somebody_writes_to_for_long_is_unavailable_within_the_time_out(_: &Database) {
    let database = Database::start(Kind::Sqlite);
    let (store, table) = fresh(&database).await;
    let first = record("first");
    let _ = store.create("k", &first).await.unwrap();
    let mut other = sqlx::SqliteConnection::connect(&database.sqlx_url()).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let store = store.timeout(SHORT);
    let error = store.update("k", &record("second"), &first.version).await.unwrap_err();
    assert!(matches!(error.kind(), StoreErrorKind::OutcomeUnknown | StoreErrorKind::Unavailable), "{error}");
    // who reads waits for no writer
    assert_eq!(store.load("k").await.unwrap().unwrap().bytes, "first");
    tokio::time::sleep(SHORT).await;
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    let store = store.timeout(Duration::from_secs(20));
    assert_eq!(store.update("k", &record("third"), &first.version).await.unwrap(), Updated::Done);
    assert!(database.holds(&table, "id = 'k'").await);
}

async fn a_file_that_many_open_at_once_is_used_by_all(_: &Database) {
    for _ in 0..5 {
        let database = Database::start(Kind::Sqlite);
        let stores: Vec<_> = (0..8).map(|_| database.store()).collect();
        let opened = stores.iter().map(|store| async {
            store.migrate().await.unwrap();
            store.create("k", &record("mine")).await.unwrap()
        });
        let created = join_all(opened).await;
        assert_eq!(created.into_iter().filter(|created| *created == Created::Created).count(), 1);
    }
}

async fn a_store_in_memory_is_refused(_: &Database) {
    for url in ["sqlite://", "sqlite:///:memory:", "sqlite::memory:"] {
        let error = SqlStore::new(url).unwrap_err();
        assert_eq!(error.key(), "SESSION_SQL");
        assert!(error.to_string().contains("memory"), "{error}");
    }
}
