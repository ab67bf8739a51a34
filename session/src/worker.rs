//! What the requests of one worker share: the settings, and the store through which all calls go, each in its time.

use std::{
    future::Future,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use actix_web::HttpRequest;
use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use crate::{
    changes::Changes,
    config::SessionConfig,
    cookie::CookieRules,
    end,
    error::{ConfigError, SessionError, StoreError, StoreErrorKind},
    events,
    plain_http::PlainHttp,
    queue::Queue,
    record::{self, Contents},
    seal::Sealer,
    store::{Created, Record, SessionStore, Swept, Updated, Version},
};

/// What follows from the settings, once.
pub(crate) struct Core {
    pub(crate) config: SessionConfig,
    pub(crate) cookies: CookieRules,
    sealer: Sealer,
    plain_http: PlainHttp,
}

/// What the requests of one worker share.
pub(crate) struct Worker {
    pub(crate) core: Arc<Core>,
    pub(crate) queue: Arc<Queue>,
    store: Arc<dyn SessionStore>,
    recalls: bool,
    /// No changes, which all requests begin with.
    nothing: Arc<Changes>,
    /// Whether a request's sweep is under way.
    pub(crate) is_sweeping: AtomicBool,
}

/// The time that a commit may take, over all of its calls.
#[derive(Clone, Copy)]
pub(crate) struct Budget {
    until: Instant,
}

/// How many sessions a user may have.
#[derive(Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) most: usize,
    /// Whether one more is refused, and the oldest is not ended.
    pub(crate) refuse: bool,
}

impl Limit {
    const DEFAULT: usize = 100;
}

impl Core {
    pub(crate) fn new(config: SessionConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        let cookies = CookieRules::new(&config)?;
        let sealer = Sealer::new(config.encryption_keys.iter().map(|key| &key.0));
        Ok(Self { config, cookies, sealer, plain_http: PlainHttp::default() })
    }

    /// Tells the log if the browser of a request that gets the cookie can't keep it.
    pub(crate) fn tell_of_plain_http(&self, request: &HttpRequest) {
        if self.config.secure {
            self.plain_http.look(request, self.cookies.name());
        }
    }
}

impl Default for Core {
    #[allow(clippy::expect_used, reason = "a test builds it, and nothing else goes into it")]
    fn default() -> Self {
        Self::new(SessionConfig::default()).expect("the defaults fit each other")
    }
}

impl Budget {
    /// Twice the time of a call, from now on.
    pub(crate) fn new(call: Duration) -> Self {
        Self { until: Instant::now() + call * 2 }
    }

    /// Waits for something within the time.
    pub(crate) async fn in_time<T>(&self, waiting: impl Future<Output = T>) -> Result<T, SessionError> {
        timeout_at(self.until, waiting).await.map_err(|_| SessionError::BudgetSpent)
    }

    /// Waits a random while before another try, longer with each; not before the first.
    pub(crate) async fn pause(&self, tries: u32) -> Result<(), SessionError> {
        if tries == 0 {
            return Ok(());
        }
        let most = 1_u64 << tries.min(5);
        self.in_time(tokio::time::sleep(Duration::from_micros(rand::random_range(0..most * 1000)))).await
    }
}

impl Worker {
    pub(crate) fn new(core: Arc<Core>, store: Arc<dyn SessionStore>) -> Self {
        let recalls = store.recalls();
        Self {
            core,
            queue: Arc::default(),
            store,
            recalls,
            nothing: Arc::default(),
            is_sweeping: AtomicBool::new(false),
        }
    }

    /// No changes, without memory of their own.
    pub(crate) fn nothing(&self) -> Arc<Changes> {
        self.nothing.clone()
    }

    pub(crate) fn budget(&self) -> Budget {
        Budget::new(self.core.config.store_timeout)
    }

    /// How many sessions a user may have; none where the store does not keep what says so.
    pub(crate) fn limit(&self) -> Option<Limit> {
        let config = &self.core.config;
        let limit = Limit { most: config.limit_per_owner.unwrap_or(Limit::DEFAULT), refuse: config.refuse_over_limit };
        (!self.store.may_evict()).then_some(limit)
    }

    /// The session in a record's bytes; none, with a warning, if it is damaged or sealed by a key that is not known.
    pub(crate) fn open(&self, key: &str, bytes: Bytes) -> Option<Contents> {
        if end::is_tombstone(&bytes) {
            return None;
        }
        let contents = self.core.sealer.open(key, bytes).and_then(record::decode);
        if contents.is_none() {
            events::damaged(self.store.name());
        }
        contents
    }

    /// The record of a session's bytes.
    pub(crate) fn record(&self, key: &str, bytes: Bytes, expires_in: Duration) -> Option<Record> {
        Some(Record::new(self.core.sealer.seal(key, bytes)?, expires_in))
    }

    /// Whether the store may have something at hand.
    pub(crate) fn recalls(&self) -> bool {
        self.recalls
    }

    /// What the store has at hand.
    pub(crate) fn recall(&self, key: &str) -> Option<Record> {
        self.store.recall(key)
    }

    pub(crate) async fn load(&self, key: &str, budget: Budget) -> Result<Option<Record>, StoreError> {
        self.within("load", budget, StoreErrorKind::Unavailable, self.store.load(key)).await
    }

    pub(crate) async fn create(&self, key: &str, record: &Record, budget: Budget) -> Result<Created, StoreError> {
        self.within("create", budget, StoreErrorKind::OutcomeUnknown, self.store.create(key, record)).await
    }

    pub(crate) async fn update(
        &self,
        key: &str,
        record: &Record,
        expected: &Version,
        budget: Budget,
    ) -> Result<Updated, StoreError> {
        self.within("update", budget, StoreErrorKind::OutcomeUnknown, self.store.update(key, record, expected)).await
    }

    pub(crate) async fn touch(&self, key: &str, expires_in: Duration, budget: Budget) -> Result<bool, StoreError> {
        self.within("touch", budget, StoreErrorKind::OutcomeUnknown, self.store.touch(key, expires_in)).await
    }

    pub(crate) async fn delete(&self, key: &str, budget: Budget) -> Result<(), StoreError> {
        self.within("delete", budget, StoreErrorKind::OutcomeUnknown, self.store.delete(key)).await
    }

    /// Deletes a batch of expired records.
    pub(crate) async fn sweep(&self) -> Result<Swept, StoreError> {
        const BATCH: u64 = 1000;
        let sweeping = self.store.delete_expired(BATCH);
        let swept = self.within("delete_expired", self.budget(), StoreErrorKind::OutcomeUnknown, sweeping).await;
        if let Ok(Swept { deleted, .. }) = swept {
            events::swept(self.store.name(), deleted);
        }
        swept
    }

    /// The answer of the store, in its time; the log is told if it is a failure, whatever becomes of the request.
    async fn within<T>(
        &self,
        operation: &'static str,
        budget: Budget,
        late: StoreErrorKind,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        // a process that was stopped for long must not send what others take for sent or given up
        let now = Instant::now();
        if now >= budget.until {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "the time was over before the store was asked"));
        }
        let told = events::Call::begin(operation);
        let until = budget.until.min(now + self.core.config.store_timeout);
        let own = self.store.timeout().and_then(|own| now.checked_add(own)).filter(|own| *own <= until);
        let answer = if own.is_some() { Ok(call.await) } else { timeout_at(until, call).await };
        let gave_up = || own.is_some_and(|own| Instant::now() >= own);
        let is_late = answer.as_ref().map_or(true, |answer| answer.is_err() && gave_up());
        let silence = || StoreError::new(late, "the store did not answer within `SESSION_STORE_TIMEOUT`");
        let answer = answer.unwrap_or_else(|_| Err(silence()));
        told.end(self.store.name(), &answer, is_late);
        answer
    }
}
