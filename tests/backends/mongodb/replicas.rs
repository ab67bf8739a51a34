//! Replica sets, by a server that says it is one: what a driver's commands ask of it, and what its refusals mean.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use actix_typed_session::store::{Created, MongodbStore, SessionStore, StoreErrorKind, Updated};
use mongodb::{
    bson::{Binary, DateTime, Document, doc, spec::BinarySubtype},
    options::ClientOptions,
};

use super::{
    MINUTE,
    puppet::{Kind, Puppet, cursor, error},
    record, store,
};

trials![
    in_a_replica_set_reads_are_linearizable_and_writes_are_acknowledged_by_a_majority,
    a_single_server_is_not_asked_for_what_only_a_set_can_do,
    reads_may_be_those_of_a_majority,
    what_the_apps_client_is_set_to_does_not_count,
    a_write_that_no_majority_confirmed_is_of_unknown_outcome,
    what_a_server_says_it_did_not_do_is_unavailable_and_all_else_is_of_unknown_outcome,
    no_write_is_sent_twice_whatever_the_server_says_and_the_client_is_set_to,
    an_update_that_reads_what_was_before_asks_again,
    a_server_that_is_no_set_any_more_is_looked_at_again,
];

fn done(command: &Document) -> Option<Document> {
    match command.keys().next()?.as_str() {
        "find" => Some(cursor(&[])),
        "update" | "delete" => Some(doc! { "ok": 1, "n": 1 }),
        _ => None,
    }
}

async fn all(store: &dyn SessionStore) {
    assert_eq!(store.load("k").await.unwrap(), None);
    assert_eq!(store.create("k", &record("")).await.unwrap(), Created::Created);
    assert_eq!(store.update("k", &record(""), &record("").version).await.unwrap(), Updated::Done);
    assert!(store.touch("k", MINUTE).await.unwrap());
    store.delete("k").await.unwrap();
}

fn assert_writes_are_durable(server: &Puppet) {
    let writes: Vec<_> = ["update", "delete"].iter().flat_map(|name| server.asked(name)).collect();
    assert_eq!(writes.len(), 4);
    for write in writes {
        let concern = write.get_document("writeConcern").unwrap();
        assert_eq!((concern.get_str("w").unwrap(), concern.get_bool("j").unwrap()), ("majority", true));
        assert_eq!(concern.get_i64("wtimeout").unwrap(), 2000);
        assert!(!write.contains_key("txnNumber"), "it would be one that a driver may repeat");
    }
}

fn level(find: &Document) -> Option<String> {
    Some(find.get_document("readConcern").ok()?.get_str("level").unwrap().to_owned())
}

async fn in_a_replica_set_reads_are_linearizable_and_writes_are_acknowledged_by_a_majority() {
    let server = Puppet::start(Kind::ReplicaSet, done);
    all(&store(server.url())).await;
    let find = &server.asked("find")[0];
    assert_eq!(level(find).as_deref(), Some("linearizable"));
    assert_eq!(find.get_i64("maxTimeMS").unwrap(), 2000);
    assert_writes_are_durable(&server);
}

async fn a_single_server_is_not_asked_for_what_only_a_set_can_do() {
    let server = Puppet::start(Kind::Single, done);
    all(&store(server.url())).await;
    let find = &server.asked("find")[0];
    assert_eq!((level(find), find.contains_key("maxTimeMS")), (None, false));
    assert_writes_are_durable(&server);
}

async fn reads_may_be_those_of_a_majority() {
    let server = Puppet::start(Kind::ReplicaSet, done);
    all(&store(server.url()).majority_reads()).await;
    assert_eq!(level(&server.asked("find")[0]).as_deref(), Some("majority"));
    assert_writes_are_durable(&server);
}

async fn client(server: &Puppet, options: &str) -> MongodbStore {
    let options = ClientOptions::parse(format!("{}/?{options}", server.url())).await.unwrap();
    MongodbStore::from_client(mongodb::Client::with_options(options).unwrap())
}

async fn what_the_apps_client_is_set_to_does_not_count() {
    let server = Puppet::start(Kind::ReplicaSet, done);
    let store = client(&server, "w=1&readConcernLevel=local&readPreference=secondary&retryWrites=true").await;
    all(&store).await;
    assert_eq!(level(&server.asked("find")[0]).as_deref(), Some("linearizable"));
    assert_writes_are_durable(&server);
}

async fn a_write_that_no_majority_confirmed_is_of_unknown_outcome() {
    let server = Puppet::start(Kind::ReplicaSet, |command| {
        let error = doc! { "code": 64, "codeName": "WriteConcernFailed", "errmsg": "hunter2" };
        command.contains_key("writeConcern").then(|| doc! { "ok": 1, "n": 1, "writeConcernError": error })
    });
    let store = store(server.url());
    let errors = [
        store.create("k", &record("")).await.unwrap_err(),
        store.update("k", &record(""), &record("").version).await.unwrap_err(),
        store.touch("k", MINUTE).await.unwrap_err(),
        store.delete("k").await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), StoreErrorKind::OutcomeUnknown, "{error}");
        assert!(error.to_string().contains("majority") && !format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

async fn what_a_server_says_it_did_not_do_is_unavailable_and_all_else_is_of_unknown_outcome() {
    let (unavailable, unknown) = (StoreErrorKind::Unavailable, StoreErrorKind::OutcomeUnknown);
    for (code, name, kind) in [
        (13, "Unauthorized", unavailable),
        (10107, "NotWritablePrimary", unavailable),
        (112, "WriteConflict", unavailable),
        (91, "ShutdownInProgress", unknown),
        (189, "PrimarySteppedDown", unknown),
        (11600, "InterruptedAtShutdown", unknown),
        (11602, "InterruptedDueToReplStateChange", unknown),
        (50, "MaxTimeMSExpired", unknown),
        (6, "HostUnreachable", unknown),
        (1, "InternalError", unknown),
        (777_777, "hunter two", unknown),
    ] {
        let server = Puppet::start(Kind::ReplicaSet, move |command| {
            (!command.contains_key("listIndexes")).then(|| error(code, name))
        });
        let store = store(server.url());
        let error = store.create("k", &record("")).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        assert_eq!(store.load("k").await.unwrap_err().kind(), unavailable);
    }
}

async fn no_write_is_sent_twice_whatever_the_server_says_and_the_client_is_set_to() {
    for code in [189, 11602, 10107, 6, 91] {
        let server = Puppet::start(Kind::ReplicaSet, move |command| {
            command.contains_key("update").then(|| {
                let mut refusal = error(code, "X");
                refusal.insert("errorLabels", ["RetryableWriteError"]);
                refusal
            })
        });
        let own = store(format!("{}/?retryWrites=true", server.url()));
        own.create("k", &record("")).await.unwrap_err();
        assert_eq!(server.asked("update").len(), 1, "{code}");
        let app = client(&server, "retryWrites=true").await;
        app.create("k", &record("")).await.unwrap_err();
        assert_eq!(server.asked("update").len(), 2, "{code}");
    }
}

async fn an_update_that_reads_what_was_before_asks_again() {
    let (first, second) = (record("first"), record("second"));
    let document = |record: &actix_typed_session::store::Record| {
        let binary = |bytes: &[u8]| Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() };
        let ahead = DateTime::from_millis(DateTime::now().timestamp_millis() + 60_000);
        doc! { "_id": "k", "v": binary(record.version.as_bytes()), "e": ahead, "d": binary(&record.bytes) }
    };
    let (before, after) = (document(&first), document(&second));
    let asked = Arc::new(AtomicUsize::new(0));
    let server = Puppet::start(Kind::ReplicaSet, move |command| match command.keys().next()?.as_str() {
        "update" => Some(doc! { "ok": 1, "n": 0 }),
        "find" if asked.fetch_add(1, Ordering::SeqCst) < 2 => Some(cursor(std::slice::from_ref(&before))),
        "find" => Some(cursor(std::slice::from_ref(&after))),
        _ => None,
    });
    let updated = store(server.url()).majority_reads().update("k", &record("mine"), &first.version).await.unwrap();
    let Updated::Conflict(current) = updated else { panic!("{updated:?}") };
    assert_eq!(current.version, second.version);
    assert_eq!(server.asked("update").len(), 3);
}

async fn a_server_that_is_no_set_any_more_is_looked_at_again() {
    let server =
        Puppet::start(Kind::ReplicaSet, |command| command.contains_key("find").then(|| error(123, "NotAReplicaSet")));
    let store = store(server.url());
    for looked in 1..4 {
        assert_eq!(store.load("k").await.unwrap_err().kind(), StoreErrorKind::Unavailable);
        assert_eq!(server.asked("listIndexes").len(), looked);
    }
}
