//! The end of a session, and what meets it: saves, sign-ins, refreshes.

use std::{sync::atomic::Ordering, time::Duration};

use actix_typed_session::{Session, SessionError, SessionHandle};
use actix_web::{
    HttpRequest,
    web::{Path, ServiceConfig, get},
};

use super::{
    Race,
    servers::{ALL_WAYS, Answer, Ask, Servers, When, is_same, load, load_handle, patient},
};

#[derive(Default, Session)]
#[session(default)]
struct Basket {
    items: Vec<u32>,
}

#[derive(Session)]
struct Guest {
    #[session(owner)]
    number: u32,
}

type Done = Result<String, SessionError>;

fn routes(app: &mut ServiceConfig) {
    app.route("/new", get().to(async |session: SessionHandle| session.is_new().await.map(|is_new| is_new.to_string())))
        .route(
            "/item/{n}",
            get().to(async |request: HttpRequest, n: Path<u32>| -> Done {
                load::<Session<Basket>>(&request).await?.items.push(*n);
                Ok(String::new())
            }),
        )
        .route(
            "/read",
            get().to(async |request: HttpRequest| -> Done {
                Ok(format!("{:?}", load::<Session<Basket>>(&request).await?.items))
            }),
        )
        .route(
            "/enter/{n}",
            get().to(async |request: HttpRequest, n: Path<u32>| -> Done {
                load_handle(&request).await?.insert(Guest { number: *n })?;
                Ok(String::new())
            }),
        )
        .route(
            "/rotate",
            get().to(async |request: HttpRequest| -> Done {
                load_handle(&request).await?.rotate();
                Ok(String::new())
            }),
        )
        .route(
            "/leave",
            get().to(async |request: HttpRequest| -> Done {
                load_handle(&request).await?.destroy();
                Ok(String::new())
            }),
        );
}

/// That of the session of `token` so many tokens live, and those of the visitors who came when theirs was dead, and that
/// of the records that were created there are as many.
async fn lives(tokens: usize, servers: &Servers, token: &str, when: When, answers: &[Answer]) {
    let given = answers.iter().filter_map(|answer| answer.cookie.as_deref()).filter(|given| !given.is_empty());
    let (own, new): (Vec<_>, Vec<_>) = given.partition(|given| is_same(given, token));
    let mut live = 0;
    for token in own.into_iter().chain([token]) {
        live += usize::from(servers.get("/new", token).await.body == "false");
    }
    assert_eq!(live, tokens, "{when:?}: tokens that live, after {answers:?}");
    for token in &new {
        assert_eq!(servers.get("/new", token).await.body, "false", "{when:?}: {answers:?}");
    }
    assert!(when == When::Sent || new.is_empty(), "{when:?}: {answers:?}");
    assert_eq!(servers.left().await.len(), tokens + new.len(), "{when:?}: records that are left, after {answers:?}");
}

/// L4, S4: a change and then the end, or the end and then the change: in either order the session is over.
pub(super) async fn race_what_was_logged_out_stays_out_whatever_is_saved(race: &Race) {
    let servers = Servers::of(race, routes);
    for when in race.rounds(1, ALL_WAYS) {
        let token = servers.begin("/item/100").await;
        let leave = [0, 0].map(|_| Ask::new("/leave", &token).turn());
        let saves = (1..=6).map(|n| Ask::new(format!("/item/{n}"), &token));
        let answers = servers.race(when, leave.into_iter().chain(saves)).await;
        assert!(answers.iter().all(Answer::is_ok), "{when:?}: {answers:?}");
        lives(0, &servers, &token, when, &answers).await;
    }
}

/// L4: a sign-in that comes too late is told so; one that was in time is ended like all there was.
pub(super) async fn race_a_sign_in_that_meets_the_end_is_told(race: &Race) {
    let servers = Servers::of(race, routes);
    for when in race.rounds(1, ALL_WAYS) {
        let token = servers.begin("/item/100").await;
        let asks = ["/enter/1", "/enter/2", "/item/3", "/rotate"].map(|path| Ask::new(path, &token));
        let answers = servers.race(when, [Ask::new("/leave", &token).turn()].into_iter().chain(asks)).await;
        let [leave, sign_ins @ .., save, rotate] = &answers[..] else { panic!("{answers:?}") };
        // what comes with a dead token ends nothing
        let is_over = leave.cookie.as_deref() == Some("");
        assert!(leave.is_ok() && (is_over || when == When::Sent), "{when:?}: {answers:?}");
        assert!([200, 409].contains(&save.status) && rotate.is_ok(), "{when:?}: {answers:?}");
        let done = sign_ins.iter().filter(|answer| answer.is_ok()).count();
        let told = sign_ins.iter().filter(|answer| answer.status == 409 && answer.cookie.is_none()).count();
        assert_eq!(done + told, sign_ins.len(), "{when:?}: {answers:?}");
        match when {
            When::TurnFirst => assert!(done == 0 && save.is_ok(), "{when:?}: {answers:?}"),
            When::Loaded | When::TurnLast => assert!(done <= 1, "{when:?}: {answers:?}"),
            When::Sent => {}
        }
        lives(usize::from(!is_over), &servers, &token, when, &answers).await;
    }
}

/// L3, S4: to keep a session alive that is over does not make it anew.
pub(super) async fn race_a_refresh_revives_nothing(race: &Race) {
    // what the first server wrote is due for a refresh at the second one at once, and no clock decides
    let config = |hours: u64| patient().idle_timeout(Duration::from_secs(hours * 60 * 60));
    let servers = Servers::with(race, [config(1), config(2)], routes);
    for when in race.rounds(1, ALL_WAYS) {
        servers.notes.take_created();
        let token = servers.get_at(0, "/item/100", "").await.token();
        let reads = (0..6).map(|_| Ask::new("/read", &token));
        let answers = servers.race(when, [Ask::new("/leave", &token).turn()].into_iter().chain(reads)).await;
        let (leave, reads) = answers.split_first().unwrap();
        assert!(leave.is_ok() && leave.cookie.as_deref() == Some(""), "{when:?}: {answers:?}");
        assert!(reads.iter().all(|read| read.is_ok() && read.cookie.is_none()), "{when:?}: {answers:?}");
        assert!(when == When::Sent || reads.iter().all(|read| read.body == "[100]"), "{when:?}: {answers:?}");
        lives(0, &servers, &token, when, &answers).await;
    }
    assert!(servers.notes.touched.load(Ordering::Relaxed) > 0, "nothing was refreshed");
}
