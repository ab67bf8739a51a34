//! How a store comes to its connections, how it signs in, and which node it asks.

use std::{net::TcpListener, sync::Arc, time::Duration};

use actix_typed_session::{
    SessionConfig,
    store::{Created, SessionStore, StoreErrorKind, Updated},
};
use actix_typed_session_tests::support::{
    proxy::{Mode, Proxy},
    search::Search,
};
use libtest_mimic::Trial;

use super::{
    MINUTE, Server, assert_works, fresh,
    puppet::{Asked, Puppet, error, index, relay},
    record, store,
};

pub(crate) fn trials(trials: &mut Vec<Trial>) {
    on_one!(trials: each_worker_has_connections_of_its_own, a_store_outlives_the_runtime_that_opened_its_connections,
        the_environment_names_nodes_and_index, reads_and_writes_pass_over_a_node_that_is_down,
        a_write_whose_answer_was_lost_is_not_sent_to_the_next_node);
    alone!(trials: user_and_password_or_an_api_key_are_sent, a_login_that_is_not_taken_is_unavailable_and_never_shown,
        a_node_that_is_down_is_passed_over_at_once, a_write_is_asked_of_one_node_only_once_it_may_have_been_sent,
        a_redirect_is_not_followed, debug_shows_the_nodes_without_the_password);
}

async fn each_worker_has_connections_of_its_own(server: Server) {
    let (store, _) = fresh(&server).await;
    let (one, two) = (store.for_worker().unwrap(), store.for_worker().unwrap());
    let _ = one.create("k", &record("first")).await.unwrap();
    assert_eq!(two.load("k").await.unwrap().unwrap().bytes, "first");
    assert!(two.for_worker().is_some());
    assert_eq!((one.name(), one.is_local(), one.may_evict()), ("elasticsearch", false, false));
    assert_eq!(one.timeout(), Some(Duration::from_secs(20)));
}

async fn a_store_outlives_the_runtime_that_opened_its_connections(server: Server) {
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

async fn the_environment_names_nodes_and_index(server: Server) {
    for name in ["SESSION_ELASTICSEARCH", "SESSION_ELASTICSEARCH_HOST"] {
        let index = server.index();
        let set = [
            ("SESSION_TYPE", "elasticsearch"),
            (name, &*server.url()),
            ("SESSION_ELASTICSEARCH_INDEX", &index),
            ("SESSION_STORE_TIMEOUT", "7s"),
        ];
        let store = SessionConfig::from_vars(set).unwrap().store().unwrap();
        assert_eq!(store.timeout(), Some(Duration::from_secs(7)));
        store.migrate().await.unwrap();
        assert_works(&*store).await;
        assert_eq!(server.ask("GET", &format!("/{index}-000001"), "").0, 200);
    }
    for (key, value) in [
        ("SESSION_ELASTICSEARCH", "http://ann:hunter2@"),
        ("SESSION_ELASTICSEARCH_INDEX", "_all"),
        ("SESSION_ELASTICSEARCH_API_KEY", "hunter2 "),
    ] {
        let config = SessionConfig::from_vars([("SESSION_TYPE", "elasticsearch"), (key, value)]).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
        let error = config.store().map(drop).unwrap_err();
        assert_eq!(error.key(), key);
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

/// An index in which there is nothing.
fn empty(asked: &Asked) -> Option<(u16, String)> {
    match asked.what.as_str() {
        "GET /sessions" => Some((200, index("sessions"))),
        what if what.starts_with("GET ") => Some((404, r#"{"found":false}"#.to_owned())),
        _ => Some((201, r#"{"result":"created","_seq_no":1,"_primary_term":1}"#.to_owned())),
    }
}

async fn user_and_password_or_an_api_key_are_sent() {
    let server = Puppet::start(empty);
    let logins = || server.asked().into_iter().map(|asked| asked.login).collect::<Vec<_>>();
    assert_eq!(store(server.url()).load("k").await.unwrap(), None);
    assert_eq!(logins(), [None, None]);
    let url = server.url().replace("://", "://ann:hunter%402@");
    assert_eq!(store(url).load("k").await.unwrap(), None);
    // `ann:hunter@2`
    assert_eq!(logins(), [Some("Basic YW5uOmh1bnRlckAy".to_owned()), Some("Basic YW5uOmh1bnRlckAy".to_owned())]);
    assert_eq!(store(server.url()).api_key("a2V5").unwrap().load("k").await.unwrap(), None);
    assert_eq!(logins(), [Some("ApiKey a2V5".to_owned()), Some("ApiKey a2V5".to_owned())]);
}

async fn a_login_that_is_not_taken_is_unavailable_and_never_shown() {
    for (status, says) in [(401, "does not take the user"), (403, "denies the user")] {
        let server = Puppet::start(move |_| error(status, "security_exception"));
        let store = store(server.url().replace("://", "://ann:hunter2@"));
        for error in [store.load("k").await.unwrap_err(), store.create("k", &record("")).await.unwrap_err()] {
            assert_eq!(error.kind(), StoreErrorKind::Unavailable);
            assert!(error.to_string().contains(says), "{error}");
            assert!(!format!("{error:?}").contains("hunter"), "{error:?}");
        }
    }
}

async fn a_node_that_is_down_is_passed_over_at_once() {
    let down = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Puppet::start(empty);
    let store = store(format!("http://{down},{}", server.url()));
    assert_eq!(store.create("k", &record("")).await.unwrap(), Created::Created);
    assert_eq!(store.load("k").await.unwrap(), None);
    assert_eq!(server.asked().len(), 3);
}

async fn a_write_is_asked_of_one_node_only_once_it_may_have_been_sent() {
    let closing = || Puppet::start(|asked| if asked.what == "GET /sessions" { empty(asked) } else { None });
    let (one, two) = (closing(), closing());
    let store = store(format!("{},{}", one.url(), two.url()));
    store.ping().await.unwrap();
    let writes = |server: &Puppet| server.asked().iter().filter(|asked| asked.what.starts_with("PUT")).count();
    assert_eq!(store.create("k", &record("")).await.unwrap_err().kind(), StoreErrorKind::OutcomeUnknown);
    assert_eq!((writes(&one), writes(&two)), (1, 0));
    // what comes next is asked of another one
    assert_eq!(store.create("k", &record("")).await.unwrap_err().kind(), StoreErrorKind::OutcomeUnknown);
    assert_eq!((writes(&one), writes(&two)), (0, 1));
}

async fn reads_and_writes_pass_over_a_node_that_is_down(server: Server) {
    let (_, index) = fresh(&server).await;
    let down = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nodes = format!("http://{down},{}", server.url());
    let patient = || store(&nodes).index(&index).unwrap().timeout(Duration::from_secs(20));
    assert_works(&patient()).await;
    // whichever call is the one that finds it down
    let first = record("first");
    assert_eq!(patient().create("k", &first).await.unwrap(), Created::Created);
    assert_eq!(patient().load("k").await.unwrap().unwrap().version, first.version);
    assert!(patient().touch("k", 2 * MINUTE).await.unwrap());
    let second = record("second");
    assert_eq!(patient().update("k", &second, &first.version).await.unwrap(), Updated::Done);
    patient().delete("k").await.unwrap();
    assert_eq!(patient().delete_expired(10).await.unwrap().deleted, 0);
    assert_eq!(patient().load("k").await.unwrap(), None);
    // and the one that takes over may fail, too
    let (one, two) = (Proxy::start(server.port()).await, Proxy::start(server.port()).await);
    let nodes = format!("{},{}", server.url_at(one.port()), server.url_at(two.port()));
    let store = store(nodes).index(&index).unwrap().timeout(Duration::from_secs(20));
    for (goes, comes) in [(&one, &two), (&two, &one), (&one, &two)] {
        assert_works(&store).await;
        comes.set(Mode::Forward);
        goes.set(Mode::Cut);
        // what was on its way there is lost, and what comes next goes to the other one
        assert_eq!(store.load("k").await.unwrap_err().kind(), StoreErrorKind::Unavailable);
        assert_works(&store).await;
    }
}

async fn a_write_whose_answer_was_lost_is_not_sent_to_the_next_node(server: Server) {
    let (direct, index) = fresh(&server).await;
    let (proxy, next) = (Proxy::start(server.port()).await, relay(server.port()));
    let nodes = format!("{},{}", server.url_at(proxy.port()), next.url());
    let store = || store(&nodes).index(&index).unwrap().timeout(Duration::from_secs(20));
    let (first, second) = (record("first"), record("second"));
    for write in ["create", "update", "touch", "delete"] {
        let store = store();
        // so that the write is all that is asked
        store.load("k").await.unwrap();
        proxy.set(Mode::Cut);
        let hits = proxy.hits();
        let error = match write {
            "create" => store.create("k", &first).await.map(drop),
            "update" => store.update("k", &second, &first.version).await.map(drop),
            "touch" => store.touch("k", 60 * MINUTE).await.map(drop),
            _ => store.delete("k").await,
        };
        assert_eq!(error.unwrap_err().kind(), StoreErrorKind::OutcomeUnknown, "{write}");
        proxy.set(Mode::Forward);
        assert_eq!(proxy.hits() - hits, 1, "{write} was sent once");
        assert_eq!(next.asked().len(), 0, "{write} was sent to the next one");
        let now = direct.load("k").await.unwrap();
        let version = now.as_ref().map(|now| now.version);
        match write {
            "create" => assert_eq!(version, Some(first.version), "it did happen"),
            "update" => assert_eq!(version, Some(second.version), "it did happen"),
            "touch" => assert!(now.unwrap().expires_in > 30 * MINUTE, "it did happen"),
            _ => assert_eq!(version, None, "it did happen"),
        }
        // the next node is there for what comes next
        assert_eq!(store.load("k").await.unwrap().map(|now| now.version), version, "{write}");
        assert_eq!(next.asked().len(), 1, "{write}");
    }
}

async fn a_redirect_is_not_followed() {
    let server = Puppet::start(|_| Some((307, "{}".to_owned())));
    let store = store(server.url());
    assert_eq!(store.load("k").await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    assert_eq!(server.asked().len(), 1);
}

async fn debug_shows_the_nodes_without_the_password() {
    let store = store("http://ann:hunter2@es-1:9200,https://es-2").index("web").unwrap();
    let shown = format!("{store:?} {:?}", store.clone().timeout(Duration::from_secs(1)));
    assert!(shown.contains("http://es-1:9200") && shown.contains("https://es-2") && shown.contains("web"), "{shown}");
    assert!(!shown.contains("hunter2") && !shown.contains("ann"), "{shown}");
}
