//! [`SessionHandle`]: the session of a request as a whole.

use std::{borrow::Cow, fmt, rc::Rc, sync::Arc};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use futures_util::future::{Ready, ready};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    changes::{Base, Change, LABEL, Origin},
    data::{Guard, SessionData},
    error::SessionError,
    id::SessionId,
    json,
    live::Live,
    registry,
    state::State,
    texts::Texts,
};

/// The session of this request as a whole: to begin and end what a struct holds, to rotate, destroy and save it, and to
/// reach fields by name.
///
/// It is an extractor that loads nothing: only the methods that are `async` go to the store. What the other methods ask
/// for is done when the handler has answered with a status below 500; after a failure, only [`destroy`](Self::destroy)
/// is. It may be cloned and extracted more than once: all are one session.
///
/// # Errors
///
/// As an extractor: 500 [`SessionError::NoMiddleware`].
///
/// ```
/// use actix_typed_session::{Session, SessionError, SessionHandle};
/// use actix_web::HttpResponse;
///
/// #[derive(Session)]
/// struct User {
///     #[session(owner)]
///     name: String,
/// }
///
/// async fn login(session: SessionHandle) -> Result<HttpResponse, SessionError> {
///     session.insert(User { name: "ada".into() })?; // and a new token, for the old one may be known to others
///     Ok(HttpResponse::NoContent().finish())
/// }
///
/// async fn logout(session: SessionHandle) -> HttpResponse {
///     session.destroy();
///     HttpResponse::NoContent().finish()
/// }
/// ```
#[derive(Clone)]
pub struct SessionHandle {
    pub(crate) state: Rc<State>,
}

impl SessionHandle {
    /// Stores a whole struct, whatever of it was there, and rotates: this is how a sign-in begins.
    ///
    /// A sign-in has to come with a new token (OWASP ASVS 5.0, 7.2.4), for the old one may have been planted. If
    /// the struct has an `owner` field and the session belonged to another user, all fields that this request did not
    /// write are dropped, and the age of the session begins anew. If the session ended meanwhile, the answer is
    /// 409 [`SessionError::Ended`]. Costs one round trip to write, and one before to load the session, if the visitor
    /// brings a cookie and nothing was loaded in this request yet; two more where it signs in a user who was not.
    ///
    /// # Errors
    ///
    /// [`SessionError::Encode`] if a field can't be written as JSON, and [`SessionError::Usage`] if the type clashes
    /// with another of this program; then nothing is changed.
    ///
    /// ```
    /// # use actix_typed_session::{Session, SessionError, SessionHandle};
    /// # use actix_web::{HttpResponse, web::Form};
    /// # #[derive(Session)] struct User { #[session(owner)] name: String }
    /// # #[derive(serde::Deserialize)] struct Login { name: String, password: String }
    /// # fn is_right(_: &Login) -> bool { true }
    /// async fn login(form: Form<Login>, session: SessionHandle) -> Result<HttpResponse, SessionError> {
    ///     if !is_right(&form) {
    ///         return Ok(HttpResponse::Unauthorized().finish());
    ///     }
    ///     session.insert(User { name: form.into_inner().name })?;
    ///     Ok(HttpResponse::NoContent().finish())
    /// }
    /// ```
    pub fn insert<T: SessionData>(&self, value: T) -> Result<(), SessionError> {
        self.insert_ref(&value)
    }

    /// Removes all fields of a struct, and rotates: this is how what [`insert`](Self::insert) began ends.
    ///
    /// The rest of the session stays; [`destroy`](Self::destroy) ends it all. It beats changes that other requests make
    /// to the struct's fields meanwhile.
    ///
    /// # Errors
    ///
    /// [`SessionError::Usage`] if the type clashes with another of this program.
    ///
    /// ```
    /// # use actix_typed_session::{Session, SessionError, SessionHandle};
    /// # use actix_web::HttpResponse;
    /// # #[derive(Session)] struct Admin { #[session(rotate)] role: String }
    /// async fn leave_admin_mode(session: SessionHandle) -> Result<HttpResponse, SessionError> {
    ///     session.remove::<Admin>()?; // the visitor stays signed in
    ///     Ok(HttpResponse::NoContent().finish())
    /// }
    /// ```
    pub fn remove<T: SessionData>(&self) -> Result<(), SessionError> {
        register::<T>()?;
        for field in T::schema().fields {
            let change = Change { base: Base::Stored, mine: None, origin: Origin::Whole(field) };
            self.state.put(Cow::Borrowed(field.name), change);
        }
        self.state.rotate();
        Ok(())
    }

    /// The value of a field by its full name, such as `cart.items`; none if it is absent.
    ///
    /// Sees what this request set, inserted or changed before, but for extractors that are still alive. Aliases are not
    /// looked at. Costs one round trip if nothing was loaded in this request yet.
    ///
    /// # Errors
    ///
    /// [`SessionError::Decode`] if it is not of this type, [`SessionError::Store`] if the session can't be loaded, and
    /// [`SessionError::Usage`] for a name that no field can have.
    ///
    /// ```
    /// # use actix_typed_session::{SessionError, SessionHandle};
    /// async fn theme(session: SessionHandle) -> Result<String, SessionError> {
    ///     Ok(session.get("theme").await?.unwrap_or_else(|| "light".to_owned()))
    /// }
    /// ```
    pub async fn get<V: DeserializeOwned>(&self, name: &str) -> Result<Option<V>, SessionError> {
        check(name)?;
        let snapshot = self.state.ready().await?;
        let Some(text) = snapshot.view().get(name) else { return Ok(None) };
        let decoded = serde_json::from_str(text);
        decoded.map(Some).map_err(|error| SessionError::Decode { field: name.to_owned(), reason: json::reason(&error) })
    }

    /// Stores a value by its full name.
    ///
    /// For names that are known only while the program runs; a typed session is checked by the compiler. Where another
    /// request changed the field meanwhile, the two are merged by the rule of the typed session that has the field, if
    /// this program has used one, else by their JSON.
    ///
    /// # Errors
    ///
    /// [`SessionError::Encode`] if it can't be written as JSON; [`SessionError::Usage`] if a typed session that this
    /// program has used marks the field `owner` or `rotate`, or if the name is empty, longer than 256 bytes or begins
    /// with a dot.
    ///
    /// ```
    /// # use actix_typed_session::{SessionError, SessionHandle};
    /// async fn dark(session: SessionHandle) -> Result<&'static str, SessionError> {
    ///     session.set("theme", &"dark")?;
    ///     Ok("dark")
    /// }
    /// ```
    pub fn set<V: Serialize + ?Sized>(&self, name: &str, value: &V) -> Result<(), SessionError> {
        let encode =
            |error: crate::data::EncodeError| SessionError::Encode { field: name.to_owned(), reason: error.reason };
        let text = json::to_string(value).map_err(encode)?;
        self.write(name, Some(text.into()))
    }

    /// Removes a field by its full name.
    ///
    /// # Errors
    ///
    /// [`SessionError::Usage`], as for [`set`](Self::set).
    ///
    /// ```
    /// # use actix_typed_session::{SessionError, SessionHandle};
    /// async fn default_theme(session: SessionHandle) -> Result<&'static str, SessionError> {
    ///     session.unset("theme")?;
    ///     Ok("as the system has it")
    /// }
    /// ```
    pub fn unset(&self, name: &str) -> Result<(), SessionError> {
        self.write(name, None)
    }

    /// Removes all fields. If one of them is marked `owner` or `rotate`, the session gets a new token too.
    ///
    /// The session itself goes on; [`destroy`](Self::destroy) ends it.
    ///
    /// ```
    /// # use actix_typed_session::SessionHandle;
    /// async fn start_over(session: SessionHandle) -> &'static str {
    ///     session.clear();
    ///     "everything is forgotten"
    /// }
    /// ```
    pub fn clear(&self) {
        self.state.edit(crate::changes::Changes::clear);
    }

    /// Gives the session a new token, so that the old one is dead. Without a stored session it does nothing.
    ///
    /// Signing in and out and [`mark_authenticated`](Self::mark_authenticated) do so by themselves; this is for other
    /// changes of what a visitor may do. Requests that came with the old token and are still on their way can't
    /// save any more: theirs is 409 [`SessionError::RotatedAway`]. Costs as much as any change does.
    ///
    /// ```
    /// # use actix_typed_session::SessionHandle;
    /// async fn enter_admin_mode(session: SessionHandle) -> &'static str {
    ///     session.rotate();
    ///     "with great power"
    /// }
    /// ```
    pub fn rotate(&self) {
        self.state.rotate();
    }

    /// Ends the session: its record and its cookie are removed, on failure responses too.
    ///
    /// What extractors changed before this call is void; what is inserted after it begins a new session. Nothing that
    /// comes with the old token later finds a session (OWASP ASVS 5.0, 7.4.1). Costs one round trip, and one before to
    /// load the session, if nothing was loaded in this request yet.
    ///
    /// ```
    /// # use actix_typed_session::SessionHandle;
    /// async fn logout(session: SessionHandle) -> &'static str {
    ///     session.destroy();
    ///     "goodbye"
    /// }
    /// ```
    pub fn destroy(&self) {
        self.state.destroy();
    }

    /// Forgets all changes of this request that are not saved yet, a [`destroy`](Self::destroy) too, but for those in
    /// extractors that are still alive.
    ///
    /// ```
    /// # use actix_typed_session::{SessionError, SessionHandle};
    /// async fn dry_run(session: SessionHandle) -> Result<&'static str, SessionError> {
    ///     session.set("theme", &"dark")?;
    ///     session.discard();
    ///     Ok("nothing is saved")
    /// }
    /// ```
    pub fn discard(&self) {
        self.state.discard();
    }

    /// Saves all changes of this request now, but for those in extractors that are still alive.
    ///
    /// # Errors
    ///
    /// What saving with the response fails with, [`SessionError::Store`] say. The changes are then forgotten, and the
    /// response is the handler's to choose. After the response began, a session can't begin, nor get a new token:
    /// [`SessionError::Usage`].
    ///
    /// ```
    /// # use actix_typed_session::{SessionError, SessionHandle};
    /// async fn accept_terms(session: SessionHandle) -> Result<&'static str, SessionError> {
    ///     session.set("terms", &"2026-01")?;
    ///     session.save().await?;
    ///     Ok("on record")
    /// }
    /// ```
    pub async fn save(&self) -> Result<(), SessionError> {
        self.state.save().await
    }

    /// Whether the visitor has no stored session, so that the first change begins one.
    ///
    /// Costs one round trip if nothing was loaded in this request yet, and none for a visitor without a cookie.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] if the session can't be loaded.
    ///
    /// ```
    /// # use actix_typed_session::{SessionError, SessionHandle};
    /// async fn greet(session: SessionHandle) -> Result<&'static str, SessionError> {
    ///     Ok(if session.is_new().await? { "hello" } else { "welcome back" })
    /// }
    /// ```
    pub async fn is_new(&self) -> Result<bool, SessionError> {
        Ok(self.load().await?.is_none())
    }

    /// The name of the visitor's session in the store and in lists of sessions; none without a stored session.
    ///
    /// Costs one round trip if nothing was loaded in this request yet.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] if the session can't be loaded.
    ///
    /// ```
    /// # use actix_typed_session::{SessionError, SessionHandle};
    /// async fn audit(session: SessionHandle) -> Result<String, SessionError> {
    ///     let id = session.id().await?; // safe to log: it is not a secret
    ///     Ok(id.map_or_else(|| "anonymous".to_owned(), |id| id.to_string()))
    /// }
    /// ```
    pub async fn id(&self) -> Result<Option<SessionId>, SessionError> {
        Ok(self.load().await?.map(|live| live.token.id()))
    }

    /// Says what the session is called in the list of the user's sessions: "Firefox on Linux", say.
    ///
    /// It is a change as any other, which begins a session where there is none, and ends when another user signs in. What goes over 256 bytes is cut off, for it
    /// often comes from a header of the request.
    ///
    /// ```
    /// # use actix_typed_session::{Session, SessionError, SessionHandle};
    /// # use actix_web::{HttpRequest, http::header};
    /// # #[derive(Session)] struct User { #[session(owner)] name: String }
    /// async fn login(session: SessionHandle, request: HttpRequest) -> Result<&'static str, SessionError> {
    ///     session.insert(User { name: "ada".into() })?;
    ///     let agent = request.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    ///     session.label(agent.unwrap_or("unknown"));
    ///     Ok("hello")
    /// }
    /// ```
    pub fn label(&self, label: &str) {
        let label = label.get(..label.floor_char_boundary(256)).unwrap_or(label);
        let mine = json::to_string(label).ok().map(String::into_boxed_str);
        let change = Change { base: Base::Stored, mine, origin: Origin::Named(None) };
        self.state.put(Cow::Borrowed(LABEL), change);
    }

    /// [`insert`](Self::insert) of what somebody else keeps.
    pub(crate) fn insert_ref<T: SessionData>(&self, value: &T) -> Result<(), SessionError> {
        register::<T>()?;
        let texts = Texts::of(value, ROOM);
        let fields = || T::schema().fields.iter().enumerate().map(|(index, field)| (field, texts.get(index)));
        if let Some((field, Err(error))) = fields().find(|(_, text)| text.is_err()) {
            return Err(SessionError::Encode { field: field.name.to_owned(), reason: error.reason });
        }
        for (field, text) in fields() {
            let mine = text.ok().map(Box::from);
            self.state
                .put(Cow::Borrowed(field.name), Change { base: Base::Stored, mine, origin: Origin::Whole(field) });
        }
        self.state.rotate();
        Ok(())
    }

    /// The stored session, loaded.
    pub(crate) async fn load(&self) -> Result<Option<Arc<Live>>, SessionError> {
        self.state.ready().await?;
        Ok(self.live())
    }

    /// The stored session, as far as it was loaded.
    pub(crate) fn live(&self) -> Option<Arc<Live>> {
        self.state.live()
    }

    fn write(&self, name: &str, mine: Option<Box<str>>) -> Result<(), SessionError> {
        check(name)?;
        let field = registry::field(name);
        if field.is_some_and(|field| field.guard != Guard::None) {
            return Err(SessionError::Usage(Cow::Owned(format!(
                "field `{name}` is marked `owner` or `rotate`: change it through its typed session, which rotates too"
            ))));
        }
        // an alias is only read, so that what a type says of it is not said of what is written under it
        let origin = Origin::Named(field.filter(|field| field.name == name));
        self.state.put(Cow::Owned(name.to_owned()), Change { base: Base::Stored, mine, origin });
        Ok(())
    }
}

/// Room for the texts of what is inserted, which grows where it is too little.
const ROOM: usize = 512;

/// Names that a program may give a field.
fn check(name: &str) -> Result<(), SessionError> {
    if name.is_empty() || name.starts_with('.') || name.len() > 256 {
        let message = "a field's name has 1 to 256 bytes and does not begin with a dot";
        return Err(SessionError::Usage(Cow::Borrowed(message)));
    }
    Ok(())
}

fn register<T: SessionData>() -> Result<(), SessionError> {
    registry::register(T::schema())
}

impl FromRequest for SessionHandle {
    type Error = SessionError;
    type Future = Ready<Result<Self, SessionError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(State::of(request).map(|state| Self { state }))
    }
}

impl fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionHandle").finish_non_exhaustive()
    }
}
