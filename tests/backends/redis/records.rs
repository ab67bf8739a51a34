//! What is stored, and by which commands.

use std::time::Duration;

use actix_typed_session::store::{Created, Record, SessionStore, StoreErrorKind, Updated, Version};
use futures_util::future::join_all;

use super::{MINUTE, RedisServer, calls, raw, record, reset_calls, store};

trials![
    a_record_is_created_loaded_replaced_and_deleted,
    each_operation_is_one_command,
    a_script_that_the_server_forgot_is_sent_again,
    of_many_updates_at_one_version_one_is_done,
    a_touch_never_moves_the_expiry_backwards,
    the_server_ends_a_record,
    any_bytes_and_any_key_come_back,
    any_lifetime_is_taken,
    a_value_that_is_no_record_is_absent_and_kept,
    a_record_larger_than_the_server_takes_is_too_large,
];

async fn a_record_is_created_loaded_replaced_and_deleted() {
    let server = RedisServer::start();
    let store = store(server.url());
    let (first, second) = (record("first"), record("second"));

    assert_eq!(store.load("k").await.unwrap(), None);
    assert_eq!(store.update("k", &second, &first.version).await.unwrap(), Updated::Gone);
    assert!(!store.touch("k", MINUTE).await.unwrap());
    assert_eq!(store.load("k").await.unwrap(), None, "nothing but `create` makes a record");

    assert_eq!(store.create("k", &first).await.unwrap(), Created::Created);
    assert_eq!(store.create("k", &second).await.unwrap(), Created::Taken);
    let loaded = store.load("k").await.unwrap().unwrap();
    assert_eq!((loaded.version, &loaded.bytes), (first.version, &first.bytes));
    assert!(loaded.expires_in <= MINUTE && loaded.expires_in > MINUTE / 2);

    assert_eq!(store.update("k", &second, &first.version).await.unwrap(), Updated::Done);
    let Updated::Conflict(current) = store.update("k", &record("third"), &first.version).await.unwrap() else {
        panic!("an update at an old version is a conflict")
    };
    assert_eq!((current.version, &current.bytes), (second.version, &second.bytes));
    assert!(current.expires_in <= MINUTE && current.expires_in > MINUTE / 2);

    store.delete("k").await.unwrap();
    store.delete("k").await.unwrap();
    assert_eq!(store.load("k").await.unwrap(), None);
}

async fn each_operation_is_one_command() {
    let server = RedisServer::start();
    let store = store(server.url());
    let (first, second) = (record("first"), record("second"));
    // the scripts are known from then on
    super::assert_works(&store).await;

    reset_calls(&server).await;
    let _ = store.create("k", &first).await.unwrap();
    assert_eq!(calls(&server).await, [("set".to_owned(), 1)]);

    reset_calls(&server).await;
    store.load("k").await.unwrap();
    assert_eq!(calls(&server).await, [("get".to_owned(), 1)]);

    reset_calls(&server).await;
    assert_eq!(store.update("k", &second, &first.version).await.unwrap(), Updated::Done);
    assert_eq!(calls(&server).await, [("evalsha", 1), ("getrange", 1), ("set", 1)].map(|(c, n)| (c.to_owned(), n)));

    reset_calls(&server).await;
    assert!(matches!(store.update("k", &record("third"), &first.version).await.unwrap(), Updated::Conflict(_)));
    assert_eq!(calls(&server).await, [("evalsha", 1), ("get", 1), ("getrange", 1)].map(|(c, n)| (c.to_owned(), n)));

    reset_calls(&server).await;
    assert!(store.touch("k", 2 * MINUTE).await.unwrap());
    let expected = [("evalsha", 1), ("pexpire", 1), ("pttl", 1), ("setrange", 1), ("strlen", 1)];
    assert_eq!(calls(&server).await, expected.map(|(c, n)| (c.to_owned(), n)));

    reset_calls(&server).await;
    store.delete("k").await.unwrap();
    assert_eq!(calls(&server).await, [("del".to_owned(), 1)]);

    reset_calls(&server).await;
    store.ping().await.unwrap();
    assert_eq!(calls(&server).await, [("ping".to_owned(), 1)]);

    reset_calls(&server).await;
    assert_eq!(store.delete_expired(100).await.unwrap().deleted, 0);
    store.migrate().await.unwrap();
    assert_eq!(calls(&server).await, []);
}

async fn a_script_that_the_server_forgot_is_sent_again() {
    let server = RedisServer::start();
    let store = store(server.url());
    let first = record("first");
    let _ = store.create("k", &first).await.unwrap();
    for _ in 0..2 {
        let () = raw(&server, "SCRIPT FLUSH").await;
        reset_calls(&server).await;
        assert_eq!(store.update("k", &first, &first.version).await.unwrap(), Updated::Done);
        let expected = [("eval", 1), ("evalsha", 1), ("getrange", 1), ("set", 1)];
        assert_eq!(calls(&server).await, expected.map(|(c, n)| (c.to_owned(), n)));
        assert!(store.touch("k", 2 * MINUTE).await.unwrap());
    }
}

async fn of_many_updates_at_one_version_one_is_done() {
    let server = RedisServer::start();
    let store = store(server.url());
    let workers: Vec<_> = (0..4).map(|_| store.for_worker().unwrap()).collect();
    let first = record("first");
    let _ = store.create("k", &first).await.unwrap();
    let updates = workers
        .iter()
        .cycle()
        .take(64)
        .map(|worker| async move { worker.update("k", &record("mine"), &first.version).await.unwrap() });
    let outcomes = join_all(updates).await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Updated::Done).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Updated::Conflict(_))).count(), 63);
}

async fn a_touch_never_moves_the_expiry_backwards() {
    let server = RedisServer::start();
    let store = store(server.url());
    let _ = store.create("k", &record("first")).await.unwrap();

    assert!(store.touch("k", MINUTE / 2).await.unwrap());
    assert!(raw::<i64>(&server, "PTTL k").await > 30_000);
    assert!(store.load("k").await.unwrap().unwrap().expires_in > MINUTE / 2);

    assert!(store.touch("k", 10 * MINUTE).await.unwrap());
    assert!(raw::<i64>(&server, "PTTL k").await > 9 * 60_000);
    let loaded = store.load("k").await.unwrap().unwrap();
    assert!(loaded.expires_in > 9 * MINUTE && loaded.expires_in <= 10 * MINUTE);
    assert_eq!(loaded.bytes, "first");

    let () = raw(&server, "PERSIST k").await;
    assert!(store.touch("k", MINUTE).await.unwrap());
    assert_eq!(raw::<i64>(&server, "PTTL k").await, -1, "never is later than any expiry");
}

async fn the_server_ends_a_record() {
    let server = RedisServer::start();
    let store = store(server.url());
    let short = Record::new("short", Duration::from_millis(300));
    let _ = store.create("k", &short).await.unwrap();
    assert!((1..=300).contains(&raw::<i64>(&server, "PTTL k").await));
    while store.load("k").await.unwrap().is_some() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(store.update("k", &record("late"), &short.version).await.unwrap(), Updated::Gone);
    assert!(!store.touch("k", MINUTE).await.unwrap());
    assert_eq!(store.load("k").await.unwrap(), None);
    assert_eq!(store.create("k", &record("anew")).await.unwrap(), Created::Created);
}

async fn any_bytes_and_any_key_come_back() {
    let server = RedisServer::start();
    let store = store(server.url());
    let contents = [Vec::new(), vec![0; 3], b"$-1\r\n\xff\xfe*1\r\n".to_vec(), (0..=255).collect(), vec![9; 3_000_000]];
    for (index, bytes) in contents.into_iter().enumerate() {
        for key in ["*", "{a}b", "%s", "\"'\\", "späß:\u{1F980}", " \r\n"] {
            let key = format!("{key}{index}");
            let written = Record::new(bytes.clone(), MINUTE);
            assert_eq!(store.create(&key, &written).await.unwrap(), Created::Created, "{key}");
            let loaded = store.load(&key).await.unwrap().unwrap();
            assert_eq!((loaded.version, &loaded.bytes), (written.version, &written.bytes), "{key}");
            let again = Record::new(bytes.clone(), MINUTE);
            assert_eq!(store.update(&key, &again, &written.version).await.unwrap(), Updated::Done);
            let Updated::Conflict(now) = store.update(&key, &again, &written.version).await.unwrap() else {
                panic!("{key}")
            };
            assert_eq!((now.version, &now.bytes), (again.version, &again.bytes), "{key}");
        }
    }
}

async fn any_lifetime_is_taken() {
    let server = RedisServer::start();
    let store = store(server.url());
    let years = Duration::from_secs(10 * 365 * 24 * 60 * 60);
    for lifetime in [Duration::from_nanos(1), Duration::from_secs(31 * 24 * 60 * 60), years, Duration::MAX] {
        let record = Record::new("", lifetime);
        assert_eq!(store.create("k", &record).await.unwrap(), Created::Created);
        if lifetime > MINUTE {
            let left = u64::try_from(raw::<i64>(&server, "PTTL k").await).unwrap();
            let asked = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX).min(1_000_000_000_000_000);
            assert!(left <= asked && left > asked - 60_000, "{lifetime:?}: {left}");
            assert_eq!(store.update("k", &record, &record.version).await.unwrap(), Updated::Done);
            assert!(store.touch("k", lifetime).await.unwrap());
        }
        store.delete("k").await.unwrap();
    }
}

async fn a_value_that_is_no_record_is_absent_and_kept() {
    let server = RedisServer::start();
    let store = store(server.url());
    let () = raw(&server, "SET short text").await;
    let () = raw(&server, "RPUSH list element").await;
    for key in ["short", "list"] {
        assert_eq!(store.load(key).await.unwrap(), None);
        assert_eq!(store.update(key, &record("mine"), &Version::random()).await.unwrap(), Updated::Gone);
        assert!(!store.touch(key, MINUTE).await.unwrap());
        assert_eq!(store.create(key, &record("mine")).await.unwrap(), Created::Taken);
    }
    assert_eq!(raw::<String>(&server, "GET short").await, "text");
    assert_eq!(raw::<Vec<String>>(&server, "LRANGE list 0 -1").await, ["element"]);
    store.delete("list").await.unwrap();
    assert_eq!(store.create("list", &record("mine")).await.unwrap(), Created::Created);
}

async fn a_record_larger_than_the_server_takes_is_too_large() {
    let server = RedisServer::start_with(&["--proto-max-bulk-len", "1mb"]);
    let store = store(server.url());
    let first = record("first");
    let _ = store.create("k", &first).await.unwrap();
    let large = Record::new(vec![1; 1024 * 1024], MINUTE);
    // the server says so and closes the connection, which can cut short its own answer
    let mut told = 0;
    while told < 2 {
        let outcome = match told {
            0 => store.update("k", &large, &first.version).await.map(|_| ()),
            _ => store.create("other", &large).await.map(|_| ()),
        };
        match outcome.unwrap_err().kind() {
            StoreErrorKind::TooLarge => told += 1,
            kind => assert_eq!(kind, StoreErrorKind::OutcomeUnknown),
        }
    }
    assert_eq!(store.load("k").await.unwrap().unwrap().bytes, "first");
    assert_eq!(store.load("other").await.unwrap(), None);
}
