//! The session of one request: what is known of it, what is wanted of it, what was done to it.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use actix_web::{HttpMessage, HttpRequest, http::header};
use futures_util::FutureExt;

use crate::{
    changes::{Change, Changes, View},
    commit::{self, Committed, CookieChange, Known, Live, Loaded, Loading, Plan, Saving},
    cookie::Presented,
    data::Guard,
    detached::Detached,
    error::{Chain, SessionError},
    fields::Fields,
    worker::Worker,
};

/// The session of one request. Handlers, extractors and the middleware share it; none of them holds the request.
pub(crate) struct State {
    pub(crate) worker: Arc<Worker>,
    /// Whether anything looked at the session.
    touched: Cell<bool>,
    inner: RefCell<Inner>,
}

struct Inner {
    load: Load,
    phase: Phase,
    /// What `destroy` has done: nothing, or made all that was loaded void.
    destroyed: bool,
    /// Counts the `destroy`s, so that what was extracted before one is void.
    era: u32,
    rotate: bool,
    changes: Rc<Changes>,
    /// What went wrong where nobody could be told.
    failure: Option<SessionError>,
    /// What the response is to say of the cookie for what was saved already.
    cookie: CookieChange,
    /// A commit under way, which the next one waits for.
    saving: Option<Saving>,
    /// Whether a handler took the failure of the load from `save`, and so answers for it.
    told: bool,
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
    stored: Option<Arc<Live>>,
    changes: Rc<Changes>,
    era: u32,
}

impl Snapshot {
    pub(crate) fn view(&self) -> View<'_> {
        View { stored: fields(self.stored.as_ref()), changes: &self.changes }
    }
}

/// How a request carries its state.
pub(crate) struct Slot(pub(crate) Rc<State>);

impl State {
    pub(crate) fn new(worker: Arc<Worker>) -> Self {
        let inner = Inner {
            load: Load::Untouched,
            phase: Phase::Open,
            destroyed: false,
            era: 0,
            rotate: false,
            changes: Rc::default(),
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
            tracing::error!(name: "session.no_middleware", path = request.path(), "{error}");
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

    /// Loads the session, unless that is done or under way.
    pub(crate) fn load(&self) -> Result<(), Loading> {
        let mut inner = self.inner.borrow_mut();
        match &mut inner.load {
            Load::Untouched | Load::Done(_) | Load::Failed(_) => Ok(()),
            Load::Running(loading) => Err(loading.clone()),
            Load::Presented(presented) => {
                let presented = std::mem::take(presented);
                let loading = commit::load(self.worker.clone(), presented).boxed().shared();
                inner.load = Load::Running(loading.clone());
                Err(loading)
            }
        }
    }

    /// Takes what a load came to.
    pub(crate) fn loaded(&self, loaded: Loaded) {
        let mut inner = self.inner.borrow_mut();
        if let Load::Running(_) = inner.load {
            inner.load = match loaded {
                Ok(live) => Load::Done(live),
                Err(error) => {
                    tracing::error!(name: "session.load.failed", error = %Chain(&error));
                    Load::Failed(error)
                }
            };
        }
    }

    /// Loads the session and waits for it.
    pub(crate) async fn ready(&self) -> Result<Snapshot, SessionError> {
        if let Err(loading) = self.load() {
            let loaded = loading.await;
            self.loaded(loaded);
        }
        self.snapshot()
    }

    /// The session as it is now, which must be loaded.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, SessionError> {
        let inner = self.inner.borrow();
        if let (Load::Failed(error), false) = (&inner.load, inner.destroyed) {
            return Err(error.clone());
        }
        Ok(Snapshot { stored: inner.stored().cloned(), changes: inner.changes.clone(), era: inner.era })
    }

    /// Whether there is no stored session, as far as was loaded.
    pub(crate) fn is_new(&self) -> bool {
        self.inner.borrow().stored().is_none()
    }

    /// Notes what an extractor changed of what it saw before.
    pub(crate) fn change(&self, name: &'static str, change: Change, before: &mut Snapshot) {
        let mut inner = self.inner.borrow_mut();
        if before.era == inner.era {
            inner.note(name, change, before);
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
        edit(Rc::make_mut(&mut self.inner.borrow_mut().changes));
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
        inner.destroyed = true;
        inner.era = inner.era.wrapping_add(1);
    }

    /// Forgets the changes that are not saved.
    pub(crate) fn discard(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.discard();
        inner.destroyed = false;
    }

    /// Forgets the changes of a response that reports a failure; a `destroy` still happens.
    pub(crate) fn drop_changes(&self) {
        let mut inner = self.inner.borrow_mut();
        if !inner.changes.is_empty() || inner.rotate || inner.failure.is_some() {
            tracing::warn!(name: "session.dropped", "the response is a failure, and the session's changes are dropped");
        }
        inner.discard();
    }

    /// Commits what was changed so far. A commit that began goes on when the request is dropped.
    pub(crate) async fn save(&self) -> Result<(), SessionError> {
        let plan = self.plan().inspect_err(|_| self.inner.borrow_mut().told = true)?;
        let Some(plan) = plan else { return Ok(()) };
        let saving = Detached::new(commit::commit(plan)).boxed().shared();
        self.inner.borrow_mut().saving = Some(saving.clone());
        let done = saving.clone().await;
        let mut inner = self.inner.borrow_mut();
        // a later save waits for this one, and knows what it came to
        if inner.saving.as_ref().is_some_and(|latest| latest.ptr_eq(&saving)) {
            inner.saving = None;
            match done.clone() {
                Ok(committed) => inner.take(committed),
                Err(error) => {
                    inner.told = true;
                    tracing::error!(name: "session.save.failed", error = %Chain(&error));
                }
            }
        }
        done.map(drop)
    }

    /// What is to be committed now, if anything; the changes are in it, and no longer here.
    fn plan(&self) -> Result<Option<Plan>, SessionError> {
        let inner = &mut *self.inner.borrow_mut();
        if let Some(error) = inner.failure.take() {
            inner.discard();
            return Err(error);
        }
        let idle = inner.changes.is_empty() && !inner.rotate && !inner.destroyed;
        // it stays here, for where this commit fails, what that one did still counts
        let known = match (&mut inner.load, inner.saving.clone()) {
            (_, Some(saving)) => Known::Saving(saving),
            (Load::Failed(_), _) if idle && inner.told => return Ok(None),
            (Load::Failed(error), _) => {
                let error = error.clone();
                inner.discard();
                inner.destroyed = false;
                return Err(error);
            }
            (Load::Done(Some(live)), _) if idle && !commit::is_due(&self.worker, live) => return Ok(None),
            (Load::Done(Some(live)), _) => Known::Loaded(Some(live.clone())),
            _ if idle => return Ok(None),
            (Load::Untouched | Load::Done(None), _) => Known::Loaded(None),
            (Load::Presented(presented), _) => {
                // the state keeps the load: a save that fails must not make the visitor anonymous
                let presented = std::mem::take(presented);
                let loading = commit::load(self.worker.clone(), presented).boxed().shared();
                inner.load = Load::Running(loading.clone());
                Known::Loading(loading)
            }
            (Load::Running(loading), _) => Known::Loading(loading.clone()),
        };
        if inner.destroyed {
            inner.load = Load::Done(None);
        }
        Ok(Some(Plan {
            worker: self.worker.clone(),
            known,
            destroy: std::mem::take(&mut inner.destroyed),
            rotate: std::mem::take(&mut inner.rotate),
            changes: Rc::unwrap_or_clone(std::mem::take(&mut inner.changes)),
            can_set_cookie: inner.phase == Phase::Open,
        }))
    }

    /// The last commit, when the handler has answered: a future that owns its data, if there is anything to do.
    pub(crate) fn answer(&self) -> Result<Option<Detached<Result<Committed, SessionError>>>, SessionError> {
        let plan = self.plan();
        self.inner.borrow_mut().phase = Phase::Answered;
        Ok(plan?.map(|plan| Detached::new(commit::commit(plan))))
    }

    /// Takes what the last commit came to, and says what the response is to say of the cookie.
    pub(crate) fn answered(&self, committed: Option<Committed>) -> CookieChange {
        let mut inner = self.inner.borrow_mut();
        let saved = inner.saving.take();
        if let Some(committed) = committed {
            inner.take(committed);
        } else if let Some(Ok(saved)) = saved.as_ref().and_then(Saving::peek) {
            inner.take(saved.clone());
        }
        std::mem::replace(&mut inner.cookie, CookieChange::Keep)
    }
}

impl Inner {
    fn stored(&self) -> Option<&Arc<Live>> {
        match &self.load {
            Load::Done(live) if !self.destroyed => live.as_ref(),
            _ => None,
        }
    }

    fn note(&mut self, name: &'static str, change: Change, seen: &mut Snapshot) {
        self.rotate |= change.origin.field().is_some_and(|field| field.guard != Guard::None);
        let stored = self.stored().cloned();
        let untouched = Rc::ptr_eq(&seen.changes, &self.changes) && same(seen.stored.as_ref(), stored.as_ref());
        if untouched {
            // nothing to compare with, and nobody else holds the changes: they are written where they are
            seen.changes = Rc::default();
            let changes = Rc::make_mut(&mut self.changes);
            changes.put(Cow::Borrowed(name), change);
            seen.changes = self.changes.clone();
            return;
        }
        let changes = Rc::make_mut(&mut self.changes);
        if let Err(error) = changes.note(Cow::Borrowed(name), change, seen.view(), fields(stored.as_ref())) {
            self.failure.get_or_insert(error);
        }
    }

    fn discard(&mut self) {
        self.changes = Rc::default();
        self.rotate = false;
        self.failure = None;
    }

    fn take(&mut self, committed: Committed) {
        self.load = Load::Done(committed.live);
        if !matches!(committed.cookie, CookieChange::Keep) {
            self.cookie = committed.cookie;
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let inner = self.inner.get_mut();
        // where there is no session, there is nothing to rotate or to end
        let ends = (inner.rotate || inner.destroyed) && !matches!(inner.load, Load::Untouched | Load::Done(None));
        if inner.phase == Phase::Answered && (!inner.changes.is_empty() || inner.failure.is_some() || ends) {
            tracing::error!(
                name: "session.late_change",
                "the session was changed after the response began, and that is lost: call `save().await` on it there"
            );
        }
    }
}

fn fields(live: Option<&Arc<Live>>) -> Option<&Fields> {
    live.map(|live| &live.contents.fields)
}

fn same(one: Option<&Arc<Live>>, other: Option<&Arc<Live>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    }
}
