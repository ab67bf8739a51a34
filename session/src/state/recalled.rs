//! A session that was recalled and not loaded: good enough to be read, and looked up where more depends on it.

use std::{mem, sync::Arc};

use futures_util::FutureExt;

use super::{Inner, Load, State};
use crate::{
    error::SessionError,
    events,
    joint::Joint,
    live::{self, Loaded, Loading, stored},
    store::Version,
    worker::Worker,
};

/// The session as the store recalled it.
pub(super) struct Recalled {
    /// What a write replaces, so that a session at another version is no longer the recalled one.
    pub(super) version: Version,
    /// The look-up, if something depends on it.
    again: Option<Loading>,
}

impl State {
    /// Has the session to read: recalled, if the store can.
    pub(crate) fn recall(&self) -> Result<(), Loading> {
        let mut inner = self.inner.borrow_mut();
        inner.recall(&self.worker);
        let is_recalled = inner.is_recalled();
        drop(inner);
        if is_recalled { Ok(()) } else { self.load() }
    }

    /// Loads the session, unless that is done or under way.
    pub(crate) fn load(&self) -> Result<(), Loading> {
        let mut inner = self.inner.borrow_mut();
        let loading = inner.again(&self.worker).or_else(|| inner.load.begin(&self.worker));
        loading.map_or(Ok(()), Err)
    }

    /// Takes what a load came to. It may be that another one is to follow, where [`load`](Self::load) says so.
    pub(crate) fn loaded(&self, loaded: Loaded) {
        let mut inner = self.inner.borrow_mut();
        if let Load::Running(_) = inner.load {
            inner.load = match loaded {
                Ok(live) => Load::Done(live),
                Err(error) => {
                    events::load_failed(&error);
                    Load::Failed(error)
                }
            };
            return;
        }
        if let Some(saving) = inner.saving.as_ref().map(|flight| flight.saving.clone()) {
            drop(inner);
            if let Some(outcome) = saving.peek() {
                self.settle(&saving, &outcome);
            }
            return;
        }
        if !inner.is_recalled() {
            return;
        }
        let again = inner.recalled.as_mut().and_then(|recalled| recalled.again.as_ref()?.peek());
        match again {
            None => {}
            Some(Err(error)) => {
                events::load_failed(&error);
                inner.load = Load::Failed(error);
            }
            Some(Ok(None)) => inner.turned_out_gone(),
            Some(Ok(Some(now))) => {
                let recalled = inner.recalled.take();
                if recalled.is_some_and(|recalled| recalled.version == now.version) {
                    return;
                }
                let before = mem::replace(&mut inner.load, Load::Done(Some(now.clone())));
                let (Load::Done(before), false) = (before, inner.changes.is_empty()) else { return };
                let changes = inner.changes.clone();
                drop(inner);
                // a merge rule may be the program's: nothing is borrowed while it runs
                let rebased = changes.rebased(stored(before.as_ref()), stored(Some(&now)));
                let mut inner = self.inner.borrow_mut();
                match rebased {
                    Ok(rebased) => inner.changes = Arc::new(rebased),
                    Err(error) => _ = inner.failure.get_or_insert(error),
                }
            }
        }
    }
}

impl Inner {
    /// Has the session that the store recalls, if nobody looked it up so far.
    fn recall(&mut self, worker: &Worker) {
        // two that are live mean that somebody tossed one in, which the store is to say
        let Load::Presented(presented) = &self.load else { return };
        let [presented] = presented.as_slice() else { return };
        let Some(live) = live::recall(worker, presented) else { return };
        self.recalled = Some(Recalled { version: live.version, again: None });
        self.load = Load::Done(Some(Arc::new(live)));
    }

    fn is_recalled(&self) -> bool {
        let (Some(recalled), Some(live)) = (&self.recalled, self.stored()) else { return false };
        recalled.version == live.version
    }

    /// The look-up of a session that is but recalled, begun if it was not.
    fn again(&mut self, worker: &Arc<Worker>) -> Option<Loading> {
        if !self.is_recalled() {
            return None;
        }
        if let Some(flight) = &self.saving {
            // it compares versions, so that there may be nothing more to ask
            let saving = flight.saving.clone();
            return Some(Joint::new(saving.map(|_| Ok(None)).boxed()));
        }
        let presented = self.stored()?.presented();
        let recalled = self.recalled.as_mut()?;
        Some(recalled.again.get_or_insert_with(|| live::begin(worker.clone(), vec![presented])).clone())
    }

    /// The session ended, or has another token, since it was kept.
    fn turned_out_gone(&mut self) {
        let lost = (!self.changes.is_empty()).then_some(SessionError::Ended);
        let failure = self.failure.take().or(lost);
        self.discard();
        self.failure = failure;
        self.load = Load::Done(None);
        self.recalled = None;
        self.end();
    }
}
