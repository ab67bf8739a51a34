//! [`StoredSession`]: what the store has of a visitor; and how a session is put there before a request.

use std::{
    fmt,
    future::Future,
    panic::Location,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use actix_service::{Service as _, Transform as _, fn_service};
use actix_web::{
    Error, FromRequest as _, HttpResponse,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{COOKIE, SET_COOKIE},
    test::TestRequest,
};
use serde::de::DeserializeOwned;

use super::{Browser, Site};
use crate::{
    SessionHandle, SessionId, SessionMiddleware,
    changes::LABEL,
    data::{Decoder, SessionData},
    end, json,
    live::{self, Live},
    registry,
};

/// What the store has of a visitor's session, as it was when [`Browser::session`] looked.
///
/// ```
/// # #[actix_web::main] async fn main() {
/// use actix_typed_session::{Session, SessionMiddleware, store::MemoryStore, testing::Browser};
/// use actix_web::{App, test};
///
/// #[derive(Session)]
/// struct User {
///     #[session(owner)]
///     name: String,
/// }
///
/// let sessions = SessionMiddleware::new(MemoryStore::default());
/// let app = test::init_service(App::new().wrap(sessions.clone())).await;
/// let ada = Browser::of(app).with_session(&sessions, &User { name: "ada".to_owned() }).await;
///
/// let session = ada.session(&sessions).await.expect("a session");
/// assert_eq!(session.fields(), ["user.name"]);
/// assert_eq!(session.get::<User>().unwrap().name, "ada");
/// // it is the one in the list of the user's sessions
/// let of_users = sessions.sessions().unwrap();
/// assert_eq!(of_users.of("ada").await.unwrap()[0].id, session.id);
/// # }
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct StoredSession {
    /// Its id, as in lists of sessions. Not a secret.
    pub id: SessionId,
    /// When it began.
    pub created: SystemTime,
    /// When the user signed in or proved again who it is, if there is a user.
    pub authenticated: Option<SystemTime>,
    /// What [`SessionHandle::label`] said.
    pub label: Option<String>,
    /// How long it lives if nobody comes any more, as the store says.
    pub expires_in: Duration,
    live: Arc<Live>,
}

impl<S: Site> Browser<S> {
    /// The same visitor with a value in the session, as if a handler had called [`SessionHandle::insert`]: signed in, where
    /// it has an `owner`.
    ///
    /// `sessions` is the middleware that the app is wrapped with, or one with the same settings over the same store. Its
    /// record, its cookie and the list of the user's sessions are those of a real sign-in. A second value goes into the
    /// same session; as with every `insert`, the session gets a new token.
    ///
    /// # Panics
    ///
    /// If the value can't be stored, or browsers would refuse the cookie; the message says why.
    ///
    /// ```
    /// # #[actix_web::main] async fn main() {
    /// use actix_typed_session::{Session, SessionMiddleware, store::MemoryStore, testing::Browser};
    /// use actix_web::{App, test, web};
    ///
    /// #[derive(Session)]
    /// struct User {
    ///     #[session(owner)]
    ///     name: String,
    /// }
    ///
    /// async fn me(user: Session<User>) -> String {
    ///     user.name.clone()
    /// }
    ///
    /// let sessions = SessionMiddleware::new(MemoryStore::default());
    /// let app = App::new().wrap(sessions.clone()).route("/me", web::get().to(me));
    /// let visitor = Browser::of(test::init_service(app).await);
    /// let ada = visitor.other().with_session(&sessions, &User { name: "ada".to_owned() }).await;
    ///
    /// assert_eq!(ada.get("/me").await.body, "ada");
    /// assert_eq!(visitor.get("/me").await.status, 401);
    /// # }
    /// ```
    pub async fn with_session<T: SessionData>(self, sessions: &SessionMiddleware, value: &T) -> Self {
        let worker = sessions.worker();
        let path = worker.core.config.cookie_path.as_str();
        let mut request = TestRequest::with_uri(path);
        if let Some(cookies) = self.cookies_for(path) {
            request = request.insert_header((COOKIE, cookies));
        }
        let sign_in = fn_service(async |request: ServiceRequest| {
            let (request, _) = request.into_parts();
            let session = SessionHandle::extract(&request).await?;
            session.insert_ref(value)?;
            session.save().await?;
            Ok::<_, Error>(ServiceResponse::new(request, HttpResponse::NoContent().finish()))
        });
        let what = T::schema().type_name;
        let Ok(service) = sessions.new_transform(sign_in).await else { panic!("the middleware always builds") };
        let response = match service.call(request.to_srv_request()).await {
            Ok(response) => response,
            Err(error) => panic!("no `{what}` could be put into the session: {error}"),
        };
        for line in response.headers().get_all(SET_COOKIE) {
            let line = line.to_str().unwrap_or_default();
            if let Err(reason) = self.jar().receive(&self.host, path, line) {
                panic!("browsers refuse the session's cookie `{}`: {reason}", worker.core.cookies.name());
            }
        }
        self
    }

    /// What the store has of this visitor's session; none if there is no live one.
    ///
    /// Costs one `load`, which a [`SpyStore`](crate::testing::SpyStore) notes, and keeps nothing alive.
    ///
    /// # Panics
    ///
    /// If the store fails.
    pub async fn session(&self, sessions: &SessionMiddleware) -> Option<StoredSession> {
        let worker = sessions.worker();
        let cookies = self.cookies_for(&worker.core.config.cookie_path)?;
        let presented = worker.core.cookies.read([cookies.as_bytes()].into_iter());
        match live::begin(worker, presented).await {
            Ok(live) => live.map(StoredSession::new),
            Err(error) => panic!("the session could not be loaded: {error}"),
        }
    }

    /// What the store has of this type for the visitor: the value that a handler would get now. None if there is no
    /// session, if no field of the type is stored, or a required one is not.
    ///
    /// Costs as much as [`session`](Self::session).
    ///
    /// # Panics
    ///
    /// If the store fails.
    ///
    /// ```
    /// # use actix_typed_session::{Session, SessionMiddleware, testing::Browser};
    /// # #[derive(Default, Session)] #[session(default)] struct Cart { items: Vec<String> }
    /// async fn what_is_added_is_stored(browser: &Browser, sessions: &SessionMiddleware) {
    ///     assert!(browser.stored::<Cart>(sessions).await.is_none());
    ///     browser.post("/cart/tea").await;
    ///     assert_eq!(browser.expect_stored::<Cart>(sessions).await.items, ["tea"]);
    /// }
    /// ```
    pub async fn stored<T: SessionData>(&self, sessions: &SessionMiddleware) -> Option<T> {
        self.session(sessions).await?.get()
    }

    /// The same, where there has to be one.
    ///
    /// # Panics
    ///
    /// If there is none: the message says whether it is the cookie, the session or its fields that are missing.
    #[track_caller]
    pub fn expect_stored<T: SessionData>(&self, sessions: &SessionMiddleware) -> impl Future<Output = T> {
        let at = Location::caller();
        async move {
            let session = self.session(sessions).await;
            if let Some(value) = session.as_ref().and_then(StoredSession::get) {
                return value;
            }
            let worker = sessions.worker();
            let (name, path) = (worker.core.cookies.name(), worker.core.config.cookie_path.as_str());
            let has_cookie = self.jar().sent_to(&self.host, path).any(|cookie| cookie.name == name);
            let why = match session {
                None if has_cookie => format!("what the browser's cookie `{name}` names is no live session"),
                None => format!("the browser has no cookie `{name}`"),
                Some(session) => format!("the session has the fields {:?}", session.fields()),
            };
            panic!("no `{}` is stored at {at}: {why}", T::schema().type_name)
        }
    }
}

impl StoredSession {
    fn new(live: Arc<Live>) -> Self {
        let time = |since_epoch| UNIX_EPOCH + Duration::from_millis(since_epoch);
        Self {
            id: live.token.id(),
            created: time(live.contents.created),
            authenticated: end::authenticated(&live.contents).map(time),
            label: live.contents.fields.get(LABEL).and_then(|label| serde_json::from_str(label).ok()),
            expires_in: live.remaining,
            live,
        }
    }

    /// The value that a handler would get; none if no field of the type is stored, or a required one is not.
    ///
    /// # Panics
    ///
    /// If the type clashes with another of this program; the message names both.
    #[must_use]
    #[track_caller]
    pub fn get<T: SessionData>(&self) -> Option<T> {
        if let Err(error) = registry::register(T::schema()) {
            panic!("{error}");
        }
        let get = |name: &str| self.live.contents.fields.get(name);
        let is_there = |name: &&str| get(name).is_some();
        let mut names = T::schema().fields.iter().flat_map(|field| [&field.name].into_iter().chain(field.aliases));
        names.find(|name| is_there(name))?;
        T::decode(&Decoder::new(&get)).ok()
    }

    /// The value of a field by its full name, such as `cart.items`; none if it is absent.
    ///
    /// # Panics
    ///
    /// If it is of another type.
    ///
    /// ```
    /// # use actix_typed_session::{SessionMiddleware, testing::Browser};
    /// async fn it_is_dark(browser: &Browser, sessions: &SessionMiddleware) {
    ///     let session = browser.session(sessions).await.expect("a session");
    ///     assert_eq!(session.field::<String>("theme").as_deref(), Some("dark"));
    /// }
    /// ```
    #[must_use]
    #[track_caller]
    pub fn field<V: DeserializeOwned>(&self, name: &str) -> Option<V> {
        let text = self.live.contents.fields.get(name)?;
        Some(serde_json::from_str(text).unwrap_or_else(|error| {
            panic!("field `{name}` is no `{}`: {}", std::any::type_name::<V>(), json::reason(&error))
        }))
    }

    /// The names of the fields that are stored, in their order.
    #[must_use]
    pub fn fields(&self) -> Vec<&str> {
        let names = self.live.contents.fields.iter().map(|(name, _)| name);
        names.filter(|name| !name.starts_with('.')).collect()
    }
}

/// Shows no value of a field.
impl fmt::Debug for StoredSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredSession")
            .field("id", &self.id)
            .field("created", &self.created)
            .field("authenticated", &self.authenticated)
            .field("label", &self.label)
            .field("expires_in", &self.expires_in)
            .field("fields", &self.fields())
            .finish_non_exhaustive()
    }
}
