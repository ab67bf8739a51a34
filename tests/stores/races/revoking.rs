//! The end of a user's sessions from outside, and the sign-ins that it meets.

use super::{
    Race,
    servers::{ALL_WAYS, AT_ONCE, Answer, Ask, Servers, When, patient},
    users::{alive, anonymous, given, id, new_user, routes, sign_in, who},
};

fn is_told(answer: &Answer) -> bool {
    answer.status == 409 && answer.cookie.is_none()
}

/// O1, O3: what was signed in before lives no more; a sign-in that is met is told so, or it is done, and then it is in
/// the list or dead.
pub(super) async fn race_user_is_signed_out_everywhere_while_others_sign_in(race: &Race) {
    let servers = Servers::of(race, routes);
    for when in servers.until_met(race.rounds(2, ALL_WAYS)) {
        servers.notes.take_created();
        let (ada, eve) = (new_user("ada"), new_user("eve"));
        let before = [sign_in(&servers, &ada).await, sign_in(&servers, &ada).await];
        let visitors = [anonymous(&servers).await, anonymous(&servers).await, anonymous(&servers).await];
        let other = sign_in(&servers, &eve).await;

        let revokes = [0, 0].map(|_| Ask::new(format!("/revoke/{ada}"), "").turn());
        let new = ["", "", ""].into_iter().chain(visitors.iter().map(String::as_str));
        let sign_ins = new.map(|token| Ask::new(format!("/login/{ada}"), token));
        let answers = servers.race(when, revokes.into_iter().chain(sign_ins)).await;
        let (revokes, sign_ins) = answers.split_at(2);
        assert!(revokes.iter().all(Answer::is_ok), "{when:?}: {answers:?}");
        assert!(sign_ins.iter().all(|answer| answer.is_ok() || is_told(answer)), "{when:?}: {answers:?}");

        let tokens = given(sign_ins).chain(before.iter().chain(&visitors).chain([&other]).map(String::as_str));
        let alive = alive(&servers, &[&ada, &eve], &tokens.collect::<Vec<_>>()).await;
        let mut adas: Vec<_> = alive.iter().filter(|(user, _)| *user == ada).map(|(_, token)| token).collect();
        assert!(adas.iter().all(|token| given(sign_ins).any(|given| given == *token)), "{when:?}: {adas:?}");
        assert!(alive.iter().any(|(user, _)| *user == eve), "{when:?}: {alive:?}");
        assert!(alive.iter().all(|(user, _)| user != "anonymous"), "{when:?}: {alive:?}, {answers:?}");
        // each session is ended once
        let done = sign_ins.iter().filter(|answer| answer.is_ok()).count();
        let ended: usize = revokes.iter().map(|answer| answer.body.parse::<usize>().unwrap()).sum();
        assert_eq!(ended + adas.len(), before.len() + done, "{when:?}: {answers:?}");
        match when {
            When::TurnFirst => assert_eq!((adas.len(), done), (6, 6), "{answers:?}"),
            When::TurnLast => assert_eq!((adas.len(), done), (0, 6), "{answers:?}"),
            When::Sent | When::Loaded => {}
        }

        // and what is left can be ended too
        let last = servers.get(&format!("/revoke/{ada}"), "").await;
        assert_eq!(last.body, adas.len().to_string(), "{when:?}");
        while let Some(token) = adas.pop() {
            assert_eq!(who(&servers, token).await, "nobody", "{when:?}");
        }
    }
}

/// O3: of sign-ins whose writes arrive when all sessions have been ended, none survives, and all are told.
pub(super) async fn race_user_is_signed_out_everywhere_before_a_sign_in_is_written(race: &Race) {
    let servers = Servers::of(race, routes);
    for _ in race.rounds(2, &[When::Sent]) {
        servers.notes.take_created();
        let ada = new_user("ada");
        let before = sign_in(&servers, &ada).await;
        let visitors = [String::new(), String::new(), anonymous(&servers).await, anonymous(&servers).await];
        let held = servers.notes.hold(visitors.len());
        let sign_ins = visitors.iter().enumerate();
        let sign_ins: Vec<_> =
            sign_ins.map(|(server, token)| servers.start(server, &format!("/login/{ada}"), token)).collect();
        held.arrived(4).await;
        let revoked = servers.get(&format!("/revoke/{ada}"), "").await;
        assert_eq!((revoked.status, revoked.body.as_str()), (200, "1"));
        held.open(4).await;
        for sign_in in sign_ins {
            let answer = sign_in.await.unwrap();
            assert!(is_told(&answer), "{answer:?}");
        }
        let tokens = [before.as_str(), &visitors[2], &visitors[3]];
        assert_eq!(alive(&servers, &[&ada], &tokens).await, []);
    }
}

/// O3, L9: the same where nobody waits any more for the write of a sign-in: it was given up on its way.
pub(super) async fn race_user_is_signed_out_everywhere_before_a_late_write_arrives(race: &Race) {
    let servers = Servers::of(race, routes);
    for round in 0..race.rounds(10, &[When::Sent; 4]).count() {
        servers.notes.take_created();
        let ada = new_user("ada");
        // the write, and what is written under its id to find out about it
        let held = servers.notes.hold_given_up(2);
        let answer = servers.get_at(0, &format!("/login/{ada}"), "").await;
        assert!(answer.status == 503 && answer.cookie.is_none(), "{answer:?}");
        held.arrived(2).await;
        let revoke = async || {
            let revoked = servers.get_at(1, &format!("/revoke/{ada}"), "").await;
            assert!(revoked.is_ok(), "{revoked:?}");
            revoked.body
        };
        // the write arrives after the end, or before
        if round % 2 == 0 {
            assert_eq!(revoke().await, "0");
            held.open(2).await;
        } else {
            held.open(2).await;
            let listed = servers.get_at(1, &format!("/list/{ada}"), "").await.body;
            assert_eq!(revoke().await, listed.split_whitespace().count().to_string());
        }
        assert_eq!(alive(&servers, &[&ada], &[]).await, []);
    }
}

/// O1: what is about to be ended, and lives while that is on its way, is in the list, so that whoever stops there does not
/// leave what nobody can end.
pub(super) async fn race_user_is_shown_what_lives_until_it_is_ended(race: &Race) {
    let config = || patient().limit_per_owner(2);
    let servers = Servers::with(race, [config(), config()], routes);
    for round in 0..race.rounds(4, &[When::Sent; 2]).count() {
        servers.notes.take_created();
        let ada = new_user("ada");
        let before = [sign_in(&servers, &ada).await, sign_in(&servers, &ada).await];
        let (path, ended) = if round % 2 == 0 { ("revoke", 2) } else { ("login", 1) };
        let held = servers.notes.hold(ended as usize);
        let ends = servers.start(0, &format!("/{path}/{ada}"), "");
        held.arrived(ended).await;
        let mut listed = Vec::new();
        for token in &before {
            assert_eq!(who(&servers, token).await, ada);
            listed.push(id(token));
        }
        assert_eq!(servers.get_at(1, &format!("/list/{ada}"), "").await.body, listed.join(" "));
        held.open(ended).await;
        let ends = ends.await.unwrap();
        assert!(ends.is_ok(), "{ends:?}");
        let answers = [ends];
        let tokens: Vec<_> = given(&answers).chain(before.iter().map(String::as_str)).collect();
        let left = alive(&servers, &[&ada], &tokens).await;
        assert_eq!(left.len(), if path == "revoke" { 0 } else { 2 }, "{left:?}");
    }
}

/// O5: one of the own sessions is ended, or it was not there yet and signs in.
pub(super) async fn race_user_ends_a_session_that_signs_in(race: &Race) {
    let servers = Servers::of(race, routes);
    for when in race.rounds(1, ALL_WAYS) {
        servers.notes.take_created();
        let ada = new_user("ada");
        let visitor = anonymous(&servers).await;
        let revoke = Ask::new(format!("/revoke/{ada}/{}", id(&visitor)), "").turn();
        let answers = servers.race(when, [revoke, Ask::new(format!("/login/{ada}"), &visitor)]).await;
        let [revoke, login] = &answers[..] else { panic!("{answers:?}") };
        assert!(revoke.is_ok() && login.is_ok(), "{when:?}: {answers:?}");
        let alive = alive(&servers, &[&ada], &[&visitor, &login.token()]).await;
        let expected = if revoke.body == "true" { vec![] } else { vec![(ada, login.token())] };
        assert_eq!(alive, expected, "{when:?}: {answers:?}");
        match when {
            When::TurnFirst => assert_eq!(revoke.body, "false"),
            When::TurnLast => assert_eq!(revoke.body, "true"),
            When::Sent | When::Loaded => {}
        }
    }
}

/// O3: two that each end all others may both be over; one of them may stay, if it was first, and no third one does.
pub(super) async fn race_user_ends_all_others_from_two_sessions(race: &Race) {
    let servers = Servers::of(race, routes);
    for when in race.rounds(1, AT_ONCE) {
        servers.notes.take_created();
        let ada = new_user("ada");
        let mut tokens = Vec::new();
        for _ in 0..4 {
            tokens.push(sign_in(&servers, &ada).await);
        }
        let answers = servers.race(when, tokens[..2].iter().map(|token| Ask::new("/others", token))).await;
        assert!(answers.iter().all(Answer::is_ok), "{when:?}: {answers:?}");
        let tokens: Vec<_> = tokens.iter().map(String::as_str).collect();
        let alive = alive(&servers, &[&ada], &tokens).await;
        assert!(alive.len() <= 1, "{when:?}: {alive:?}");
        assert!(alive.iter().all(|(_, token)| tokens[..2].contains(&token.as_str())), "{when:?}: {alive:?}");
        assert!(when == When::Sent || alive.is_empty(), "{when:?}: each had loaded before the other was ended");
        let ended: usize = answers.iter().map(|answer| answer.body.parse::<usize>().unwrap()).sum();
        assert_eq!(ended + alive.len(), tokens.len(), "{when:?}: {answers:?}");
    }
}

/// L6, O3: a session that becomes another user's is ended with the former one's, or it is the new one's and goes on.
pub(super) async fn race_user_is_signed_out_everywhere_while_another_takes_the_session(race: &Race) {
    let servers = Servers::of(race, routes);
    for when in race.rounds(1, ALL_WAYS) {
        servers.notes.take_created();
        let (ada, eve) = (new_user("ada"), new_user("eve"));
        let token = sign_in(&servers, &ada).await;
        let revokes =
            [format!("/revoke/{ada}"), format!("/revoke/{ada}/{}", id(&token))].map(|path| Ask::new(path, "").turn());
        let login = Ask::new(format!("/login/{eve}"), &token);
        let answers = servers.race(when, revokes.into_iter().chain([login])).await;
        let (login, revokes) = answers.split_last().unwrap();
        assert!(revokes.iter().all(Answer::is_ok), "{when:?}: {answers:?}");
        assert!(login.is_ok() || is_told(login), "{when:?}: {answers:?}");
        let tokens: Vec<_> = given(&answers).chain([token.as_str()]).collect();
        let alive = alive(&servers, &[&ada, &eve], &tokens).await;
        let expected = if login.is_ok() { vec![(eve.clone(), login.token())] } else { vec![] };
        assert_eq!(alive, expected, "{when:?}: {answers:?}");
        match when {
            When::TurnFirst => assert!(is_told(login), "{answers:?}"),
            When::TurnLast => assert!(login.is_ok(), "{answers:?}"),
            When::Sent | When::Loaded => {}
        }
        // what is ada's is not eve's
        if login.is_ok() {
            assert_eq!(servers.get(&format!("/revoke/{ada}"), "").await.body, "0", "{when:?}");
            assert_eq!(who(&servers, &login.token()).await, eve, "{when:?}");
        }
    }
}
