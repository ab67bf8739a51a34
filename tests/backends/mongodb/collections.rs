//! The collection: how it is made, and what is said of one that is not there, or is for something else.

use actix_typed_session::store::{SessionStore, StoreError, StoreErrorKind};
use mongodb::bson::{Document, doc};

use super::{
    MINUTE, assert_works, fresh,
    puppet::{Kind, Puppet, cursor, error},
    record, shared, store,
};

trials![
    a_collection_that_is_not_there_is_an_error_that_names_migrate_and_is_not_made,
    a_collection_of_another_shape_is_an_error,
    migrate_makes_a_plain_index_where_the_server_deletes_nothing_by_itself,
    migrate_asks_for_expiry_by_the_server,
    migrate_without_the_right_to_is_done_where_it_was_done,
    a_user_without_rights_is_told_so,
    a_view_is_told,
    what_migrate_does_is_told_as_text,
];

async fn call(store: &dyn SessionStore, call: usize) -> Result<(), StoreError> {
    match call {
        0 => store.load("k").await.map(drop),
        1 => store.create("k", &record("")).await.map(|_| ()),
        2 => store.update("k", &record(""), &record("").version).await.map(|_| ()),
        3 => store.touch("k", MINUTE).await.map(drop),
        4 => store.delete("k").await,
        5 => store.delete_expired(1).await.map(drop),
        6 => store.count_expired().await.map(drop),
        _ => store.ping().await,
    }
}

async fn assert_all_say(store: &dyn SessionStore, says: &str) {
    for number in 0..8 {
        let error = call(store, number).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{number}: {error}");
        assert!(error.to_string().contains(says), "{number}: {error}");
    }
}

async fn names(server: &actix_typed_session_tests::support::ferretdb::FerretDb) -> Vec<String> {
    let client = mongodb::Client::with_uri_str(server.url()).await.unwrap();
    client.database("flask_session").list_collection_names().await.unwrap()
}

async fn a_collection_that_is_not_there_is_an_error_that_names_migrate_and_is_not_made() {
    let server = shared();
    // so that the database is there, or it would be another error
    let (works, _) = fresh(&server).await;
    let missing = store(server.url()).collection("nowhere").unwrap();
    assert_all_say(&missing, "has no collection `flask_session.nowhere`: `typed-session migrate` makes it").await;
    assert!(!names(&server).await.contains(&"nowhere".to_owned()));
    let nowhere = store(server.url()).database("nowhere").unwrap();
    assert_all_say(&nowhere, "has no collection `nowhere.sessions`").await;
    assert_works(&works).await;
}

async fn a_collection_of_another_shape_is_an_error() {
    let server = shared();
    let client = mongodb::Client::with_uri_str(server.url()).await.unwrap();
    let collection = server.collection();
    // as Flask-Session makes it, but for the expiry
    client
        .database("flask_session")
        .collection::<Document>(&collection)
        .insert_one(doc! { "id": "session:1", "val": "x" })
        .await
        .unwrap();
    let store = store(server.url()).collection(&collection).unwrap();
    assert_all_say(&store, "is not for sessions: it lacks the index of `e`").await;
    // which can be made beside
    store.migrate().await.unwrap();
    assert_works(&store).await;
}

async fn migrate_makes_a_plain_index_where_the_server_deletes_nothing_by_itself() {
    let server = shared();
    let (store, collection) = fresh(&server).await;
    let client = mongodb::Client::with_uri_str(server.url()).await.unwrap();
    let indexes = client.database("flask_session").run_command(doc! { "listIndexes": collection }).await.unwrap();
    let indexes = indexes.get_document("cursor").unwrap().get_array("firstBatch").unwrap();
    let index =
        indexes.iter().map(|index| index.as_document().unwrap()).find(|index| index.get_str("name").unwrap() == "e_1");
    assert!(!index.unwrap().contains_key("expireAfterSeconds"));
    store.migrate().await.unwrap();
}

async fn migrate_asks_for_expiry_by_the_server() {
    let server = Puppet::start(Kind::Single, |command| command.contains_key("createIndexes").then(|| doc! { "ok": 1 }));
    store(server.url()).migrate().await.unwrap();
    let asked = server.asked("createIndexes");
    let index = asked[0].get_array("indexes").unwrap()[0].as_document().unwrap();
    assert_eq!(*index, doc! { "key": { "e": 1 }, "name": "e_1", "expireAfterSeconds": 0 });
    assert_eq!(asked.len(), 1);
}

async fn migrate_without_the_right_to_is_done_where_it_was_done() {
    for (code, indexes, is_done) in [(13, true, true), (13, false, false), (85, true, true), (67, true, false)] {
        let server = Puppet::start(Kind::Single, move |command| match command.keys().next()?.as_str() {
            "createIndexes" => Some(error(code, "X")),
            "listIndexes" if !indexes => Some(error(26, "NamespaceNotFound")),
            _ => None,
        });
        let migrated = store(server.url()).migrate().await;
        assert_eq!(migrated.is_ok(), is_done, "{code}: {migrated:?}");
    }
}

async fn a_user_without_rights_is_told_so() {
    let server = Puppet::start(Kind::Single, |_| Some(error(13, "Unauthorized")));
    assert_all_say(&store(server.url()), "denies the user access to `flask_session.sessions` (13 Unauthorized)").await;
}

async fn a_view_is_told() {
    let server = Puppet::start(Kind::Single, |_| Some(error(166, "CommandNotSupportedOnView")));
    assert_all_say(&store(server.url()), "is no collection, but a view").await;
    let server = Puppet::start(Kind::Single, |command| command.contains_key("listIndexes").then(|| cursor(&[])));
    assert_all_say(&store(server.url()), "it lacks the index of `_id`").await;
}

async fn what_migrate_does_is_told_as_text() {
    let store = store("mongodb://127.0.0.1:1").database("app").unwrap().collection("web").unwrap();
    assert_eq!(
        store.migration().unwrap(),
        r#"db.getSiblingDB("app").getCollection("web").createIndex({ e: 1 }, { name: "e_1", expireAfterSeconds: 0 });"#
    );
}
