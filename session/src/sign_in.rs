//! A sign-in, as the user's record has it: noted there before the session's own record is written.

use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::{
    end::{self, Found},
    error::SessionError,
    events,
    live::{ABOUT_FOREVER, until},
    owner::{Entry, List, Owner},
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
        list.entries.retain(|other| other.id != entry.id);
        if list.entries.len() >= limit.most {
            make_room(worker, &owner, &mut list, limit, budget).await?;
        }
        list.entries.push(entry);
        if owner.write(worker, &list, expires_in, budget).await? {
            return Ok(());
        }
    }
    Err(SessionError::BudgetSpent)
}

/// Strikes off what is gone, and if that is not enough ends the oldest, or refuses.
async fn make_room(
    worker: &Worker,
    owner: &Owner,
    list: &mut List,
    limit: Limit,
    budget: Budget,
) -> Result<(), SessionError> {
    let entries = std::mem::take(&mut list.entries);
    let looked_up = entries.into_iter().map(|entry| async move {
        let is_gone = matches!(end::find(worker, owner, entry, budget).await?, Found::Gone);
        Ok::<_, SessionError>((entry, is_gone))
    });
    let looked_up: Vec<_> = stream::iter(looked_up).buffered(AT_ONCE).try_collect().await?;
    let left: Vec<_> = looked_up.into_iter().filter_map(|(entry, is_gone)| (!is_gone).then_some(entry)).collect();
    let over = (left.len() + 1).saturating_sub(limit.most);
    if over > 0 && limit.refuse {
        events::limit_refused(limit.most);
        return Err(SessionError::LimitReached { limit: limit.most });
    }
    let ends = left.iter().take(over).copied().map(|entry| async move {
        if end::end(worker, owner, entry, budget).await? {
            events::revoked(entry.id, "limit");
        }
        Ok::<_, SessionError>(())
    });
    stream::iter(ends).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    list.entries = left.into_iter().skip(over).collect();
    Ok(())
}
