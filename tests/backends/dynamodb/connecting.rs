//! How a store comes to its connections, and what the settings say.

use std::{sync::Arc, time::Duration};

use actix_typed_session::{
    SessionConfig,
    store::{DynamodbStore, SessionStore},
};
use actix_typed_session_tests::support::dynamodb::DynamodbServer;

use super::{assert_works, at, pretended::Pretended, server, store};

trials![
    nothing_is_opened_before_the_first_use_and_each_worker_has_its_own,
    a_store_outlives_the_runtime_that_opened_its_connection,
    the_environment_names_the_table,
    a_url_names_the_table_and_is_where_sessions_move,
    no_secret_is_shown,
];

async fn nothing_is_opened_before_the_first_use_and_each_worker_has_its_own() {
    let (_, table) = store(&server()).await;
    let proxy = Pretended::before(server().port());
    let store = at(&table, proxy.port);
    let (one, two) = (store.for_worker().unwrap(), store.for_worker().unwrap());
    assert_eq!(proxy.connections(), 0);
    for _ in 0..3 {
        assert_works(&*one).await;
    }
    assert_eq!(proxy.connections(), 1, "a connection is used again");
    assert_works(&*two).await;
    assert_eq!(proxy.connections(), 2);
    assert_eq!((one.name(), one.is_local(), one.timeout()), ("dynamodb", false, Some(super::PATIENT)));
}

async fn a_store_outlives_the_runtime_that_opened_its_connection() {
    let (store, _) = store(&server()).await;
    let store = Arc::new(store);
    for _ in 0..3 {
        let store = Arc::clone(&store);
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(assert_works(&*store));
        };
        tokio::task::spawn_blocking(run).await.unwrap();
    }
}

fn settings(table: &str) -> Vec<(&'static str, String)> {
    vec![
        ("SESSION_TYPE", "dynamodb".to_owned()),
        ("SESSION_DYNAMODB_TABLE", table.to_owned()),
        ("SESSION_DYNAMODB_ENDPOINT", format!("http://127.0.0.1:{}", server().port())),
        ("SESSION_DYNAMODB_REGION", "eu-central-1".to_owned()),
        ("SESSION_DYNAMODB_KEY_ID", "testkey".to_owned()),
        ("SESSION_DYNAMODB_SECRET", "hunter2".to_owned()),
        ("SESSION_STORE_TIMEOUT", "21s".to_owned()),
    ]
}

async fn the_environment_names_the_table() {
    let (_, table) = store(&server()).await;
    let built = SessionConfig::from_vars(settings(&table)).unwrap().store().unwrap();
    assert_eq!((built.name(), built.timeout()), ("dynamodb", Some(Duration::from_secs(21))));
    assert_works(&*built).await;
    for (key, value) in [
        ("SESSION_DYNAMODB_TABLE", "a b"),
        ("SESSION_DYNAMODB_ENDPOINT", "localhost"),
        ("SESSION_DYNAMODB_REGION", "eu central"),
        ("SESSION_DYNAMODB_SECRET", " "),
        ("SESSION_DYNAMODB", "redis://hunter2@host"),
    ] {
        let mut settings = settings(&table);
        settings.retain(|(name, _)| *name != key);
        settings.push((key, value.to_owned()));
        let error = SessionConfig::from_vars(settings).and_then(|config| config.store()).map(drop).unwrap_err();
        assert_eq!(error.key(), key, "{error}");
        assert!(error.to_string().contains("accepted") && !error.to_string().contains("hunter2"), "{error}");
    }
}

async fn a_url_names_the_table_and_is_where_sessions_move() {
    let ((_, one), (_, two)) = (store(&server()).await, store(&server()).await);
    let (one, two) = (DynamodbServer::url(&one, server().port()), DynamodbServer::url(&two, server().port()));
    let set = [("SESSION_TYPE", "dynamodb"), ("SESSION_DYNAMODB", &one), ("SESSION_STORE_TIMEOUT", "20s")];
    assert_works(&*SessionConfig::from_vars(set).unwrap().store().unwrap()).await;
    let moving = SessionConfig::from_vars(set.into_iter().chain([("SESSION_MIGRATE_FROM", two.as_str())]));
    assert_works(&*moving.unwrap().store().unwrap()).await;
}

async fn no_secret_is_shown() {
    let store = DynamodbStore::new("dynamodb://AKIA:hunter2@eu-central-1/web").unwrap();
    let shown = format!("{store:?}");
    assert!(shown.contains("dynamodb in eu-central-1") && shown.contains("web"), "{shown}");
    assert!(!shown.contains("hunter2") && !shown.contains("AKIA"), "{shown}");
    let config = SessionConfig::from_vars(settings("web")).unwrap();
    assert!(!format!("{config:?}").contains("hunter2") && !format!("{config:?}").contains("testkey"));
}
