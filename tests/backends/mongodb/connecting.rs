//! How a store comes to its connections, and what the settings say.

use std::{sync::Arc, time::Duration};

use actix_typed_session::{
    SessionConfig,
    store::{MongodbStore, SessionStore, StoreErrorKind},
};
use futures_util::future::join_all;
use mongodb::bson::doc;

use super::{
    assert_works, fresh,
    puppet::{Kind, Puppet, cursor, error},
    record, shared, store,
};

trials![
    nothing_is_opened_before_the_first_use,
    each_worker_has_a_client_of_its_own,
    a_store_outlives_the_runtime_that_opened_its_client,
    a_client_of_the_app_is_used_as_it_is,
    no_more_connections_are_opened_than_the_url_allows,
    a_wrong_password_is_unavailable_and_never_shown,
    the_environment_names_server_database_and_collection,
    debug_shows_the_place_without_the_password,
];

async fn nothing_is_opened_before_the_first_use() {
    let server = Puppet::start(Kind::Single, |command| command.contains_key("find").then(|| cursor(&[])));
    let store = store(server.url());
    let worker = store.for_worker().unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(server.connections(), 0);
    assert_eq!(worker.load("k").await.unwrap(), None);
    assert!(server.connections() > 0);
}

async fn each_worker_has_a_client_of_its_own() {
    let server = shared();
    let (store, _) = fresh(&server).await;
    let (one, two) = (store.for_worker().unwrap(), store.for_worker().unwrap());
    let _ = one.create("k", &record("first")).await.unwrap();
    assert_eq!(two.load("k").await.unwrap().unwrap().bytes, "first");
    assert!(two.for_worker().is_some());
    assert_eq!((one.name(), one.is_local(), one.may_evict()), ("mongodb", false, false));
    assert_eq!(one.timeout(), Some(Duration::from_secs(20)));
}

async fn a_store_outlives_the_runtime_that_opened_its_client() {
    let server = shared();
    let (store, _) = fresh(&server).await;
    let store = Arc::new(store);
    for _ in 0..3 {
        let store = Arc::clone(&store);
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(assert_works(&*store));
        };
        tokio::task::spawn_blocking(run).await.unwrap();
    }
    assert_works(&*store).await;
}

async fn a_client_of_the_app_is_used_as_it_is() {
    let server = shared();
    let client = mongodb::Client::with_uri_str(server.url()).await.unwrap();
    let store = MongodbStore::from_client(client).database("app").unwrap().collection(&server.collection()).unwrap();
    store.migrate().await.unwrap();
    assert_works(&store).await;
    assert!(store.for_worker().is_none());
    assert!(format!("{store:?}").contains("mongodb, by the app's client"));
}

async fn no_more_connections_are_opened_than_the_url_allows() {
    let server = Puppet::start(Kind::Single, |command| command.contains_key("find").then(|| cursor(&[])));
    let store = store(format!("{}/?maxPoolSize=3", server.url())).timeout(Duration::from_secs(20));
    let loads = join_all((0..200).map(|_| store.load("k"))).await;
    assert!(loads.into_iter().all(|loaded| loaded.unwrap().is_none()));
    // and one by which the driver watches the server
    assert!((2..=4).contains(&server.connections()), "{}", server.connections());
}

async fn a_wrong_password_is_unavailable_and_never_shown() {
    let server = Puppet::start(Kind::Single, |command| {
        command.contains_key("saslStart").then(|| error(18, "AuthenticationFailed"))
    });
    let url = server.url().replace("://", "://ann:hunter2@");
    let store = store(format!("{url}/?authMechanism=SCRAM-SHA-256"));
    for error in [store.load("k").await.unwrap_err(), store.create("k", &record("")).await.unwrap_err()] {
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
        assert!(error.to_string().starts_with("can't reach mongodb at 127.0.0.1:"), "{error}");
        assert!(!format!("{error:?}").contains("hunter"), "{error:?}");
    }
    assert!(server.asked("find").is_empty());
}

async fn the_environment_names_server_database_and_collection() {
    let server = shared();
    let collection = server.collection();
    let set = [
        ("SESSION_TYPE", "mongodb"),
        ("SESSION_MONGODB", &*server.url()),
        ("SESSION_MONGODB_DB", "app"),
        ("SESSION_MONGODB_COLLECT", &collection),
        ("SESSION_STORE_TIMEOUT", "7s"),
    ];
    let store = SessionConfig::from_vars(set).unwrap().store().unwrap();
    assert_eq!(store.timeout(), Some(Duration::from_secs(7)));
    store.migrate().await.unwrap();
    assert_works(&*store).await;
    let client = mongodb::Client::with_uri_str(server.url()).await.unwrap();
    let names = client.database("app").list_collection_names().filter(doc! {}).await.unwrap();
    assert!(names.contains(&collection), "{names:?}");

    for (key, value) in [
        ("SESSION_MONGODB", "mongodb://ann:hunter2@"),
        ("SESSION_MONGODB_DB", "a/b"),
        ("SESSION_MONGODB_COLLECT", "system.users"),
    ] {
        let config = SessionConfig::from_vars([("SESSION_TYPE", "mongodb"), (key, value)]).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
        let error = config.store().map(drop).unwrap_err();
        assert_eq!(error.key(), key);
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

async fn debug_shows_the_place_without_the_password() {
    let store = MongodbStore::new("mongodb://ann:hunter2@db-1,db-2:2/admin?replicaSet=rs0").unwrap();
    let shown = format!("{store:?}");
    assert!(shown.contains("db-1:27017,db-2:2") && shown.contains("flask_session"), "{shown}");
    assert!(!shown.contains("hunter2") && !shown.contains("ann"), "{shown}");
}
