//! A store that lets others run before and after every call, and tells of it.

use std::{fmt::Debug, sync::Arc, time::Duration};

use actix_typed_session::{
    store::{Created, Record, SessionStore, StoreError, Swept, Updated, Version},
    testing::FaultStore,
};
use async_trait::async_trait;

use super::told;

pub(crate) struct Slow(pub(crate) FaultStore);

async fn apart<T>(
    name: &str,
    key: &str,
    call: impl Future<Output = Result<T, StoreError>>,
    told: impl Fn(&T) -> String,
) -> Result<T, StoreError> {
    tokio::task::yield_now().await;
    let answer = call.await;
    told::called(name, key, &answer.as_ref().map_or_else(|error| format!("{:?}", error.kind()), told));
    tokio::task::yield_now().await;
    answer
}

fn plain<T: Debug>(answer: &T) -> String {
    format!("{answer:?}")
}

fn found(record: &Option<Record>) -> String {
    record.as_ref().map_or("nothing", |record| if record.bytes.len() == 1 { "a tombstone" } else { "found" }).to_owned()
}

fn updated(updated: &Updated) -> String {
    match updated {
        Updated::Conflict(_) => "Conflict".to_owned(),
        updated => format!("{updated:?}"),
    }
}

#[async_trait]
impl SessionStore for Slow {
    async fn load(&self, key: &str) -> Result<Option<Record>, StoreError> {
        apart("load", key, self.0.load(key), found).await
    }
    async fn create(&self, key: &str, record: &Record) -> Result<Created, StoreError> {
        apart("create", key, self.0.create(key, record), plain).await
    }
    async fn update(&self, key: &str, record: &Record, expected: &Version) -> Result<Updated, StoreError> {
        let name = if record.bytes.len() == 1 { "bury" } else { "update" };
        apart(name, key, self.0.update(key, record, expected), updated).await
    }
    async fn touch(&self, key: &str, expires_in: Duration) -> Result<bool, StoreError> {
        apart("touch", key, self.0.touch(key, expires_in), plain).await
    }
    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        apart("delete", key, self.0.delete(key), |()| "done".to_owned()).await
    }
    async fn delete_expired(&self, limit: u64) -> Result<Swept, StoreError> {
        self.0.delete_expired(limit).await
    }
    async fn ping(&self) -> Result<(), StoreError> {
        self.0.ping().await
    }
    fn for_worker(&self) -> Option<Arc<dyn SessionStore>> {
        None
    }
    fn name(&self) -> &'static str {
        "slow"
    }
}
