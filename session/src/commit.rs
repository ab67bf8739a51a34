//! What is sent to the store when the handler has answered: futures that own their data and outlive the request.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::Shared;

use crate::{
    changes::{Changes, View},
    error::{SessionError, StoreError, StoreErrorKind},
    live::{Live, Loading, cookie_due, cookie_lifetime, deadline, expires_in, new_deadline, stored, touch_due},
    queue::{Place, Turn},
    record::{self, Contents},
    store::{Created, Record, Updated, Version},
    token::Token,
    worker::{Budget, Worker},
};

/// A commit under way, which the next one of the request waits for.
pub(crate) type Saving = Shared<Pin<Box<dyn Future<Output = Outcome> + Send>>>;
/// What a commit comes to.
pub(crate) type Outcome = Result<Committed, Failed>;

/// Where the session that a commit is about comes from.
pub(crate) enum Known {
    /// From a load under way.
    Loading(Loading),
    /// From a load that is done.
    Loaded(Option<Arc<Live>>),
    /// From a commit under way; the changes were made as if it had come to this.
    Saving(Saving, Option<Seen>),
}

/// A session as a request sees it: what is stored, with the changes over it that are not.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) stored: Option<Arc<Live>>,
    pub(crate) changes: Arc<Changes>,
}

impl Seen {
    pub(crate) fn view(&self) -> View<'_> {
        View { changes: &self.changes, ..stored(self.stored.as_ref()) }
    }
}

/// All that a commit is to do.
pub(crate) struct Plan {
    pub(crate) worker: Arc<Worker>,
    pub(crate) known: Known,
    pub(crate) destroy: bool,
    /// Why all that is to be done after the `destroy` fails.
    pub(crate) failure: Option<SessionError>,
    pub(crate) rotate: bool,
    pub(crate) changes: Arc<Changes>,
    /// Whether a response is still to come that can carry a cookie.
    pub(crate) can_set_cookie: bool,
}

/// What a commit came to.
#[derive(Clone)]
pub(crate) struct Committed {
    pub(crate) live: Option<Arc<Live>>,
    pub(crate) cookie: CookieChange,
}

/// Why a commit failed.
#[derive(Clone)]
pub(crate) struct Failed {
    pub(crate) error: SessionError,
    /// What was done before that, by this commit or by one that it waited for; none if not even a load was.
    pub(crate) before: Option<Committed>,
}

/// What the response says of the cookie.
#[derive(Clone, Debug)]
pub(crate) enum CookieChange {
    Keep,
    /// This token, for so long; without a time until the browser ends.
    Set(Token, Option<Duration>),
    Remove,
}

/// Does what is planned.
pub(crate) async fn commit(plan: Plan) -> Outcome {
    let Plan { worker, known, destroy, failure, rotate, mut changes, can_set_cookie } = plan;
    let unknown = |error| Failed { error, before: None };
    let mut before = Committed { live: None, cookie: CookieChange::Keep };
    let mut seen = None;
    match known {
        Known::Loading(loading) => before.live = loading.await.map_err(unknown)?,
        Known::Loaded(live) => before.live = live,
        Known::Saving(saving, as_saved) => match saving.await {
            Ok(saved) => (before, seen) = (saved, as_saved),
            // the end does not depend on what came before it
            Err(Failed { before: Some(done), .. }) if destroy => before = done,
            Err(failed) => return Err(failed),
        },
    }
    let budget = worker.budget();
    if destroy && let Some(live) = &before.live {
        if let Err(error) = end(&worker, live, budget).await {
            return Err(Failed { error, before: Some(before) });
        }
        before = Committed { live: None, cookie: CookieChange::Remove };
    } else if let Some(seen) = seen {
        match changes.rebased(seen.view(), stored(before.live.as_ref())) {
            Ok(rebased) => changes = Arc::new(rebased),
            Err(error) => return Err(Failed { error, before: Some(before) }),
        }
    }
    let commit = Commit { worker: &worker, budget, changes: &changes, can_set_cookie };
    let done = match (failure, before.live.clone()) {
        (Some(error), _) => Err(error),
        (None, Some(live)) => commit.update(live, rotate).await,
        (None, None) => commit.create().await,
    };
    match done {
        Ok(Committed { live, cookie: CookieChange::Keep }) => Ok(Committed { live, cookie: before.cookie }),
        Ok(committed) => Ok(committed),
        Err(error) => Err(Failed { error, before: Some(before) }),
    }
}

/// Destroys a session.
async fn end(worker: &Worker, live: &Live, budget: Budget) -> Result<(), SessionError> {
    let delete = || worker.delete(&live.key, budget);
    let deleted = match delete().await {
        // to delete twice is to delete once
        Err(error) if error.kind() == StoreErrorKind::OutcomeUnknown => delete().await,
        deleted => deleted,
    };
    deleted?;
    tracing::debug!(name: "session.destroyed", id = %live.token.id());
    Ok(())
}

struct Commit<'a> {
    worker: &'a Arc<Worker>,
    budget: Budget,
    changes: &'a Changes,
    can_set_cookie: bool,
}

impl Commit<'_> {
    async fn create(&self) -> Result<Committed, SessionError> {
        if !self.changes.writes() {
            return Ok(Committed { live: None, cookie: CookieChange::Keep });
        }
        if !self.can_set_cookie {
            return Err(SessionError::Usage("a session can't begin after the response did: save before it".into()));
        }
        let config = &self.worker.core.config;
        let created = config.clock.now();
        let deadline = new_deadline(self.worker);
        let none = crate::fields::Fields::default();
        let edits = self.changes.edits(&none);
        let mut in_doubt: Option<StoreError> = None;
        // an id that is taken is a matter of 128 random bits: once is a wonder, twice is a broken store
        for _ in 0..2 {
            // what is in doubt is tried again under another id, and never under its own: it may still be on its way, and
            // begin anew what has been ended meanwhile
            let token = Token::new(config.id_length);
            let written = self.encode(&token, created, deadline, &none.edited(&edits))?;
            match self.worker.create(&written.key, &written.record, self.budget).await {
                Ok(Created::Created) => {
                    tracing::debug!(name: "session.created", id = %token.id());
                    let cookie = CookieChange::Set(token.clone(), cookie_lifetime(self.worker, deadline));
                    return Ok(Committed { live: Some(Arc::new(written.live(token)?)), cookie });
                }
                Ok(Created::Taken) => {}
                Err(error) if in_doubt.is_none() && error.kind() == StoreErrorKind::OutcomeUnknown => {
                    in_doubt = Some(error);
                }
                Err(error) => return still_in_doubt(Err(error), in_doubt.as_ref()),
            }
        }
        Err(match in_doubt {
            Some(error) => SessionError::OutcomeUnknown(error),
            None => {
                let taken = "the store says that every new key is taken";
                SessionError::Store(StoreError::new(StoreErrorKind::Protocol, taken))
            }
        })
    }

    /// Writes the changes over the session, merged over what others wrote meanwhile.
    async fn update(&self, live: Arc<Live>, rotate: bool) -> Result<Committed, SessionError> {
        let rotate = rotate || self.changes.clears_guarded(&live.contents.fields);
        if self.changes.is_empty() && !rotate {
            return self.refresh(live).await;
        }
        if rotate && !self.can_set_cookie {
            return Err(SessionError::Usage(
                "a session can't be rotated after the response began: save before it".into(),
            ));
        }
        let mut token = live.token.clone();
        if rotate {
            token = live.token.rotated(self.worker.core.config.id_length);
        }
        let mut now = Now { version: live.version, contents: live.contents.clone(), first: true };
        let mut turn = self.turn(self.worker.queue.join_existing(token.id())).await?;
        for tries in 0.. {
            let Some(written) = self.write_over(&live, &now, &token, rotate)? else { return self.refresh(live).await };
            let current = match self.swap(&written, &now.version, rotate, &token).await? {
                Swapped::Done => return self.written(&live, written, token, rotate),
                Swapped::Gone => return self.ended(rotate),
                Swapped::Conflict(current) => current,
            };
            if turn.is_none() {
                turn = self.turn(self.worker.queue.join(token.id())).await?;
            }
            // the first conflicts are with what was written before the turn came, and later ones with other workers
            if tries > 1 {
                self.in_time(pause(tries)).await?;
            }
            now = match self.overtake(&live, &token, &current) {
                Overtaken::By(newer) => newer,
                Overtaken::Ended => return self.ended(rotate),
                // where all that was wanted was a new token, there is one; what is wanted later will meet it again
                Overtaken::RotatedAway if self.changes.is_empty() => {
                    return Ok(Committed { live: Some(live), cookie: CookieChange::Keep });
                }
                Overtaken::RotatedAway => return Err(SessionError::RotatedAway),
            };
        }
        Err(SessionError::BudgetSpent)
    }

    /// Waits for the turn, where there is a place in a lane.
    async fn turn(&self, place: Option<Place>) -> Result<Option<Turn>, SessionError> {
        match place {
            Some(place) => self.in_time(place.turn()).await,
            None => Ok(None),
        }
    }

    /// The bytes to write over what is there now; none if the changes come to nothing.
    fn write_over(&self, live: &Live, now: &Now, token: &Token, rotate: bool) -> Result<Option<Written>, SessionError> {
        let (loaded, current) = (View::of(Some(&live.contents.fields)), &now.contents.fields);
        let rebased;
        let changes = if now.first {
            self.changes
        } else {
            rebased = self.changes.rebased(loaded, View::of(Some(current)))?;
            &rebased
        };
        let edits = changes.edits(current);
        if edits.is_empty() && !rotate {
            return Ok(None);
        }
        let config = &self.worker.core.config;
        let (mut created, mut deadline) = (now.contents.created, deadline(self.worker, &now.contents));
        if self.changes.changes_owner(loaded) {
            created = config.clock.now();
            deadline = new_deadline(self.worker);
        }
        self.encode(token, created, deadline, &current.edited(&edits)).map(Some)
    }

    /// One compare-and-swap, sent again once where nobody knows whether it happened: it carries its own id.
    async fn swap(
        &self,
        written: &Written,
        expected: &Version,
        rotate: bool,
        token: &Token,
    ) -> Result<Swapped, SessionError> {
        let update = || self.worker.update(&written.key, &written.record, expected, self.budget);
        let (answer, in_doubt) = match update().await {
            Err(error) if error.kind() == StoreErrorKind::OutcomeUnknown => (update().await, Some(error)),
            answer => (answer, None),
        };
        match still_in_doubt(answer, in_doubt.as_ref())? {
            Updated::Done => Ok(Swapped::Done),
            Updated::Gone => Ok(Swapped::Gone),
            Updated::Conflict(now) if now.version == written.record.version => Ok(Swapped::Done),
            Updated::Conflict(now) => match in_doubt {
                None => Ok(Swapped::Conflict(now)),
                // every later write keeps the secret's hash, so it tells whether the rotation happened
                Some(_) if rotate => match self.worker.open(&written.key, &now) {
                    Some(contents) if token.verify(&contents.secret_hash) => Ok(Swapped::Done),
                    _ => Ok(Swapped::Conflict(now)),
                },
                Some(error) => Err(SessionError::OutcomeUnknown(error)),
            },
        }
    }

    /// The record of others, to merge over. One that can't be read has ended.
    fn overtake(&self, live: &Live, token: &Token, record: &Record) -> Overtaken {
        let Some(contents) = self.worker.open(&live.key, record) else { return Overtaken::Ended };
        if contents.secret_hash == live.contents.secret_hash {
            tracing::debug!(name: "session.conflict", id = %token.id(), "another request wrote meanwhile");
            return Overtaken::By(Now { version: record.version, contents, first: false });
        }
        tracing::debug!(name: "session.conflict", id = %token.id(), "its token was rotated away meanwhile");
        Overtaken::RotatedAway
    }

    /// The session ended meanwhile: a change and then the end is a valid order, a sign-in and then the end is not.
    fn ended(&self, rotate: bool) -> Result<Committed, SessionError> {
        if self.changes.insists() {
            return Err(SessionError::Ended);
        }
        tracing::debug!(name: "session.gone", rotate, "the session ended meanwhile, and the changes with it");
        Ok(Committed { live: None, cookie: CookieChange::Keep })
    }

    fn written(&self, live: &Live, written: Written, token: Token, rotate: bool) -> Result<Committed, SessionError> {
        let deadline = written.deadline;
        let cookie = if rotate {
            tracing::debug!(name: "session.rotated", id = %token.id());
            CookieChange::Set(token.clone(), cookie_lifetime(self.worker, deadline))
        } else {
            self.cookie_again(live)
        };
        Ok(Committed { live: Some(Arc::new(written.live(token)?)), cookie })
    }

    /// Keeps a session alive that was only read.
    async fn refresh(&self, live: Arc<Live>) -> Result<Committed, SessionError> {
        let wanted = touch_due(self.worker, &live);
        let again = live.stale_key || wanted.is_some();
        let cookie = if again { self.cookie_again(&live) } else { CookieChange::Keep };
        let mut live = live;
        if let Some(wanted) = wanted {
            match self.worker.touch(&live.key, wanted, self.budget).await {
                Ok(touched) => tracing::trace!(name: "session.touched", id = %live.token.id(), touched),
                Err(error) => self.worker.report("touch", &error),
            }
            // tried once a request, whatever it came to
            live = Arc::new(Live { remaining: wanted, ..Arc::unwrap_or_clone(live) });
        }
        Ok(Committed { live: Some(live), cookie })
    }

    /// The cookie that the visitor has, where it must be sent again: signed by an old key, or half of its days over.
    fn cookie_again(&self, live: &Live) -> CookieChange {
        if self.can_set_cookie && (live.stale_key || cookie_due(self.worker, live)) {
            let deadline = deadline(self.worker, &live.contents);
            CookieChange::Set(live.token.clone(), cookie_lifetime(self.worker, deadline))
        } else {
            CookieChange::Keep
        }
    }

    fn encode(
        &self,
        token: &Token,
        created: u64,
        deadline: u64,
        fields: &[(&str, &str)],
    ) -> Result<Written, SessionError> {
        let limit = self.worker.core.config.max_bytes;
        let key = token.id().key(&self.worker.core.config.key_prefix);
        let hash = token.hash();
        let bytes = record::encode(&hash, created, deadline, fields);
        let bytes = bytes.ok_or(SessionError::TooLarge { size: usize::MAX, limit })?;
        if bytes.len() > limit {
            return Err(SessionError::TooLarge { size: bytes.len(), limit });
        }
        let plain = Bytes::from(bytes);
        let record = self.worker.record(&key, &plain, expires_in(self.worker, deadline));
        let record = record.ok_or(SessionError::Usage("the record can't be sealed".into()))?;
        Ok(Written { key, record, plain, deadline })
    }

    async fn in_time<T>(&self, waiting: impl Future<Output = T>) -> Result<T, SessionError> {
        tokio::time::timeout_at(self.budget.until(), waiting).await.map_err(|_| SessionError::BudgetSpent)
    }
}

/// What is in the store now, as far as is known.
struct Now {
    version: Version,
    contents: Contents,
    /// Whether it is what this request loaded.
    first: bool,
}

enum Overtaken {
    By(Now),
    Ended,
    RotatedAway,
}

enum Swapped {
    Done,
    Conflict(Record),
    Gone,
}

/// Bytes on their way to the store.
struct Written {
    key: String,
    record: Record,
    plain: Bytes,
    deadline: u64,
}

impl Written {
    fn live(self, token: Token) -> Result<Live, SessionError> {
        let contents = record::decode(self.plain);
        let contents = contents.ok_or(SessionError::Usage("the record that was written can't be read".into()))?;
        let Record { version, expires_in: remaining, .. } = self.record;
        Ok(Live { token, contents, key: self.key, version, remaining, stale_key: false })
    }
}

/// The answer to a second try, which where it fails settles nothing of the first.
fn still_in_doubt<T>(answer: Result<T, StoreError>, first: Option<&StoreError>) -> Result<T, SessionError> {
    answer.map_err(|error| first.cloned().map_or_else(|| error.into(), SessionError::OutcomeUnknown))
}

/// Waits a random while, longer with each try.
async fn pause(tries: u32) {
    let most = 1_u64 << tries.min(5);
    tokio::time::sleep(Duration::from_micros(rand::random_range(0..most * 1000))).await;
}
