//! Many that want a new token, and saves that came with the old one.

use actix_typed_session::{Session, SessionError, SessionHandle};
use actix_web::{
    HttpRequest,
    web::{Path, ServiceConfig, get},
};

use super::{
    Race,
    servers::{ALL_WAYS, AT_ONCE, Answer, Ask, Servers, When, is_same, load, load_handle},
};

#[derive(Default, Session)]
#[session(default)]
struct Pages {
    seen: Vec<u32>,
}

#[derive(Session)]
struct Member {
    #[session(owner)]
    number: u32,
}

type Done = Result<String, SessionError>;

fn routes(app: &mut ServiceConfig) {
    app.route(
        "/pages",
        get().to(async |session: SessionHandle, pages: Session<Pages>, member: Option<Session<Member>>| -> Done {
            let member = member.map_or(0, |member| member.number);
            Ok(serde_json::to_string(&(session.is_new().await?, &pages.seen, member)).unwrap())
        }),
    )
    .route(
        "/page/{n}",
        get().to(async |request: HttpRequest, n: Path<u32>| -> Done {
            load::<Session<Pages>>(&request).await?.seen.push(*n);
            Ok(String::new())
        }),
    )
    .route(
        "/named/{n}",
        get().to(async |request: HttpRequest, n: Path<u32>| -> Done {
            load_handle(&request).await?.set("named", &*n)?;
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
        "/rotate/page/{n}",
        get().to(async |request: HttpRequest, session: SessionHandle, n: Path<u32>| -> Done {
            let mut pages: Session<Pages> = load(&request).await?;
            session.rotate();
            pages.seen.push(*n);
            Ok(String::new())
        }),
    )
    .route(
        "/enter/{n}",
        get().to(async |request: HttpRequest, n: Path<u32>| -> Done {
            load_handle(&request).await?.insert(Member { number: *n })?;
            Ok(String::new())
        }),
    );
}

/// Whether there is no session, the pages that were seen, and who is signed in.
type Seen = (bool, Vec<u32>, u32);

async fn see(servers: &Servers, token: &str) -> Seen {
    let seen = servers.get("/pages", token).await;
    serde_json::from_str(&seen.body).unwrap_or_else(|_| panic!("{seen:?}"))
}

const NOBODY: Seen = (true, Vec::new(), 0);

/// L5: a plain loser is answered, one that had more to say is told, and neither gets a token; the session is one record.
pub(super) async fn race_of_fifty_rotations_one_token_lives(race: &Race) {
    let servers = Servers::of(race, routes);
    for when in servers.until_met(race.rounds(4, AT_ONCE)) {
        let token = servers.begin("/page/100").await;
        let path = |n| if n % 2 == 0 { "/rotate".to_owned() } else { format!("/rotate/page/{n}") };
        let answers = servers.race(when, (0..50).map(|n| Ask::new(path(n), &token))).await;
        let winners: Vec<_> = (0..50).zip(&answers).filter(|(_, answer)| answer.rotated(&token).is_some()).collect();
        let [(winner, answer)] = &winners[..] else { panic!("{when:?}: {winners:?}") };
        assert!(answer.is_ok(), "{when:?}: {answer:?}");
        let expected = if winner % 2 == 0 { vec![100] } else { vec![100, *winner] };
        assert_eq!(see(&servers, &answer.token()).await, (false, expected, 0), "{when:?}");
        assert_eq!(see(&servers, &token).await, NOBODY, "{when:?}");

        // who came when the token was dead already is a new visitor
        let new = answers.iter().filter_map(|answer| answer.cookie.as_deref()).filter(|new| !is_same(new, &token));
        let new = new.count();
        assert!(when == When::Sent || new == 0, "{when:?}: {new} new sessions");
        for (n, answer) in (0..50).zip(&answers).filter(|(_, answer)| answer.cookie.is_none()) {
            let is_told = when == When::Sent || n % 2 == 0 || answer.status == 409;
            assert!(is_told && [200, 409].contains(&answer.status), "{when:?}: {n} {answer:?}");
        }
        assert_eq!(servers.left().await.len(), 1 + new, "{when:?}: a record that no token opens");
    }
}

/// L4, L5: two sign-ins of one session: who is signed in is who was told so.
pub(super) async fn race_of_sign_ins_one_is_done(race: &Race) {
    let servers = Servers::of(race, routes);
    for _ in servers.until_met(race.rounds(1, &[When::Loaded])) {
        let token = servers.begin("/page/100").await;
        let answers = servers.race(When::Loaded, (1..=6).map(|n| Ask::new(format!("/enter/{n}"), &token))).await;
        let (done, told): (Vec<_>, Vec<_>) = (1..=6).zip(&answers).partition(|(_, answer)| answer.is_ok());
        let [(number, answer)] = &done[..] else { panic!("{answers:?}") };
        assert!(told.iter().all(|(_, answer)| answer.status == 409 && answer.cookie.is_none()), "{answers:?}");
        assert_eq!(see(&servers, &answer.token()).await, (false, vec![100], *number));
        assert_eq!(see(&servers, &token).await, NOBODY);
        assert_eq!(servers.left().await.len(), 1);
    }
}

/// L4: what the session became has what was saved before, and nothing that came with the dead token after.
pub(super) async fn race_nothing_that_came_with_a_dead_token_is_saved(race: &Race) {
    let servers = Servers::of(race, routes);
    for (round, when) in servers.until_met(race.rounds(1, ALL_WAYS)).enumerate() {
        let token = servers.begin("/page/100").await;
        let rotate = if round % 8 < 4 { "/rotate" } else { "/enter/7" };
        let saves = (1..=7).map(|n| Ask::new(format!("/page/{n}"), &token));
        let answers = servers.race(when, [Ask::new(rotate, &token).turn()].into_iter().chain(saves)).await;
        let (turn, saves) = answers.split_first().unwrap();
        assert!(turn.is_ok() && turn.rotated(&token).is_some(), "{when:?}: {turn:?}");

        let (is_new, mut pages, member) = see(&servers, &turn.token()).await;
        assert_eq!((is_new, member), (false, if rotate == "/rotate" { 0 } else { 7 }), "{when:?}");
        let saved = |answer: &Answer| answer.is_ok() && answer.cookie.is_none();
        let saved = (1..=7).zip(saves).filter(|(_, answer)| saved(answer)).map(|(n, _)| n);
        pages.sort_unstable();
        assert_eq!(pages, saved.chain([100]).collect::<Vec<_>>(), "{when:?}: {answers:?}");
        let told = saves.iter().filter(|answer| answer.status == 409 && answer.cookie.is_none()).count();
        match when {
            When::TurnFirst => assert_eq!(told, saves.len(), "{answers:?}"),
            When::TurnLast => assert_eq!(told, 0, "{answers:?}"),
            When::Loaded => assert_eq!(told + pages.len(), 1 + saves.len(), "{answers:?}"),
            When::Sent => assert!(saves.iter().all(|save| save.rotated(&token).is_none()), "{answers:?}"),
        }
        assert_eq!(see(&servers, &token).await, NOBODY, "{when:?}");
    }
}
