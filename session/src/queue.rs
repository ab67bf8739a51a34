//! Requests of one worker that conflict on one session wait for each other here, and do not race the store.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::id::SessionId;

/// The sessions over which requests of this worker are in conflict at the moment.
#[derive(Default)]
pub(crate) struct Queue {
    lanes: Mutex<HashMap<SessionId, Arc<Lane>>>,
}

/// How many requests may wait for one session; more than that race the store.
const MOST: usize = 1024;

struct Lane {
    turn: Arc<Semaphore>,
}

impl Queue {
    /// A place in the lane of a session, if there is a lane: others are in conflict over it.
    pub(crate) fn join_existing(self: &Arc<Self>, id: SessionId) -> Option<Place> {
        let lane = self.lanes().get(&id).cloned()?;
        self.place(id, lane)
    }

    /// A place in the lane of a session, which is made if there is none; none if it is full.
    pub(crate) fn join(self: &Arc<Self>, id: SessionId) -> Option<Place> {
        let new = || Arc::new(Lane { turn: Arc::new(Semaphore::new(1)) });
        let lane = self.lanes().entry(id).or_insert_with(new).clone();
        self.place(id, lane)
    }

    fn place(self: &Arc<Self>, id: SessionId, lane: Arc<Lane>) -> Option<Place> {
        let place = Place { queue: self.clone(), id, lane };
        // one is the map's, the others are places
        (Arc::strong_count(&place.lane) <= MOST + 1).then_some(place)
    }

    fn lanes(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<Lane>>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in a lane; the lane is gone when its last place is.
pub(crate) struct Place {
    queue: Arc<Queue>,
    id: SessionId,
    lane: Arc<Lane>,
}

/// The turn to write; it ends when it is dropped.
pub(crate) struct Turn {
    // let go before the place, so that the next one is there to take it
    _permit: OwnedSemaphorePermit,
    _place: Place,
}

impl Place {
    /// Waits for the turn, in the order of arrival.
    pub(crate) async fn turn(self) -> Option<Turn> {
        let permit = self.lane.turn.clone().acquire_owned().await.ok()?;
        Some(Turn { _permit: permit, _place: self })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut lanes = self.queue.lanes();
        // this place's and the map's: nobody else waits, and nobody can come while the map is locked
        if Arc::strong_count(&self.lane) <= 2 {
            lanes.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn turns_come_one_at_a_time() {
        let queue = Arc::new(Queue::default());
        let id = SessionId::random();
        let writing = Cell::new(false);
        let writers = (0..50).map(|_| async {
            let _turn = queue.join(id).unwrap().turn().await.unwrap();
            assert!(!writing.replace(true));
            tokio::task::yield_now().await;
            writing.set(false);
        });
        join_all(writers).await;
        assert!(queue.lanes().is_empty());
    }

    #[tokio::test]
    async fn a_lane_is_bounded() {
        let queue = Arc::new(Queue::default());
        let id = SessionId::random();
        let places: Vec<_> = (0..MOST).map(|_| queue.join(id).unwrap()).collect();
        assert!(queue.join(id).is_none());
        drop(places);
        assert!(queue.join_existing(id).is_none());
    }
}
