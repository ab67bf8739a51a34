//! [`ElasticsearchStore`].

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use reqwest::Method;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use self::{
    address::Address,
    call::{Call, Found, Got, Precondition, Touched, result},
    http::{Answer, Cluster, Effect, Patience, Request},
    seen::Seen,
    writes::Writes,
};
use crate::{
    clock::{Clock, millis},
    error::ConfigError,
    store::{Created, Record, SessionStore, StoreError, Swept, Updated, Version, async_trait},
};

mod address;
mod call;
mod check;
mod http;
mod layout;
mod seen;
mod writes;

/// Sessions in an index of Elasticsearch 7.10 to 9, or of OpenSearch.
///
#[doc = include_str!("elasticsearch/elasticsearch.md")]
#[derive(Clone)]
pub struct ElasticsearchStore {
    cluster: Arc<Cluster>,
    seen: Arc<Seen>,
    /// The name of the alias.
    index: Arc<str>,
    /// Whether the index was seen to be as it has to be.
    checked: Arc<AtomicBool>,
    timeout: Duration,
    clock: Clock,
}

impl ElasticsearchStore {
    /// A store over a cluster, by the URLs of one or several of its nodes with commas between, to which it connects when it
    /// is first used.
    ///
    /// Accepted are `http[s]://[user:password@]host[:port][/path]`, with user and password percent-encoded. Without a port
    /// it is 80 or 443, and not 9200. One node is asked for as long as it answers; another one takes over for what comes
    /// next when it does not, and at once where no connection can be made. Each worker has connections of its own, at
    /// most 64 of them in use. No proxy of the environment is used, and no redirect followed.
    ///
    /// # Errors
    ///
    /// If the text names no nodes. The message never holds any part of it, as that may be of a password.
    ///
    /// ```
    /// use actix_typed_session::store::ElasticsearchStore;
    ///
    /// // opens nothing yet: the app starts while the cluster is down
    /// assert!(ElasticsearchStore::new("https://app:hunter2@es-1:9200,https://es-2:9200").is_ok());
    /// let error = ElasticsearchStore::new("redis://app:hunter2@cache").unwrap_err();
    /// assert_eq!(error.key(), "SESSION_ELASTICSEARCH");
    /// assert!(!error.to_string().contains("hunter2"));
    /// ```
    pub fn new(nodes: &str) -> Result<Self, ConfigError> {
        Ok(Self {
            cluster: Arc::new(Cluster::new(Arc::new(Address::parse(nodes)?))),
            seen: Arc::default(),
            index: "sessions".into(),
            checked: Arc::default(),
            timeout: Duration::from_secs(2),
            clock: Clock::default(),
        })
    }

    /// Signs in by an API key instead of user and password, in the form that the server calls `encoded`.
    ///
    /// # Errors
    ///
    /// If it is none, or a URL has a user.
    ///
    /// ```
    /// # fn main() -> Result<(), actix_typed_session::ConfigError> {
    /// # use actix_typed_session::store::ElasticsearchStore;
    /// let store = ElasticsearchStore::new("https://es.internal:9200")?.api_key("VnVhQ2ZHY0JDZGJrUW06dWky")?;
    /// assert!(store.api_key("no key").is_err());
    /// # Ok(()) }
    /// ```
    pub fn api_key(mut self, key: &str) -> Result<Self, ConfigError> {
        let address = self.cluster.address().clone().with_api_key(key)?;
        self.cluster = Arc::new(Cluster::new(Arc::new(address)));
        Ok(self)
    }

    /// The name under which the index is asked, which is an alias of it. `sessions` by default.
    ///
    /// # Errors
    ///
    /// If it is not made of 1 to 100 small ASCII letters, digits, `-`, `_` and `.`, with a letter or a digit in front.
    ///
    /// ```
    /// # fn main() -> Result<(), actix_typed_session::ConfigError> {
    /// # use actix_typed_session::store::ElasticsearchStore;
    /// let store = ElasticsearchStore::new("http://localhost:9200")?.index("web-sessions")?;
    /// assert!(store.index("_all").is_err());
    /// # Ok(()) }
    /// ```
    pub fn index(mut self, name: &str) -> Result<Self, ConfigError> {
        self.index = address::index(name)?.into();
        self.checked = Arc::default();
        self.seen = Arc::default();
        Ok(self)
    }

    /// How long a call may take, from connecting to the answer. 2 s by default, an hour at most.
    ///
    /// ```
    /// # fn main() -> Result<(), actix_typed_session::ConfigError> {
    /// # use actix_typed_session::store::ElasticsearchStore;
    /// # use std::time::Duration;
    /// let store = ElasticsearchStore::new("http://localhost:9200")?.timeout(Duration::from_millis(500));
    /// # let _ = store;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(Duration::from_secs(60 * 60));
        // a client that was opened keeps the old one
        self.cluster = Arc::new(self.cluster.another());
        self
    }

    /// The clock that expiry goes by. Default: the system's, which all machines of an app have to agree about.
    ///
    /// ```
    /// # fn main() -> Result<(), actix_typed_session::ConfigError> {
    /// # use actix_typed_session::store::ElasticsearchStore;
    /// let store = ElasticsearchStore::new("http://localhost:9200")?.clock(actix_typed_session::Clock::manual());
    /// # let _ = store;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }
}

impl fmt::Debug for ElasticsearchStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ElasticsearchStore")
            .field("nodes", &self.cluster.address().nodes)
            .field("index", &self.index)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl SessionStore for ElasticsearchStore {
    async fn load(&self, key: &str) -> Result<Option<Record>, StoreError> {
        let call = self.call(key).await?;
        Ok(match call.get().await? {
            Got::Live(found) => Some(found.item.record),
            _ => None,
        })
    }

    async fn create(&self, key: &str, record: &Record) -> Result<Created, StoreError> {
        layout::check_size(record)?;
        let call = self.call(key).await?;
        let expires = layout::expiry(record.expires_in, self.clock.now());
        let writes = Writes::first(record.version);
        loop {
            if call.put(Precondition::Absent, record, &writes, expires).await? {
                return Ok(Created::Created);
            }
            match call.get().await? {
                Got::Expired(at) => {
                    if call.put(Precondition::At(at), record, &writes, expires).await? {
                        return Ok(Created::Created);
                    }
                }
                // it was deleted in between, or the copy that was asked has not heard of it yet
                Got::Nothing => sleep(PAUSE).await,
                Got::Live(found) => {
                    if call.confirm(&found).await? {
                        return Ok(Created::Taken);
                    }
                    sleep(PAUSE).await;
                }
                Got::Foreign => return Ok(Created::Taken),
            }
        }
    }

    async fn update(&self, key: &str, record: &Record, expected: &Version) -> Result<Updated, StoreError> {
        layout::check_size(record)?;
        let call = self.call(key).await?;
        let now = self.clock.now();
        let expires = layout::expiry(record.expires_in, now);
        let sight = self.seen.recall(&call.id).filter(|sight| sight.writes.latest == *expected && sight.expires > now);
        let mut base = sight.map(|sight| (sight.at, sight.writes));
        let (mut refused_at, mut tries) = (None, 0);
        loop {
            let (at, writes) = match base.take() {
                Some(base) => base,
                None => match call.get().await? {
                    Got::Live(Found { item, at }) if item.record.version == *expected => (at, item.writes),
                    Got::Live(found) => {
                        if !found.item.writes.contain(record.version) || call.confirm(&found).await? {
                            return found.instead_of(record.version, expected, refused_at);
                        }
                        sleep(PAUSE).await;
                        continue;
                    }
                    _ => return Ok(Updated::Gone),
                },
            };
            if call.put(Precondition::At(at), record, &writes.then(record.version), expires).await? {
                return Ok(Updated::Done);
            }
            // somebody wrote meanwhile: an update, or a touch, which leaves the version as it is. What is read next may
            // come from a copy that has not heard of it yet
            refused_at = Some(at);
            tries += 1;
            if tries > 2 {
                sleep(PAUSE).await;
            }
        }
    }

    async fn touch(&self, key: &str, expires_in: Duration) -> Result<bool, StoreError> {
        let call = self.call(key).await?;
        let now = self.clock.now();
        let expires = layout::expiry(expires_in, now);
        let mut sight = self.seen.recall(&call.id).filter(|sight| sight.expires > now && sight.expires < expires);
        loop {
            let sight = match sight.take() {
                Some(sight) => sight,
                None => match call.get().await? {
                    Got::Live(found) if found.item.expires >= expires => return Ok(true),
                    Got::Live(found) => found.sight(),
                    _ => return Ok(false),
                },
            };
            match call.touch(sight, expires).await? {
                Touched::Done => return Ok(true),
                Touched::Gone => return Ok(false),
                Touched::Conflict => sleep(PAUSE / 5).await,
            }
        }
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let call = self.call(key).await?;
        self.seen.keep(&call.id, None);
        let path = format!("/{}/_doc/{}?{}", self.index, call.id, self.wait());
        let request = Request { method: Method::DELETE, path, body: None, effect: Effect::Write };
        let answer = self.cluster.send(&request, call.patience).await?;
        match answer.status {
            200 if result(&answer) == Some("deleted") => Ok(()),
            404 if result(&answer) == Some("not_found") => Ok(()),
            _ => Err(self.refused(&answer, Effect::Write)),
        }
    }

    async fn delete_expired(&self, limit: u64) -> Result<Swept, StoreError> {
        /// How many documents a request deletes at most.
        const BATCH: u64 = 500;
        let patience = self.ready().await?;
        let enough = Instant::now() + self.timeout / 2;
        let mut deleted = 0;
        while deleted < limit && (deleted == 0 || Instant::now() < enough) {
            let most = (limit - deleted).min(BATCH);
            match self.sweep(most, patience).await {
                Ok(gone) => {
                    deleted += gone;
                    if gone < most {
                        return Ok(Swept { deleted, more: false });
                    }
                }
                // what was deleted is deleted
                Err(_) if deleted > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(Swept { deleted, more: true })
    }

    async fn count_expired(&self) -> Result<Option<u64>, StoreError> {
        let patience = self.ready().await?;
        self.refresh(patience).await?;
        let answer = self.search("_count", Effect::Read, patience).await?;
        Ok(Some(self.number(&answer, "count", Effect::Read)?))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.look(self.patience()).await
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        self.make_index().await
    }

    fn migration(&self) -> Option<String> {
        Some(self.text())
    }

    fn for_worker(&self) -> Option<Arc<dyn SessionStore>> {
        Some(Arc::new(Self { cluster: Arc::new(self.cluster.another()), seen: Arc::default(), ..self.clone() }))
    }

    fn timeout(&self) -> Option<Duration> {
        Some(self.timeout)
    }

    fn name(&self) -> &'static str {
        "elasticsearch"
    }
}

/// How long to wait for a copy that is behind the primary.
const PAUSE: Duration = Duration::from_millis(5);

impl ElasticsearchStore {
    fn patience(&self) -> Patience {
        Patience { deadline: Instant::now() + self.timeout, timeout: self.timeout }
    }

    /// Begins a call, the first of which looks at the index.
    async fn ready(&self) -> Result<Patience, StoreError> {
        let patience = self.patience();
        if !self.checked.load(Ordering::Relaxed) {
            self.look(patience).await?;
            self.checked.store(true, Ordering::Relaxed);
        }
        Ok(patience)
    }

    async fn call<'a>(&'a self, key: &'a str) -> Result<Call<'a>, StoreError> {
        Ok(Call { store: self, key, id: layout::id(key), patience: self.ready().await? })
    }

    /// The parameter by which a node gives up a write for which there is no primary, as nobody waits for it any more.
    fn wait(&self) -> String {
        format!("timeout={}ms", millis(self.timeout).max(1))
    }

    /// The error of an answer that refuses what was asked.
    fn refused(&self, answer: &Answer, effect: Effect) -> StoreError {
        if answer.error() == Some("index_not_found_exception") {
            // the next call says what there is instead
            self.checked.store(false, Ordering::Relaxed);
            return self.missing();
        }
        self.cluster.refused(answer, effect)
    }

    /// Has searches see what was written before. None of the operations of a request needs that.
    async fn refresh(&self, patience: Patience) -> Result<(), StoreError> {
        let path = format!("/{}/_refresh", self.index);
        let request = Request { method: Method::POST, path, body: None, effect: Effect::Read };
        let answer = self.cluster.send(&request, patience).await?;
        if answer.status == 200 { Ok(()) } else { Err(self.refused(&answer, Effect::Read)) }
    }

    /// Deletes some documents whose time is over. One that was changed since the search saw it is left out: the server
    /// compares the numbers.
    async fn sweep(&self, most: u64, patience: Patience) -> Result<u64, StoreError> {
        self.refresh(patience).await?;
        let what = format!("_delete_by_query?conflicts=proceed&max_docs={most}&scroll_size={most}&{}", self.wait());
        let answer = self.search(&what, Effect::Write, patience).await?;
        self.number(&answer, "deleted", Effect::Write)
    }

    async fn search(&self, what: &str, effect: Effect, patience: Patience) -> Result<Answer, StoreError> {
        let body = Some(layout::expired(self.clock.now()));
        let path = format!("/{}/{what}", self.index);
        let answer = self.cluster.send(&Request { method: Method::POST, path, body, effect }, patience).await?;
        if answer.status == 200 { Ok(answer) } else { Err(self.refused(&answer, effect)) }
    }

    fn number(&self, answer: &Answer, name: &str, effect: Effect) -> Result<u64, StoreError> {
        answer.body.get(name).and_then(Value::as_u64).ok_or_else(|| self.cluster.nonsense(effect))
    }
}
