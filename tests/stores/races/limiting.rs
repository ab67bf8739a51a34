//! How many sessions a user has, whatever is raced.

use actix_typed_session::SessionConfig;

use super::{
    Race,
    servers::{ALL_WAYS, AT_ONCE, Answer, Ask, Servers, When, patient},
    users::{alive, anonymous, given, new_user, routes, sign_in},
};

fn limited(race: &Race, config: impl Fn(SessionConfig) -> SessionConfig) -> Servers {
    Servers::with(race, [config(patient()), config(patient())], routes)
}

fn is_told(answer: &Answer) -> bool {
    answer.status == 409 && answer.cookie.is_none()
}

/// Twenty visitors, of whom half have a session, and their sign-ins as this user.
async fn twenty(servers: &Servers, user: &str) -> (Vec<String>, Vec<Ask>) {
    let mut visitors = Vec::new();
    for n in 0..20 {
        visitors.push(if n % 2 == 0 { String::new() } else { anonymous(servers).await });
    }
    let asks = visitors.iter().map(|token| Ask::new(format!("/login/{user}"), token)).collect();
    (visitors, asks)
}

/// O2: of twenty sign-ins as many live as are allowed, and nothing that was there before.
pub(super) async fn race_user_has_as_many_sessions_as_are_allowed(race: &Race) {
    for limit in [1, 3] {
        let servers = limited(race, |config| config.limit_per_owner(limit));
        for when in servers.until_met(race.rounds(8, AT_ONCE)) {
            servers.notes.take_created();
            let ada = new_user("ada");
            let mut before = Vec::new();
            for _ in 0..limit {
                before.push(sign_in(&servers, &ada).await);
            }
            let (visitors, asks) = twenty(&servers, &ada).await;
            let answers = servers.race(when, asks).await;
            assert!(answers.iter().all(|answer| answer.is_ok() || is_told(answer)), "{when:?}: {answers:?}");
            let tokens = before.iter().chain(&visitors).map(String::as_str).filter(|token| !token.is_empty());
            let tokens: Vec<_> = tokens.chain(given(&answers)).collect();
            let alive = alive(&servers, &[&ada], &tokens).await;
            assert_eq!(alive.len(), limit, "{when:?}: {alive:?}");
            let is_new = |token: &String| given(&answers).any(|given| given == token);
            assert!(alive.iter().all(|(user, token)| *user == ada && is_new(token)), "{when:?}: {alive:?}");
        }
    }
}

/// O2: of twenty sign-ins as many are done as there is room for, and the others leave all as it was.
pub(super) async fn race_user_is_refused_one_session_too_many(race: &Race) {
    for limit in [1, 3] {
        let servers = limited(race, |config| config.limit_per_owner(limit).refuse_over_limit(true));
        for when in servers.until_met(race.rounds(8, AT_ONCE)) {
            servers.notes.take_created();
            let ada = new_user("ada");
            let (visitors, asks) = twenty(&servers, &ada).await;
            let answers = servers.race(when, asks).await;
            let done: Vec<_> = answers.iter().filter(|answer| answer.is_ok()).collect();
            let told = answers.iter().filter(|answer| is_told(answer)).count();
            assert_eq!((done.len(), told), (limit, 20 - limit), "{when:?}: {answers:?}");
            let refused = visitors.iter().zip(&answers).filter(|(token, answer)| is_told(answer) && !token.is_empty());
            let refused = refused.count();
            let tokens = visitors.iter().map(String::as_str).filter(|token| !token.is_empty());
            let tokens: Vec<_> = tokens.chain(given(&answers)).collect();
            let alive = alive(&servers, &[&ada], &tokens).await;
            let adas = alive.iter().filter(|(user, _)| *user == ada).count();
            assert_eq!((adas, alive.len()), (limit, limit + refused), "{when:?}: {alive:?}");
            // who leaves makes room at once
            assert!(servers.get("/leave", &done[0].token()).await.is_ok());
            sign_in(&servers, &ada).await;
        }
    }
}

/// O2: a sign-in meets the end of one of the two sessions that there may be.
pub(super) async fn race_user_leaves_while_signing_in_elsewhere(race: &Race) {
    for refuse in [false, true] {
        let servers = limited(race, |config| config.limit_per_owner(2).refuse_over_limit(refuse));
        for (round, when) in race.rounds(2, ALL_WAYS).enumerate() {
            servers.notes.take_created();
            let ada = new_user("ada");
            let before = [sign_in(&servers, &ada).await, sign_in(&servers, &ada).await];
            // the older one would have to go, or the newer one
            let (leaves, stays) = (&before[round / 4 % 2], &before[1 - round / 4 % 2]);
            let visitor = if round / 8 % 2 == 0 { String::new() } else { anonymous(&servers).await };
            let asks = [Ask::new("/leave", leaves).turn(), Ask::new(format!("/login/{ada}"), &visitor)];
            let answers = servers.race(when, asks).await;
            let [leave, login] = &answers[..] else { panic!("{answers:?}") };
            assert!(leave.is_ok() && (login.is_ok() || refuse && is_told(login)), "{when:?}: {answers:?}");

            let tokens = before.iter().chain([&visitor]).map(String::as_str).filter(|token| !token.is_empty());
            let tokens: Vec<_> = tokens.chain(given(&answers)).collect();
            let alive = alive(&servers, &[&ada], &tokens).await;
            let adas: Vec<_> = alive.iter().filter(|(user, _)| *user == ada).map(|(_, token)| token).collect();
            assert!(!adas.contains(&leaves), "{when:?}: {answers:?}");
            assert!(given(&answers).all(|token| adas.iter().any(|ada| *ada == token)), "{when:?}: {answers:?}");
            match when {
                When::TurnFirst => assert!(login.is_ok() && adas.len() == 2, "{answers:?}"),
                When::TurnLast => assert!(login.is_ok() != refuse, "{answers:?}"),
                When::Sent | When::Loaded => {}
            }
            assert!(adas.contains(&stays) || !refuse && when != When::TurnFirst, "{when:?}: {answers:?}");
        }
    }
}

/// L5, O1: of fifty new tokens one lives, and is in the list once.
pub(super) async fn race_user_is_listed_once_whatever_is_rotated(race: &Race) {
    let servers = limited(race, |config| config.limit_per_owner(2));
    for when in servers.until_met(race.rounds(8, AT_ONCE)) {
        servers.notes.take_created();
        let ada = new_user("ada");
        let token = sign_in(&servers, &ada).await;
        let path = |n| if n % 5 == 0 { format!("/login/{ada}") } else { "/rotate".to_owned() };
        // who comes when the token is dead would sign in anew
        let asks = (0..50).map(|n| Ask::new(if when == When::Sent { "/rotate".to_owned() } else { path(n) }, &token));
        let answers = servers.race(when, asks).await;
        assert!(answers.iter().all(|answer| answer.is_ok() || is_told(answer)), "{when:?}: {answers:?}");
        let tokens: Vec<_> = given(&answers).chain([token.as_str()]).collect();
        assert_eq!(tokens.len(), 2, "{when:?}: {answers:?}");
        assert_eq!(alive(&servers, &[&ada], &tokens).await, [(ada, tokens[0].to_owned())], "{when:?}");
    }
}
