//! Whole programs over a database.

use actix_typed_session::{SessionConfig, SessionMiddleware, store::SessionStore};
use actix_typed_session_tests::support::{browser::Browser, example::Example, server::Server};

use super::{
    database::{Database, Kind},
    fresh, record,
};
use crate::visits::routes;

trials![
    an_app_starts_while_the_database_is_down_and_recovers_by_itself: Postgres MariaDb,
    many_requests_at_once_on_several_workers_are_counted_exactly: Postgres MariaDb Sqlite,
    the_counter_goes_on_after_a_restart: Postgres MariaDb Sqlite,
    the_settings_make_the_store: Postgres MariaDb Sqlite,
];

async fn an_app_starts_while_the_database_is_down_and_recovers_by_itself(database: &Database) {
    let mut database = Database::start(database.kind());
    let (store, _) = fresh(&database).await;
    database.stop();
    let server = Server::start(SessionMiddleware::new(store), 1, routes);
    let browser = Browser::new(server.address);
    assert_eq!(browser.get("/none").await.status, 200);
    let down = browser.get("/count").await;
    assert_eq!((down.status, down.body.as_str()), (503, ""));
    database.restart();
    assert_eq!(browser.get("/count").await.body, "1");
    database.restart();
    // what was acknowledged is there, and a connection that is gone is no matter
    assert_eq!(browser.get("/count").await.body, "2");
    database.stop();
    assert_eq!(browser.get("/count").await.status, 503);
    assert_eq!(browser.get("/none").await.status, 200);
}

async fn many_requests_at_once_on_several_workers_are_counted_exactly(database: &Database) {
    let (store, _) = fresh(database).await;
    let config = SessionConfig::new().store_timeout(std::time::Duration::from_secs(20));
    let server = Server::start(SessionMiddleware::with_config(store, config).unwrap(), 2, routes);
    let browser = Browser::new(server.address);
    browser.get("/count").await;
    for round in 1..=3 {
        let answers = futures_util::future::join_all((0..64).map(|_| browser.get("/count"))).await;
        assert!(answers.iter().all(|answer| answer.status == 200), "round {round}");
    }
    assert_eq!(browser.get("/count").await.body, "194");
}

fn settings(database: &Database, table: &str) -> Vec<(&'static str, String)> {
    let url = match database.kind() {
        // as an app of Flask's says it
        Kind::Postgres => database.url().replace("postgresql:", "postgresql+psycopg2:"),
        Kind::MariaDb => database.url().replace("mysql:", "mysql+pymysql:"),
        Kind::Sqlite => database.url(),
    };
    vec![
        ("SESSION_TYPE", "sqlalchemy".to_owned()),
        ("SQLALCHEMY_DATABASE_URI", url),
        ("SESSION_SQLALCHEMY_TABLE", table.to_owned()),
    ]
}

async fn the_counter_goes_on_after_a_restart(database: &Database) {
    let (_, table) = fresh(database).await;
    let settings = settings(database, &table);
    let settings: Vec<_> = settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let counter = Example::start("counter", &settings);
    let browser = Browser::new(counter.address);
    assert_eq!(browser.get("/count").await.body, "1");
    drop(counter);
    let counter = Example::start("counter", &settings);
    assert_eq!(browser.at(counter.address).get("/count").await.body, "2");
}

async fn the_settings_make_the_store(database: &Database) {
    let (direct, table) = fresh(database).await;
    let _ = direct.create("k", &record("first")).await.unwrap();
    let mut vars = settings(database, &table);
    let store = SessionConfig::from_vars(vars.clone()).unwrap().store().unwrap();
    assert_eq!((store.name(), store.load("k").await.unwrap().unwrap().bytes), ("sql", "first".into()));

    vars[0].1 = "peewee".to_owned();
    let store = SessionConfig::from_vars(vars.clone()).unwrap().store().unwrap();
    assert_eq!((store.name(), store.load("k").await.unwrap().unwrap().bytes), ("orm", "first".into()));

    vars[2].1 = "no name".to_owned();
    let refused = |vars| SessionConfig::from_vars(vars).unwrap().store().err().unwrap();
    assert_eq!(refused(vars.clone()).key(), "SESSION_SQL_TABLE");
    vars[1].1 = "hunter2".to_owned();
    let error = refused(vars.clone());
    assert_eq!(error.key(), "SESSION_SQL");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    let error = refused(vec![("SESSION_TYPE", "sql".to_owned())]);
    assert_eq!(error.to_string().split(':').next(), Some("`SESSION_SQL` is not set"));
}
