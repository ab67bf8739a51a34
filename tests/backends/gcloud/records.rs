//! Records as documents, and what each operation costs.

use std::time::Duration;

use actix_typed_session::{
    Clock,
    store::{Created, DatastoreStore, FirestoreStore, Record, SessionStore, Updated, Version},
};
use actix_typed_session_tests::support::gcloud::{GcloudServer, Mode};
use serde_json::{Value, json};

use super::{MINUTE, PATIENT, at, counting::Counting, record, server, store};

trials![
    each_operation_is_as_many_requests_as_it_has_to_be,
    a_record_is_a_document_of_four_fields,
    a_document_that_is_no_record_is_absent_and_kept,
    an_expired_document_is_no_record_and_in_nobody_s_way,
    a_touch_in_between_is_no_conflict,
    of_touches_at_once_the_longest_holds,
    what_has_expired_is_counted,
    what_is_no_record_does_not_hold_a_sweep_up,
];

async fn each_operation_is_as_many_requests_as_it_has_to_be(mode: Mode) {
    let counting = Counting::before(server(mode).port());
    let store = at(mode, &server(mode).collection(), counting.port, PATIENT);
    let took = |what: &str, expected: usize| assert_eq!(counting.requests(), expected, "{what}");
    let (first, second) = (record("first"), record("second"));
    let _ = store.create("k", &first).await.unwrap();
    took("create", 1);
    assert_eq!(store.create("k", &first).await.unwrap(), Created::Taken);
    took("create over a record", 2);
    assert!(store.load("k").await.unwrap().is_some());
    took("load", 1);
    assert_eq!(store.update("k", &second, &first.version).await.unwrap(), Updated::Done);
    took("update", 2);
    assert!(matches!(store.update("k", &first, &first.version).await.unwrap(), Updated::Conflict(_)));
    took("update at another version", 1);
    assert!(store.touch("k", 2 * MINUTE).await.unwrap());
    took("touch", 2);
    assert!(store.touch("k", MINUTE).await.unwrap());
    took("touch that is not ahead", 1);
    store.delete("k").await.unwrap();
    took("delete", 1);
    assert_eq!(store.update("k", &first, &second.version).await.unwrap(), Updated::Gone);
    took("update of what is gone", 1);
    assert_eq!(store.delete_expired(10).await.unwrap().deleted, 0);
    took("sweep of nothing", 1);
    assert_eq!(counting.connections(), 1);
}

async fn a_record_is_a_document_of_four_fields(mode: Mode) {
    let (store, collection) = store(mode);
    let record = Record::new(vec![0, 255, 10], Duration::from_millis(1500));
    let before = Clock::default().now();
    let _ = store.create("session:a/b", &record).await.unwrap();
    let mut fields = fields(mode, &collection, "session:a%2fb").await.expect("a document");
    let fields = fields.as_object_mut().unwrap();
    let blob = if mode == Mode::Native { "bytesValue" } else { "blobValue" };
    let base64 = |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
    assert_eq!(fields.remove("data").unwrap()[blob], base64(&[0, 255, 10]));
    assert_eq!(fields.remove("version").unwrap()[blob], base64(record.version.as_bytes()));
    let expires = fields.remove("expires").unwrap();
    let expires: u64 = expires["integerValue"].as_str().unwrap().parse().unwrap();
    assert!((before + 1500..before + 60_000).contains(&expires));
    let policy = fields.remove("expiration").unwrap()["timestampValue"].as_str().unwrap().to_owned();
    assert!(policy.contains(&format!(".{:03}", expires % 1000)) || expires.is_multiple_of(1000), "{policy}");
    assert!(fields.is_empty(), "{fields:?}");
}

async fn a_document_that_is_no_record_is_absent_and_kept(mode: Mode) {
    let (store, collection) = store(mode);
    let far = json!({"integerValue": "99999999999999"});
    for (key, other) in [("bare", json!({})), ("text", json!({"expires": far, "data": {"stringValue": "text"}}))] {
        put(mode, &collection, key, other).await;
        let before = fields(mode, &collection, key).await.expect("a document");
        assert_eq!(store.load(key).await.unwrap(), None, "{key}");
        assert_eq!(store.update(key, &record("mine"), &Version::random()).await.unwrap(), Updated::Gone, "{key}");
        assert!(!store.touch(key, MINUTE).await.unwrap(), "{key}");
        assert_eq!(store.create(key, &record("mine")).await.unwrap(), Created::Taken, "{key}");
        assert_eq!(fields(mode, &collection, key).await, Some(before), "{key}");
        store.delete(key).await.unwrap();
        assert_eq!(store.create(key, &record("mine")).await.unwrap(), Created::Created, "{key}");
    }
}

async fn an_expired_document_is_no_record_and_in_nobody_s_way(mode: Mode) {
    let (store, clock, collection) = timed(mode);
    let first = record("first");
    let _ = store.create("k", &first).await.unwrap();
    clock.advance(MINUTE);
    assert!(fields(mode, &collection, "k").await.is_some());
    assert_eq!(store.load("k").await.unwrap(), None);
    assert_eq!(store.update("k", &record("second"), &first.version).await.unwrap(), Updated::Gone);
    assert!(!store.touch("k", MINUTE).await.unwrap());
    assert_eq!(store.create("k", &record("anew")).await.unwrap(), Created::Created);
    assert_eq!(store.load("k").await.unwrap().unwrap().bytes, "anew");
}

async fn a_touch_in_between_is_no_conflict(mode: Mode) {
    let (store, _) = store(mode);
    let first = record("first");
    let _ = store.create("k", &first).await.unwrap();
    // each moves what the other's condition is about
    let touches = async {
        for minutes in 2..12 {
            assert!(store.touch("k", minutes * MINUTE).await.unwrap());
        }
    };
    let updates = async {
        let mut version = first.version;
        for _ in 0..10 {
            let next = record("next");
            assert_eq!(store.update("k", &next, &version).await.unwrap(), Updated::Done);
            version = next.version;
        }
    };
    futures_util::join!(touches, updates);
}

async fn of_touches_at_once_the_longest_holds(mode: Mode) {
    let (store, _) = store(mode);
    for round in 0..5 {
        let key = format!("k{round}");
        let _ = store.create(&key, &record("")).await.unwrap();
        // the longest is sent first, so that it would be written over
        let touches = [60, 2, 3, 4].map(|minutes| store.touch(&key, minutes * MINUTE));
        let touched = futures_util::future::join_all(touches).await;
        assert!(touched.into_iter().all(|touched| touched.unwrap()));
        assert!(store.load(&key).await.unwrap().unwrap().expires_in > 30 * MINUTE);
    }
}

async fn what_has_expired_is_counted(mode: Mode) {
    let (store, clock, _) = timed(mode);
    for index in 0..12 {
        let lifetime = if index % 4 == 0 { 3 * MINUTE } else { MINUTE };
        let _ = store.create(&format!("k{index}"), &Record::new("", lifetime)).await.unwrap();
    }
    assert_eq!(store.count_expired().await.unwrap(), Some(0));
    clock.advance(2 * MINUTE);
    assert_eq!(store.count_expired().await.unwrap(), Some(9));
    assert_eq!(store.delete_expired(4).await.unwrap().deleted, 4);
    assert_eq!(store.count_expired().await.unwrap(), Some(5));
    assert_eq!(store.delete_expired(100).await.unwrap().deleted, 5);
    assert!(store.load("k0").await.unwrap().is_some());
}

async fn what_is_no_record_does_not_hold_a_sweep_up(mode: Mode) {
    /// More than a query asks for.
    const OTHERS: usize = 120;
    let (store, clock, collection) = timed(mode);
    let others: Vec<_> = (0..OTHERS).map(|index| format!("other{index}")).collect();
    let expired = json!({"expires": {"integerValue": "1"}});
    futures_util::future::join_all(others.iter().map(|id| put(mode, &collection, id, expired.clone()))).await;
    for limit in [1000, 50] {
        for index in 0..3 {
            let _ = store.create(&format!("k{index}"), &record("")).await.unwrap();
        }
        clock.advance(MINUTE);
        let mut deleted = 0;
        for call in 0.. {
            let swept = store.delete_expired(limit).await.unwrap();
            deleted += swept.deleted;
            if !swept.more {
                break;
            }
            assert!(call < OTHERS, "a sweep comes to an end");
        }
        assert_eq!(deleted, 3, "by {limit}");
        assert_eq!(store.count_expired().await.unwrap(), Some(OTHERS as u64));
    }
}

fn timed(mode: Mode) -> (Box<dyn SessionStore>, Clock, String) {
    let (clock, collection) = (Clock::manual(), server(mode).collection());
    let url = GcloudServer::url(mode, &collection, server(mode).port());
    let store: Box<dyn SessionStore> = match mode {
        Mode::Native => Box::new(FirestoreStore::new(&url).unwrap().timeout(PATIENT).clock(clock.clone())),
        Mode::Datastore => Box::new(DatastoreStore::new(&url).unwrap().timeout(PATIENT).clock(clock.clone())),
    };
    (store, clock, collection)
}

/// What is in a document, as Google's own REST interface has it.
async fn fields(mode: Mode, collection: &str, id: &str) -> Option<Value> {
    let answer: Value = match mode {
        Mode::Native => ask(mode, reqwest::Method::GET, &document(collection, id), None).await,
        Mode::Datastore => {
            let asked = json!({"keys": [key(collection, id)]});
            ask(mode, reqwest::Method::POST, "/v1/projects/test-project:lookup", Some(asked)).await
        }
    };
    let found = match mode {
        Mode::Native => answer.get("name").map(|_| answer.get("fields").cloned()),
        Mode::Datastore => answer["found"].get(0).map(|found| found["entity"].get("properties").cloned()),
    };
    let mut fields = found?.unwrap_or_else(|| json!({}));
    for (_, value) in fields.as_object_mut()? {
        value.as_object_mut()?.remove("excludeFromIndexes");
    }
    Some(fields)
}

async fn put(mode: Mode, collection: &str, id: &str, fields: Value) {
    match mode {
        Mode::Native => {
            let _ = ask(mode, reqwest::Method::PATCH, &document(collection, id), Some(json!({"fields": fields}))).await;
        }
        Mode::Datastore => {
            let entity = json!({"key": key(collection, id), "properties": fields});
            let commit = json!({"mode": "NON_TRANSACTIONAL", "mutations": [{"upsert": entity}]});
            let _ = ask(mode, reqwest::Method::POST, "/v1/projects/test-project:commit", Some(commit)).await;
        }
    }
}

fn document(collection: &str, id: &str) -> String {
    let id = id.replace('%', "%25");
    format!("/v1/projects/test-project/databases/(default)/documents/{collection}/{id}")
}

fn key(collection: &str, id: &str) -> Value {
    json!({"partitionId": {"projectId": "test-project"}, "path": [{"kind": collection, "name": id}]})
}

async fn ask(mode: Mode, method: reqwest::Method, path: &str, body: Option<Value>) -> Value {
    let url = format!("http://127.0.0.1:{}{path}", server(mode).port());
    let mut request = reqwest::Client::new().request(method, url).header("authorization", "Bearer owner");
    if let Some(body) = body {
        request = request.json(&body);
    }
    request.send().await.unwrap().json().await.unwrap()
}
