//! The session of one request: what is known of it, what is wanted of it, what was done to it.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use actix_web::{HttpMessage, HttpRequest, http::header};

use crate::{
    changes::{Change, Changes, View, carry},
    commit::{Committed, CookieChange, Saving, Seen},
    cookie::Presented,
    data::Guard,
    error::SessionError,
    events,
    id::SessionId,
    live::{self, Live, Loading},
    worker::Worker,
};

mod flight;
mod recalled;

use self::recalled::Recalled;

/// The session of one request. Handlers, extractors and the middleware share it; none of them holds the request.
pub(crate) struct State {
    pub(crate) worker: Arc<Worker>,
    /// Whether anything looked at the session.
    touched: Cell<bool>,
    inner: RefCell<Inner>,
}

struct Inner {
    load: Load,
    /// Whether what was loaded was not.
    recalled: Option<Recalled>,
    phase: Phase,
    /// A `destroy` that is still to be done, which made all that was loaded void: the era before it.
    destroyed: Option<u32>,
    /// What was extracted in another era than this, before a `destroy`, is void.
    era: u32,
    /// How many eras there were.
    eras: u32,
    rotate: bool,
    changes: Arc<Changes>,
    /// What went wrong where nobody could be told.
    failure: Option<SessionError>,
    /// What the response is to say of the cookie for what was saved already.
    cookie: CookieChange,
    /// A commit under way, which the next one waits for.
    saving: Option<InFlight>,
    /// Whether a handler took the failure of the load from `save`, and so answers for it.
    told: bool,
}

/// A commit under way. Until it is done, the request sees the session as if it were.
struct InFlight {
    saving: Saving,
    destroys: bool,
    /// What it and those that it waits for change of what was stored before.
    changes: Arc<Changes>,
}

/// What is known of the session.
enum Load {
    /// Nobody asked.
    Untouched,
    /// The tokens of the request, not looked up.
    Presented(Vec<Presented>),
    Running(Loading),
    Done(Option<Arc<Live>>),
    /// It stays failed for the request, whoever asks again.
    Failed(SessionError),
}

/// How far the request is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A response is still to come.
    Open,
    /// The response is on its way: what is changed now is too late for a cookie.
    Answered,
}

/// The session as an extractor saw it, to tell later what others changed.
#[derive(Clone)]
pub(crate) struct Snapshot {
    seen: Seen,
    era: u32,
}

impl Snapshot {
    pub(crate) fn view(&self) -> View<'_> {
        self.seen.view()
    }
}

/// How a request carries its state.
pub(crate) struct Slot(pub(crate) Rc<State>);

impl State {
    pub(crate) fn new(worker: Arc<Worker>) -> Self {
        let inner = Inner {
            load: Load::Untouched,
            recalled: None,
            phase: Phase::Open,
            destroyed: None,
            era: 0,
            eras: 0,
            rotate: false,
            changes: worker.nothing(),
            failure: None,
            cookie: CookieChange::Keep,
            saving: None,
            told: false,
        };
        Self { worker, touched: Cell::new(false), inner: RefCell::new(inner) }
    }

    /// The state of a request, which is touched by that; an error that says what to add if there is none.
    pub(crate) fn of(request: &HttpRequest) -> Result<Rc<Self>, SessionError> {
        let state = request.extensions().get::<Slot>().map(|slot| slot.0.clone());
        let Some(state) = state else {
            let error = SessionError::NoMiddleware;
            events::no_middleware(request.match_pattern().as_deref(), &error);
            return Err(error);
        };
        if !state.touched.replace(true) {
            let lines = request.headers().get_all(header::COOKIE).map(header::HeaderValue::as_bytes);
            let presented = state.worker.core.cookies.read(lines);
            state.inner.borrow_mut().load =
                if presented.is_empty() { Load::Done(None) } else { Load::Presented(presented) };
        }
        Ok(state)
    }

    pub(crate) fn is_touched(&self) -> bool {
        self.touched.get()
    }

    /// Loads the session and waits for it.
    pub(crate) async fn ready(&self) -> Result<Snapshot, SessionError> {
        while let Err(loading) = self.load() {
            let loaded = loading.await;
            self.loaded(loaded);
        }
        self.snapshot()
    }

    /// The session as it is now, which must be loaded.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, SessionError> {
        let inner = self.inner.borrow();
        if let (Load::Failed(error), None) = (&inner.load, inner.destroyed) {
            return Err(error.clone());
        }
        Ok(Snapshot { seen: inner.seen(), era: inner.era })
    }

    /// The stored session, as far as was loaded; none after a `destroy`.
    pub(crate) fn live(&self) -> Option<Arc<Live>> {
        self.inner.borrow().stored().cloned()
    }

    /// Whether what is to be saved, or is being saved, may come with another token than the stored session's.
    pub(crate) fn changes_token(&self) -> bool {
        let inner = self.inner.borrow();
        let clears = |live: &Arc<Live>| inner.changes.clears_guarded(&live.contents.fields);
        inner.rotate || inner.saving.is_some() || inner.stored().is_some_and(clears)
    }

    /// Notes what an extractor changed of what it saw before.
    pub(crate) fn change(&self, name: &'static str, change: Change, before: &mut Snapshot) {
        let mut inner = self.inner.borrow_mut();
        if before.era != inner.era {
            events::field_dropped(name, "ended");
            return;
        }
        inner.rotate |= change.origin.field().is_some_and(|field| field.guard != Guard::None);
        let now = inner.seen();
        if same(&before.seen, &now) {
            // nothing to compare with, and nobody else holds the changes: they are written where they are
            before.seen.changes = self.worker.nothing();
            drop(now);
            inner.put(Cow::Borrowed(name), change);
            before.seen.changes = inner.changes.clone();
            return;
        }
        drop(inner);
        // a merge rule may be the program's: nothing is borrowed while it runs
        let carried = carry(name, change, before.view(), now.view());
        let mut inner = self.inner.borrow_mut();
        match carried {
            Ok(Some(change)) => inner.put(Cow::Borrowed(name), change),
            Ok(None) => {}
            Err(error) => _ = inner.failure.get_or_insert(error),
        }
    }

    /// Notes that a change could not be taken, for the commit to tell.
    pub(crate) fn fail(&self, error: SessionError, before: &Snapshot) {
        let mut inner = self.inner.borrow_mut();
        if before.era == inner.era {
            inner.failure.get_or_insert(error);
        }
    }

    /// Does something with the changes of the request.
    pub(crate) fn edit(&self, edit: impl FnOnce(&mut Changes)) {
        edit(Arc::make_mut(&mut self.inner.borrow_mut().changes));
    }

    pub(crate) fn put(&self, name: Cow<'static, str>, change: Change) {
        self.edit(|changes| changes.put(name, change));
    }

    pub(crate) fn rotate(&self) {
        self.inner.borrow_mut().rotate = true;
    }

    pub(crate) fn destroy(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.discard();
        inner.destroyed = inner.destroyed.or(Some(inner.era));
        inner.eras = inner.eras.wrapping_add(1);
        inner.era = inner.eras;
    }

    /// Forgets the changes that are not saved.
    pub(crate) fn discard(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.discard();
        if let Some(era) = inner.destroyed.take() {
            inner.era = era;
        }
    }

    /// Forgets the changes of a response that reports a failure; a `destroy` still happens.
    pub(crate) fn drop_changes(&self) {
        let mut inner = self.inner.borrow_mut();
        if !inner.changes.is_empty() || inner.rotate || inner.failure.is_some() {
            events::dropped();
        }
        inner.discard();
    }
}

impl Load {
    /// Which session it came to.
    fn id(&self) -> Option<SessionId> {
        match self {
            Self::Done(live) => live.as_ref().map(|live| live.token.id()),
            // a commit may have waited for it, and nobody else so far
            Self::Running(loading) => loading.peek()?.as_ref().ok()?.as_ref().map(|live| live.token.id()),
            Self::Untouched | Self::Presented(_) | Self::Failed(_) => None,
        }
    }

    /// A load under way, which is begun if none was; none if it is done.
    fn begin(&mut self, worker: &Arc<Worker>) -> Option<Loading> {
        if let Self::Presented(presented) = self {
            let presented = std::mem::take(presented);
            *self = Self::Running(live::begin(worker.clone(), presented));
        }
        match self {
            Self::Running(loading) => Some(loading.clone()),
            Self::Untouched | Self::Presented(_) | Self::Done(_) | Self::Failed(_) => None,
        }
    }
}

impl Inner {
    /// Makes void what was extracted from a session that turned out to be gone.
    fn end(&mut self) {
        self.eras = self.eras.wrapping_add(1);
        *self.destroyed.as_mut().unwrap_or(&mut self.era) = self.eras;
    }

    fn stored(&self) -> Option<&Arc<Live>> {
        let destroys = self.destroyed.is_some() || self.saving.as_ref().is_some_and(|flight| flight.destroys);
        match &self.load {
            Load::Done(live) if !destroys => live.as_ref(),
            _ => None,
        }
    }

    /// What will be stored once the commits under way are done; none where nobody has seen it so far.
    fn as_saved(&self) -> Option<Seen> {
        let sent = self.saving.as_ref().filter(|_| self.destroyed.is_none());
        let is_known = matches!(self.load, Load::Done(_)) || sent.is_none_or(|flight| flight.destroys);
        let changes = sent.map(|flight| flight.changes.clone()).unwrap_or_default();
        is_known.then(|| Seen { stored: self.stored().cloned(), changes })
    }

    /// The session as the request sees it.
    fn seen(&self) -> Seen {
        let changes = match &self.saving {
            Some(flight) if self.destroyed.is_none() => Arc::new(flight.changes.then(&self.changes)),
            _ => self.changes.clone(),
        };
        Seen { stored: self.stored().cloned(), changes }
    }

    fn put(&mut self, name: Cow<'static, str>, change: Change) {
        Arc::make_mut(&mut self.changes).put(name, change);
    }

    fn discard(&mut self) {
        self.changes = Arc::default();
        self.rotate = false;
        self.failure = None;
    }

    fn take(&mut self, committed: Committed) {
        self.load = Load::Done(committed.live);
        self.set_cookie(committed.cookie);
    }

    fn set_cookie(&mut self, cookie: CookieChange) {
        if !matches!(cookie, CookieChange::Keep) {
            self.cookie = cookie;
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let inner = self.inner.get_mut();
        // where there is no session, there is nothing to rotate or to end
        let ends =
            (inner.rotate || inner.destroyed.is_some()) && !matches!(inner.load, Load::Untouched | Load::Done(None));
        if inner.phase == Phase::Answered && (ends || inner.failure.is_some() || !inner.changes.is_empty()) {
            events::late_change();
        }
    }
}

fn same(one: &Seen, other: &Seen) -> bool {
    let stored = match (&one.stored, &other.stored) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    };
    stored && Arc::ptr_eq(&one.changes, &other.changes)
}
