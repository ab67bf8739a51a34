//! The index: how it is made, what is said of one that is missing or is for something else, and what is in it.

use std::time::Duration;

use actix_typed_session::{
    Clock,
    store::{Created, Record, SessionStore, StoreError, StoreErrorKind, Updated},
};
use actix_typed_session_tests::support::search::Search;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use super::{MINUTE, Server, assert_works, fresh, puppet::relay, record, store};

pub(crate) fn trials(trials: &mut Vec<Trial>) {
    on_both!(trials: an_index_that_goes_away_meanwhile_is_an_error_and_is_never_made,
        a_sweep_never_deletes_what_was_touched_since_it_was_searched);
    on_one!(trials: an_index_that_is_missing_is_an_error_and_is_never_made, an_index_of_another_shape_is_an_error,
        what_migrate_does_is_told_as_text_that_a_server_takes, a_record_is_a_document_of_three_fields,
        something_else_under_a_key_counts_as_absent_and_is_kept, a_sweep_goes_on_to_its_limit,
        an_update_meets_a_touch_and_is_done, a_touch_that_meets_a_longer_one_moves_nothing_back);
}

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

async fn an_index_that_is_missing_is_an_error_and_is_never_made(server: Server) {
    let missing = store(server.url()).index("nowhere").unwrap().timeout(Duration::from_secs(20));
    assert_all_say(&missing, "has no alias `nowhere`: `typed-session migrate` makes it").await;
    assert_eq!(server.ask("GET", "/nowhere*", "").1, "{}");
}

/// Without the alias, a write would make an index with a mapping that the server guesses.
async fn an_index_that_goes_away_meanwhile_is_an_error_and_is_never_made(server: Server) {
    for number in 0..7 {
        let (store, index) = fresh(&server).await;
        let first = record("first");
        let _ = store.create("k", &first).await.unwrap();
        assert_eq!(server.ask("DELETE", &format!("/{index}-000001"), "").0, 200);
        let error = match number {
            2 => store.update("k", &record("second"), &first.version).await.map(drop).unwrap_err(),
            3 => store.touch("k", 2 * MINUTE).await.map(drop).unwrap_err(),
            number => call(&store, number).await.unwrap_err(),
        };
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{number}: {error}");
        assert!(error.to_string().contains("migrate"), "{number}: {error}");
        assert_eq!(server.ask("GET", &format!("/{index}*"), "").1, "{}", "{number}");
        store.migrate().await.unwrap();
        assert_works(&store).await;
    }
}

async fn an_index_of_another_shape_is_an_error(server: Server) {
    // as a write makes it that names an index which is not there
    let guessed = server.index();
    let (status, _) = server.ask("PUT", &format!("/{guessed}/_doc/1"), r#"{"id":"1","val":{"a":1}}"#);
    assert_eq!(status, 201);
    let (_, other) = fresh(&server).await;
    let to_async = json!({ "index": { "translog": { "durability": "async" } } }).to_string();
    assert_eq!(server.ask("PUT", &format!("/{other}/_settings"), &to_async).0, 200);
    for (index, says) in [(&guessed, "it is an index, and has to be the alias of one"), (&other, "durability")] {
        let store = store(server.url()).index(index).unwrap().timeout(Duration::from_secs(20));
        assert_all_say(&store, says).await;
        let error = store.migrate().await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    }
}

async fn what_migrate_does_is_told_as_text_that_a_server_takes(server: Server) {
    let index = server.index();
    let store = store(server.url()).index(&index).unwrap().timeout(Duration::from_secs(20));
    let text = store.migration().unwrap();
    let (line, body) = text.split_once('\n').unwrap();
    assert_eq!(line, format!("PUT /{index}-000001"));
    assert_eq!(server.ask("PUT", line.split_once(' ').unwrap().1, body).0, 200);
    assert_works(&store).await;
    store.migrate().await.unwrap();
}

async fn a_record_is_a_document_of_three_fields(server: Server) {
    let (store, index) = fresh(&server).await;
    let _ = store.create("session:1", &record("contents")).await.unwrap();
    let (_, found) = server.ask("GET", &format!("/{index}/_doc/session:1"), "");
    let found: Value = serde_json::from_str(&found).unwrap();
    let fields = found["_source"].as_object().unwrap();
    assert_eq!(fields.keys().collect::<Vec<_>>(), ["d", "e", "v"]);
    assert_eq!((&fields["d"], fields["e"].is_u64()), (&json!("Y29udGVudHM="), true));
}

async fn something_else_under_a_key_counts_as_absent_and_is_kept(server: Server) {
    let (store, index) = fresh(&server).await;
    let other = r#"{"v":"x","d":"AA=="}"#;
    assert_eq!(server.ask("PUT", &format!("/{index}/_doc/k"), other).0, 201);
    assert_eq!(store.load("k").await.unwrap(), None);
    assert_eq!(store.create("k", &record("")).await.unwrap(), Created::Taken);
    assert_eq!(store.update("k", &record(""), &record("").version).await.unwrap(), Updated::Gone);
    assert!(!store.touch("k", MINUTE).await.unwrap());
    assert!(server.ask("GET", &format!("/{index}/_doc/k"), "").1.contains(other));
    store.delete("k").await.unwrap();
    assert_eq!(store.create("k", &record("")).await.unwrap(), Created::Created);
}

/// The search of a sweep sees what the last refresh showed. Here it shows a record whose time is over, which was made anew
/// since: the delete goes by that search, without the refresh that a sweep begins with.
async fn a_sweep_never_deletes_what_was_touched_since_it_was_searched(server: Server) {
    let (store, index) = fresh(&server).await;
    let off = json!({ "index": { "refresh_interval": "-1" } }).to_string();
    assert_eq!(server.ask("PUT", &format!("/{index}/_settings"), &off).0, 200);
    let clock = Clock::manual();
    let store = store.clock(clock.clone());
    for key in ["over", "anew"] {
        let _ = store.create(key, &Record::new("old", Duration::from_secs(1))).await.unwrap();
    }
    clock.advance(MINUTE);
    assert_eq!(server.ask("POST", &format!("/{index}/_refresh"), "").0, 200);
    assert_eq!(store.create("anew", &record("new")).await.unwrap(), Created::Created);
    let query = json!({ "query": { "range": { "e": { "lte": clock.now() } } } }).to_string();
    let (_, counted) = server.ask("POST", &format!("/{index}/_count"), &query);
    assert!(counted.contains("\"count\":2"), "the search does not know yet: {counted}");
    let delete = format!("/{index}/_delete_by_query?conflicts=proceed&max_docs=10");
    let (_, deleted) = server.ask("POST", &delete, &query);
    assert!(deleted.contains("\"deleted\":1") && deleted.contains("\"version_conflicts\":1"), "{deleted}");
    assert_eq!(store.load("anew").await.unwrap().unwrap().bytes, "new");
    assert_eq!(server.ask("GET", &format!("/{index}/_doc/over"), "").0, 404);

    // and the sweep itself, which refreshes before it searches, meets what is over alone
    let _ = store.create("later", &Record::new("old", Duration::from_secs(1))).await.unwrap();
    clock.advance(Duration::from_secs(10));
    assert_eq!(store.delete_expired(10).await.unwrap().deleted, 1);
    assert_eq!(store.load("anew").await.unwrap().unwrap().bytes, "new");
}

async fn a_sweep_goes_on_to_its_limit(server: Server) {
    let (store, _) = fresh(&server).await;
    let clock = Clock::manual();
    let store = store.clock(clock.clone());
    for index in 0..20 {
        let life = Duration::from_secs(index % 2 * 3600 + 1);
        let _ = store.create(&index.to_string(), &Record::new("", life)).await.unwrap();
    }
    clock.advance(MINUTE);
    assert_eq!(store.count_expired().await.unwrap(), Some(10));
    assert_eq!(store.delete_expired(4).await.unwrap().deleted, 4);
    assert_eq!(store.delete_expired(1000).await.unwrap().deleted, 6);
    assert_eq!(store.delete_expired(1000).await.unwrap().deleted, 0);
    assert_eq!(store.count_expired().await.unwrap(), Some(0));
}

/// A touch changes the number of a document, and leaves its version as it is.
async fn a_touch_that_meets_a_longer_one_moves_nothing_back(server: Server) {
    let (other, index) = fresh(&server).await;
    let store = store(server.url()).index(&index).unwrap().timeout(Duration::from_secs(20));
    let _ = store.create("k", &record("first")).await.unwrap();
    assert!(other.touch("k", 60 * MINUTE).await.unwrap());
    // by what it has seen, this would be ahead
    assert!(store.touch("k", 2 * MINUTE).await.unwrap());
    assert!(other.load("k").await.unwrap().unwrap().expires_in > 30 * MINUTE);
}

async fn an_update_meets_a_touch_and_is_done(server: Server) {
    let (other, index) = fresh(&server).await;
    let relay = relay(server.port());
    let store = store(relay.url()).index(&index).unwrap().timeout(Duration::from_secs(20));
    let first = record("first");
    let _ = store.create("k", &first).await.unwrap();
    assert!(other.touch("k", 2 * MINUTE).await.unwrap());
    relay.asked();
    assert_eq!(store.update("k", &record("second"), &first.version).await.unwrap(), Updated::Done);
    let asked: Vec<_> = relay.asked().into_iter().map(|asked| asked.what).collect();
    let path = format!("/{index}/_doc/k");
    assert_eq!(asked, [format!("PUT {path}"), format!("GET {path}"), format!("PUT {path}")]);
}
