//! [`Fresh`]: a typed session of a visitor who has proven only just who it is.

use std::{
    fmt,
    future::Future,
    ops::{Deref, DerefMut},
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use actix_web::{FromRequest, HttpRequest, dev::Payload};

use crate::{
    changes::{AUTHENTICATED, Changes, OWNER, View},
    clock::SKEW,
    data::SessionData,
    error::SessionError,
    events,
    extract::{Extract, Session},
    handle::SessionHandle,
};

/// A [`Session<T>`](struct@Session) of a visitor who was authenticated at most `SECS` seconds ago: a guard for what a
/// stolen or an unattended session must not do.
///
/// It asks for what `Session<T>` asks for, and for a fresh proof of who the visitor is: a sign-in, by
/// [`insert`](crate::SessionHandle::insert) of a struct with an `owner` field or by a change of the owner, or
/// [`mark_authenticated`](crate::SessionHandle::mark_authenticated) once the visitor has given the password again. The
/// session has to have an owner. So re-authentication before a change of a sensitive attribute, of the list of sessions,
/// or before a highly sensitive operation (OWASP ASVS 5.0, 7.5.1, 7.5.2, 7.5.3) is one argument of a handler.
///
/// It derefs to `T`, also as mutable, and is saved as `Session<T>` is, at the same cost.
///
/// Where the clock of this machine is behind the one that noted the time, by up to a minute, that counts as now; a time
/// further in the future counts as unknown.
///
/// # Errors
///
/// As an extractor: those of [`Session<T>`](struct@Session), 401 [`SessionError::Absent`] before all, and 403
/// [`SessionError::NotFresh`] where the time is over or not known. With `Result<Fresh<T, SECS>, SessionError>` the
/// handler sends the visitor to the page that asks for the password, and `Option<Fresh<T, SECS>>` is `None`.
///
/// ```
/// use actix_typed_session::{Fresh, Session, SessionError};
/// use actix_web::{HttpResponse, http::header::LOCATION};
///
/// #[derive(Session)]
/// struct User {
///     #[session(owner)]
///     id: u64,
///     email: String,
/// }
///
/// /// 403 where the visitor last gave the password more than five minutes ago.
/// async fn change_email(mut user: Fresh<User, 300>, email: String) -> HttpResponse {
///     user.email = email;
///     HttpResponse::NoContent().finish()
/// }
///
/// /// The same, and the visitor is sent to the form.
/// async fn email_form(user: Result<Fresh<User, 300>, SessionError>) -> Result<HttpResponse, SessionError> {
///     match user {
///         Ok(user) => Ok(HttpResponse::Ok().body(user.email.clone())),
///         Err(SessionError::NotFresh { .. }) => {
///             Ok(HttpResponse::SeeOther().insert_header((LOCATION, "/confirm?then=/email")).finish())
///         }
///         Err(error) => Err(error),
///     }
/// }
/// ```
pub struct Fresh<T: SessionData, const SECS: u64> {
    session: Session<T>,
}

impl<T: SessionData, const SECS: u64> Fresh<T, SECS> {
    /// The session that was guarded: to [`save`](Session::save) or to [`discard`](Session::discard) it.
    ///
    /// ```
    /// # use actix_typed_session::{Fresh, Session, SessionError};
    /// # #[derive(Session)] struct User { #[session(owner)] id: u64, email: String }
    /// async fn change_email(user: Fresh<User, 300>) -> Result<&'static str, SessionError> {
    ///     let mut user = user.into_inner();
    ///     user.email = "ada@example.com".to_owned();
    ///     user.save().await?;
    ///     Ok("it is in the store")
    /// }
    /// ```
    #[must_use]
    pub fn into_inner(self) -> Session<T> {
        self.session
    }

    fn new(session: Session<T>) -> Result<Self, SessionError> {
        let (state, seen) = session.origin();
        let now = state.worker.core.config.clock.now();
        check(authenticated(seen.view(), now), now, Duration::from_secs(SECS))?;
        Ok(Self { session })
    }
}

/// When the visitor was authenticated.
impl SessionHandle {
    /// Notes that the visitor has proven anew to be the session's owner, by the password or a passkey say, and rotates.
    ///
    /// That makes [`Fresh`] let the visitor in again. A re-authentication has to come with a new token (OWASP ASVS 5.0,
    /// 7.2.4). Call it only where the proof is of the user who is signed in; to sign in another, or the same one by the same
    /// form, [`insert`](Self::insert) does all that. Does nothing without a stored session, and notes nothing in one
    /// without an owner. Costs as much as any change does.
    ///
    /// ```
    /// # use actix_typed_session::{Session, SessionHandle};
    /// # use actix_web::HttpResponse;
    /// # #[derive(Session)] struct User { #[session(owner)] name: String }
    /// # fn is_right(_: &str, _: &str) -> bool { true }
    /// async fn confirm(user: Session<User>, password: String, session: SessionHandle) -> HttpResponse {
    ///     if !is_right(&user.name, &password) {
    ///         return HttpResponse::Forbidden().finish();
    ///     }
    ///     session.mark_authenticated();
    ///     HttpResponse::NoContent().finish()
    /// }
    /// ```
    pub fn mark_authenticated(&self) {
        self.state.edit(Changes::reauthenticate);
        self.state.rotate();
    }

    /// When the session's owner was last authenticated; none if it has no owner.
    ///
    /// It is the time of the last [`insert`](Self::insert) of a struct with an `owner` field, of the last change of the
    /// owner, or of the last [`mark_authenticated`](Self::mark_authenticated); where that was in this request and is yet to
    /// be saved, it is now. [`Fresh`] compares it with a limit that is known when the program is built. Costs one round trip
    /// if nothing was loaded in this request yet.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] if the session can't be loaded.
    ///
    /// ```
    /// # use actix_typed_session::{SessionError, SessionHandle};
    /// async fn signed_in_for(session: SessionHandle) -> Result<String, SessionError> {
    ///     let since = session.authenticated_at().await?;
    ///     let minutes = since.and_then(|at| at.elapsed().ok()).map(|age| age.as_secs() / 60);
    ///     Ok(minutes.map_or("not signed in".to_owned(), |minutes| format!("signed in {minutes} minutes ago")))
    /// }
    /// ```
    pub async fn authenticated_at(&self) -> Result<Option<SystemTime>, SessionError> {
        let snapshot = self.state.ready().await?;
        let at = authenticated(snapshot.view(), self.state.worker.core.config.clock.now());
        Ok(at.and_then(|at| UNIX_EPOCH.checked_add(Duration::from_millis(at))))
    }
}

/// When the owner was last authenticated, in milliseconds since the epoch; now, where that is yet to be saved.
fn authenticated(session: View<'_>, now: u64) -> Option<u64> {
    session.get(OWNER)?;
    if session.changes.authenticates(View::of(session.stored)) {
        return Some(now);
    }
    session.get(AUTHENTICATED)?.parse().ok()
}

/// Refuses what was too long ago.
fn check(at: Option<u64>, now: u64, limit: Duration) -> Result<(), SessionError> {
    let age = at.and_then(|at| age(at, now));
    if age.is_some_and(|age| age <= limit) {
        return Ok(());
    }
    events::not_fresh(limit, age);
    Err(SessionError::NotFresh { limit, age })
}

/// How long ago something was; none if it lies further in the future than clocks differ.
fn age(at: u64, now: u64) -> Option<Duration> {
    (at <= now.saturating_add(SKEW)).then(|| Duration::from_millis(now.saturating_sub(at)))
}

impl<T: SessionData, const SECS: u64> Deref for Fresh<T, SECS> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.session
    }
}

impl<T: SessionData, const SECS: u64> DerefMut for Fresh<T, SECS> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.session
    }
}

impl<T: SessionData, const SECS: u64> fmt::Debug for Fresh<T, SECS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fresh").field("session", &self.session).field("seconds", &SECS).finish()
    }
}

impl<T: SessionData, const SECS: u64> FromRequest for Fresh<T, SECS> {
    type Error = SessionError;
    type Future = ExtractFresh<T, SECS>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> ExtractFresh<T, SECS> {
        ExtractFresh { session: Extract::loaded(request) }
    }
}

/// The future of [`Fresh`]'s extraction; actix-web makes and polls it.
pub struct ExtractFresh<T, const SECS: u64> {
    session: Extract<T>,
}

impl<T: SessionData, const SECS: u64> Future for ExtractFresh<T, SECS> {
    type Output = Result<Fresh<T, SECS>, SessionError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let session = ready!(Pin::new(&mut self.session).poll(cx));
        Poll::Ready(session.and_then(Fresh::new))
    }
}

impl<T, const SECS: u64> fmt::Debug for ExtractFresh<T, SECS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExtractFresh").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(300);

    /// What is refused, with its age in milliseconds.
    fn refused(at: Option<u64>, now: u64, limit: Duration) -> Option<Option<u128>> {
        match check(at, now, limit) {
            Err(SessionError::NotFresh { limit: told, age }) if told == limit => Some(age.map(|age| age.as_millis())),
            _ => None,
        }
    }

    #[test]
    fn the_limit_itself_is_fresh_and_a_millisecond_more_is_not() {
        assert_eq!(refused(Some(1_000), 1_000, LIMIT), None);
        assert_eq!(refused(Some(1_000), 301_000, LIMIT), None);
        assert_eq!(refused(Some(1_000), 301_001, LIMIT), Some(Some(300_001)));
        assert_eq!(refused(Some(0), u64::MAX, LIMIT), Some(Some(u64::MAX.into())));
        assert_eq!(refused(Some(0), u64::MAX, Duration::from_secs(u64::MAX)), None);
        assert_eq!(refused(Some(7), 7, Duration::ZERO), None);
    }

    #[test]
    fn a_time_that_is_not_known_is_not_fresh() {
        assert_eq!(refused(None, 0, Duration::from_secs(u64::MAX)), Some(None));
    }

    #[test]
    fn a_time_in_the_future_is_now_only_as_far_as_clocks_differ() {
        assert_eq!(refused(Some(60_000), 0, Duration::ZERO), None);
        assert_eq!(refused(Some(60_001), 0, LIMIT), Some(None));
        assert_eq!(refused(Some(u64::MAX), 0, LIMIT), Some(None));
    }
}
