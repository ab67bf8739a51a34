//! What is stored, by which commands, and what ends it.

use std::time::Duration;

use actix_typed_session::store::{Created, Record, SessionStore, StoreErrorKind, Updated, Version};

use super::{MINUTE, MemcachedServer, idle, record, store};

trials![
    an_item_is_version_expiry_and_contents,
    each_operation_is_as_many_commands_as_it_says,
    a_touch_in_between_is_no_conflict,
    an_update_in_between_is_a_conflict,
    numbers_of_a_server_that_restarted_mean_nothing,
    a_touch_moves_the_servers_own_expiry_and_never_backwards,
    the_server_ends_a_record,
    any_lifetime_is_taken,
    keys_never_meet_and_are_no_commands,
    a_value_that_is_no_record_is_absent_and_kept,
    an_item_without_an_expiry_keeps_none,
    what_fits_is_what_the_server_says,
    a_record_that_is_too_large_leaves_the_old_one,
    flush_all_ends_sessions,
    what_the_server_throws_out_is_an_ended_session,
    a_server_that_may_not_throw_out_is_unavailable_when_it_is_full,
];

async fn an_item_is_version_expiry_and_contents() {
    let server = MemcachedServer::start();
    let store = store(server.address());
    let version = Version::from_bytes(*b"sixteen letters!");
    let contents = Record { version, bytes: "contents".into(), expires_in: MINUTE };
    let _ = store.create("session:1", &contents).await.unwrap();
    let item = server.ask("mg session:1 v s");
    assert!(item.starts_with("VA 32 s32\r\nsixteen letters!"), "{item}");
    assert!(item.ends_with("contents"), "{item}");
}

async fn each_operation_is_as_many_commands_as_it_says() {
    let server = MemcachedServer::start();
    let (store, other) = (store(server.address()), store(server.address()));
    let commands = || server.commands();
    let (first, second, third) = (record("first"), record("second"), record("third"));
    // the connections are open from then on
    store.ping().await.unwrap();
    other.ping().await.unwrap();

    let mut before = commands();
    let mut took = |what: &str, expected: u64| {
        let now = commands();
        assert_eq!(now - before, expected, "{what}");
        before = now;
    };
    let _ = store.create("k", &first).await.unwrap();
    took("create", 1);
    assert_eq!(store.create("k", &first).await.unwrap(), Created::Taken);
    took("create over a record", 1);
    assert_eq!(store.update("k", &second, &first.version).await.unwrap(), Updated::Done);
    took("update of what was written before", 1);
    assert_eq!(other.update("k", &third, &second.version).await.unwrap(), Updated::Done);
    took("update of what another worker wrote", 2);
    assert!(matches!(store.update("k", &first, &first.version).await.unwrap(), Updated::Conflict(_)));
    took("update of what was replaced meanwhile by another worker", 2);
    assert!(matches!(store.update("k", &first, &Version::random()).await.unwrap(), Updated::Conflict(_)));
    took("update at an unknown version", 1);
    let loaded = store.load("k").await.unwrap().unwrap();
    took("load", 1);
    assert_eq!(store.update("k", &first, &loaded.version).await.unwrap(), Updated::Done);
    took("update of what was read before", 1);
    assert!(store.touch("k", 2 * MINUTE).await.unwrap());
    took("touch", 2);
    assert!(store.touch("k", MINUTE).await.unwrap());
    took("touch that is not ahead", 1);
    store.delete("k").await.unwrap();
    took("delete", 1);
    assert_eq!(store.update("k", &second, &first.version).await.unwrap(), Updated::Gone);
    took("update of what is gone", 1);
    assert_eq!(store.delete_expired(10).await.unwrap().deleted, 0);
    took("sweep", 0);
}

async fn a_touch_in_between_is_no_conflict() {
    let server = MemcachedServer::start();
    let (one, two) = (store(server.address()), store(server.address()));
    let first = record("first");
    let _ = one.create("k", &first).await.unwrap();
    assert!(two.touch("k", 2 * MINUTE).await.unwrap());
    assert_eq!(one.update("k", &record("second"), &first.version).await.unwrap(), Updated::Done);
    assert_eq!(two.load("k").await.unwrap().unwrap().bytes, "second");
}

async fn an_update_in_between_is_a_conflict() {
    let server = MemcachedServer::start();
    let (one, two) = (store(server.address()), store(server.address()));
    let (first, second) = (record("first"), record("second"));
    let _ = one.create("k", &first).await.unwrap();
    assert_eq!(two.update("k", &second, &first.version).await.unwrap(), Updated::Done);
    let Updated::Conflict(current) = one.update("k", &record("third"), &first.version).await.unwrap() else {
        panic!("an update at an old version is a conflict")
    };
    assert_eq!((current.version, &current.bytes), (second.version, &second.bytes));
}

async fn numbers_of_a_server_that_restarted_mean_nothing() {
    let mut server = MemcachedServer::start();
    let (one, two) = (store(server.address()), store(server.address()));
    let first = record("first");
    let _ = one.create("k", &first).await.unwrap();
    assert!(server.ask("mg k c").starts_with("HD c1"), "the first number");
    server.restart();
    idle().await;
    let _ = two.create("k", &record("another's")).await.unwrap();
    assert!(server.ask("mg k c").starts_with("HD c1"), "the same number");
    assert!(matches!(one.update("k", &record("mine"), &first.version).await.unwrap(), Updated::Conflict(_)));
    assert_eq!(two.load("k").await.unwrap().unwrap().bytes, "another's");
}

async fn a_touch_moves_the_servers_own_expiry_and_never_backwards() {
    let server = MemcachedServer::start();
    let store = store(server.address());
    let left = || server.ask("mg k t").trim_start_matches("HD t").parse::<u64>().unwrap();
    let _ = store.create("k", &record("first")).await.unwrap();
    assert!((60..=61).contains(&left()));
    assert!(store.touch("k", 3 * MINUTE).await.unwrap());
    assert!((180..=181).contains(&left()));
    assert!(store.touch("k", 2 * MINUTE).await.unwrap());
    assert!((180..=181).contains(&left()));
    assert_eq!(store.load("k").await.unwrap().unwrap().bytes, "first");
    assert!(!store.touch("never", MINUTE).await.unwrap());
}

async fn the_server_ends_a_record() {
    let server = MemcachedServer::start();
    let store = store(server.address());
    let _ = store.create("k", &Record::new("", Duration::from_millis(1))).await.unwrap();
    while store.load("k").await.unwrap().is_some() {
        idle().await;
    }
    assert!(server.ask("mg k v").starts_with("EN"));
    assert_eq!(store.create("k", &record("anew")).await.unwrap(), Created::Created);
}

async fn any_lifetime_is_taken() {
    let server = MemcachedServer::start();
    let store = store(server.address());
    let day = 24 * 60 * MINUTE;
    // longer than the server can count: until January 2038
    let last = Duration::from_secs(i32::MAX as u64) - std::time::UNIX_EPOCH.elapsed().unwrap();
    for lifetime in [Duration::ZERO, 30 * day, 31 * day, 3650 * day, Duration::MAX] {
        let record = Record::new("", lifetime);
        assert_eq!(store.create("k", &record).await.unwrap(), Created::Created);
        if lifetime > MINUTE {
            let left: i64 = server.ask("mg k t").trim_start_matches("HD t").parse().unwrap();
            let left = Duration::from_secs(left.try_into().expect("it does not live for ever"));
            let asked = lifetime.min(last);
            assert!(left + MINUTE > asked && left < asked + MINUTE, "{lifetime:?}: {left:?}");
            let shown = store.load("k").await.unwrap().unwrap().expires_in;
            assert!(shown <= left && shown + MINUTE > left, "{lifetime:?}: {shown:?}");
            assert_eq!(store.update("k", &record, &record.version).await.unwrap(), Updated::Done);
            assert!(store.touch("k", lifetime).await.unwrap());
        }
        store.delete("k").await.unwrap();
    }
}

async fn keys_never_meet_and_are_no_commands() {
    let server = MemcachedServer::start();
    let store = store(server.address());
    let (long, longer) = ("x".repeat(300), "x".repeat(301));
    let keys = ["", " ", "a b", "a  b", "k\r\nflush_all\r\n", "k O1 q", "späß", "\0", "~", "x", &long, &longer];
    for (index, key) in keys.iter().enumerate() {
        let record = Record::new(index.to_string(), MINUTE);
        assert_eq!(store.create(key, &record).await.unwrap(), Created::Created, "{key:?}");
        // what it is hashed to is a key of its own
        let wire = server.ask("lru_crawler metadump all");
        assert!(!wire.contains("flush_all"), "{wire}");
    }
    for (index, key) in keys.iter().enumerate() {
        assert_eq!(store.load(key).await.unwrap().unwrap().bytes, index.to_string(), "{key:?}");
    }
}

async fn a_value_that_is_no_record_is_absent_and_kept() {
    let server = MemcachedServer::start();
    let store = store(server.address());
    assert_eq!(server.ask("set k 0 0 4\r\ntext"), "STORED");
    assert_eq!(store.load("k").await.unwrap(), None);
    assert_eq!(store.update("k", &record("mine"), &Version::random()).await.unwrap(), Updated::Gone);
    assert!(!store.touch("k", MINUTE).await.unwrap());
    assert_eq!(store.create("k", &record("mine")).await.unwrap(), Created::Taken);
    assert!(server.ask("get k").contains("text"));
    store.delete("k").await.unwrap();
    assert_eq!(store.create("k", &record("mine")).await.unwrap(), Created::Created);
}

async fn an_item_without_an_expiry_keeps_none() {
    let server = MemcachedServer::start();
    let store = store(server.address());
    assert_eq!(server.ask(&format!("set k 0 0 24\r\n{}", "0".repeat(24))), "STORED");
    assert!(store.touch("k", MINUTE).await.unwrap());
    assert_eq!(server.ask("mg k t"), "HD t-1");
    assert!(store.load("k").await.unwrap().is_some());
}

async fn what_fits_is_what_the_server_says() {
    for (setting, size) in [("1m", 1 << 20), ("3m", 3 << 20)] {
        let server = MemcachedServer::start_with(&["-I", setting]);
        let store = store(server.address());
        // the longest key takes from what fits, and the limit has room for it
        let key = "k".repeat(200);
        let largest = Record::new(vec![7; size - 512], MINUTE);
        assert_eq!(store.create(&key, &largest).await.unwrap(), Created::Created, "{setting}");
        assert_eq!(store.load(&key).await.unwrap().unwrap().bytes, largest.bytes);
        let larger = Record::new(vec![7; size - 511], MINUTE);
        assert_eq!(store.create("other", &larger).await.unwrap_err().kind(), StoreErrorKind::TooLarge, "{setting}");
        assert_eq!(store.load("other").await.unwrap(), None);
    }
}

async fn a_record_that_is_too_large_leaves_the_old_one() {
    let server = MemcachedServer::start();
    let (one, two) = (store(server.address()), store(server.address()));
    let first = record("first");
    let _ = one.create("k", &first).await.unwrap();
    let large = Record::new(vec![1; 1 << 20], MINUTE);
    // whether or not the number of the old one is known
    for store in [&one, &two] {
        let error = store.update("k", &large, &first.version).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::TooLarge, "{error}");
        assert!(error.to_string().contains("item_size_max"), "{error}");
        assert_eq!(store.load("k").await.unwrap().unwrap().bytes, "first");
    }
}

async fn flush_all_ends_sessions() {
    let server = MemcachedServer::start();
    let store = store(server.address());
    let first = record("first");
    let _ = store.create("k", &first).await.unwrap();
    assert_eq!(server.ask("flush_all"), "OK");
    assert_eq!(store.load("k").await.unwrap(), None);
    assert_eq!(store.update("k", &record("second"), &first.version).await.unwrap(), Updated::Gone);
    assert!(!store.touch("k", MINUTE).await.unwrap());
    store.delete("k").await.unwrap();
    while store.create("k", &first).await.unwrap() == Created::Taken {
        idle().await;
    }
}

async fn what_the_server_throws_out_is_an_ended_session() {
    let server = MemcachedServer::start_with(&["-m", "2"]);
    let store = store(server.address());
    let first = record("first");
    let _ = store.create("first", &first).await.unwrap();
    let filler = Record::new(vec![1; 10_000], MINUTE);
    let mut index = 0;
    while server.stat("evictions") == 0 || store.load("0").await.unwrap().is_some() {
        for _ in 0..100 {
            let _ = store.create(&index.to_string(), &filler).await.unwrap();
            index += 1;
        }
    }
    assert_eq!(store.update("0", &first, &filler.version).await.unwrap(), Updated::Gone);
    assert!(store.may_evict());
}

async fn a_server_that_may_not_throw_out_is_unavailable_when_it_is_full() {
    let server = MemcachedServer::start_with(&["-m", "2", "-M"]);
    let store = store(server.address());
    let mut index = 0;
    let error = loop {
        let secret = Record::new("hunter2".repeat(2000), MINUTE);
        match store.create(&format!("k{index}"), &secret).await {
            Ok(_) => index += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("out of memory") && !error.to_string().contains("hunter2"), "{error}");
    assert_eq!(store.load("k0").await.unwrap().unwrap().bytes.len(), 14_000, "the connection is still good");
}
