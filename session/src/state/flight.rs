//! The commits of a request: begun, waited for, and what they came to.

use std::{mem, sync::Arc};

use super::{InFlight, Load, Phase, State};
use crate::{
    commit::{self, CookieChange, Known, Outcome, Plan, Saving},
    detached::Detached,
    error::SessionError,
    events,
    joint::Joint,
    live::{self, stored},
};

impl State {
    /// Commits what was changed so far. A commit that began goes on when nobody waits for it any more.
    pub(crate) async fn save(&self) -> Result<(), SessionError> {
        let saved = match self.begin() {
            Ok(None) => return Ok(()),
            Ok(Some(saving)) => {
                let outcome = Detached::new(saving.clone()).await;
                self.settle(&saving, &outcome);
                outcome.map(drop).map_err(|failed| {
                    events::save_failed(&failed.error);
                    failed.error
                })
            }
            Err(error) => Err(error),
        };
        saved.inspect_err(|_| self.inner.borrow_mut().told = true)
    }

    /// The last commit, when the handler has answered: a future that owns its data, if there is anything to do.
    pub(crate) fn answer(&self) -> Result<Option<Detached<Outcome>>, SessionError> {
        let begun = self.begin();
        self.inner.borrow_mut().phase = Phase::Answered;
        Ok(begun?.map(Detached::new))
    }

    /// Takes what the last commit came to.
    pub(crate) fn answered(&self, saving: &Saving, outcome: Outcome) -> Result<(), SessionError> {
        self.settle(saving, &outcome);
        let (done, result) = match outcome {
            Ok(committed) => (Some(committed), Ok(())),
            Err(failed) => (failed.before, Err(failed.error)),
        };
        if let Some(committed) = done {
            self.inner.borrow_mut().set_cookie(committed.cookie);
        }
        result
    }

    /// What the response is to say of the cookie.
    pub(crate) fn cookie(&self) -> CookieChange {
        mem::replace(&mut self.inner.borrow_mut().cookie, CookieChange::Keep)
    }

    /// Begins to commit what is to be committed now, if anything; the changes are in it, and no longer here.
    fn begin(&self) -> Result<Option<Saving>, SessionError> {
        let inner = &mut *self.inner.borrow_mut();
        let failure = inner.failure.take();
        if failure.is_some() {
            inner.discard();
        }
        // an end still happens, and what is under way has its say on the cookie
        if let (Some(error), None, None) = (&failure, inner.destroyed, &inner.saving) {
            return Err(error.clone());
        }
        let idle = inner.changes.is_empty() && !inner.rotate && inner.destroyed.is_none();
        let known = match (&mut inner.load, &inner.saving) {
            (_, Some(flight)) => Known::Saving(flight.saving.clone(), inner.as_saved()),
            (Load::Failed(_), _) if inner.told && idle => return Ok(None),
            (Load::Failed(error), _) => {
                let error = error.clone();
                inner.discard();
                return Err(error);
            }
            (Load::Done(Some(live)), _) if idle && !live::is_due(&self.worker, live) => return Ok(None),
            (Load::Done(Some(live)), _) => Known::Loaded(Some(live.clone())),
            _ if idle => return Ok(None),
            (load, _) => load.begin(&self.worker).map_or(Known::Loaded(None), Known::Loading),
        };
        let changes = mem::replace(&mut inner.changes, self.worker.nothing());
        let destroy = inner.destroyed.take().is_some();
        let earlier = inner.saving.take().filter(|_| !destroy);
        let id = inner.load.id();
        let saving = commit::commit(Plan {
            worker: self.worker.clone(),
            known,
            recalled: inner.recalled.as_ref().map(|recalled| recalled.version),
            destroy,
            failure,
            rotate: mem::take(&mut inner.rotate),
            changes: changes.clone(),
            can_set_cookie: inner.phase == Phase::Open,
        });
        let saving = Joint::new(events::committing(id, saving));
        inner.saving = Some(InFlight {
            saving: saving.clone(),
            destroys: destroy || earlier.as_ref().is_some_and(|earlier| earlier.destroys),
            changes: earlier.map_or(changes.clone(), |earlier| Arc::new(earlier.changes.then(&changes))),
        });
        Ok(Some(saving))
    }

    /// Takes what a commit came to, unless a later one waits for it and takes that along.
    pub(super) fn settle(&self, saving: &Saving, outcome: &Outcome) {
        let mut inner = self.inner.borrow_mut();
        if !inner.saving.as_ref().is_some_and(|latest| latest.saving.is(saving)) {
            return;
        }
        let as_saved = inner.as_saved();
        let destroys = inner.saving.take().is_some_and(|flight| flight.destroys);
        let before = inner.load.id();
        match outcome {
            Ok(committed) => inner.take(committed.clone()),
            Err(failed) => failed.before.iter().for_each(|before| inner.take(before.clone())),
        }
        let now = inner.load.id();
        if before.is_some() && destroys == (now == before) {
            inner.end();
        }
        if let (true, true, Err(failed)) = (destroys, now.is_some() && now == before, outcome) {
            // what is to begin after the end must not change what did not end
            if !inner.changes.is_empty() {
                inner.discard();
                inner.failure = Some(failed.error.clone());
            }
            return;
        }
        let Some(as_saved) = as_saved.filter(|_| !inner.changes.is_empty()) else { return };
        let (changes, now) = (inner.changes.clone(), inner.stored().cloned());
        drop(inner);
        // a merge rule may be the program's: nothing is borrowed while it runs
        let rebased = changes.rebased(as_saved.view(), stored(now.as_ref()));
        let mut inner = self.inner.borrow_mut();
        match rebased {
            Ok(rebased) => inner.changes = Arc::new(rebased),
            Err(error) => _ = inner.failure.get_or_insert(error),
        }
    }
}
