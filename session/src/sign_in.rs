//! A sign-in, as the user's record has it: noted there before the session's own record is written.

use std::{mem, sync::Arc};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::{
    end::{self, Found},
    error::SessionError,
    events,
    id::SessionId,
    live::{ABOUT_FOREVER, until},
    owner::{Entry, Owner},
    record::NEVER,
    worker::{Budget, Limit, Worker},
};

/// How many sessions of a user are looked at at once.
pub(crate) const AT_ONCE: usize = 16;

/// Notes in the user's record that a session is about to be signed in, and makes room for it where the limit asks for
/// that. A session that has to go is ended before it is struck off, so that the record never names too little.
pub(crate) async fn sign_in(
    worker: &Arc<Worker>,
    owner: &str,
    entry: Entry,
    deadline: u64,
    budget: Budget,
) -> Result<(), SessionError> {
    let Some(limit) = worker.limit() else { return Ok(()) };
    let owner = Owner::new(worker, owner);
    let _turn = match worker.queue.join(owner.lane()) {
        Some(place) => budget.in_time(place.turn()).await?,
        None => None,
    };
    // it must outlive the sessions that it names, by the clocks of other servers too
    let expires_in = if deadline == NEVER { ABOUT_FOREVER } else { until(worker, deadline) + end::grace(worker) };
    for tries in 0.. {
        budget.pause(tries).await?;
        let mut list = owner.list(worker, budget).await?;
        let entries = mem::take(&mut list.entries).into_iter();
        let (same, others): (Vec<_>, Vec<_>) = entries.partition(|other| other.id == entry.id);
        list.entries =
            if others.len() < limit.most { others } else { room(worker, &owner, others, limit, budget).await? };
        // another sign-in of this session may be the one that is written, if this one comes too late for that
        list.entries.extend(not_gone(worker, &owner, same, budget).await?);
        list.entries.push(entry);
        if owner.write(worker, &list, expires_in, budget).await? {
            return Ok(());
        }
    }
    Err(SessionError::BudgetSpent)
}

/// What is not gone, and not more than leaves room for one: the oldest sessions are ended, or it is refused.
async fn room(
    worker: &Worker,
    owner: &Owner,
    entries: Vec<Entry>,
    limit: Limit,
    budget: Budget,
) -> Result<Vec<Entry>, SessionError> {
    let left = not_gone(worker, owner, entries, budget).await?;
    let mut ids: Vec<SessionId> = Vec::new();
    for entry in &left {
        if !ids.contains(&entry.id) {
            ids.push(entry.id);
        }
    }
    ids.truncate((ids.len() + 1).saturating_sub(limit.most));
    if limit.refuse && !ids.is_empty() {
        events::limit_refused(limit.most);
        return Err(SessionError::LimitReached { limit: limit.most });
    }
    let (over, left): (Vec<Entry>, Vec<Entry>) = left.into_iter().partition(|entry| ids.contains(&entry.id));
    let ends = over.into_iter().map(|entry| async move {
        if end::end(worker, owner, entry, budget).await? {
            events::revoked(entry.id, "limit");
        }
        Ok::<_, SessionError>(())
    });
    stream::iter(ends).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    Ok(left)
}

/// The entries whose sessions live, or may be on their way.
async fn not_gone(
    worker: &Worker,
    owner: &Owner,
    entries: Vec<Entry>,
    budget: Budget,
) -> Result<Vec<Entry>, SessionError> {
    let entries = entries.into_iter().map(|entry| async move {
        let is_gone = matches!(end::find(worker, owner, entry, budget).await?, Found::Gone);
        Ok::<_, SessionError>((!is_gone).then_some(entry))
    });
    let found: Vec<_> = stream::iter(entries).buffered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}
