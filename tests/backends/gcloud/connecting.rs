//! How a store comes to its connections, and what the settings say.

use std::{sync::Arc, time::Duration};

use actix_typed_session::{
    SessionConfig, SessionMiddleware,
    store::{DatastoreStore, FirestoreStore},
};
use actix_typed_session_tests::support::{
    browser::Browser,
    gcloud::{GcloudServer, Mode},
    server::Server,
};

use super::{PATIENT, assert_works, at, counting::Counting, server, store, store_name};
use crate::visits::routes;

trials![
    nothing_is_opened_before_the_first_use_and_each_worker_has_its_own,
    a_store_outlives_the_runtime_that_opened_its_connection,
    the_environment_names_the_place,
    a_url_is_where_sessions_move,
    the_commands_of_an_administrator_name_the_collection,
    many_requests_at_once_are_counted_exactly,
];

async fn nothing_is_opened_before_the_first_use_and_each_worker_has_its_own(mode: Mode) {
    let proxy = Counting::before(server(mode).port());
    let store = at(mode, &server(mode).collection(), proxy.port, PATIENT);
    let (one, two) = (store.for_worker().unwrap(), store.for_worker().unwrap());
    assert_eq!(proxy.connections(), 0);
    futures_util::join!(assert_works(&*one), assert_works(&*one), assert_works(&*one));
    assert_eq!(proxy.connections(), 1, "all calls share it");
    assert_works(&*two).await;
    assert_eq!(proxy.connections(), 2);
    assert_eq!((one.name(), one.is_local(), one.timeout()), (store_name(mode), false, Some(PATIENT)));
}

async fn a_store_outlives_the_runtime_that_opened_its_connection(mode: Mode) {
    let (store, _) = store(mode);
    for _ in 0..3 {
        let store = Arc::clone(&store);
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(assert_works(&*store));
        };
        tokio::task::spawn_blocking(run).await.unwrap();
    }
}

async fn the_environment_names_the_place(mode: Mode) {
    let emulator = format!("127.0.0.1:{}", server(mode).port());
    let variable = if mode == Mode::Native { "FIRESTORE_EMULATOR_HOST" } else { "DATASTORE_EMULATOR_HOST" };
    let set = [
        ("SESSION_TYPE", store_name(mode)),
        ("GCLOUD_APP_PROJECT_ID", "test-project"),
        (variable, &emulator),
        ("SESSION_FIRESTORE_COLLECT", "of-settings"),
        ("SESSION_STORE_TIMEOUT", "21s"),
    ];
    let built = SessionConfig::from_vars(set).unwrap().store().unwrap();
    assert_eq!((built.name(), built.timeout()), (store_name(mode), Some(Duration::from_secs(21))));
    assert_works(&*built).await;
    let url = if mode == Mode::Native { "SESSION_FIRESTORE" } else { "SESSION_DATASTORE" };
    for (key, value) in [("GCLOUD_APP_PROJECT_ID", "a b"), (variable, "http://x"), (url, "redis://hunter2@host")] {
        let set = set.into_iter().filter(|(name, _)| *name != key).chain([(key, value)]);
        let error = SessionConfig::from_vars(set).and_then(|config| config.store()).map(drop).unwrap_err();
        assert_eq!(error.key(), key, "{error}");
        assert!(error.to_string().contains("accepted") && !error.to_string().contains("hunter2"), "{error}");
    }
}

async fn a_url_is_where_sessions_move(mode: Mode) {
    let url = || GcloudServer::url(mode, &server(mode).collection(), server(mode).port());
    let (one, two) = (url(), url());
    let key = if mode == Mode::Native { "SESSION_FIRESTORE" } else { "SESSION_DATASTORE" };
    let set = [
        ("SESSION_TYPE", store_name(mode)),
        (key, &one),
        ("SESSION_MIGRATE_FROM", &two),
        ("SESSION_STORE_TIMEOUT", "20s"),
    ];
    assert_works(&*SessionConfig::from_vars(set).unwrap().store().unwrap()).await;
}

async fn the_commands_of_an_administrator_name_the_collection(mode: Mode) {
    let (store, collection) = store(mode);
    store.migrate().await.unwrap();
    let text = store.migration().unwrap();
    for part in ["ttls update expiration", &format!("--collection-group='{collection}'"), "'(default)'", "--enable-ttl"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(text.contains("indexes fields update data"), mode == Mode::Native, "{text}");
}

async fn many_requests_at_once_are_counted_exactly(mode: Mode) {
    let collection = server(mode).collection();
    let config = SessionConfig::new().store_timeout(PATIENT);
    let url = GcloudServer::url(mode, &collection, server(mode).port());
    let sessions = match mode {
        Mode::Native => SessionMiddleware::with_config(FirestoreStore::new(&url).unwrap().timeout(PATIENT), config),
        Mode::Datastore => SessionMiddleware::with_config(DatastoreStore::new(&url).unwrap().timeout(PATIENT), config),
    };
    let sessions = sessions.unwrap();
    let site = Server::start(sessions, 2, routes);
    let browser = Browser::new(site.address);
    browser.get("/count").await;
    let answers = futures_util::future::join_all((0..16).map(|_| browser.get("/count"))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(browser.get("/count").await.body, "18");
}
