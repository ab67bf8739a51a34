//! [`Odd`]: a store that throws out records when it likes, knows every key already, creates them when nobody waits any more,
//! or does each write twice.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_typed_session::{
    store::{Created, Record, SessionStore, StoreError, Swept, Updated, Version, async_trait},
    testing::FaultStore,
};
use tokio::sync::Semaphore;

#[derive(Clone)]
pub(crate) struct Odd {
    pub(crate) inner: FaultStore,
    pub(crate) may_evict: bool,
    /// How many more times it says of a new session that its id is taken.
    pub(crate) taken: Arc<AtomicUsize>,
    /// Whether it does each write twice, and answers what the second came to, as a cluster may.
    pub(crate) twice: bool,
    /// What each `create` of a session came to, and a permit for each.
    pub(crate) created: Arc<Mutex<Vec<Created>>>,
    pub(crate) count: Arc<Semaphore>,
}

impl Odd {
    pub(crate) fn new(inner: FaultStore) -> Self {
        Self {
            inner,
            may_evict: false,
            taken: Arc::default(),
            twice: false,
            created: Arc::default(),
            count: Arc::new(Semaphore::new(0)),
        }
    }
}

#[async_trait]
impl SessionStore for Odd {
    async fn load(&self, key: &str) -> Result<Option<Record>, StoreError> {
        self.inner.load(key).await
    }
    async fn create(&self, key: &str, record: &Record) -> Result<Created, StoreError> {
        let is_taken = |left: usize| left.checked_sub(1);
        if self.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, is_taken).is_ok() {
            return Ok(Created::Taken);
        }
        let (this, key, record) = (self.clone(), key.to_owned(), record.clone());
        let create = async move {
            if this.twice {
                let _ = this.inner.create(&key, &record).await?;
            }
            let created = this.inner.create(&key, &record).await;
            if let (Ok(created), false) = (&created, key.contains("owner:")) {
                this.created.lock().unwrap().push(*created);
                this.count.add_permits(1);
            }
            created
        };
        tokio::spawn(create).await.unwrap()
    }
    async fn update(&self, key: &str, record: &Record, expected: &Version) -> Result<Updated, StoreError> {
        if self.twice {
            let _ = self.inner.update(key, record, expected).await?;
        }
        self.inner.update(key, record, expected).await
    }
    async fn touch(&self, key: &str, expires_in: Duration) -> Result<bool, StoreError> {
        self.inner.touch(key, expires_in).await
    }
    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.inner.delete(key).await
    }
    async fn delete_expired(&self, limit: u64) -> Result<Swept, StoreError> {
        self.inner.delete_expired(limit).await
    }
    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }
    fn name(&self) -> &'static str {
        "odd"
    }
    fn may_evict(&self) -> bool {
        self.may_evict
    }
}
