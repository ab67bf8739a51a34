//! [`Sessions`]: the sessions of a user, to show and to end.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;

use crate::{
    changes::{LABEL, OWNER},
    clock::millis,
    detached::Detached,
    end::{self, Found},
    error::{SessionError, StoreError},
    events,
    handle::SessionHandle,
    id::SessionId,
    joint::Joint,
    middleware::Shared,
    owner::{Entry, Owner},
    record::Contents,
    sign_in::AT_ONCE,
    sweep,
    worker::Worker,
};

/// The sessions of each user: what a page "your devices" shows, and what "sign out everywhere" ends.
///
/// The user is the value of the field marked `#[session(owner)]`, in any type that has the same JSON. Which sessions
/// are a user's is in a record of the same store, under a key that is made of the user's SHA-256 (an HMAC where
/// records are encrypted). It is written before a session is signed in, so that nothing signed in is ever missing from it.
/// Anonymous sessions are in no list.
///
/// Cheap to clone; [`SessionMiddleware::sessions`](crate::SessionMiddleware::sessions) makes it. The middleware is not
/// needed for it, so that an administrator's tool may have one too.
///
/// ```
/// use actix_typed_session::{Session, SessionError, SessionHandle, SessionId, SessionMiddleware, Sessions, store::MemoryStore};
/// use actix_web::{App, HttpResponse, Responder, web};
///
/// #[derive(Session)]
/// struct User {
///     #[session(owner)]
///     name: String,
/// }
///
/// async fn devices(user: Session<User>, session: SessionHandle, sessions: web::Data<Sessions>) -> Result<String, SessionError> {
///     let devices = sessions.of(&user.name).await?;
///     let line = |device: &actix_typed_session::SessionInfo| {
///         let here = if device.is_current(&session) { " (this one)" } else { "" };
///         format!("{} {}{here}\n", device.id, device.label.as_deref().unwrap_or("unknown"))
///     };
///     Ok(devices.iter().map(line).collect())
/// }
///
/// async fn sign_out(user: Session<User>, id: web::Path<SessionId>, sessions: web::Data<Sessions>) -> Result<HttpResponse, SessionError> {
///     // only one of this user's own, whatever id the path has
///     sessions.revoke(&user.name, *id).await?;
///     Ok(HttpResponse::NoContent().finish())
/// }
///
/// let middleware = SessionMiddleware::new(MemoryStore::default());
/// let sessions = web::Data::new(middleware.sessions()?);
/// let app = App::new()
///     .app_data(sessions)
///     .wrap(middleware)
///     .route("/devices", web::get().to(devices))
///     .route("/devices/{id}", web::delete().to(sign_out));
/// # let _ = app;
/// # Ok::<(), actix_typed_session::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Sessions {
    shared: Arc<Shared>,
}

/// A session of a user, as [`Sessions::of`] lists it.
///
/// ```
/// use actix_typed_session::SessionInfo;
///
/// fn line(session: &SessionInfo) -> String {
///     let idle = session.last_used.elapsed().unwrap_or_default().as_secs() / 3600;
///     format!("{}, used {idle} hours ago", session.label.as_deref().unwrap_or("unknown device"))
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionInfo {
    /// What [`Sessions::revoke`] takes. Not a secret.
    pub id: SessionId,
    /// When the session began: for a visitor who was there before the sign-in, before that.
    pub created: SystemTime,
    /// When the user signed in, or proved again who it is.
    pub authenticated: SystemTime,
    /// When it was last used, as the record's expiry tells: late by at most a tenth of the idle timeout, and in the
    /// last idle timeout before the absolute lifetime is over by more. Without refreshing, when it was last changed.
    pub last_used: SystemTime,
    /// What [`SessionHandle::label`] said.
    pub label: Option<String>,
}

impl SessionInfo {
    /// Whether it is the session of this request, which must have been loaded: by an extractor of a typed session, say.
    ///
    /// ```
    /// use actix_typed_session::{SessionHandle, SessionInfo};
    ///
    /// fn others<'a>(all: &'a [SessionInfo], session: &SessionHandle) -> Vec<&'a SessionInfo> {
    ///     all.iter().filter(|one| !one.is_current(session)).collect()
    /// }
    /// ```
    #[must_use]
    pub fn is_current(&self, session: &SessionHandle) -> bool {
        session.live().is_some_and(|live| live.token.id() == self.id)
    }
}

impl Sessions {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The live sessions of a user, in the order of their sign-ins.
    ///
    /// Costs one round trip, and one for each session, 16 at once.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] if the store fails, and [`SessionError::Encode`] if the owner has no JSON text.
    ///
    /// ```
    /// # use actix_typed_session::{SessionMiddleware, store::MemoryStore};
    /// # #[actix_web::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sessions = SessionMiddleware::new(MemoryStore::default()).sessions()?;
    /// assert!(sessions.of("ada").await?.is_empty());
    /// # Ok(()) }
    /// ```
    pub async fn of<T: Serialize + ?Sized>(&self, owner: &T) -> Result<Vec<SessionInfo>, SessionError> {
        let worker = &self.shared.worker();
        let owner = &Owner::of(worker, owner)?;
        let list = owner.list(worker, worker.budget()).await?;
        let found = list.entries.into_iter().map(|entry| async move {
            Ok::<_, StoreError>(match end::find(worker, owner, entry, worker.budget()).await? {
                Found::Live(record, contents) => Some(info(worker, entry, &contents, record.expires_in)),
                Found::Gone | Found::Pending(_) => None,
            })
        });
        let found: Vec<_> = stream::iter(found).buffered(AT_ONCE).try_collect().await?;
        Ok(last_of_each(found.into_iter().flatten()))
    }

    /// Ends a session of a user; false if this user has no such session, whoever else may have it.
    ///
    /// Its token is dead at once, and what its requests still change is not saved (OWASP ASVS 5.0, 7.4.1). A sign-in that
    /// is on its way is not ended, for it is in no list yet; [`revoke_owner`](Self::revoke_owner) ends it. Costs two round
    /// trips.
    ///
    /// # Errors
    ///
    /// As for [`of`](Self::of); then the session may have ended or not.
    ///
    /// ```
    /// # use actix_typed_session::{SessionError, SessionId, Sessions};
    /// async fn lost_phone(sessions: Sessions, phone: SessionId) -> Result<bool, SessionError> {
    ///     sessions.revoke("ada", phone).await
    /// }
    /// ```
    pub async fn revoke<T: Serialize + ?Sized>(&self, owner: &T, id: SessionId) -> Result<bool, SessionError> {
        let worker = &self.shared.worker();
        let owner = &Owner::of(worker, owner)?;
        // a session of another user's is not about to be this one's, whatever the id
        let long_ago = Entry::new(id, 0);
        revoke(worker, owner, long_ago, "id").await
    }

    /// Ends all sessions of the user of this request but its own; says how many. Without a user it ends none.
    ///
    /// The user is whom the session belongs to, or whom this request has signed in before the call. What follows a
    /// change of the password (OWASP ASVS 5.0, 7.4.3). Costs as much as [`revoke_owner`](Self::revoke_owner), and one
    /// round trip to load the session, if nothing was loaded in this request yet.
    ///
    /// # Errors
    ///
    /// As for [`revoke_owner`](Self::revoke_owner).
    ///
    /// ```
    /// # use actix_typed_session::{SessionError, SessionHandle, Sessions};
    /// # use actix_web::web;
    /// async fn sign_out_elsewhere(session: SessionHandle, sessions: web::Data<Sessions>) -> Result<String, SessionError> {
    ///     Ok(format!("{} other sessions ended", sessions.revoke_others(&session).await?))
    /// }
    /// ```
    pub async fn revoke_others(&self, session: &SessionHandle) -> Result<u64, SessionError> {
        let seen = session.state.ready().await?;
        let Some(owner) = seen.view().get(OWNER) else { return Ok(0) };
        let worker = self.shared.worker();
        let owner = Owner::new(&worker, owner);
        let own = session.live().map(|live| live.token.id());
        Detached::new(Joint::new(revoke_all(worker, owner, own, "others").boxed())).await
    }

    /// Ends all sessions of a user; says how many. Nothing that was signed in before the call survives it, be it that
    /// its record is still on its way to the store: that sign-in is then answered with 409
    /// [`Ended`](SessionError::Ended).
    ///
    /// For "sign out everywhere", and for accounts that are blocked or deleted (OWASP ASVS 5.0, 7.4.2). Costs two round
    /// trips, and two for each session, 16 at once. Once begun it goes on by itself, when nobody waits for it any more: a
    /// visitor who hangs up, say.
    ///
    /// # Errors
    ///
    /// As for [`of`](Self::of). What could not be ended then is still in the list, so that another call ends it.
    ///
    /// ```
    /// # use actix_typed_session::{SessionError, Sessions};
    /// async fn block(sessions: Sessions, user: u64) -> Result<(), SessionError> {
    ///     sessions.revoke_owner(&user).await?;
    ///     Ok(())
    /// }
    /// ```
    pub async fn revoke_owner<T: Serialize + ?Sized>(&self, owner: &T) -> Result<u64, SessionError> {
        let worker = self.shared.worker();
        let owner = Owner::of(&worker, owner)?;
        Detached::new(Joint::new(revoke_all(worker, owner, None, "owner").boxed())).await
    }

    /// Deletes expired records in stores that do not do so by themselves, a thousand at most at a time until there are
    /// none; says how many.
    ///
    /// For a tool; in the server, [`SessionMiddleware::sweep_every`](crate::SessionMiddleware::sweep_every) does it. In
    /// Redis it does nothing. Files and objects are looked through one after the other: a walk that something else began
    /// and left, such as a sweep by traffic, goes on where it was.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] if the store fails.
    ///
    /// ```
    /// # use actix_typed_session::{SessionError, Sessions};
    /// async fn at_night(sessions: &Sessions) -> Result<(), SessionError> {
    ///     println!("{} expired sessions deleted", sessions.sweep().await?);
    ///     Ok(())
    /// }
    /// ```
    pub async fn sweep(&self) -> Result<u64, SessionError> {
        Ok(sweep::all(&self.shared.worker()).await?)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

/// Each session once: it may have been noted by more than one sign-in.
fn last_of_each(found: impl Iterator<Item = SessionInfo>) -> Vec<SessionInfo> {
    let mut list: Vec<SessionInfo> = Vec::new();
    for one in found {
        list.retain(|other| other.id != one.id);
        list.push(one);
    }
    list
}

fn info(worker: &Worker, entry: Entry, contents: &Contents, remaining: Duration) -> SessionInfo {
    let config = &worker.core.config;
    let now = config.clock.now();
    let used = now.saturating_add(millis(remaining)).saturating_sub(millis(config.idle_timeout));
    let time = |since_epoch| UNIX_EPOCH.checked_add(Duration::from_millis(since_epoch)).unwrap_or(UNIX_EPOCH);
    SessionInfo {
        id: entry.id,
        created: time(contents.created),
        authenticated: time(end::authenticated(contents).unwrap_or(entry.at)),
        last_used: time(used.clamp(contents.created.min(now), now)),
        label: contents.fields.get(LABEL).and_then(|label| serde_json::from_str(label).ok()),
    }
}

async fn revoke(worker: &Worker, owner: &Owner, entry: Entry, reason: &'static str) -> Result<bool, SessionError> {
    let is_ended = end::end(worker, owner, entry, worker.budget()).await?;
    if is_ended {
        events::revoked(entry.id, reason);
    }
    Ok(is_ended)
}

async fn revoke_all(
    worker: Arc<Worker>,
    owner: Owner,
    but: Option<SessionId>,
    reason: &'static str,
) -> Result<u64, SessionError> {
    let (worker, owner) = (&*worker, &owner);
    let list = owner.list(worker, worker.budget()).await?;
    let entries = list.entries.into_iter().filter(|entry| Some(entry.id) != but);
    let ends = entries.map(|entry| async move { (entry, revoke(worker, owner, entry, reason).await) });
    let ends: Vec<_> = stream::iter(ends).buffer_unordered(AT_ONCE).collect().await;
    let (mut ended, mut gone, mut failure) = (0, Vec::new(), None);
    for (entry, is_ended) in ends {
        match is_ended {
            Ok(is_ended) => {
                ended += u64::from(is_ended);
                gone.push(entry);
            }
            Err(error) => failure = Some(error),
        }
    }
    if !gone.is_empty() {
        forget(worker, owner, &gone).await;
    }
    failure.map_or(Ok(ended), Err)
}

/// Strikes off what has ended. Where that fails the record names too much, and a later sign-in strikes it off.
async fn forget(worker: &Worker, owner: &Owner, gone: &[Entry]) {
    let budget = worker.budget();
    for tries in 0..10 {
        let strike = async || {
            budget.pause(tries).await?;
            let mut list = owner.list(worker, budget).await?;
            let before = list.entries.len();
            list.entries.retain(|entry| !gone.contains(entry));
            if list.entries.len() == before {
                Ok(true)
            } else {
                owner.write(worker, &list, Duration::ZERO, budget).await
            }
        };
        match strike().await {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => {
                events::list_failed(&error);
                return;
            }
        }
    }
}
