//! Many writers of one sum.

use std::{sync::atomic::Ordering, time::Duration};

use actix_typed_session::{Session, SessionConfig, SessionError};
use actix_web::{
    HttpRequest,
    web::{Path, ServiceConfig, get},
};

use super::{
    Race,
    servers::{AT_ONCE, Answer, Ask, Servers, load},
};

#[derive(Default, Session)]
#[session(default)]
struct Tally {
    #[session(merge = "add")]
    sum: u64,
}

fn routes(app: &mut ServiceConfig) {
    app.route("/sum", get().to(async |tally: Session<Tally>| tally.sum.to_string())).route(
        "/add/{n}",
        get().to(async |request: HttpRequest, n: Path<u64>| {
            load::<Session<Tally>>(&request).await?.sum += *n;
            Ok::<_, SessionError>("")
        }),
    );
}

/// L2, L7: the sum is that of the requests that were answered with success, which, given the time, are all.
pub(super) async fn race_sixty_four_writers_of_a_sum_are_all_counted(race: &Race) {
    let servers = Servers::of(race, routes);
    for when in servers.until_met(race.rounds(8, AT_ONCE)) {
        let token = servers.begin("/add/1000").await;
        let answers = servers.race(when, (1..=64).map(|n| Ask::new(format!("/add/{n}"), &token))).await;
        let failed: Vec<_> = answers.iter().filter(|answer| !answer.is_ok() || answer.cookie.is_some()).collect();
        assert!(failed.is_empty(), "{when:?}: {failed:?}");
        assert_eq!(servers.get("/sum", &token).await.body, (1000 + 64 * 65 / 2).to_string(), "{when:?}");
        assert_eq!(servers.left().await.len(), 1, "{when:?}");
    }
}

/// L2, L7: who runs out of time is told so.
pub(super) async fn race_writers_that_run_out_of_time_are_told(race: &Race) {
    let hasty = [8, 40].map(|time| SessionConfig::new().store_timeout(Duration::from_millis(time)));
    who_is_not_done_is_told(race, &Servers::with(race, hasty, routes)).await;
}

/// L2, L9: where the answer to a write is lost, it is either found done or told, and never done again.
pub(super) async fn race_writes_whose_answers_are_lost_are_done_once_or_told(race: &Race) {
    let losing = Servers::of(race, routes);
    losing.notes.loses.store(true, Ordering::Relaxed);
    who_is_not_done_is_told(race, &losing).await;
    assert!(losing.has_met(), "no write met another");
}

/// Races at `servers` that can't do all: what was answered with success is in the sum, and once.
async fn who_is_not_done_is_told(race: &Race, servers: &Servers) {
    let sound = Servers::of(race, routes);
    for when in race.rounds(8, AT_ONCE) {
        let token = sound.begin(&format!("/add/{}", 1_u64 << 63)).await;
        let answers = servers.race(when, (0..63).map(|n| Ask::new(format!("/add/{}", 1_u64 << n), &token))).await;
        let is_told = |answer: &Answer| [200, 503].contains(&answer.status) && answer.cookie.is_none();
        assert!(answers.iter().all(is_told), "{when:?}: {answers:?}");
        let done = answers.iter().enumerate().filter(|(_, answer)| answer.is_ok());
        let done = done.fold(0, |done, (n, _)| done | 1_u64 << n);
        // each adds a bit of its own, so that one that is added twice is not there; of the others nobody knows
        let sum: u64 = sound.get("/sum", &token).await.body.parse().unwrap();
        assert_eq!(sum & done, done, "{when:?}: {} were answered with success", done.count_ones());
    }
}
