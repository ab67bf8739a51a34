//! [`MongodbStore`].

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use ::mongodb::{
    Client,
    bson::{Bson, Document},
};
use tokio::time::Instant;

use self::{
    address::{Address, Names},
    client::{Call, Connection},
    failure::{Effect, Failure, code, number},
    layout::Found,
};
use crate::{
    clock::Clock,
    error::ConfigError,
    store::{Created, Record, SessionStore, StoreError, Swept, Updated, Version, async_trait},
};

mod address;
mod check;
mod client;
mod commands;
mod failure;
mod layout;
mod waiting;

/// Sessions in a collection of MongoDB, or of what speaks like it.
///
#[doc = include_str!("mongodb/mongodb.md")]
#[derive(Clone)]
pub struct MongodbStore {
    connection: Connection,
    names: Arc<Names>,
    /// What the collection was seen to be on: nothing yet, or a [`Deployment`].
    seen: Arc<AtomicU8>,
    reads: Reads,
    timeout: Duration,
    clock: Clock,
}

/// What answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deployment {
    /// One server that is on its own.
    Single = 1,
    /// A replica set, or several.
    Replicated = 2,
}

/// How sure a read has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    Linearizable,
    Majority,
}

impl MongodbStore {
    /// A store at a URL, which connects when it is first used, on the tokio runtime that uses it.
    ///
    /// Accepted is what the driver takes: `mongodb://[user:password@]host[:port][,host…][/database][?options]` and
    /// `mongodb+srv://…`. The database in it is where the user is looked up, and not where sessions are kept: that is
    /// [`database`](Self::database). What the options say of read preference, read and write concern and retries means
    /// nothing, and no time in them is longer than the [`timeout`](Self::timeout). Each worker has a client of its own,
    /// with `maxPoolSize` connections, 10 by default, and one or two more a server to watch it.
    ///
    /// # Errors
    ///
    /// If the driver does not take the URL. The message never holds any part of it, as that may be of a password.
    ///
    /// ```
    /// use actix_typed_session::store::MongodbStore;
    ///
    /// // opens nothing yet: the app starts while the servers are down
    /// assert!(MongodbStore::new("mongodb://app:hunter2@db-1,db-2,db-3/?replicaSet=rs0&tls=true").is_ok());
    /// let error = MongodbStore::new("redis://app:hunter2@db.internal").unwrap_err();
    /// assert_eq!(error.key(), "SESSION_MONGODB");
    /// assert!(!error.to_string().contains("hunter2"));
    /// ```
    pub fn new(url: &str) -> Result<Self, ConfigError> {
        Ok(Self::over(Connection::to(Address::parse(url)?)))
    }

    /// A store over the client that the app already has, which all workers share as it is.
    ///
    /// Nothing that the client is set to counts but how it connects: the store's commands say themselves what they want of
    /// reads and writes, and the driver does not repeat a command that is run in this way, whatever `retryWrites` says.
    /// The client does not tell what has left for the server yet, so that a write that ends in the time-out is of unknown
    /// outcome, also where no server can be reached; a `serverSelectionTimeoutMS` below the [`timeout`](Self::timeout) has
    /// it say so in time. Its tasks belong to the runtime that made it: one that is blocked holds up all workers.
    ///
    /// ```no_run
    /// # #[actix_web::main] async fn main() -> Result<(), mongodb::error::Error> {
    /// use actix_typed_session::store::MongodbStore;
    ///
    /// let client = mongodb::Client::with_uri_str("mongodb://db.internal/?serverSelectionTimeoutMS=1000").await?;
    /// let store = MongodbStore::from_client(client);
    /// # let _ = store;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn from_client(client: Client) -> Self {
        Self::over(Connection::of_app(client))
    }

    /// The database's name. `flask_session` by default.
    ///
    /// # Errors
    ///
    /// If it is not made of 1 to 63 ASCII letters, digits, `_` and `-`.
    ///
    /// ```
    /// # fn main() -> Result<(), actix_typed_session::ConfigError> {
    /// # use actix_typed_session::store::MongodbStore;
    /// let store = MongodbStore::new("mongodb://db.internal")?.database("app")?;
    /// assert!(store.database("a/b").is_err());
    /// # Ok(()) }
    /// ```
    pub fn database(self, name: &str) -> Result<Self, ConfigError> {
        let names = Names { database: address::database(name)?, ..(*self.names).clone() };
        Ok(self.named(names))
    }

    /// The collection's name. `sessions` by default.
    ///
    /// # Errors
    ///
    /// If it is not made of 1 to 120 ASCII letters, digits, `_`, `-` and, inside, `.`, or begins with `system.`.
    ///
    /// ```
    /// # fn main() -> Result<(), actix_typed_session::ConfigError> {
    /// # use actix_typed_session::store::MongodbStore;
    /// let store = MongodbStore::new("mongodb://db.internal")?.collection("web_sessions")?;
    /// assert!(store.collection("system.users").is_err());
    /// # Ok(()) }
    /// ```
    pub fn collection(self, name: &str) -> Result<Self, ConfigError> {
        let names = Names { collection: address::collection(name)?, ..(*self.names).clone() };
        Ok(self.named(names))
    }

    /// Reads with the read concern `majority` instead of `linearizable`.
    ///
    /// Then a read costs no more than any other, and does not wait for other members. What it gives up: a primary that is
    /// cut off from the others, and has not noticed yet (10 s by default), serves an app that still reaches it with what
    /// was so before. So a session that was ended meanwhile may be read there until then, and never be written.
    ///
    /// ```
    /// # fn main() -> Result<(), actix_typed_session::ConfigError> {
    /// # use actix_typed_session::store::MongodbStore;
    /// let store = MongodbStore::new("mongodb://db-1,db-2,db-3/?replicaSet=rs0")?.majority_reads();
    /// # let _ = store;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn majority_reads(mut self) -> Self {
        self.reads = Reads::Majority;
        self
    }

    /// How long a call may take, from finding a primary to the answer. 2 s by default, an hour at most.
    ///
    /// ```
    /// # fn main() -> Result<(), actix_typed_session::ConfigError> {
    /// # use actix_typed_session::store::MongodbStore;
    /// # use std::time::Duration;
    /// let store = MongodbStore::new("mongodb://db.internal")?.timeout(Duration::from_millis(500));
    /// # let _ = store;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(Duration::from_secs(60 * 60));
        // a client that was opened keeps the old one
        self.connection = self.connection.another().unwrap_or(self.connection);
        self
    }

    /// The clock that expiry goes by. Default: the system's, which all machines of an app and the servers have to agree
    /// about.
    ///
    /// ```
    /// # fn main() -> Result<(), actix_typed_session::ConfigError> {
    /// # use actix_typed_session::store::MongodbStore;
    /// let store = MongodbStore::new("mongodb://db.internal")?.clock(actix_typed_session::Clock::manual());
    /// # let _ = store;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }
}

impl fmt::Debug for MongodbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongodbStore")
            .field("server", &format_args!("{}", self.connection))
            .field("database", &self.names.database)
            .field("collection", &self.names.collection)
            .field("reads", &self.reads)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl SessionStore for MongodbStore {
    async fn load(&self, key: &str) -> Result<Option<Record>, StoreError> {
        self.find(key, self.deadline()).await
    }

    async fn create(&self, key: &str, record: &Record) -> Result<Created, StoreError> {
        layout::check_size(key, record)?;
        let now = self.clock.now();
        let command = || commands::create(&self.names, key, record, now, self.timeout);
        match self.ask(command, Effect::Write, self.deadline()).await {
            Ok(answer) if self.count(&answer)? == 1 => Ok(Created::Created),
            Ok(_) => Err(self.connection.nonsense(&self.names, Effect::Write)),
            Err(failure) if failure.code == Some(code::DUPLICATE) => Ok(Created::Taken),
            Err(failure) => Err(failure.error),
        }
    }

    async fn update(&self, key: &str, record: &Record, expected: &Version) -> Result<Updated, StoreError> {
        layout::check_size(key, record)?;
        let deadline = self.deadline();
        loop {
            let now = self.clock.now();
            let command = || commands::update(&self.names, key, record, expected, now, self.timeout);
            let answer = self.ask(command, Effect::Write, deadline).await?;
            if self.count(&answer)? > 0 {
                return Ok(Updated::Done);
            }
            match self.find(key, deadline).await? {
                // it is of before the change that the update met, which no majority has yet: the update did nothing
                Some(found) if found.version == *expected => tokio::time::sleep(Duration::from_millis(5)).await,
                Some(found) => return Ok(Updated::Conflict(found)),
                None => return Ok(Updated::Gone),
            }
        }
    }

    async fn touch(&self, key: &str, expires_in: Duration) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let command = || commands::touch(&self.names, key, expires_in, now, self.timeout);
        let answer = self.ask(command, Effect::Write, self.deadline()).await?;
        Ok(self.count(&answer)? > 0)
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let command = || commands::delete(&self.names, key, self.timeout);
        let answer = self.ask(command, Effect::Write, self.deadline()).await?;
        self.count(&answer).map(drop)
    }

    async fn delete_expired(&self, limit: u64) -> Result<Swept, StoreError> {
        let deadline = self.deadline();
        let enough = Instant::now() + self.timeout / 2;
        let mut deleted = 0;
        while deleted < limit && (deleted == 0 || Instant::now() < enough) {
            let most = (limit - deleted).min(commands::BATCH);
            match self.sweep(most, deadline).await {
                Ok((found, gone)) => {
                    deleted += gone;
                    // those that are left were deleted or made anew meanwhile
                    if found < most || gone == 0 {
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
        let now = self.clock.now();
        let command = || commands::count_expired(&self.names, now);
        let answer = self.ask(command, Effect::Read, self.deadline()).await?;
        self.count(&answer).map(Some)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.look(self.deadline()).await?;
        Ok(())
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        self.make_index().await
    }

    fn migration(&self) -> Option<String> {
        Some(commands::migration(&self.names))
    }

    fn for_worker(&self) -> Option<Arc<dyn SessionStore>> {
        let connection = self.connection.another()?;
        Some(Arc::new(Self { connection, ..self.clone() }))
    }

    fn timeout(&self) -> Option<Duration> {
        Some(self.timeout)
    }

    fn name(&self) -> &'static str {
        "mongodb"
    }
}

impl MongodbStore {
    fn over(connection: Connection) -> Self {
        Self {
            connection,
            names: Arc::default(),
            seen: Arc::default(),
            reads: Reads::Linearizable,
            timeout: Duration::from_secs(2),
            clock: Clock::default(),
        }
    }

    fn named(self, names: Names) -> Self {
        Self { names: Arc::new(names), seen: Arc::default(), ..self }
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    fn call(&self, deadline: Instant) -> Call<'_> {
        Call { names: &self.names, deadline, timeout: self.timeout }
    }

    /// The deployment, at which the first call looks.
    async fn deployment(&self, deadline: Instant) -> Result<Deployment, Failure> {
        for known in [Deployment::Single, Deployment::Replicated] {
            if self.seen.load(Ordering::Relaxed) == known as u8 {
                return Ok(known);
            }
        }
        let found = self.look(deadline).await?;
        self.seen.store(found as u8, Ordering::Relaxed);
        Ok(found)
    }

    /// Sends a command about the collection, which is looked at before the first one.
    async fn ask(
        &self,
        command: impl Fn() -> Document,
        effect: Effect,
        deadline: Instant,
    ) -> Result<Document, Failure> {
        self.deployment(deadline).await?;
        self.connection.run(command, effect, self.call(deadline)).await
    }

    async fn find(&self, key: &str, deadline: Instant) -> Result<Option<Record>, StoreError> {
        let concern = match (self.deployment(deadline).await?, self.reads) {
            (Deployment::Single, _) => None,
            (Deployment::Replicated, Reads::Linearizable) => Some("linearizable"),
            (Deployment::Replicated, Reads::Majority) => Some("majority"),
        };
        let command = || commands::load(&self.names, key, concern, self.timeout);
        let answer = self.ask(command, Effect::Read, deadline).await;
        if let Err(Failure { code: Some(code::NOT_A_REPLICA_SET), .. }) = answer {
            // it is another one now: the next call looks again
            self.seen.store(0, Ordering::Relaxed);
        }
        let found = batch(answer?).ok_or_else(|| self.connection.nonsense(&self.names, Effect::Read))?;
        let Some(found) = found.into_iter().next() else { return Ok(None) };
        let found = match found {
            Bson::Document(document) => layout::read(document, self.clock.now()),
            _ => Found::Foreign,
        };
        Ok(match found {
            Found::Live(record) => Some(record),
            Found::Expired => None,
            Found::Foreign => {
                crate::events::record_foreign("mongodb", key);
                None
            }
        })
    }

    /// Deletes some expired records, and says how many it found and how many of them it deleted.
    async fn sweep(&self, most: u64, deadline: Instant) -> Result<(u64, u64), StoreError> {
        let now = self.clock.now();
        let answer = self.ask(|| commands::expired(&self.names, now, most), Effect::Read, deadline).await?;
        let found = batch(answer).ok_or_else(|| self.connection.nonsense(&self.names, Effect::Read))?;
        let keys: Vec<Bson> = found
            .into_iter()
            .filter_map(|found| match found {
                Bson::Document(mut document) => document.remove("_id"),
                _ => None,
            })
            .collect();
        if keys.is_empty() {
            return Ok((0, 0));
        }
        let count = keys.len() as u64;
        let command = || commands::sweep(&self.names, keys.clone(), now, self.timeout);
        let answer = self.ask(command, Effect::Write, deadline).await?;
        Ok((count, self.count(&answer)?))
    }

    /// How many documents an answer is about.
    fn count(&self, answer: &Document) -> Result<u64, StoreError> {
        number(answer, "n").ok_or_else(|| self.connection.nonsense(&self.names, Effect::Write))
    }
}

/// The documents of a cursor that is over with its first batch.
fn batch(mut answer: Document) -> Option<Vec<Bson>> {
    let Some(Bson::Document(mut cursor)) = answer.remove("cursor") else { return None };
    let Some(Bson::Array(batch)) = cursor.remove("firstBatch") else { return None };
    Some(batch)
}
