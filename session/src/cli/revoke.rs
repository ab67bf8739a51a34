//! `revoke`: the end of a user's sessions, or of one.

use serde_json::json;

use super::{
    failure::{Failure, id},
    out::{Out, owner},
    sessions, worker,
};
use crate::{
    SessionConfig,
    changes::OWNER,
    end,
    error::{SessionError, StoreErrorKind},
    id::SessionId,
    owner::{Entry, Owner},
    worker::Worker,
};

pub(super) async fn revoke(
    config: SessionConfig,
    user: Option<&str>,
    session: Option<&str>,
    out: &mut Out,
) -> Result<(), Failure> {
    let user = user.map(owner).transpose()?;
    let session = session.map(id).transpose()?;
    let ended = match (user, session) {
        (Some(user), None) => sessions(config)?.revoke_owner(&*user).await?,
        (Some(user), Some(session)) => {
            let worker = worker(config)?;
            let user = Owner::new(&worker, user.get());
            u64::from(end_of(&worker, &user, session).await?)
        }
        (None, Some(session)) => u64::from(end_one(&worker(config)?, session).await?),
        // clap asks for one of them
        (None, None) => 0,
    };
    out.say(&json!({ "ended": ended }), |to| match ended {
        1 => writeln!(to, "1 session ended"),
        ended => writeln!(to, "{ended} sessions ended"),
    })
}

/// Ends a session if it is this user's; whether it was.
async fn end_of(worker: &Worker, user: &Owner, id: SessionId) -> Result<bool, SessionError> {
    // whoever it belonged to is not about to be this user
    end::end(worker, user, Entry::new(id, 0), worker.budget()).await
}

/// Ends a session, whosever it is; whether there was one.
async fn end_one(worker: &Worker, id: SessionId) -> Result<bool, SessionError> {
    let key = id.key(&worker.core.config.key_prefix);
    let Some(record) = worker.load(&key, worker.budget()).await? else { return Ok(false) };
    if end::is_tombstone(&record.bytes) {
        return Ok(false);
    }
    // a user's session ends as it does from the app, so that no sign-in that is on its way goes on under its id
    if let Some(contents) = worker.open(&key, record.bytes)
        && let Some(user) = contents.fields.get(OWNER)
        && end_of(worker, &Owner::new(worker, user), id).await?
    {
        return Ok(true);
    }
    // of nobody, or of somebody else since, or sealed by a key that is not known: what is there is to end
    let delete = || worker.delete(&key, worker.budget());
    let deleted = match delete().await {
        // to delete twice is to delete once
        Err(error) if error.kind() == StoreErrorKind::OutcomeUnknown => delete().await,
        deleted => deleted,
    };
    deleted?;
    Ok(true)
}
