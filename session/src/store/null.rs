//! [`NullStore`]: no store at all.

use std::time::Duration;

use crate::store::{Created, Record, SessionStore, StoreError, StoreErrorKind, Swept, Updated, Version, async_trait};

/// Keeps nothing: every session is empty to read, and a write is an error that names `SESSION_TYPE`.
///
/// It is what an app gets whose operator did not choose a store, so that the lack is told and not lived with.
///
/// ```
/// # #[actix_web::main] async fn main() {
/// use actix_typed_session::store::{NullStore, Record, SessionStore};
/// use std::time::Duration;
///
/// assert_eq!(NullStore.load("session:1").await.unwrap(), None);
/// let error = NullStore.create("session:1", &Record::new("bytes", Duration::from_secs(60))).await.unwrap_err();
/// assert!(error.to_string().contains("SESSION_TYPE"));
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct NullStore;

#[async_trait]
impl SessionStore for NullStore {
    async fn load(&self, _: &str) -> Result<Option<Record>, StoreError> {
        Ok(None)
    }

    async fn create(&self, _: &str, _: &Record) -> Result<Created, StoreError> {
        Err(StoreError::new(
            StoreErrorKind::Unsupported,
            "no session can be stored: set `SESSION_TYPE` to a store, such as `memory`, or build the middleware over one",
        ))
    }

    async fn update(&self, _: &str, _: &Record, _: &Version) -> Result<Updated, StoreError> {
        Ok(Updated::Gone)
    }

    async fn touch(&self, _: &str, _: Duration) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn delete(&self, _: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn delete_expired(&self, _: u64) -> Result<Swept, StoreError> {
        Ok(Swept::default())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn name(&self) -> &'static str {
        "null"
    }
}
