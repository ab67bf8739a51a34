//! What is sent to the store when the handler has answered: futures that own their data and outlive the request.

use std::{sync::Arc, time::Duration};

use crate::{
    changes::{Changes, View, stamp},
    end,
    error::{SessionError, StoreError, StoreErrorKind},
    events,
    joint::Joint,
    live::{self, Live, Loading, cookie_due, cookie_lifetime, deadline, expires_in, new_deadline, stored, touch_due},
    owner::Entry,
    queue::{Place, Turn},
    record::{self, Contents},
    sign_in::sign_in,
    store::{Record, Version},
    token::Token,
    worker::{Budget, Worker},
    write::{self, Begun, Swapped},
};

/// A commit under way, which the next one of the request waits for.
pub(crate) type Saving = Joint<Outcome>;
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
    /// The version that was recalled and not loaded since; none if it was.
    pub(crate) recalled: Option<Version>,
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
    Set(Box<Token>, Option<Duration>),
    Remove,
}

/// Does what is planned.
pub(crate) async fn commit(plan: Plan) -> Outcome {
    let (commit, before) = begin(plan).await?;
    let done = match before.live.clone() {
        Some(live) => commit.update(live).await,
        None => commit.create().await,
    };
    match done {
        Ok(Committed { live, cookie: CookieChange::Keep }) => Ok(Committed { live, cookie: before.cookie }),
        Ok(committed) => Ok(committed),
        Err(error) => Err(Failed { error, before: Some(before) }),
    }
}

/// Waits for what the commit is about, and ends it where that is asked for.
async fn begin(plan: Plan) -> Result<(Commit, Committed), Failed> {
    let Plan { worker, known, recalled, destroy, failure, rotate, mut changes, can_set_cookie } = plan;
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
    if destroy && let Some(live) = before.live.as_ref().filter(|live| recalled == Some(live.version)) {
        // an end compares nothing, and the token may have been rotated away since it was kept
        match live::begin(worker.clone(), vec![live.presented()]).await {
            Ok(live) => before.live = live,
            Err(error) => return Err(Failed { error, before: Some(before) }),
        }
    }
    let budget = worker.budget();
    if destroy && let Some(live) = &before.live {
        if let Err(error) = Box::pin(end::destroy(&worker, live, budget)).await {
            return Err(Failed { error, before: Some(before) });
        }
        events::destroyed(live.token.id());
        before = Committed { live: None, cookie: CookieChange::Remove };
    } else if let Some(seen) = seen {
        match changes.rebased(seen.view(), stored(before.live.as_ref())) {
            Ok(rebased) => changes = Arc::new(rebased),
            Err(error) => return Err(Failed { error, before: Some(before) }),
        }
    }
    match failure {
        Some(error) => Err(Failed { error, before: Some(before) }),
        None => Ok((Commit { worker, budget, rotate, changes, can_set_cookie }, before)),
    }
}

/// What is left to do to a session that is known.
struct Commit {
    worker: Arc<Worker>,
    budget: Budget,
    rotate: bool,
    changes: Arc<Changes>,
    can_set_cookie: bool,
}

impl Commit {
    async fn create(&self) -> Result<Committed, SessionError> {
        if !self.changes.writes() {
            return Ok(Committed { live: None, cookie: CookieChange::Keep });
        }
        if !self.can_set_cookie {
            return Err(SessionError::Usage("a session can't begin after the response did: save before it".into()));
        }
        let config = &self.worker.core.config;
        let created = config.clock.now();
        let deadline = new_deadline(&self.worker);
        let none = crate::fields::Fields::default();
        let at = self.changes.authenticates(View::of(None)).then(|| created.to_string());
        let mut edits = self.changes.edits(&none);
        stamp(&mut edits, at.as_deref());
        let owner = self.changes.signs_in(View::of(None));
        // an id that is taken is a matter of 128 random bits: once is a wonder, twice is a broken store
        let mut failure = StoreError::new(StoreErrorKind::Protocol, "the store says that every new key is taken");
        for _ in 0..2 {
            let token = Box::new(Token::new(config.id_length));
            let key = token.id().key(&config.key_prefix);
            let contents = Contents { secret_hash: token.hash(), created, deadline, fields: none.edited(&edits) };
            let written = self.encode(&key, contents)?;
            if let Some(owner) = owner {
                let entry = Entry::new(token.id(), created);
                Box::pin(sign_in(&self.worker, owner, entry, deadline, self.budget)).await?;
            }
            match write::begin(&self.worker, &key, &written.record, self.budget).await? {
                Begun::Done => {
                    events::created(token.id());
                    let cookie = self.set_cookie(&token, deadline);
                    return Ok(Committed { live: Some(Arc::new(written.live(key, *token))), cookie });
                }
                // the user's sessions were ended meanwhile, this one among them
                Begun::Taken if owner.is_some() => return Err(SessionError::Ended),
                Begun::Taken => {}
                Begun::Never(error) => failure = error,
            }
        }
        Err(failure.into())
    }

    /// Writes the changes over the session, merged over what others wrote meanwhile.
    async fn update(&self, live: Arc<Live>) -> Result<Committed, SessionError> {
        let rotate = self.rotate || self.changes.clears_guarded(&live.contents.fields);
        if self.changes.is_empty() && !rotate {
            return Ok(self.refresh(live).await);
        }
        if rotate && !self.can_set_cookie {
            return Err(SessionError::Usage(
                "a session can't be rotated after the response began: save before it".into(),
            ));
        }
        // what is seldom needed is boxed, so that the commit's future stays small
        let rotated = rotate.then(|| Box::new(live.token.rotated(self.worker.core.config.id_length)));
        let rotated = rotated.as_deref();
        let mut newer: Option<Box<Newer>> = None;
        let loaded = stored_fields(&live);
        let at = self.changes.authenticates(loaded).then(|| self.worker.core.config.clock.now());
        if let (Some(at), Some(owner)) = (at, self.changes.signs_in(loaded)) {
            // what is too large to be written must not end another session
            self.write_over(&live, None, rotated, Some(at))?;
            let entry = Entry::over(&live, at);
            let deadline = self.deadline(&live, &live.contents);
            Box::pin(sign_in(&self.worker, owner, entry, deadline, self.budget)).await?;
        }
        let mut turn = self.turn(self.worker.queue.join_existing(live.token.id())).await?;
        for tries in 0.. {
            let Some(written) = self.write_over(&live, newer.as_deref(), rotated, at)? else {
                return Ok(self.refresh(live).await);
            };
            let expected = newer.take().map_or(live.version, |newer| newer.version);
            let swapped = write::swap(&self.worker, &live.key, &written.record, &expected, self.budget).await?;
            let current = match self.settled(&live, swapped, rotated)? {
                Swapped::Done => return self.written(&live, written, rotated),
                Swapped::Gone => return self.ended(rotate),
                Swapped::Conflict(current) | Swapped::InDoubt(current, _) => current,
            };
            if turn.is_none() {
                turn = self.turn(self.worker.queue.join(live.token.id())).await?;
            }
            // the first conflicts are with what was written before the turn came, and later ones with other workers
            if tries > 1 {
                Box::pin(self.budget.pause(tries)).await?;
            }
            newer = match self.overtake(&live, current) {
                Overtaken::By(newer) => Some(newer),
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

    /// When a session ends that these changes are written over: a new owner's begins anew.
    fn deadline(&self, live: &Live, contents: &Contents) -> u64 {
        if self.changes.changes_owner(stored_fields(live)) {
            new_deadline(&self.worker)
        } else {
            deadline(&self.worker, contents)
        }
    }

    /// Waits for the turn, where there is a place in a lane.
    async fn turn(&self, place: Option<Place>) -> Result<Option<Turn>, SessionError> {
        match place {
            Some(place) => Box::pin(self.budget.in_time(place.turn())).await,
            None => Ok(None),
        }
    }

    /// The bytes to write over what is there now; none if the changes come to nothing.
    fn write_over(
        &self,
        live: &Live,
        newer: Option<&Newer>,
        rotated: Option<&Token>,
        authenticated: Option<u64>,
    ) -> Result<Option<Written>, SessionError> {
        let (loaded, current) = (stored_fields(live), newer.map_or(&live.contents, |newer| &newer.contents));
        let fields = &current.fields;
        let rebased = newer.map(|_| self.changes.rebased(loaded, View::of(Some(fields)))).transpose()?;
        let changes = rebased.as_ref().unwrap_or(&self.changes);
        let mut edits = changes.edits(fields);
        if edits.is_empty() && rotated.is_none() {
            return Ok(None);
        }
        let at = authenticated.map(|at| at.to_string());
        stamp(&mut edits, at.as_deref());
        let is_new_owners = self.changes.changes_owner(loaded);
        let created = if is_new_owners { self.worker.core.config.clock.now() } else { current.created };
        let secret_hash = rotated.map_or(live.contents.secret_hash, Token::hash);
        let deadline = self.deadline(live, current);
        let fields = fields.edited(&edits);
        self.encode(&live.key, Contents { secret_hash, created, deadline, fields }).map(Some)
    }

    /// What a compare-and-swap came to where others wrote over it, or over what it was to replace.
    fn settled(&self, live: &Live, swapped: Swapped, rotated: Option<&Token>) -> Result<Swapped, SessionError> {
        match (swapped, rotated) {
            // every later write keeps the secret's hash, so it tells whether the rotation happened
            (Swapped::InDoubt(now, _), Some(token)) => match self.worker.open(&live.key, now.bytes.clone()) {
                Some(contents) if token.verify(&contents.secret_hash) => Ok(Swapped::Done),
                _ => Ok(Swapped::Conflict(now)),
            },
            (Swapped::InDoubt(_, error), None) => Err(SessionError::OutcomeUnknown(error)),
            (swapped, _) => Ok(swapped),
        }
    }

    /// The record of others, to merge over. One that can't be read has ended.
    fn overtake(&self, live: &Live, record: Record) -> Overtaken {
        let version = record.version;
        let Some(contents) = self.worker.open(&live.key, record.bytes) else { return Overtaken::Ended };
        if contents.secret_hash == live.contents.secret_hash {
            events::conflict(live.token.id(), "overtaken");
            return Overtaken::By(Box::new(Newer { version, contents }));
        }
        events::conflict(live.token.id(), "rotated_away");
        Overtaken::RotatedAway
    }

    /// The session ended meanwhile: a change and then the end is a valid order, a sign-in and then the end is not.
    fn ended(&self, rotate: bool) -> Result<Committed, SessionError> {
        if self.changes.insists() {
            return Err(SessionError::Ended);
        }
        events::gone(rotate);
        Ok(Committed { live: None, cookie: CookieChange::Keep })
    }

    fn written(&self, live: &Live, written: Written, rotated: Option<&Token>) -> Result<Committed, SessionError> {
        let cookie = match rotated {
            Some(token) => {
                events::rotated(token.id());
                self.set_cookie(token, written.contents.deadline)
            }
            None => self.cookie_again(live),
        };
        let token = rotated.unwrap_or(&live.token).clone();
        Ok(Committed { live: Some(Arc::new(written.live(live.key.clone(), token))), cookie })
    }

    /// Keeps a session alive that was only read.
    async fn refresh(&self, live: Arc<Live>) -> Committed {
        let wanted = touch_due(&self.worker, &live);
        let again = live.stale_key || wanted.is_some();
        let cookie = if again { self.cookie_again(&live) } else { CookieChange::Keep };
        let mut live = live;
        if let Some(wanted) = wanted {
            if let Ok(touched) = Box::pin(self.worker.touch(&live.key, wanted, self.budget)).await {
                events::touched(live.token.id(), touched);
            }
            // tried once a request, whatever it came to
            live = Arc::new(Live { remaining: wanted, ..Arc::unwrap_or_clone(live) });
        }
        Committed { live: Some(live), cookie }
    }

    /// The cookie that the visitor has, where it must be sent again: signed by an old key, or half of its days over.
    fn cookie_again(&self, live: &Live) -> CookieChange {
        if self.can_set_cookie && (live.stale_key || cookie_due(&self.worker, live)) {
            self.set_cookie(&live.token, deadline(&self.worker, &live.contents))
        } else {
            CookieChange::Keep
        }
    }

    fn set_cookie(&self, token: &Token, deadline: u64) -> CookieChange {
        CookieChange::Set(Box::new(token.clone()), cookie_lifetime(&self.worker, deadline))
    }

    fn encode(&self, key: &str, contents: Contents) -> Result<Written, SessionError> {
        let limit = self.worker.core.config.max_bytes;
        let bytes = record::encode(&contents);
        let bytes = bytes.ok_or(SessionError::TooLarge { size: usize::MAX, limit })?;
        if bytes.len() > limit {
            return Err(SessionError::TooLarge { size: bytes.len(), limit });
        }
        let record = self.worker.record(key, bytes.into(), expires_in(&self.worker, contents.deadline));
        let record = record.ok_or(SessionError::Usage("the record can't be sealed".into()))?;
        Ok(Written { record, contents })
    }
}

/// What others wrote over what this request loaded.
struct Newer {
    version: Version,
    contents: Contents,
}

enum Overtaken {
    By(Box<Newer>),
    Ended,
    RotatedAway,
}

/// Bytes on their way to the store.
struct Written {
    record: Record,
    contents: Contents,
}

impl Written {
    fn live(self, key: String, token: Token) -> Live {
        let Record { version, expires_in: remaining, .. } = self.record;
        Live { token, contents: self.contents, key, version, remaining, stale_key: false }
    }
}

/// What a request loaded, without a change.
fn stored_fields(live: &Live) -> View<'_> {
    View::of(Some(&live.contents.fields))
}
