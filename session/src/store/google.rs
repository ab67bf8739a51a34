//! What [`FirestoreStore`](super::FirestoreStore) and [`DatastoreStore`](super::DatastoreStore) share: all but the words.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use tokio::time::Instant;

pub(crate) use self::address::{Address, Service};
pub(super) use self::{
    call::{Call, Effect, Failure},
    layout::{DATA, EXPIRES, Item, TTL, VERSION, timestamp},
};
use self::{layout::Found, link::Link};
use crate::{
    clock::Clock,
    store::{Created, Record, StoreError, StoreErrorKind, Swept, Updated, Version, async_trait},
};

mod address;
mod call;
mod layout;
mod link;

/// What each of the two services says in its own words: a document by its id, under a condition.
#[async_trait]
pub(super) trait Documents: Send + Sync + 'static {
    /// Which write of a document it is: every write changes it, a touch too.
    type Base: Clone + Send + Sync;

    async fn find(call: &Call<'_>, id: &str) -> Result<Option<(Item, Self::Base)>, Failure>;

    /// Writes the whole document where there is none, or over the one that is at this base; whether it was.
    async fn put(call: &Call<'_>, id: &str, item: Item, over: Option<&Self::Base>) -> Result<bool, Failure>;

    /// Writes the times alone, if the document is at this base; whether it was.
    async fn extend(call: &Call<'_>, id: &str, expires: i64, at: &Self::Base) -> Result<bool, Failure>;

    /// Deletes what is there, if it is at this base, where one is given; whether it was.
    async fn remove(call: &Call<'_>, id: &str, at: Option<&Self::Base>) -> Result<bool, Failure>;

    /// Some documents whose time is over, the first ones first, from a place on that an earlier page ended at.
    async fn expired(call: &Call<'_>, now: i64, most: i32, from: Option<Place>) -> Result<Page<Self::Base>, Failure>;

    async fn count(call: &Call<'_>, now: i64) -> Result<u64, Failure>;
}

/// Where a page ends, as the service says it.
pub(super) type Place = Vec<u8>;

/// What a query of a sweep found.
pub(super) struct Page<B> {
    /// Those that look like records; what else is among them is not the store's to delete.
    pub(super) records: Vec<(String, B)>,
    /// Where it goes on, if there may be more.
    pub(super) next: Option<Place>,
}

/// A walk over all that had expired when it began. It goes on behind the last one that was looked at, for what is no
/// record stays in front.
#[derive(Clone)]
struct Walk {
    now: i64,
    from: Place,
}

/// How many documents a query of a sweep asks for.
const PAGE: u64 = 100;
/// How many are deleted at once.
const AT_ONCE: usize = 10;

/// The rules of the contract over documents.
#[derive(Clone)]
pub(super) struct Rules {
    link: Arc<Link>,
    walk: Arc<Mutex<Option<Walk>>>,
    pub(super) timeout: Duration,
    pub(super) clock: Clock,
}

impl Rules {
    pub(super) fn new(address: Address) -> Self {
        Self {
            link: Arc::new(Link::new(address)),
            walk: Arc::default(),
            timeout: Duration::from_secs(2),
            clock: Clock::default(),
        }
    }

    pub(super) fn address(&self) -> &Address {
        self.link.address()
    }

    /// The same with connections of its own, at an address that is a little different.
    pub(super) fn changed(&self, change: impl FnOnce(&mut Address)) -> Self {
        let mut address = self.address().clone();
        change(&mut address);
        Self { link: Arc::new(Link::new(address)), walk: Arc::default(), ..self.clone() }
    }

    pub(super) async fn load<D: Documents>(&self, key: &str) -> Result<Option<Record>, StoreError> {
        let id = layout::id(key)?;
        let call = self.call(Effect::Read, self.deadline()).await?;
        let Some((item, _)) = D::find(&call, &id).await? else { return Ok(None) };
        Ok(match self.read(key, item) {
            Found::Live(record, _) => Some(record),
            Found::Expired | Found::Foreign => None,
        })
    }

    pub(super) async fn create<D: Documents>(&self, key: &str, record: &Record) -> Result<Created, StoreError> {
        let (id, deadline) = (layout::id(key)?, self.deadline());
        self.check_size(record)?;
        let call = self.call(Effect::Write, deadline).await?;
        if D::put(&call, &id, Item::of(record, self.clock.now()), None).await? {
            return Ok(Created::Created);
        }
        // one whose time is over, and that nobody has deleted yet, is in nobody's way
        let read = self.call(Effect::Read, deadline).await?;
        let Some((item, base)) = D::find(&read, &id).await? else { return Ok(Created::Taken) };
        let is_expired = matches!(self.read(key, item), Found::Expired);
        let call = self.call(Effect::Write, deadline).await?;
        if is_expired && D::put(&call, &id, Item::of(record, self.clock.now()), Some(&base)).await? {
            return Ok(Created::Created);
        }
        Ok(Created::Taken)
    }

    pub(super) async fn update<D: Documents>(
        &self,
        key: &str,
        record: &Record,
        expected: &Version,
    ) -> Result<Updated, StoreError> {
        let (id, deadline) = (layout::id(key)?, self.deadline());
        self.check_size(record)?;
        loop {
            let call = self.call(Effect::Read, deadline).await?;
            let Some((item, base)) = D::find(&call, &id).await? else { return Ok(Updated::Gone) };
            match self.read(key, item) {
                Found::Live(found, _) if found.version == *expected => {}
                Found::Live(found, _) => return Ok(Updated::Conflict(found)),
                Found::Expired | Found::Foreign => return Ok(Updated::Gone),
            }
            let call = self.call(Effect::Write, deadline).await?;
            if D::put(&call, &id, Item::of(record, self.clock.now()), Some(&base)).await? {
                return Ok(Updated::Done);
            }
            // somebody wrote meanwhile: an update, or a touch, which leaves the version as it is
        }
    }

    pub(super) async fn touch<D: Documents>(&self, key: &str, expires_in: Duration) -> Result<bool, StoreError> {
        let (id, deadline) = (layout::id(key)?, self.deadline());
        loop {
            let call = self.call(Effect::Read, deadline).await?;
            let Some((item, base)) = D::find(&call, &id).await? else { return Ok(false) };
            let asked = layout::expiry(expires_in, self.clock.now());
            match self.read(key, item) {
                Found::Live(_, expires) if expires >= asked => return Ok(true),
                Found::Live(..) => {}
                Found::Expired | Found::Foreign => return Ok(false),
            }
            let call = self.call(Effect::Write, deadline).await?;
            if D::extend(&call, &id, asked, &base).await? {
                return Ok(true);
            }
        }
    }

    pub(super) async fn delete<D: Documents>(&self, key: &str) -> Result<(), StoreError> {
        let id = layout::id(key)?;
        let call = self.call(Effect::Write, self.deadline()).await?;
        D::remove(&call, &id, None).await?;
        Ok(())
    }

    pub(super) async fn delete_expired<D: Documents>(&self, limit: u64) -> Result<Swept, StoreError> {
        if limit == 0 {
            return Ok(Swept::default());
        }
        let deadline = self.deadline();
        let enough = Instant::now() + self.timeout / 2;
        let mut deleted = 0;
        loop {
            // it looks at no more documents than it may delete, so that it can go on behind the last of them
            let most = (limit - deleted).min(PAGE);
            match self.sweep::<D>(most, deadline, &mut deleted).await {
                Ok(false) => return Ok(Swept { deleted, more: false }),
                Ok(true) if deleted < limit && Instant::now() < enough => {}
                Ok(true) => return Ok(Swept { deleted, more: true }),
                // what was deleted is deleted
                Err(_) if deleted > 0 => return Ok(Swept { deleted, more: true }),
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) async fn count_expired<D: Documents>(&self) -> Result<Option<u64>, StoreError> {
        let call = self.call(Effect::Read, self.deadline()).await?;
        Ok(Some(D::count(&call, layout::moment(self.clock.now())).await?))
    }

    /// Asks for a document that is no record.
    pub(super) async fn ping<D: Documents>(&self) -> Result<(), StoreError> {
        let call = self.call(Effect::Read, self.deadline()).await?;
        D::find(&call, layout::NOBODY).await?;
        Ok(())
    }

    /// Deletes the expired records of the next page, and says whether there may be more behind it.
    async fn sweep<D: Documents>(&self, most: u64, deadline: Instant, deleted: &mut u64) -> Result<bool, StoreError> {
        let (now, from) = match self.walk().clone() {
            Some(Walk { now, from }) => (now, Some(from)),
            None => (layout::moment(self.clock.now()), None),
        };
        let call = self.call(Effect::Read, deadline).await?;
        let page = match D::expired(&call, now, most.try_into().unwrap_or(1), from).await {
            Ok(page) => page,
            Err(failure) => {
                // the place may be one that the service does not know any more
                *self.walk() = None;
                return Err(failure.into());
            }
        };
        for some in page.records.chunks(AT_ONCE) {
            let calls = some.iter().map(async |(id, base)| {
                let call = self.call(Effect::Write, deadline).await?;
                // one that was written since it was found is another
                Ok::<_, StoreError>(D::remove(&call, id, Some(base)).await?)
            });
            let outcomes = join_all(calls).await;
            *deleted += outcomes.iter().filter(|outcome| matches!(outcome, Ok(true))).count() as u64;
            outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
        }
        let is_more = page.next.is_some();
        *self.walk() = page.next.map(|from| Walk { now, from });
        Ok(is_more)
    }

    fn walk(&self) -> MutexGuard<'_, Option<Walk>> {
        // what it guards is whole whoever panicked
        self.walk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn call(&self, effect: Effect, deadline: Instant) -> Result<Call<'_>, StoreError> {
        Call::begin(&self.link, effect, deadline, self.timeout).await
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    fn read(&self, key: &str, item: Item) -> Found {
        let found = layout::read(item, self.clock.now());
        if matches!(found, Found::Foreign) {
            crate::events::record_foreign(self.address().service.name(), key);
        }
        found
    }

    fn check_size(&self, record: &Record) -> Result<(), StoreError> {
        if record.bytes.len() > layout::DATA_MAX {
            let service = self.address().service;
            return Err(StoreError::new(
                StoreErrorKind::TooLarge,
                format!("a record in {service} can't be larger than {} bytes", layout::DATA_MAX),
            ));
        }
        Ok(())
    }
}

/// [`SessionStore`](super::SessionStore) by [`Rules`].
macro_rules! session_store {
    ($store:ident, $documents:ty, $name:literal) => {
        #[async_trait]
        impl SessionStore for $store {
            async fn load(&self, key: &str) -> Result<Option<Record>, StoreError> {
                self.rules.load::<$documents>(key).await
            }

            async fn create(&self, key: &str, record: &Record) -> Result<Created, StoreError> {
                self.rules.create::<$documents>(key, record).await
            }

            async fn update(&self, key: &str, record: &Record, expected: &Version) -> Result<Updated, StoreError> {
                self.rules.update::<$documents>(key, record, expected).await
            }

            async fn touch(&self, key: &str, expires_in: Duration) -> Result<bool, StoreError> {
                self.rules.touch::<$documents>(key, expires_in).await
            }

            async fn delete(&self, key: &str) -> Result<(), StoreError> {
                self.rules.delete::<$documents>(key).await
            }

            async fn delete_expired(&self, limit: u64) -> Result<Swept, StoreError> {
                self.rules.delete_expired::<$documents>(limit).await
            }

            async fn count_expired(&self) -> Result<Option<u64>, StoreError> {
                self.rules.count_expired::<$documents>().await
            }

            async fn ping(&self) -> Result<(), StoreError> {
                self.rules.ping::<$documents>().await
            }

            /// There is nothing to make but what an administrator has to: it only looks whether the database is there.
            async fn migrate(&self) -> Result<(), StoreError> {
                self.ping().await
            }

            fn migration(&self) -> Option<String> {
                Some(self.rules.address().commands())
            }

            fn for_worker(&self) -> Option<Arc<dyn SessionStore>> {
                Some(Arc::new(Self { rules: self.rules.changed(|_| {}) }))
            }

            fn timeout(&self) -> Option<Duration> {
                Some(self.rules.timeout)
            }

            fn name(&self) -> &'static str {
                $name
            }
        }

        impl fmt::Debug for $store {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($store))
                    .field("address", self.rules.address())
                    .field("timeout", &self.rules.timeout)
                    .finish_non_exhaustive()
            }
        }
    };
}
pub(super) use session_store;
