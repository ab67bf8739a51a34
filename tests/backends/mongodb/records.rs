//! What is in a document, what else may be there, and what a sweep deletes.

use std::time::Duration;

use actix_typed_session::{
    Clock,
    store::{Created, Record, SessionStore, StoreErrorKind},
};
use mongodb::{
    Collection,
    bson::{Binary, Bson, DateTime, Document, doc, spec::BinarySubtype},
};

use super::{
    MINUTE, fresh,
    puppet::{Kind, Puppet, cursor},
    record, shared, store,
};

trials![
    a_record_is_a_document_of_four_fields,
    something_else_under_a_key_counts_as_absent_and_is_kept,
    a_record_over_the_size_of_a_document_is_too_large_and_nothing_is_sent,
    a_record_of_some_megabytes_comes_back,
    a_sweep_deletes_what_is_over_at_that_moment_alone,
    a_sweep_goes_on_to_its_limit,
];

async fn documents(collection: &str) -> Collection<Document> {
    let client = mongodb::Client::with_uri_str(shared().url()).await.unwrap();
    client.database("flask_session").collection(collection)
}

fn binary(bytes: &[u8]) -> Bson {
    Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() })
}

async fn a_record_is_a_document_of_four_fields() {
    let server = shared();
    let (store, collection) = fresh(&server).await;
    let (record, before) = (record("contents"), DateTime::now().timestamp_millis());
    let _ = store.create("session:1", &record).await.unwrap();
    let found = documents(&collection).await.find_one(doc! { "_id": "session:1" }).await.unwrap().unwrap();
    let mut names: Vec<_> = found.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["_id", "d", "e", "v"]);
    assert_eq!((&found["v"], &found["d"]), (&binary(record.version.as_bytes()), &binary(b"contents")));
    let expiry = found.get_datetime("e").unwrap().timestamp_millis();
    assert!((before + 60_000..before + 90_000).contains(&expiry));
}

async fn something_else_under_a_key_counts_as_absent_and_is_kept() {
    let server = shared();
    let (store, collection) = fresh(&server).await;
    let documents = documents(&collection).await;
    let ahead = DateTime::from_millis(DateTime::now().timestamp_millis() + 60_000);
    let others = [doc! { "_id": "a" }, doc! { "_id": "b", "v": 1, "e": ahead, "d": "text" }];
    documents.insert_many(&others).await.unwrap();
    for other in others {
        let key = other.get_str("_id").unwrap();
        assert_eq!(store.load(key).await.unwrap(), None);
        assert_eq!(store.create(key, &record("")).await.unwrap(), Created::Taken);
        assert_eq!(documents.find_one(doc! { "_id": key }).await.unwrap().unwrap(), other);
        store.delete(key).await.unwrap();
        assert_eq!(store.create(key, &record("")).await.unwrap(), Created::Created);
    }
}

async fn a_record_over_the_size_of_a_document_is_too_large_and_nothing_is_sent() {
    let server = Puppet::start(Kind::Single, |_| None);
    let store = store(server.url());
    let large = Record::new(vec![0; 16 * 1024 * 1024], MINUTE);
    assert_eq!(store.create("k", &large).await.unwrap_err().kind(), StoreErrorKind::TooLarge);
    assert_eq!(store.update("k", &large, &large.version).await.unwrap_err().kind(), StoreErrorKind::TooLarge);
    assert_eq!(server.connections(), 0);
}

async fn a_record_of_some_megabytes_comes_back() {
    let server = shared();
    let (store, _) = fresh(&server).await;
    let large = Record::new(vec![7; 3 * 1024 * 1024], MINUTE);
    assert_eq!(store.create("k", &large).await.unwrap(), Created::Created);
    assert_eq!(store.load("k").await.unwrap().unwrap().bytes, large.bytes);
    store.delete("k").await.unwrap();
}

async fn a_sweep_deletes_what_is_over_at_that_moment_alone() {
    let server = Puppet::start(Kind::Single, |command| match command.keys().next()?.as_str() {
        "find" => Some(cursor(&[doc! { "_id": "a" }, doc! { "_id": "b" }])),
        "delete" => Some(doc! { "ok": 1, "n": 1 }),
        _ => None,
    });
    // one of them was made anew in between, and the server did not delete it
    assert_eq!(store(server.url()).delete_expired(100).await.unwrap().deleted, 1);
    let delete = server.asked("delete").remove(0);
    let filter = delete.get_array("deletes").unwrap()[0].as_document().unwrap().get_document("q").unwrap();
    assert_eq!(filter.get_document("_id").unwrap().get_array("$in").unwrap().len(), 2);
    assert!(filter.get_document("e").unwrap().get_datetime("$lte").is_ok());
    assert_eq!(server.asked("find")[0].get_i64("limit").unwrap(), 100);
}

async fn a_sweep_goes_on_to_its_limit() {
    let server = shared();
    let (store, _) = fresh(&server).await;
    let clock = Clock::manual();
    let store = store.clock(clock.clone());
    for index in 0..30 {
        let _ = store
            .create(&index.to_string(), &Record::new("", Duration::from_secs(index % 2 * 3600 + 1)))
            .await
            .unwrap();
    }
    clock.advance(MINUTE);
    assert_eq!(store.count_expired().await.unwrap(), Some(15));
    assert_eq!(store.delete_expired(10).await.unwrap().deleted, 10);
    assert_eq!(store.delete_expired(1000).await.unwrap().deleted, 5);
    assert_eq!(store.delete_expired(1000).await.unwrap().deleted, 0);
    assert_eq!(store.count_expired().await.unwrap(), Some(0));
}
