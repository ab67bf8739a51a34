//! What [`FirestoreStore`](super::FirestoreStore) and [`DatastoreStore`](super::DatastoreStore) share: all but the words.

use std::{sync::Arc, time::Duration};

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

    /// Some documents whose time is over, the first ones first.
    async fn expired(call: &Call<'_>, now: i64, most: i32) -> Result<Vec<(String, Self::Base)>, Failure>;

    async fn count(call: &Call<'_>, now: i64) -> Result<u64, Failure>;
}

/// How many documents a query of a sweep asks for.
const PAGE: u64 = 100;
/// How many are deleted at once.
const AT_ONCE: usize = 10;

/// The rules of the contract over documents.
#[derive(Clone)]
pub(super) struct Rules {
    link: Arc<Link>,
    pub(super) timeout: Duration,
    pub(super) clock: Clock,
}

impl Rules {
    pub(super) fn new(address: Address) -> Self {
        Self { link: Arc::new(Link::new(address)), timeout: Duration::from_secs(2), clock: Clock::default() }
    }

    pub(super) fn address(&self) -> &Address {
        self.link.address()
    }

    /// The same with connections of its own, at an address that is a little different.
    pub(super) fn changed(&self, change: impl FnOnce(&mut Address)) -> Self {
        let mut address = self.address().clone();
        change(&mut address);
        Self { link: Arc::new(Link::new(address)), ..self.clone() }
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
        let deadline = self.deadline();
        let enough = Instant::now() + self.timeout / 2;
        let mut deleted = 0;
        while deleted < limit && (deleted == 0 || Instant::now() < enough) {
            let most = (limit - deleted).min(PAGE);
            match self.sweep::<D>(most, deadline).await {
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

    /// How many expired ones were found, and how many of them deleted.
    async fn sweep<D: Documents>(&self, most: u64, deadline: Instant) -> Result<(u64, u64), StoreError> {
        let call = self.call(Effect::Read, deadline).await?;
        let found = D::expired(&call, layout::moment(self.clock.now()), most.try_into().unwrap_or(1)).await?;
        let mut gone = 0;
        for some in found.chunks(AT_ONCE) {
            let calls = some.iter().map(async |(id, base)| {
                let call = self.call(Effect::Write, deadline).await?;
                Ok::<_, StoreError>(D::remove(&call, id, Some(base)).await?)
            });
            for outcome in join_all(calls).await {
                match outcome {
                    Ok(is_gone) => gone += u64::from(is_gone),
                    Err(error) if gone == 0 => return Err(error),
                    // the rest is for another call
                    Err(_) => return Ok((most, gone)),
                }
            }
        }
        Ok((found.len() as u64, gone))
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
