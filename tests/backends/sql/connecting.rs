//! How a store comes to its connections, and what the URL says.

use std::time::Duration;

use actix_typed_session::store::{SessionStore, SqlStore, StoreErrorKind};
use futures_util::future::join_all;

use super::{
    assert_works,
    database::{Database, Kind},
    fresh, record,
};

trials![
    nothing_is_opened_before_the_first_use: Postgres MariaDb Sqlite,
    a_worker_opens_as_many_connections_as_it_may: Postgres MariaDb,
    calls_one_after_the_other_share_a_connection: Postgres MariaDb,
    each_worker_has_connections_of_its_own: Postgres MariaDb,
    all_workers_share_a_file: Sqlite,
    connections_end_with_the_store: Postgres MariaDb,
    a_store_outlives_the_runtime_that_opened_its_connections: Postgres MariaDb Sqlite,
    a_unix_socket_is_used: Postgres MariaDb,
    user_and_password_sign_in: Postgres MariaDb,
    a_wrong_password_is_unavailable_and_never_shown: Postgres MariaDb,
    a_database_that_is_not_there_is_unavailable: Postgres MariaDb,
    a_user_without_rights_is_told_so: Postgres MariaDb,
    a_user_needs_the_documented_rights_only: Postgres MariaDb,
    a_pool_of_the_app_is_used_as_it_is: Postgres MariaDb Sqlite,
    a_new_file_is_for_its_owner_alone_and_has_a_log: Sqlite,
    debug_shows_the_place_without_the_password: Postgres MariaDb Sqlite,
];

/// How many clients there are whose user is this one.
async fn connections(database: &Database, user: &str) -> i64 {
    let sql = match database.kind() {
        Kind::Postgres => format!("SELECT COUNT(*) FROM pg_stat_activity WHERE usename = '{user}'"),
        _ => format!("SELECT COUNT(*) FROM information_schema.processlist WHERE user = '{user}'"),
    };
    database.number(&sql).await
}

/// A user of this name with this password, and the URL that signs in there.
async fn user(database: &Database, name: &str, password: &str, rights: &str) -> String {
    match database.kind() {
        Kind::Postgres => {
            database.execute(&format!("CREATE ROLE {name} LOGIN PASSWORD '{password}'; {rights}")).await;
        }
        _ => database.execute(&format!("CREATE USER {name}@'127.0.0.1' IDENTIFIED BY '{password}'; {rights}")).await,
    }
    let url = database.url();
    let (scheme, _) = url.split_once("://").unwrap();
    let (_, place) = url.split_once('@').unwrap();
    let password: String = password.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("{scheme}://{name}:{password}@{place}")
}

fn all(database: &Database, name: &str, table: &str) -> String {
    match database.kind() {
        Kind::Postgres => format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {name}"),
        _ => format!("GRANT SELECT, INSERT, UPDATE, DELETE ON app.{table} TO {name}@'127.0.0.1'"),
    }
}

async fn nothing_is_opened_before_the_first_use(database: &Database) {
    if database.kind() == Kind::Sqlite {
        let database = Database::start(Kind::Sqlite);
        let store = database.store();
        let Database::Sqlite(folder) = &database else { panic!("it is a file") };
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert_eq!(store.ping().await.unwrap_err().kind(), StoreErrorKind::Unavailable);
        assert!(folder.path().join("app.db").exists());
        return;
    }
    let (_, table) = fresh(database).await;
    let url = user(database, "lazy", "lazy", &all(database, "lazy", &table)).await;
    let store = SqlStore::new(&url).unwrap().table(&table).unwrap();
    let worker = store.for_worker().unwrap();
    assert_eq!(connections(database, "lazy").await, 0);
    worker.ping().await.unwrap();
    assert_eq!(connections(database, "lazy").await, 1);
}

async fn a_worker_opens_as_many_connections_as_it_may(database: &Database) {
    let (_, table) = fresh(database).await;
    let url = user(database, "few", "few", &all(database, "few", &table)).await;
    let store = SqlStore::new(&url).unwrap().table(&table).unwrap().timeout(Duration::from_secs(20)).connections(3);
    let loads = join_all((0..200).map(|_| store.load("k"))).await;
    assert!(loads.into_iter().all(|loaded| loaded.unwrap().is_none()));
    assert_eq!(connections(database, "few").await, 3);
}

async fn calls_one_after_the_other_share_a_connection(database: &Database) {
    let (_, table) = fresh(database).await;
    let url = user(database, "one", "one", &all(database, "one", &table)).await;
    let store = SqlStore::new(&url).unwrap().table(&table).unwrap().timeout(Duration::from_secs(20));
    for _ in 0..50 {
        assert_works(&store).await;
    }
    assert_eq!(connections(database, "one").await, 1);
}

async fn each_worker_has_connections_of_its_own(database: &Database) {
    let (store, _) = fresh(database).await;
    let (one, two) = (store.for_worker().unwrap(), store.for_worker().unwrap());
    let _ = one.create("k", &record("first")).await.unwrap();
    assert_eq!(two.load("k").await.unwrap().unwrap().bytes, "first");
    assert!(two.for_worker().is_some());
    assert_eq!((one.name(), one.is_local(), one.may_evict()), ("sql", false, false));
    assert_eq!(one.timeout(), SessionStore::timeout(&store));
}

async fn all_workers_share_a_file(database: &Database) {
    let (store, _) = fresh(database).await;
    assert!(store.for_worker().is_none());
    assert!(!store.is_local(), "other processes see it");
}

async fn connections_end_with_the_store(database: &Database) {
    let (_, table) = fresh(database).await;
    let url = user(database, "brief", "brief", &all(database, "brief", &table)).await;
    let store = SqlStore::new(&url).unwrap().table(&table).unwrap().timeout(Duration::from_secs(20));
    let worker = store.for_worker().unwrap();
    assert_works(&*worker).await;
    drop(worker);
    while connections(database, "brief").await > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn a_store_outlives_the_runtime_that_opened_its_connections(database: &Database) {
    let (store, _) = fresh(database).await;
    for _ in 0..3 {
        let store = store.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(assert_works(&store));
        });
        tokio::task::spawn_blocking(|| thread.join()).await.unwrap().unwrap();
    }
    assert_works(&store).await;
}

async fn a_unix_socket_is_used(database: &Database) {
    let (_, table) = fresh(database).await;
    let url = match database {
        Database::Postgres(server) => {
            format!("postgresql+psycopg2://postgres@:{}/postgres?host={}", server.port(), server.socket().display())
        }
        Database::MariaDb(server) => {
            database.execute("CREATE USER IF NOT EXISTS app@localhost; GRANT ALL ON app.* TO app@localhost").await;
            format!("mysql+pymysql://app@nowhere.invalid/app?unix_socket={}", server.socket().display())
        }
        Database::Sqlite(_) => panic!("a file has no socket"),
    };
    let url = if let Database::Postgres(server) = database {
        let _ = url;
        let folder = server.socket().display().to_string().replace('/', "%2F");
        format!("postgresql+psycopg2://postgres@{folder}:{}/postgres", server.port())
    } else {
        url
    };
    assert_works(&SqlStore::new(&url).unwrap().table(&table).unwrap()).await;
}

async fn user_and_password_sign_in(database: &Database) {
    let (_, table) = fresh(database).await;
    let url = user(database, "ann", "p@ss/w#rd?", &all(database, "ann", &table)).await;
    assert_works(&SqlStore::new(&url).unwrap().table(&table).unwrap()).await;
}

async fn a_wrong_password_is_unavailable_and_never_shown(database: &Database) {
    let (_, table) = fresh(database).await;
    let url = user(database, "bob", "hunter2", &all(database, "bob", &table)).await;
    if let Database::Postgres(server) = database {
        // nobody else is asked for one
        let rules = server.socket().join("data/pg_hba.conf");
        let all = std::fs::read_to_string(&rules).unwrap();
        std::fs::write(&rules, format!("host all bob 127.0.0.1/32 scram-sha-256\n{all}")).unwrap();
        database.execute("SELECT pg_reload_conf()").await;
    }
    let wrong = url.replace("%32@", "%33@");
    assert_ne!(wrong, url);
    let store = SqlStore::new(&wrong).unwrap().table(&table).unwrap();
    // the server reads its rules in a moment
    while store.ping().await.is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let _ = store.for_worker();
        let again = SqlStore::new(&wrong).unwrap().table(&table).unwrap();
        if again.ping().await.is_err() {
            break;
        }
    }
    let store = SqlStore::new(&wrong).unwrap().table(&table).unwrap();
    for error in [
        store.load("k").await.unwrap_err(),
        store.create("k", &record("")).await.unwrap_err(),
        store.ping().await.unwrap_err(),
        store.migrate().await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert!(!format!("{error} {error:?}").contains("hunter"), "{error:?}");
        assert!(format!("{error:?}").contains("bob"), "it says who was not let in: {error:?}");
    }
    assert_works(&SqlStore::new(&url).unwrap().table(&table).unwrap()).await;
}

async fn a_database_that_is_not_there_is_unavailable(database: &Database) {
    let url = database.url();
    let (place, _) = url.rsplit_once('/').unwrap();
    let store = SqlStore::new(&format!("{place}/nowhere")).unwrap();
    for error in [store.load("k").await.unwrap_err(), store.migrate().await.unwrap_err()] {
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert!(error.to_string().starts_with("can't connect to "), "{error}");
        assert!(format!("{error:?}").contains("nowhere"), "{error:?}");
    }
}

async fn a_user_without_rights_is_told_so(database: &Database) {
    let (_, table) = fresh(database).await;
    // who may see the table, and no more
    let rights = match database.kind() {
        Kind::Postgres => format!("GRANT SELECT ON {table} TO carl"),
        _ => format!("GRANT SELECT ON app.{table} TO carl@'127.0.0.1'"),
    };
    let store = SqlStore::new(&user(database, "carl", "carl", &rights).await).unwrap().table(&table).unwrap();
    let error = store.create("k", &record("hunter2")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(error.to_string().contains("denies the user access"), "{error}");
    // and there is nothing to make
    store.migrate().await.unwrap();
    let error = store.table("another").unwrap().migrate().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(error.to_string().contains("denies"), "{error}");
}

async fn a_user_needs_the_documented_rights_only(database: &Database) {
    let (_, table) = fresh(database).await;
    let url = user(database, "dora", "dora", &all(database, "dora", &table)).await;
    let store = SqlStore::new(&url).unwrap().table(&table).unwrap();
    assert_works(&store).await;
    store.delete_expired(10).await.unwrap();
    store.migrate().await.unwrap();
}

async fn a_pool_of_the_app_is_used_as_it_is(database: &Database) {
    let (_, table) = fresh(database).await;
    let over = |store: SqlStore| store.table(&table).unwrap();
    macro_rules! check {
        ($pool:ty) => {
            let pool = <$pool>::connect(&database.sqlx_url()).await.unwrap();
            let store = over(SqlStore::from_pool(pool.clone()));
            assert!(store.for_worker().is_none());
            assert_works(&store).await;
            assert!(pool.size() > 0);
            // what the app does with it goes on beside
            let held = pool.acquire().await.unwrap();
            assert_works(&store).await;
            drop(held);
            pool.close().await;
            let error = store.create("k", &record("")).await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        };
    }
    match database.kind() {
        Kind::Postgres => {
            check!(sqlx::PgPool);
        }
        Kind::MariaDb => {
            check!(sqlx::MySqlPool);
        }
        Kind::Sqlite => {
            check!(sqlx::SqlitePool);
        }
    }
}

async fn a_new_file_is_for_its_owner_alone_and_has_a_log(_: &Database) {
    use std::os::unix::fs::PermissionsExt;

    let database = Database::start(Kind::Sqlite);
    let (store, _) = fresh(&database).await;
    assert_works(&store).await;
    let Database::Sqlite(folder) = &database else { panic!("it is a file") };
    for file in ["app.db", "app.db-wal"] {
        let mode = std::fs::metadata(folder.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

async fn debug_shows_the_place_without_the_password(database: &Database) {
    let url = match database.kind() {
        Kind::Sqlite => database.url(),
        _ => database.url().replace('@', ":hunter2@"),
    };
    let shown = format!("{:?}", SqlStore::new(&url).unwrap());
    assert!(!shown.contains("hunter2") && shown.contains("sessions"), "{shown}");
    match database.kind() {
        Kind::Sqlite => assert!(shown.contains("app.db"), "{shown}"),
        _ => assert!(shown.contains(&database.port().to_string()), "{shown}"),
    }
}
