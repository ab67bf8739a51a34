//! [`SessionMiddleware`]: it gives each request its session, and sends what changed to the store.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError, Weak},
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_service::{Service, Transform};
use actix_web::{
    Error, HttpMessage, HttpResponse, ResponseError,
    body::EitherBody,
    dev::{ServiceRequest, ServiceResponse, forward_ready},
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderValue},
    },
};
use futures_util::future::{Ready, ok};

use crate::{
    commit::{CookieChange, Outcome},
    config::SessionConfig,
    detached::Detached,
    error::{ConfigError, SessionError},
    events,
    sessions::Sessions,
    state::{Slot, State},
    store::SessionStore,
    sweep::{self, Sweeper},
    worker::{Core, Worker},
};

/// The middleware that manages the session cookie and what is in the store.
///
/// Build it once, **outside** the app factory, and wrap a clone: the factory runs once a worker, and a memory store
/// that is built inside is another for each. A request that does not name a session costs one small allocation.
///
/// Two may be wrapped around one handler. With two cookie names, the inner one is the handler's session, and each saves
/// its own; with one name, the inner one does nothing.
///
/// A response whose request used the session says `Vary: Cookie`; one that sets the cookie says
/// `Cache-Control: no-store`, whatever the handler said.
///
/// ```no_run
/// use actix_typed_session::{Session, SessionMiddleware, store::MemoryStore};
/// use actix_web::{App, HttpServer, web};
///
/// #[derive(Default, Session)]
/// #[session(default)]
/// struct Visits {
///     #[session(merge = "add")]
///     count: u64,
/// }
///
/// async fn count(mut visits: Session<Visits>) -> String {
///     visits.count += 1;
///     visits.count.to_string()
/// }
///
/// #[actix_web::main]
/// async fn main() -> std::io::Result<()> {
///     let sessions = SessionMiddleware::new(MemoryStore::default());
///     HttpServer::new(move || App::new().wrap(sessions.clone()).route("/", web::get().to(count)))
///         .bind(("127.0.0.1", 8080))?
///         .run()
///         .await
/// }
/// ```
#[derive(Clone)]
pub struct SessionMiddleware {
    shared: Arc<Shared>,
}

/// What is built once: the settings and the store.
pub(crate) struct Shared {
    core: Arc<Core>,
    store: Arc<dyn SessionStore>,
    /// What the requests of one runtime share; a connection belongs to the runtime that opened it.
    workers: Mutex<HashMap<tokio::runtime::Id, Weak<Worker>>>,
}

impl SessionMiddleware {
    /// Sessions in this store, with every setting at its default, which is the safe one.
    ///
    /// Reads nothing from the environment.
    ///
    /// ```
    /// use actix_typed_session::{SessionMiddleware, store::MemoryStore};
    ///
    /// let sessions = SessionMiddleware::new(MemoryStore::default());
    /// ```
    #[must_use]
    pub fn new(store: impl SessionStore) -> Self {
        Self::build(Core::default(), Arc::new(store))
    }

    /// Sessions in this store, with these settings; what they say of a store is not looked at.
    ///
    /// # Errors
    ///
    /// The first setting that can't be honoured.
    ///
    /// ```
    /// use actix_typed_session::{SessionConfig, SessionMiddleware, store::MemoryStore};
    /// use std::time::Duration;
    ///
    /// let config = SessionConfig::new().idle_timeout(Duration::from_secs(30 * 60));
    /// let sessions = SessionMiddleware::with_config(MemoryStore::default(), config)?;
    /// # Ok::<(), actix_typed_session::ConfigError>(())
    /// ```
    pub fn with_config(store: impl SessionStore, config: SessionConfig) -> Result<Self, ConfigError> {
        Self::checked(config, Arc::new(store))
    }

    /// Sessions in the store that the settings name (`SESSION_TYPE`), with these settings.
    ///
    /// # Errors
    ///
    /// The first setting that can't be honoured. A server that is down is none: it is asked when it is needed.
    ///
    /// ```
    /// use actix_typed_session::{SessionConfig, SessionMiddleware};
    ///
    /// let config = SessionConfig::from_vars([("SESSION_TYPE", "memory"), ("SESSION_COOKIE_NAME", "sid")])?;
    /// let sessions = SessionMiddleware::from_config(config)?;
    /// # Ok::<(), actix_typed_session::ConfigError>(())
    /// ```
    pub fn from_config(config: SessionConfig) -> Result<Self, ConfigError> {
        let store = config.store()?;
        Self::checked(config, store)
    }

    /// Sessions as the environment says, from `SESSION_TYPE` on.
    ///
    /// # Errors
    ///
    /// The first variable that can't be honoured.
    ///
    /// ```no_run
    /// use actix_typed_session::SessionMiddleware;
    ///
    /// // SESSION_TYPE=redis SESSION_REDIS=redis://127.0.0.1:6379 PERMANENT_SESSION_LIFETIME=30m
    /// let sessions = SessionMiddleware::from_env()?;
    /// # Ok::<(), actix_typed_session::ConfigError>(())
    /// ```
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_config(SessionConfig::from_env()?)
    }

    /// The sessions of each user, to show and to end: for `web::Data`, and for tools beside the server.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the store may throw out records before they expire, for then nothing says which sessions a
    /// user has.
    ///
    /// ```
    /// use actix_typed_session::{SessionMiddleware, store::MemoryStore};
    /// use actix_web::{App, web};
    ///
    /// let sessions = SessionMiddleware::new(MemoryStore::default());
    /// let of_users = web::Data::new(sessions.sessions()?);
    /// let app = App::new().app_data(of_users).wrap(sessions);
    /// # let _ = app;
    /// # Ok::<(), actix_typed_session::ConfigError>(())
    /// ```
    pub fn sessions(&self) -> Result<Sessions, ConfigError> {
        if self.shared.store.may_evict() {
            return Err(ConfigError::new(
                "SESSION_TYPE",
                format_args!(
                    "names the store `{}`, which may throw out records before they expire, so that nothing says which \
                     sessions a user has: `Sessions` needs another store",
                    self.shared.store.name()
                ),
            ));
        }
        Ok(Sessions::new(self.shared.clone()))
    }

    /// Starts a task that deletes expired records, now and then: the first time within the period, and again a period
    /// after each. It ends when what comes back is dropped or [stopped](Sweeper::stop).
    ///
    /// For stores that don't expire records by themselves, which say so; with others it does nothing. Records are deleted a
    /// thousand at a time until a call to the store finds none, and what fails is told in the log and tried again the next time. Several
    /// servers may do it at once. A period is a second at least.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, which `#[actix_web::main]` is.
    ///
    /// ```
    /// use actix_typed_session::{SessionMiddleware, store::MemoryStore};
    /// use std::time::Duration;
    ///
    /// # #[actix_web::main] async fn main() {
    /// let sessions = SessionMiddleware::new(MemoryStore::default());
    /// let _sweeper = sessions.sweep_every(Duration::from_secs(5 * 60));
    /// # }
    /// ```
    pub fn sweep_every(&self, period: Duration) -> Sweeper {
        Sweeper::start(self.shared.worker(), period)
    }

    /// What the requests of the runtime that calls share.
    #[cfg(feature = "testing")]
    pub(crate) fn worker(&self) -> Arc<Worker> {
        self.shared.worker()
    }

    fn checked(config: SessionConfig, store: Arc<dyn SessionStore>) -> Result<Self, ConfigError> {
        let core = Core::new(config)?;
        if store.may_evict() && core.config.limits_owners() {
            return Err(ConfigError::new(
                "SESSION_LIMIT_PER_OWNER",
                format_args!(
                    "is set, and the store `{}` may throw out records before they expire, so that nothing says how \
                     many sessions a user has: it needs another store",
                    store.name()
                ),
            ));
        }
        Ok(Self::build(core, store))
    }

    fn build(core: Core, store: Arc<dyn SessionStore>) -> Self {
        events::describe();
        warn_of_second(core.cookies.name(), &store);
        Self { shared: Arc::new(Shared { core: Arc::new(core), store, workers: Mutex::default() }) }
    }
}

impl Shared {
    /// What the requests of the runtime that calls share.
    pub(crate) fn worker(&self) -> Arc<Worker> {
        let make = || {
            let store = self.store.for_worker().unwrap_or_else(|| self.store.clone());
            Arc::new(Worker::new(self.core.clone(), store))
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return make() };
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(worker) = workers.get(&runtime.id()).and_then(Weak::upgrade) {
            return worker;
        }
        workers.retain(|_, worker| worker.strong_count() > 0);
        let worker = make();
        workers.insert(runtime.id(), Arc::downgrade(&worker));
        worker
    }
}

impl fmt::Debug for SessionMiddleware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (store, config) = (self.shared.store.name(), &self.shared.core.config);
        f.debug_struct("SessionMiddleware").field("store", &store).field("config", config).finish_non_exhaustive()
    }
}

/// Two local stores for one cookie are most likely one that is built in the app factory, once a worker.
fn warn_of_second(cookie: &str, store: &Arc<dyn SessionStore>) {
    static LOCAL: Mutex<Vec<(String, Weak<dyn SessionStore>)>> = Mutex::new(Vec::new());
    if !store.is_local() {
        return;
    }
    let mut local = LOCAL.lock().unwrap_or_else(PoisonError::into_inner);
    local.retain(|(_, other)| other.strong_count() > 0);
    if local.iter().any(|(name, _)| name == cookie) {
        events::second_store(cookie, store.name());
    }
    local.push((cookie.to_owned(), Arc::downgrade(store)));
}

impl<S, B> Transform<S, ServiceRequest> for SessionMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = SessionService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ok(SessionService { service, worker: self.shared.worker() })
    }
}

/// The service of [`SessionMiddleware`]; actix-web makes one a worker and an `App`.
pub struct SessionService<S> {
    service: S,
    worker: Arc<Worker>,
}

impl<S> fmt::Debug for SessionService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionService").finish_non_exhaustive()
    }
}

impl<S, B> Service<ServiceRequest> for SessionService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = SessionResponse<S::Future, B>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let mut own = None;
        {
            let mut extensions = request.extensions_mut();
            let outer = extensions.get::<Slot>().map(|slot| slot.0.clone());
            // with the cookie of an outer middleware, the session is the outer one's
            let same = |outer: &Rc<State>| outer.worker.core.cookies.name() == self.worker.core.cookies.name();
            if !outer.as_ref().is_some_and(same) {
                let state = Rc::new(State::new(self.worker.clone()));
                extensions.insert(Slot(state.clone()));
                own = Some(Own { state, outer });
            }
        }
        SessionResponse { call: self.service.call(request), own, step: Step::Calling }
    }
}

/// The session that this middleware gave the request, and the one of an outer middleware that it hides.
struct Own {
    state: Rc<State>,
    outer: Option<Rc<State>>,
}

enum Step<B> {
    Calling,
    Committing(Option<Result<ServiceResponse<B>, Error>>, Detached<Outcome>),
}

pin_project_lite::pin_project! {
    /// The future of a response, with the commit of its session; actix-web polls it. Once the handler has answered, the
    /// commit goes on by itself when this is dropped.
    pub struct SessionResponse<F, B> {
        #[pin]
        call: F,
        own: Option<Own>,
        step: Step<B>,
    }
}

impl<F, B> Future for SessionResponse<F, B>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
{
    type Output = Result<ServiceResponse<EitherBody<B>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Step::Calling = this.step {
            let response = ready!(this.call.poll(cx));
            let Some(Own { state, outer }) = this.own else {
                return Poll::Ready(response.map(ServiceResponse::map_into_left_body));
            };
            if let Ok(response) = &response {
                let mut extensions = response.request().extensions_mut();
                match outer.take() {
                    Some(outer) => drop(extensions.insert(Slot(outer))),
                    None => drop(extensions.remove::<Slot>()),
                }
            }
            if !state.is_touched() {
                return Poll::Ready(response.map(ServiceResponse::map_into_left_body));
            }
            if response.as_ref().map_or(true, |response| response.status().is_server_error()) {
                state.drop_changes();
            }
            match state.answer() {
                Ok(Some(commit)) => *this.step = Step::Committing(Some(response), commit),
                Ok(None) => return Poll::Ready(finish(state, response, Ok(()))),
                Err(error) => return Poll::Ready(finish(state, response, Err(error))),
            }
        }
        let (Step::Committing(response, commit), Some(Own { state, .. })) = (this.step, this.own) else {
            return Poll::Pending;
        };
        let outcome = ready!(Pin::new(&mut *commit).poll(cx));
        let Some(response) = response.take() else { return Poll::Pending };
        let committed = state.answered(commit.future(), outcome);
        Poll::Ready(finish(state, response, committed))
    }
}

impl<F, B> fmt::Debug for SessionResponse<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionResponse").finish_non_exhaustive()
    }
}

/// The response as the session leaves it: the handler's with the cookie, or a failure's.
fn finish<B>(
    state: &State,
    response: Result<ServiceResponse<B>, Error>,
    committed: Result<(), SessionError>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    sweep::by_chance(&state.worker);
    let failure = committed.err();
    if let Some(error) = &failure {
        events::commit_failed(error);
    }
    let headers = cookie_header(state, state.cookie());
    match (response, failure) {
        (Ok(response), failure) => {
            let mut response = match failure {
                None => response.map_into_left_body(),
                Some(error) => response.into_response(error.error_response()).map_into_right_body(),
            };
            decorate(response.headers_mut(), headers);
            Ok(response)
        }
        (Err(_), Some(error)) => Err(Failed { inner: error.into(), cookie: headers }.into()),
        (Err(error), None) => Err(Failed { inner: error, cookie: headers }.into()),
    }
}

fn cookie_header(state: &State, cookie: CookieChange) -> Option<HeaderValue> {
    let cookies = &state.worker.core.cookies;
    match cookie {
        CookieChange::Keep => None,
        CookieChange::Set(token, max_age) => cookies.set(&token, max_age),
        CookieChange::Remove => Some(cookies.remove()),
    }
}

/// What a response says of a session that was used: that it varies by cookie, and is not to be stored if it sets one.
fn decorate(headers: &mut HeaderMap, cookie: Option<HeaderValue>) {
    let says = |value: &HeaderValue| {
        let names = value.to_str().unwrap_or_default().split(',').map(str::trim);
        names.into_iter().any(|name| name == "*" || name.eq_ignore_ascii_case("cookie"))
    };
    if !headers.get_all(header::VARY).any(says) {
        headers.append(header::VARY, HeaderValue::from_static("Cookie"));
    }
    if let Some(cookie) = cookie {
        headers.append(header::SET_COOKIE, cookie);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// The error of an inner middleware, as a response with what is to be said of the session.
#[derive(Debug)]
struct Failed {
    inner: Error,
    cookie: Option<HeaderValue>,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl ResponseError for Failed {
    fn status_code(&self) -> StatusCode {
        self.inner.as_response_error().status_code()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = self.inner.error_response();
        decorate(response.headers_mut(), self.cookie.clone());
        response
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use tokio::runtime::{Builder, Runtime};

    use super::*;
    use crate::store::NullStore;

    #[test]
    fn a_runtime_has_one_worker_for_as_long_as_that_is_used_and_none_is_kept_after() {
        let shared = SessionMiddleware::new(NullStore).shared;
        let runtime = || Builder::new_current_thread().build().unwrap();
        let worker = |runtime: &Runtime| runtime.block_on(async { shared.worker() });
        let (first, second, third) = (runtime(), runtime(), runtime());
        let (one, two) = (worker(&first), worker(&second));
        assert!(!Arc::ptr_eq(&one, &two));
        drop(two);
        let _three = worker(&third);
        assert!(Arc::ptr_eq(&one, &worker(&first)));
        assert_eq!(shared.workers.lock().unwrap().len(), 2);
    }

    #[test]
    fn debug_says_which_store_it_is_and_shows_no_more_of_it() {
        let sessions = SessionMiddleware::new(NullStore);
        assert!(format!("{sessions:?}").starts_with("SessionMiddleware { store: \"null\", config: SessionConfig"));
        assert_eq!(format!("{:?}", sessions.sessions().unwrap()), "Sessions { .. }");
        let service = SessionService { service: (), worker: sessions.shared.worker() };
        assert_eq!(format!("{service:?}"), "SessionService { .. }");
        let response = SessionResponse::<(), ()> { call: (), own: None, step: Step::Calling };
        assert_eq!(format!("{response:?}"), "SessionResponse { .. }");
    }

    #[test]
    fn an_error_that_carries_a_cookie_says_what_the_error_in_it_says() {
        let failed = Failed { inner: actix_web::error::ErrorConflict("taken"), cookie: None };
        assert_eq!((failed.to_string().as_str(), failed.status_code()), ("taken", StatusCode::CONFLICT));
    }
}
