//! The calls of a store: each as it fails, and each as it is left before it has ended.

use std::time::Duration;

use actix_typed_session::store::{Record, SessionStore, StoreError, StoreErrorKind};
use futures_util::FutureExt;

use super::{MINUTE, record};

/// A call of each kind about the record `k`, which may be there or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Load,
    Ping,
    Create,
    Update,
    Touch,
    Delete,
}

impl Call {
    pub(crate) const ALL: [Self; 6] = [Self::Load, Self::Ping, Self::Create, Self::Update, Self::Touch, Self::Delete];

    pub(crate) fn is_read(self) -> bool {
        matches!(self, Self::Load | Self::Ping)
    }

    /// Its error; `first` is the record `k`. What would be created is the record `other`.
    pub(crate) async fn error(self, store: &dyn SessionStore, first: &Record) -> StoreError {
        match self {
            Self::Load => store.load("k").await.unwrap_err(),
            Self::Ping => store.ping().await.unwrap_err(),
            Self::Create => store.create("other", first).await.unwrap_err(),
            Self::Update => store.update("k", first, &first.version).await.unwrap_err(),
            Self::Touch => store.touch("k", MINUTE).await.unwrap_err(),
            Self::Delete => store.delete("k").await.unwrap_err(),
        }
    }
}

/// The errors of one call of each kind, in their order.
pub(crate) async fn errors(store: &dyn SessionStore) -> [StoreErrorKind; 6] {
    let first = record("");
    let mut kinds = [StoreErrorKind::Protocol; 6];
    for (call, kind) in Call::ALL.into_iter().zip(&mut kinds) {
        *kind = call.error(store, &first).await.kind();
    }
    kinds
}

pub(crate) const UNAVAILABLE: [StoreErrorKind; 6] = [StoreErrorKind::Unavailable; 6];

/// Leaves a read and a write after none, one or some polls, before they were sent, under way, or answered and not yet taken;
/// and asserts that what is asked for next is answered with its own.
pub(crate) async fn assert_left_calls_harm_no_other(store: &dyn SessionStore, keys: usize, rounds: usize) {
    for index in 0..keys {
        let bytes = index.to_string().repeat(2000);
        let _ = store.create(&format!("k{index}"), &Record::new(bytes, MINUTE)).await.unwrap();
    }
    for round in 0..rounds {
        let index = round % keys;
        let (key, own) = (format!("k{}", (index + 1) % keys), format!("own{round}"));
        let next = record("next");
        let mut read = Box::pin(store.load(&key));
        let mut write = Box::pin(store.create(&own, &next));
        for _ in 0..round % 5 {
            let ended = ((&mut read).now_or_never(), (&mut write).now_or_never());
            if ended.0.is_some() || ended.1.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_micros(100)).await;
        }
        drop((read, write));
        let loaded = store.load(&format!("k{index}")).await.unwrap().unwrap();
        assert_eq!(loaded.bytes, index.to_string().repeat(2000));
        if let Some(found) = store.load(&own).await.unwrap() {
            assert_eq!((found.version, found.bytes), (next.version, next.bytes));
        }
    }
}
