//! Several servers: each key has one, and nobody stands in for it.

use actix_typed_session::store::{SessionStore, StoreErrorKind};

use super::{MemcachedServer, idle, record, store};

trials![
    the_keys_are_shared_by_the_servers_in_whatever_order_they_are_named,
    a_server_that_is_down_is_an_error_for_its_keys_and_no_other_takes_over,
    a_ping_asks_all_servers,
];

fn three() -> ([MemcachedServer; 3], String) {
    let servers = [MemcachedServer::start(), MemcachedServer::start(), MemcachedServer::start()];
    let names = servers.each_ref().map(MemcachedServer::address).join(",");
    (servers, names)
}

fn keys() -> impl Iterator<Item = String> {
    (0..60).map(|key| format!("session:{key}"))
}

async fn the_keys_are_shared_by_the_servers_in_whatever_order_they_are_named() {
    let (servers, names) = three();
    let store = store(&names);
    for key in keys() {
        let _ = store.create(&key, &record("first")).await.unwrap();
    }
    let items = servers.each_ref().map(|server| server.stat("curr_items"));
    assert!(items.iter().all(|items| *items > 5) && items.iter().sum::<u64>() == 60, "{items:?}");
    let mut turned: Vec<_> = names.split(',').collect();
    turned.reverse();
    let turned = super::store(turned.join(", "));
    for key in keys() {
        assert!(turned.load(&key).await.unwrap().is_some(), "{key}");
    }
}

async fn a_server_that_is_down_is_an_error_for_its_keys_and_no_other_takes_over() {
    let (mut servers, names) = three();
    let store = store(&names);
    for key in keys() {
        let _ = store.create(&key, &record("first")).await.unwrap();
    }
    let lost = servers[1].stat("curr_items");
    servers[1].stop();
    idle().await;
    let (mut refused, mut served) = (Vec::new(), 0);
    for key in keys() {
        match store.load(&key).await {
            Ok(found) => served += u64::from(found.is_some()),
            Err(error) => {
                assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
                assert_eq!(error.to_string(), format!("can't connect to memcached at {}", servers[1].address()));
                let error = store.create(&key, &record("second")).await.unwrap_err();
                assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
                refused.push(key);
            }
        }
    }
    assert_eq!((refused.len() as u64, served), (lost, 60 - lost));

    // it is back, empty: its sessions have ended, and nothing is an error any more
    servers[1].restart();
    for key in keys() {
        assert_eq!(store.load(&key).await.unwrap().is_none(), refused.contains(&key), "{key}");
    }
}

async fn a_ping_asks_all_servers() {
    let (mut servers, names) = three();
    let store = store(&names);
    store.ping().await.unwrap();
    servers[2].stop();
    idle().await;
    let error = store.ping().await.unwrap_err();
    assert!(error.to_string().ends_with(&servers[2].address()), "{error}");
}
