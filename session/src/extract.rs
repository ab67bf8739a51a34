//! [`Session`]: a typed session in the arguments of a handler.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use actix_web::{FromRequest, HttpRequest, dev::Payload};

use crate::{
    changes::{Base, Change, Origin},
    data::{Decoder, Field, Missing, Schema, SessionData},
    error::SessionError,
    events,
    fields::Fields,
    live::Loading,
    registry,
    state::{Snapshot, State},
    texts::Texts,
};

/// A typed session: the visitor's `T`, loaded when a handler names it, saved before the response leaves if it changed.
///
/// Reading goes through `Deref`, changing through `DerefMut`; there is nothing to call. What changed is found by
/// comparing JSON texts, field by field, so a value that is written and equal costs no write. A struct whose absent
/// fields all have values always extracts, for anonymous visitors too, and **guards nothing**; one with a required
/// field is a guard: without that field the extractor answers 401, and `Option<Session<T>>` is `None`.
///
/// Cost: one round trip to the store for the first extraction of a request that brings a cookie; one more if something
/// changed. A change encodes the struct twice, so small structs over one session are cheaper than a large one.
///
/// # Errors
///
/// As an extractor: 401 [`SessionError::Absent`], 503 [`SessionError::Store`], 500 [`SessionError::NoMiddleware`] and
/// [`SessionError::Usage`]. `Result<Session<T>, SessionError>` hands them to the handler, and `Option<Session<T>>` is
/// `None` for each of them; but where the store failed, the response is 503, whatever the handler makes of it.
///
/// ```
/// use actix_typed_session::Session;
/// use actix_web::{HttpResponse, Responder};
///
/// #[derive(Default, Session)]
/// #[session(default)]
/// struct Visits { count: u64 }
///
/// async fn count(mut visits: Session<Visits>) -> impl Responder {
///     visits.count += 1; // saved before the response leaves
///     visits.count.to_string()
/// }
/// ```
pub struct Session<T: SessionData> {
    value: T,
    /// The texts of the fields when the value was first borrowed as mutable.
    baseline: Option<Texts>,
    before: Snapshot,
    state: Rc<State>,
}

impl<T: SessionData> Session<T> {
    /// Saves this value, and all else that was changed in this request, now and not with the response.
    ///
    /// For handlers that must know that it is saved before they go on, and for streams and tasks that outlive the
    /// response: there it still updates a session that exists. Costs what saving with the response costs, which then
    /// has nothing left to do.
    ///
    /// # Errors
    ///
    /// What saving with the response fails with, [`SessionError::Store`] say. The changes are then forgotten, and the
    /// response is the handler's to choose. After the response began, a session can't begin, nor get a new token:
    /// [`SessionError::Usage`].
    ///
    /// ```
    /// # use actix_typed_session::{Session, SessionError};
    /// # #[derive(Default, Session)] #[session(default)] struct Order { paid: bool }
    /// async fn pay(mut order: Session<Order>) -> Result<&'static str, SessionError> {
    ///     order.paid = true;
    ///     order.save().await?;
    ///     Ok("it is in the store")
    /// }
    /// ```
    pub async fn save(&mut self) -> Result<(), SessionError> {
        self.flush();
        self.state.clone().save().await
    }

    /// Forgets what was changed through this value since it was extracted or last saved.
    ///
    /// ```
    /// # use actix_typed_session::Session;
    /// # #[derive(Default, Session)] #[session(default)] struct Draft { text: String }
    /// async fn preview(mut draft: Session<Draft>) -> String {
    ///     draft.text.push_str(" (preview)");
    ///     let shown = draft.text.clone();
    ///     draft.discard();
    ///     shown
    /// }
    /// ```
    pub fn discard(mut self) {
        self.baseline = None;
    }

    /// The session that the value comes from, and how it saw that.
    pub(crate) fn origin(&self) -> (&State, &Snapshot) {
        (&self.state, &self.before)
    }

    fn new(state: Rc<State>) -> Result<Self, SessionError> {
        let before = state.snapshot()?;
        let view = before.view();
        let absent = |Missing { field }| SessionError::Absent { type_name: T::schema().type_name, field };
        let value = T::decode(&Decoder::new(&|name| view.get(name))).map_err(absent)?;
        Ok(Self { value, baseline: None, before, state })
    }

    /// Hands what changed to the state, and begins anew.
    fn flush(&mut self) {
        let Some(baseline) = self.baseline.take() else { return };
        let schema = T::schema();
        let now = Texts::of(&self.value, baseline.len());
        for (index, field) in schema.fields.iter().enumerate() {
            match (baseline.get(index), now.get(index)) {
                (old, Ok(new)) if old.is_ok_and(|old| old == new) => {}
                (Err(_), Err(_)) => {}
                (_, Err(error)) => {
                    let error = SessionError::Encode { field: field.name.to_owned(), reason: error.reason };
                    self.state.fail(error, &self.before);
                }
                (old, Ok(new)) => self.change(schema, field, old.ok(), new),
            }
        }
    }

    fn change(&mut self, schema: &'static Schema, field: &'static Field, old: Option<&str>, new: &str) {
        let base = old.map_or(Base::Stored, |old| Base::Text(old.into()));
        let change = Change { base, mine: Some(new.into()), origin: Origin::Changed(schema, field) };
        self.state.change(field.name, change, &mut self.before);
    }
}

impl<T: SessionData> Deref for Session<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: SessionData> DerefMut for Session<T> {
    fn deref_mut(&mut self) -> &mut T {
        // not what was loaded: a `HashMap` has another order each time it is read, but twice the same in one life
        if self.baseline.is_none() {
            // the type may have but a few of the session's fields
            let room = self.before.view().stored.map_or(0, Fields::len).min(MOST_ROOM);
            self.baseline = Some(Texts::of(&self.value, room));
        }
        &mut self.value
    }
}

impl<T: SessionData> Drop for Session<T> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.flush();
        }
    }
}

impl<T: SessionData> fmt::Debug for Session<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("type", &T::schema().type_name).finish_non_exhaustive()
    }
}

impl<T: SessionData> FromRequest for Session<T> {
    type Error = SessionError;
    type Future = Extract<T>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Extract<T> {
        Extract::new(request, |state| {
            let reads = || state.worker.core.config.cache_guarded || !registry::guards::<T>();
            if state.worker.recalls() && reads() { state.recall() } else { state.load() }
        })
    }
}

/// The future of [`Session`]'s extraction; actix-web makes and polls it.
pub struct Extract<T> {
    step: Step,
    of: PhantomData<fn() -> T>,
}

impl<T: SessionData> Extract<T> {
    /// Begins to extract from a session that comes from the store itself.
    pub(crate) fn loaded(request: &HttpRequest) -> Self {
        Self::new(request, State::load)
    }

    fn new(request: &HttpRequest, load: impl FnOnce(&State) -> Result<(), Loading>) -> Self {
        let step = State::of(request).and_then(|state| {
            if let Err(error) = registry::register(T::schema()) {
                events::usage(&error);
                return Err(error);
            }
            Ok(match load(&state) {
                Ok(()) => Step::Loaded(state),
                Err(loading) => Step::Loading(state, loading),
            })
        });
        Self { step: step.unwrap_or_else(|error| Step::Failed(Some(error))), of: PhantomData }
    }
}

/// How much room is made for texts before it is known that they need it.
const MOST_ROOM: usize = 1024;

enum Step {
    Failed(Option<SessionError>),
    Loaded(Rc<State>),
    Loading(Rc<State>, Loading),
}

impl<T: SessionData> Future for Extract<T> {
    type Output = Result<Session<T>, SessionError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.step {
            Step::Failed(error) => Poll::Ready(Err(error.take().unwrap_or(SessionError::NoMiddleware))),
            Step::Loaded(state) => Poll::Ready(Session::new(state.clone())),
            Step::Loading(state, loading) => loop {
                let loaded = ready!(Pin::new(&mut *loading).poll(cx));
                state.loaded(loaded);
                match state.load() {
                    Ok(()) => return Poll::Ready(Session::new(state.clone())),
                    Err(next) => *loading = next,
                }
            },
        }
    }
}

impl<T> fmt::Debug for Extract<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extract").finish_non_exhaustive()
    }
}
