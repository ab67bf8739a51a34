//! Sign-ins of a session that another request changes meanwhile: what the user's record says of them means nothing later.

use std::time::Duration;

use actix_typed_session::{Clock, SessionConfig};

use super::{
    Race,
    servers::{Servers, When, patient},
    users::{alive, anonymous, new_user, routes, sign_in, who},
};

fn with(race: &Race, config: impl Fn(SessionConfig) -> SessionConfig) -> Servers {
    Servers::with(race, [config(patient()), config(patient())], routes)
}

/// O3, O5: who was not signed in, for another was, ends nothing of the other's.
pub(super) async fn race_user_whose_sign_in_was_overtaken_ends_nothing_of_another(race: &Race) {
    let clock = Clock::manual();
    let servers = with(race, |config| config.clock(clock.clone()));
    for _ in race.rounds(4, &[When::Sent]) {
        servers.notes.take_created();
        let (ada, eve) = (new_user("ada"), new_user("eve"));
        let visitor = anonymous(&servers).await;
        let held = servers.notes.hold(2);
        let eves = servers.start(0, &format!("/login/{eve}"), &visitor);
        held.arrived(1).await;
        clock.advance(Duration::from_secs(1));
        let adas = servers.start(1, &format!("/login/{ada}"), &visitor);
        held.arrived(1).await;
        held.open(1).await;
        let eves = eves.await.unwrap();
        held.open(1).await;
        assert_eq!((eves.status, adas.await.unwrap().status), (200, 409));
        assert_eq!(servers.get(&format!("/revoke/{ada}"), "").await.body, "0");
        assert_eq!(who(&servers, &eves.token()).await, eve);
        assert_eq!(alive(&servers, &[&ada, &eve], &[&eves.token(), &visitor]).await.len(), 1);
    }
}

/// O2: a sign-in that can't come any more, for its session has ended, takes no room.
pub(super) async fn race_user_whose_sign_in_met_the_end_may_sign_in_at_once(race: &Race) {
    let servers = with(race, |config| config.limit_per_owner(1).refuse_over_limit(true));
    for _ in race.rounds(4, &[When::Sent]) {
        servers.notes.take_created();
        let ada = new_user("ada");
        let visitor = anonymous(&servers).await;
        let held = servers.notes.hold(1);
        let late = servers.start(0, &format!("/login/{ada}"), &visitor);
        held.arrived(1).await;
        assert!(servers.get_at(1, "/leave", &visitor).await.is_ok());
        held.open(1).await;
        assert_eq!(late.await.unwrap().status, 409);
        let token = sign_in(&servers, &ada).await;
        assert_eq!(alive(&servers, &[&ada], &[&token, &visitor]).await.len(), 1);
    }
}

/// O1: a session that another user takes when its time is almost over is in that user's list, however late it is written.
pub(super) async fn race_user_takes_a_session_whose_time_is_over(race: &Race) {
    let clock = Clock::manual();
    let hour = Duration::from_secs(60 * 60);
    let servers = with(race, |config| config.clock(clock.clone()).absolute_lifetime(hour));
    for _ in race.rounds(4, &[When::Sent]) {
        servers.notes.take_created();
        let (ada, eve) = (new_user("ada"), new_user("eve"));
        let token = sign_in(&servers, &ada).await;
        clock.advance(hour - Duration::from_secs(1));
        let held = servers.notes.hold(1);
        let late = servers.start(0, &format!("/login/{eve}"), &token);
        held.arrived(1).await;
        clock.advance(Duration::from_secs(2));
        assert!(servers.get_at(1, &format!("/revoke/{eve}"), "").await.is_ok());
        held.open(1).await;
        let late = late.await.unwrap();
        let tokens: Vec<_> = [late.cookie.as_deref(), Some(token.as_str())].into_iter().flatten().collect();
        assert_eq!((late.status, alive(&servers, &[&ada, &eve], &tokens).await), (409, vec![]));
    }
}

/// O1: who is back in a session that was another user's meanwhile is in the list, though an earlier sign-in is struck off.
pub(super) async fn race_user_who_is_back_is_listed(race: &Race) {
    let servers = with(race, |config| config);
    for _ in race.rounds(4, &[When::Sent]) {
        servers.notes.take_created();
        let (ada, eve) = (new_user("ada"), new_user("eve"));
        let (adas, other) = (sign_in(&servers, &ada).await, sign_in(&servers, &ada).await);
        let eves = servers.get(&format!("/login/{eve}"), &adas).await.token();
        // it ends the second one, and has found the first one to be another's, or is about to find that it is back
        let held = servers.notes.hold(1);
        let revoke = servers.start(0, &format!("/revoke/{ada}"), "");
        held.arrived(1).await;
        let back = servers.get_at(1, &format!("/login/{ada}"), &eves).await.token();
        held.open(1).await;
        let ended = revoke.await.unwrap().body;
        let alive = alive(&servers, &[&ada, &eve], &[&adas, &other, &eves, &back]).await;
        let expected = if ended == "2" { vec![] } else { vec![(ada, back)] };
        assert_eq!(alive, expected, "{ended}");
    }
}
