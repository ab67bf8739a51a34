//! What is stored, and by which statements.

use std::time::Duration;

use actix_typed_session::{
    Clock,
    store::{Created, Record, SessionStore, StoreErrorKind, Updated},
};
use futures_util::future::join_all;

use super::{
    MINUTE,
    database::{Database, Kind},
    fresh, record,
};

trials![
    a_record_is_a_row_of_four_columns: Postgres MariaDb Sqlite,
    a_key_is_kept_apart_from_one_that_looks_alike: Postgres MariaDb Sqlite,
    a_key_that_is_too_long_is_an_error: Postgres MariaDb Sqlite,
    a_row_that_is_no_record_is_absent_and_kept: Postgres Sqlite,
    a_create_over_an_expired_row_replaces_it: Postgres MariaDb Sqlite,
    of_many_updates_at_one_version_one_is_done_and_the_others_see_it: Postgres MariaDb Sqlite,
    a_sweep_deletes_in_batches_and_no_more_than_it_may: Postgres MariaDb Sqlite,
    many_sweeps_at_once_delete_each_row_once: Postgres MariaDb Sqlite,
    a_sweep_passes_by_a_row_that_somebody_holds: Postgres,
    a_sweep_holds_up_no_write: MariaDb,
    each_operation_is_one_statement: Postgres MariaDb,
    no_statement_reads_the_table_from_end_to_end: Postgres,
    the_row_is_found_by_its_index: MariaDb,
    a_record_larger_than_the_server_takes_is_too_large: MariaDb,
];

async fn a_record_is_a_row_of_four_columns(database: &Database) {
    let (store, table) = fresh(database).await;
    let clock = Clock::manual();
    let store = store.clock(clock.clone());
    let first = Record::new("cont\0ents", MINUTE);
    let before = clock.now();
    let _ = store.create("session:1", &first).await.unwrap();
    let after = clock.now();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
    let (of_version, of_data) = match database.kind() {
        Kind::Postgres => ("upper(encode(version, 'hex'))", "upper(encode(data, 'hex'))"),
        _ => ("hex(version)", "hex(data)"),
    };
    let condition = format!(
        "id = 'session:1' AND {of_version} = '{}' AND {of_data} = '{}' AND expires BETWEEN {} AND {}",
        hex(first.version.as_bytes()),
        hex(&first.bytes),
        before + 60_000,
        after + 60_000
    );
    assert!(database.holds(&table, &condition).await, "{condition}");
}

async fn a_key_is_kept_apart_from_one_that_looks_alike(database: &Database) {
    let (store, _) = fresh(database).await;
    let keys = ["key", "KEY", "key ", " key", "key\0", "kéy", "ke\u{301}y", "key%20", "key\t", "ḱey", ""];
    for key in keys {
        assert_eq!(store.create(key, &Record::new(key, MINUTE)).await.unwrap(), Created::Created, "{key:?}");
    }
    for key in keys {
        assert_eq!(store.load(key).await.unwrap().unwrap().bytes, key, "{key:?}");
    }
}

async fn a_key_that_is_too_long_is_an_error(database: &Database) {
    let (store, _) = fresh(database).await;
    let (fits, long) = ("k".repeat(512), "k".repeat(513));
    assert_eq!(store.create(&fits, &record("")).await.unwrap(), Created::Created);
    assert_eq!(store.load(&fits).await.unwrap().unwrap().bytes, "");
    let error = store.create(&long, &record("")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unsupported);
    assert!(!error.to_string().contains("kkkk"), "{error}");
}

async fn a_row_that_is_no_record_is_absent_and_kept(database: &Database) {
    let (store, table) = fresh(database).await;
    let first = record("first");
    let _ = store.create("k", &first).await.unwrap();
    let odd = if database.kind() == Kind::Postgres { "'\\x01'" } else { "x'01'" };
    database.execute(&format!("UPDATE {table} SET version = {odd}")).await;
    assert_eq!(store.load("k").await.unwrap(), None);
    assert_eq!(store.update("k", &record("second"), &first.version).await.unwrap(), Updated::Gone);
    assert_eq!(store.create("k", &record("second")).await.unwrap(), Created::Taken);
    assert!(database.holds(&table, "id = 'k'").await);
    store.delete("k").await.unwrap();
    assert_eq!(store.create("k", &record("second")).await.unwrap(), Created::Created);
}

async fn a_create_over_an_expired_row_replaces_it(database: &Database) {
    let (store, table) = fresh(database).await;
    let clock = Clock::manual();
    let store = store.clock(clock.clone());
    for round in 0..3 {
        let creates = (0..8).map(|_| async { (store.create("k", &record("mine")).await.unwrap(), round) });
        let created = join_all(creates).await;
        assert_eq!(created.iter().filter(|(created, _)| *created == Created::Created).count(), 1);
        assert!(database.holds(&table, "id = 'k'").await);
        clock.advance(2 * MINUTE);
    }
}

async fn of_many_updates_at_one_version_one_is_done_and_the_others_see_it(database: &Database) {
    let (store, _) = fresh(database).await;
    let store = store.connections(8);
    let workers: Vec<_> = (0..2).map(|_| store.for_worker()).collect();
    let mut at = record("first");
    let _ = store.create("k", &at).await.unwrap();
    for _ in 0..30 {
        let updates = (0..16).map(|index| {
            let own: &dyn SessionStore = workers[index % 2].as_deref().unwrap_or(&store);
            let next = Record::new(index.to_string(), MINUTE);
            let expected = at.version;
            async move { (own.update("k", &next, &expected).await.unwrap(), next) }
        });
        let outcomes = join_all(updates).await;
        let done: Vec<_> = outcomes.iter().filter(|(outcome, _)| *outcome == Updated::Done).collect();
        assert_eq!(done.len(), 1);
        for (outcome, _) in &outcomes {
            match outcome {
                Updated::Done => {}
                Updated::Conflict(current) => assert_eq!(current.version, done[0].1.version),
                Updated::Gone => panic!("it is there"),
            }
        }
        at = done[0].1.clone();
    }
}

async fn a_sweep_deletes_in_batches_and_no_more_than_it_may(database: &Database) {
    let (store, table) = fresh(database).await;
    let clock = Clock::manual();
    let store = store.clock(clock.clone());
    for index in 0..250 {
        let _ = store.create(&format!("expired {index}"), &record("")).await.unwrap();
    }
    let _ = store.create("live", &Record::new("live", 10 * MINUTE)).await.unwrap();
    assert_eq!(store.delete_expired(1000).await.unwrap().deleted, 0);
    clock.advance(2 * MINUTE);
    assert_eq!(store.count_expired().await.unwrap(), Some(250));
    assert_eq!(store.delete_expired(0).await.unwrap().deleted, 0);
    assert_eq!(store.delete_expired(1).await.unwrap().deleted, 1);
    assert_eq!(store.delete_expired(101).await.unwrap().deleted, 101);
    assert_eq!(store.delete_expired(1000).await.unwrap().deleted, 148);
    assert_eq!(store.delete_expired(1000).await.unwrap().deleted, 0);
    assert_eq!(store.count_expired().await.unwrap(), Some(0));
    assert!(database.holds(&table, "1 = 1").await);
    assert_eq!(store.load("live").await.unwrap().unwrap().bytes, "live");
}

async fn many_sweeps_at_once_delete_each_row_once(database: &Database) {
    let (store, _) = fresh(database).await;
    let clock = Clock::manual();
    let store = store.clock(clock.clone());
    for index in 0..300 {
        let _ = store.create(&index.to_string(), &record("")).await.unwrap();
    }
    clock.advance(2 * MINUTE);
    // and writes of live ones beside them
    let busy = record("busy");
    let _ = store.create("busy", &busy).await.unwrap();
    let touches = async {
        for minute in 2..30 {
            assert!(store.touch("busy", minute * MINUTE).await.unwrap());
        }
    };
    let sweeps = join_all((0..4).map(|_| async { store.delete_expired(1000).await.unwrap().deleted }));
    let (mut deleted, ()) = futures_util::future::join(sweeps, touches).await;
    // who finds that others were at all of its batch may leave some
    deleted.push(store.delete_expired(1000).await.unwrap().deleted);
    assert_eq!(deleted.iter().sum::<u64>(), 300);
}

async fn a_sweep_passes_by_a_row_that_somebody_holds(database: &Database) {
    use sqlx::Connection;

    let (store, table) = fresh(database).await;
    let clock = Clock::manual();
    let store = store.clock(clock.clone());
    for key in ["held", "free"] {
        let _ = store.create(key, &record("")).await.unwrap();
    }
    clock.advance(2 * MINUTE);
    let mut other = sqlx::PgConnection::connect(&database.url()).await.unwrap();
    let mut held = other.begin().await.unwrap();
    let lock = format!("SELECT 1 FROM {table} WHERE id = 'held' FOR UPDATE");
    sqlx::raw_sql(sqlx::AssertSqlSafe(lock)).execute(&mut *held).await.unwrap();
    assert_eq!(store.delete_expired(10).await.unwrap().deleted, 1);
    held.rollback().await.unwrap();
    assert_eq!(store.delete_expired(10).await.unwrap().deleted, 1);
}

/// The statement that deletes locks nothing that is not to be deleted.
async fn a_sweep_holds_up_no_write(database: &Database) {
    use sqlx::Connection;

    let (store, table) = fresh(database).await;
    let clock = Clock::manual();
    let store = store.clock(clock.clone()).timeout(Duration::from_secs(5));
    for key in ["expired 1", "expired 2"] {
        let _ = store.create(key, &record("")).await.unwrap();
    }
    clock.advance(2 * MINUTE);
    let live = record("live");
    let _ = store.create("live", &live).await.unwrap();
    let now = clock.now();
    let mut other = sqlx::MySqlConnection::connect(&database.url()).await.unwrap();
    let mut sweep = other.begin().await.unwrap();
    let delete = format!(
        "DELETE {table} FROM {table} FORCE INDEX (PRIMARY) WHERE expires <= {now} AND id IN ('expired%201', 'expired%202', 'expired%202')"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(delete)).execute(&mut *sweep).await.unwrap();
    // the sweep has not ended, and all of these go through
    assert!(store.touch("live", 2 * MINUTE).await.unwrap());
    assert_eq!(store.update("live", &record("next"), &live.version).await.unwrap(), Updated::Done);
    for key in ["a", "expired 0", "expired 3", "live 2", "z"] {
        assert_eq!(store.create(key, &Record::new("", Duration::from_millis(1))).await.unwrap(), Created::Created);
    }
    sweep.rollback().await.unwrap();
}

/// How many statements the server has run for clients that are not this one.
async fn statements(database: &Database) -> i64 {
    match database {
        Database::Postgres(server) => {
            let log = std::fs::read_to_string(server.log()).unwrap();
            log.matches("LOG:  execute ").count().try_into().unwrap()
        }
        _ => {
            let status = "SELECT CAST(variable_value AS SIGNED) FROM information_schema.global_status";
            // the query that asks is one, too
            database.number(&format!("{status} WHERE variable_name = 'COM_STMT_EXECUTE'")).await
        }
    }
}

async fn each_operation_is_one_statement(database: &Database) {
    let database = &Database::start(database.kind());
    let (store, _) = fresh(database).await;
    let store = store.connections(1);
    let (first, second) = (record("first"), record("second"));
    super::assert_works(&store).await;
    let asking = if database.kind() == Kind::Postgres { 0 } else { 1 };
    macro_rules! counted {
        ($call:expr, $count:literal) => {
            let before = statements(database).await;
            let _ = $call.await.unwrap();
            assert_eq!(statements(database).await - before - asking, $count, stringify!($call));
        };
    }
    counted!(store.create("k", &first), 1);
    counted!(store.load("k"), 1);
    counted!(store.update("k", &second, &first.version), 1);
    counted!(store.touch("k", 2 * MINUTE), 1);
    if database.kind() == Kind::Postgres {
        counted!(store.update("k", &record("third"), &first.version), 1);
        counted!(store.create("k", &first), 1);
    } else {
        counted!(store.update("k", &record("third"), &first.version), 2);
        counted!(store.create("k", &first), 2);
    }
    counted!(store.delete("k"), 1);
    counted!(store.delete_expired(100), 1);
    counted!(store.ping(), 1);
}

/// A text that is sent in another character set than the column's could make the server look at each row.
async fn the_row_is_found_by_its_index(database: &Database) {
    let database = &Database::start(database.kind());
    let (store, _) = fresh(database).await;
    for index in 0..200 {
        let _ = store.create(&index.to_string(), &record("")).await.unwrap();
    }
    let read = async || {
        let status = "SELECT CAST(SUM(variable_value) AS SIGNED) FROM information_schema.global_status";
        let rows = "('HANDLER_READ_NEXT', 'HANDLER_READ_RND_NEXT', 'HANDLER_READ_FIRST')";
        database.number(&format!("{status} WHERE variable_name IN {rows}")).await
    };
    // what it costs to ask
    let (first, second) = (read().await, read().await);
    let one = record("one");
    assert!(store.load("7").await.unwrap().is_some());
    assert!(store.touch("7", 2 * MINUTE).await.unwrap());
    assert!(matches!(store.update("7", &one, &one.version).await.unwrap(), Updated::Conflict(_)));
    store.delete("7").await.unwrap();
    assert_eq!(store.delete_expired(100).await.unwrap().deleted, 0);
    let third = read().await;
    assert!(third - second <= second - first + 10, "{first} {second} {third}");
}

/// By the server's own count of the scans that it made.
async fn no_statement_reads_the_table_from_end_to_end(database: &Database) {
    let database = &Database::start(database.kind());
    let clock = Clock::manual();
    let table = database.table();
    let store = database.store().table(&table).unwrap().clock(clock.clone());
    store.migrate().await.unwrap();
    let expires = clock.now() + 60_000;
    let rows = format!(
        "SELECT i::text, decode(md5(i::text), 'hex'), {expires} + 60000 * (i % 200 > 0)::int, '' FROM generate_series(1, 20000) i"
    );
    database.execute(&format!("INSERT INTO {table} (id, version, expires, data) {rows}")).await;
    // so that the planner has a choice, and knows what it chooses from
    database.execute(&format!("ANALYZE {table}")).await;
    clock.advance(MINUTE);
    let scans = async |of: &str| {
        database.number(&format!("SELECT {of} FROM pg_stat_user_tables WHERE relname = '{table}'")).await
    };
    let (all, whole) = (scans("seq_scan + idx_scan").await, scans("seq_scan").await);
    let first = Record::new("", MINUTE);
    for _ in 0..10 {
        assert!(store.load("7").await.unwrap().is_some());
        assert!(store.touch("7", 3 * MINUTE).await.unwrap());
        assert!(matches!(store.update("7", &record("one"), &first.version).await.unwrap(), Updated::Conflict(_)));
        assert_eq!(store.create("7", &first).await.unwrap(), Created::Taken);
        store.delete("no such").await.unwrap();
        assert_eq!(store.count_expired().await.unwrap(), Some(100));
    }
    assert_eq!(store.delete_expired(60).await.unwrap().deleted, 60);
    assert_eq!(store.delete_expired(60).await.unwrap().deleted, 40);
    assert_eq!(store.delete_expired(60).await.unwrap().deleted, 0);
    // a connection tells what it did when it ends
    drop(store);
    while scans("seq_scan + idx_scan").await < all + 60 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(scans("seq_scan").await, whole);
}

async fn a_record_larger_than_the_server_takes_is_too_large(database: &Database) {
    let (store, _) = fresh(database).await;
    let first = record("first");
    let _ = store.create("k", &first).await.unwrap();
    let most = (1 << 20) - 4096;
    for size in [most + 1, 1 << 20, 3 << 20, 40 << 20] {
        let large = Record::new(vec![7; size], MINUTE);
        let error = store.update("k", &large, &first.version).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::TooLarge, "{error}");
        assert_eq!(store.create("other", &large).await.unwrap_err().kind(), StoreErrorKind::TooLarge);
    }
    assert_eq!(store.load("k").await.unwrap().unwrap().bytes, "first");
    assert_eq!(store.load("other").await.unwrap(), None);
    let fits = Record::new(vec![7; most], MINUTE);
    assert_eq!(store.update("k", &fits, &first.version).await.unwrap(), Updated::Done);
    assert_eq!(store.load("k").await.unwrap().unwrap().bytes.len(), most);
}
