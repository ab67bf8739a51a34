//! A session that becomes another user's, and what the former one still had on the way.

use actix_typed_session::{Session, SessionError, SessionHandle};
use actix_web::{
    HttpRequest,
    web::{Path, ServiceConfig, get},
};

use super::{
    Race,
    servers::{ALL_WAYS, Ask, Servers, When, load, load_handle},
};

#[derive(Default, Session)]
#[session(default)]
struct Letters {
    drafts: Vec<u32>,
    #[session(merge = "add")]
    count: u32,
}

#[derive(Session)]
struct Writer {
    #[session(owner)]
    number: u32,
}

type Done = Result<String, SessionError>;

fn routes(app: &mut ServiceConfig) {
    app.route(
        "/letters",
        get().to(async |session: SessionHandle, letters: Session<Letters>, writer: Option<Session<Writer>>| -> Done {
            let (writer, named) = (writer.map_or(0, |writer| writer.number), session.get::<u32>("named").await?);
            Ok(format!("{writer} {:?} {} {named:?}", letters.drafts, letters.count))
        }),
    )
    .route(
        "/enter/{n}",
        get().to(async |request: HttpRequest, n: Path<u32>| -> Done {
            let session = load_handle(&request).await?;
            session.insert(Writer { number: *n })?;
            // a sum that is the new owner's alone, whatever the former one adds meanwhile
            session.set("letters.count", &5)?;
            Ok(String::new())
        }),
    )
    .route(
        "/draft/{n}",
        get().to(async |request: HttpRequest, n: Path<u32>| -> Done {
            let mut letters: Session<Letters> = load(&request).await?;
            letters.drafts.push(*n);
            letters.count += 1;
            Ok(String::new())
        }),
    )
    .route(
        "/named/{n}",
        get().to(async |request: HttpRequest, n: Path<u32>| -> Done {
            load_handle(&request).await?.set("named", &*n)?;
            Ok(String::new())
        }),
    );
}

/// L4, L6: the new owner finds what the sign-in wrote and nothing else, in every order; a save that came too late for the
/// former owner is told so.
pub(super) async fn race_a_former_owners_save_is_never_the_new_owners(race: &Race) {
    let servers = Servers::of(race, routes);
    for when in servers.until_met(race.rounds(1, ALL_WAYS)) {
        let token = servers.begin("/enter/1").await;
        assert!(servers.get("/draft/100", &token).await.is_ok());
        let path = |n| format!("/{}/{n}", if n % 2 == 0 { "named" } else { "draft" });
        let saves = (1..=7).map(|n| Ask::new(path(n), &token));
        let answers = servers.race(when, [Ask::new("/enter/2", &token).turn()].into_iter().chain(saves)).await;
        let (turn, saves) = answers.split_first().unwrap();
        assert!(turn.is_ok() && turn.rotated(&token).is_some(), "{when:?}: {turn:?}");
        assert_eq!(servers.get("/letters", &turn.token()).await.body, "2 [] 5 None", "{when:?}: {answers:?}");
        assert_eq!(servers.get("/letters", &token).await.body, "0 [] 0 None", "{when:?}: {answers:?}");

        let told = saves.iter().filter(|answer| answer.status == 409 && answer.cookie.is_none()).count();
        let done = saves.iter().filter(|answer| answer.is_ok()).count();
        assert_eq!(told + done, saves.len(), "{when:?}: {answers:?}");
        match when {
            When::TurnFirst => assert_eq!(told, saves.len(), "{answers:?}"),
            When::TurnLast => assert_eq!(told, 0, "{answers:?}"),
            When::Loaded => {}
            When::Sent => assert!(saves.iter().all(|save| save.rotated(&token).is_none()), "{answers:?}"),
        }
    }
}
