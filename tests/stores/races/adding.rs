//! Many writers of one sum.

use actix_typed_session::{Session, SessionError};
use actix_web::{
    HttpRequest,
    web::{Path, ServiceConfig, get},
};

use super::{
    Race,
    servers::{AT_ONCE, Ask, Servers, load},
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
    for when in race.rounds(8, AT_ONCE) {
        let token = servers.begin("/add/1000").await;
        let answers = servers.race(when, (1..=64).map(|n| Ask::new(format!("/add/{n}"), &token))).await;
        let failed: Vec<_> = answers.iter().filter(|answer| !answer.is_ok() || answer.cookie.is_some()).collect();
        assert!(failed.is_empty(), "{when:?}: {failed:?}");
        assert_eq!(servers.get("/sum", &token).await.body, (1000 + 64 * 65 / 2).to_string(), "{when:?}");
        assert_eq!(servers.left().await.len(), 1, "{when:?}");
    }
    servers.have_met();
}
