//! Records as items, and what each operation costs.

use std::{cmp::Ordering, time::Duration};

use actix_typed_session::{
    Clock, SessionMiddleware,
    store::{Created, Record, SessionStore, Updated, Version},
};
use actix_typed_session_tests::support::{browser::Browser, server::Server};
use aws_sdk_dynamodb::types::AttributeValue;

use super::{MINUTE, at, pretended::Pretended, record, server, store};
use crate::visits::routes;

trials![
    each_operation_is_one_request,
    a_request_asks_the_server_as_often_as_it_has_to,
    a_record_is_an_item_of_five_attributes,
    a_touch_moves_both_times_and_never_backwards,
    an_item_that_is_no_record_is_absent_and_kept,
    an_expired_item_is_no_record_however_late_it_goes,
];

async fn each_operation_is_one_request() {
    let (_, table) = store(&server()).await;
    let counting = Pretended::before(server().port());
    let store = at(&table, counting.port);
    let took = |what: &str, expected: &[&str]| assert_eq!(counting.asked(), expected, "{what}");
    let (first, second) = (record("first"), record("second"));
    let _ = store.create("k", &first).await.unwrap();
    took("create", &["PutItem"]);
    assert_eq!(store.create("k", &first).await.unwrap(), Created::Taken);
    took("create over a record", &["PutItem"]);
    assert!(store.load("k").await.unwrap().is_some());
    took("load", &["GetItem"]);
    assert_eq!(store.update("k", &second, &first.version).await.unwrap(), Updated::Done);
    took("update", &["PutItem"]);
    let Updated::Conflict(found) = store.update("k", &first, &first.version).await.unwrap() else { panic!() };
    assert_eq!((found.version, &found.bytes), (second.version, &second.bytes));
    took("update at another version", &["PutItem"]);
    assert!(store.touch("k", 2 * MINUTE).await.unwrap());
    took("touch", &["UpdateItem"]);
    assert!(store.touch("k", MINUTE).await.unwrap());
    took("touch that is not ahead", &["UpdateItem"]);
    store.delete("k").await.unwrap();
    took("delete", &["DeleteItem"]);
    assert!(!store.touch("k", MINUTE).await.unwrap());
    took("touch of what is gone", &["UpdateItem"]);
    assert_eq!(store.update("k", &first, &second.version).await.unwrap(), Updated::Gone);
    took("update of what is gone", &["PutItem", "GetItem"]);
    store.ping().await.unwrap();
    took("ping", &["GetItem"]);
    assert_eq!(store.delete_expired(10).await.unwrap().deleted, 0);
    took("sweep with the TTL on", &["DescribeTimeToLive"]);
}

async fn a_request_asks_the_server_as_often_as_it_has_to() {
    let (_, table) = store(&server()).await;
    let counting = Pretended::before(server().port());
    let site = Server::start(SessionMiddleware::new(at(&table, counting.port)), 1, routes);
    let browser = Browser::new(site.address);
    for (path, requests) in [
        ("/none", &[][..]),
        ("/read", &[]),
        ("/count", &["PutItem"]),
        ("/none", &[]),
        ("/read", &["GetItem"]),
        ("/count", &["GetItem", "PutItem"]),
        ("/end", &["GetItem", "DeleteItem"]),
        ("/read", &[]),
    ] {
        assert_eq!(browser.get(path).await.status, 200, "{path}");
        assert_eq!(counting.asked(), requests, "{path}");
    }
}

async fn a_record_is_an_item_of_five_attributes() {
    let (store, table) = store(&server()).await;
    let record = Record::new(vec![0, 255, 10], Duration::from_millis(1500));
    let before = Clock::default().now();
    let _ = store.create("session:k", &record).await.unwrap();
    let mut item = item(&table, "session:k").await;
    let number = |value: AttributeValue| value.as_n().unwrap().parse::<u64>().unwrap();
    let expires = number(item.remove("expires").unwrap());
    assert!((before + 1500..before + 60_000).contains(&expires));
    assert_eq!(number(item.remove("expiration").unwrap()), expires.div_ceil(1000));
    assert_eq!(item.remove("id").unwrap().as_s().unwrap(), "session:k");
    assert_eq!(item.remove("version").unwrap().as_b().unwrap().as_ref(), record.version.as_bytes());
    assert_eq!(item.remove("data").unwrap().as_b().unwrap().as_ref(), [0, 255, 10]);
    assert!(item.is_empty(), "{item:?}");
}

async fn a_touch_moves_both_times_and_never_backwards() {
    let (store, table) = store(&server()).await;
    let _ = store.create("k", &record("first")).await.unwrap();
    let mut last = item(&table, "k").await;
    for (asked, is_later) in [(3 * MINUTE, true), (2 * MINUTE, false), (4 * MINUTE, true)] {
        assert!(store.touch("k", asked).await.unwrap());
        let now = item(&table, "k").await;
        for name in ["expires", "expiration"] {
            let of = |item: &Item| item[name].as_n().unwrap().parse::<u64>().unwrap();
            let order = if is_later { Ordering::Greater } else { Ordering::Equal };
            assert_eq!(of(&now).cmp(&of(&last)), order, "{name} after {asked:?}");
        }
        assert_eq!((&now["version"], &now["data"]), (&last["version"], &last["data"]));
        last = now;
    }
}

async fn an_item_that_is_no_record_is_absent_and_kept() {
    let (store, table) = store(&server()).await;
    let far = AttributeValue::N("99999999999999".to_owned());
    let text = || AttributeValue::S("text".to_owned());
    for (key, attributes) in [
        ("bare", vec![]),
        // as of Flask-Session
        ("flask", vec![("val", text()), ("expiration", far.clone())]),
        ("texts", vec![("expires", far.clone()), ("version", text()), ("data", text())]),
    ] {
        let mut put = server().client().put_item().table_name(&table).item("id", AttributeValue::S(key.to_owned()));
        for (name, value) in attributes {
            put = put.item(name, value);
        }
        put.send().await.unwrap();
        let before = item(&table, key).await;
        assert_eq!(store.load(key).await.unwrap(), None, "{key}");
        assert_eq!(store.update(key, &record("mine"), &Version::random()).await.unwrap(), Updated::Gone, "{key}");
        assert!(!store.touch(key, MINUTE).await.unwrap(), "{key}");
        assert_eq!(store.create(key, &record("mine")).await.unwrap(), Created::Taken, "{key}");
        assert_eq!(item(&table, key).await, before);
        store.delete(key).await.unwrap();
        assert_eq!(store.create(key, &record("mine")).await.unwrap(), Created::Created, "{key}");
    }
}

async fn an_expired_item_is_no_record_however_late_it_goes() {
    let (store, table) = store(&server()).await;
    let clock = Clock::manual();
    let store = store.clock(clock.clone());
    let first = record("first");
    let _ = store.create("k", &first).await.unwrap();
    clock.advance(MINUTE);
    assert!(!item(&table, "k").await.is_empty());
    assert_eq!(store.load("k").await.unwrap(), None);
    assert_eq!(store.update("k", &record("second"), &first.version).await.unwrap(), Updated::Gone);
    assert!(!store.touch("k", MINUTE).await.unwrap());
    assert_eq!(store.create("k", &record("anew")).await.unwrap(), Created::Created);
    assert_eq!(store.load("k").await.unwrap().unwrap().bytes, "anew");
}

type Item = std::collections::HashMap<String, AttributeValue>;

async fn item(table: &str, key: &str) -> Item {
    let client = server().client();
    let asked = client.get_item().table_name(table).key("id", AttributeValue::S(key.to_owned())).consistent_read(true);
    asked.send().await.unwrap().item.expect("an item")
}
