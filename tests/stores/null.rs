//! `null`: it keeps nothing, so that only its own trials mean something.

use std::time::Duration;

use actix_typed_session::{
    store::{NullStore, Record, SessionStore, StoreErrorKind, Updated},
    testing::conformance::Subject,
};
use async_trait::async_trait;
use futures_util::FutureExt;

use super::backend::{Backend, Own};

pub(crate) struct Null;

#[async_trait]
impl Backend for Null {
    fn name(&self) -> &'static str {
        "null"
    }

    fn without(&self) -> &'static [&'static str] {
        &["s", "model", "race"]
    }

    fn own(&self) -> Vec<Own> {
        vec![
            ("every_session_is_empty_to_read", |_| reading().boxed()),
            ("a_write_is_an_error_that_names_the_setting", |_| writing().boxed()),
        ]
    }

    async fn subject(&self) -> Subject {
        Subject::new(NullStore)
    }
}

async fn reading() {
    let record = Record::new("bytes", Duration::from_secs(60));
    assert_eq!(NullStore.load("session:1").await.unwrap(), None);
    assert_eq!(NullStore.update("session:1", &record, &record.version).await.unwrap(), Updated::Gone);
    assert!(!NullStore.touch("session:1", record.expires_in).await.unwrap());
    NullStore.delete("session:1").await.unwrap();
    assert_eq!(NullStore.delete_expired(10).await.unwrap().deleted, 0);
    NullStore.ping().await.unwrap();
}

async fn writing() {
    let record = Record::new("bytes", Duration::from_secs(60));
    let error = NullStore.create("session:1", &record).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unsupported);
    assert!(error.to_string().contains("SESSION_TYPE"));
}
