//! Users who sign in and out, and what must hold of their sessions whatever was raced.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU64, Ordering},
};

use actix_typed_session::{Session, SessionError, SessionHandle, SessionId, Sessions};
use actix_web::{
    HttpRequest,
    web::{Data, Path, ServiceConfig, get},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::servers::{Answer, Servers, load_handle, wait};

#[derive(Session)]
pub(super) struct Account {
    #[session(owner)]
    name: String,
}

type Done = Result<String, SessionError>;

pub(super) fn routes(app: &mut ServiceConfig) {
    app.route("/begin", get().to(async |session: SessionHandle| session.set("page", &1).map(|()| "")))
        .route(
            "/who",
            get().to(async |session: SessionHandle, account: Option<Session<Account>>| -> Done {
                let name = account.map(|account| account.name.clone());
                let nobody = if session.is_new().await? { "nobody" } else { "anonymous" };
                Ok(name.unwrap_or_else(|| nobody.to_owned()))
            }),
        )
        .route(
            "/login/{name}",
            get().to(async |request: HttpRequest, name: Path<String>| -> Done {
                load_handle(&request).await?.insert(Account { name: name.clone() })?;
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
        )
        .route(
            "/list/{name}",
            get().to(async |name: Path<String>, sessions: Data<Sessions>| -> Done {
                let all = sessions.of(&*name).await?;
                Ok(all.iter().map(|one| one.id.to_string()).collect::<Vec<_>>().join(" "))
            }),
        )
        .route(
            "/revoke/{name}",
            get().to(async |request: HttpRequest, name: Path<String>, sessions: Data<Sessions>| -> Done {
                wait(&request).await;
                sessions.revoke_owner(&*name).await.map(|ended| ended.to_string())
            }),
        )
        .route(
            "/revoke/{name}/{id}",
            get().to(async |request: HttpRequest, path: Path<(String, SessionId)>, sessions: Data<Sessions>| -> Done {
                wait(&request).await;
                sessions.revoke(&path.0, path.1).await.map(|is_ended| is_ended.to_string())
            }),
        )
        .route(
            "/others",
            get().to(async |request: HttpRequest, sessions: Data<Sessions>| -> Done {
                let session = load_handle(&request).await?;
                sessions.revoke_others(&session).await.map(|ended| ended.to_string())
            }),
        );
}

/// A user whom no other round knows.
pub(super) fn new_user(name: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{name}{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The id that a token begins with.
pub(super) fn id(token: &str) -> String {
    let token = URL_SAFE_NO_PAD.decode(token).unwrap();
    token.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The tokens that were given out.
pub(super) fn given(answers: &[Answer]) -> impl Iterator<Item = &str> {
    answers.iter().filter_map(|answer| answer.cookie.as_deref()).filter(|token| !token.is_empty())
}

/// A visitor who is signed in: the token.
pub(super) async fn sign_in(servers: &Servers, name: &str) -> String {
    let answer = servers.get(&format!("/login/{name}"), "").await;
    assert!(answer.is_ok(), "{answer:?}");
    answer.token()
}

/// A visitor who has a session and is not signed in.
pub(super) async fn anonymous(servers: &Servers) -> String {
    servers.get("/begin", "").await.token()
}

/// Whom a token stands for.
pub(super) async fn who(servers: &Servers, token: &str) -> String {
    let answer = servers.get("/who", token).await;
    assert!(answer.is_ok(), "{answer:?}");
    answer.body
}

/// The tokens of these that live, of which each user's list, at both servers, has the user's and no more, and beside
/// which there is no session; counted from the last [`Notes::take_created`](super::watched::Notes::take_created).
pub(super) async fn alive(servers: &Servers, users: &[&str], tokens: &[&str]) -> Vec<(String, String)> {
    let tokens: BTreeSet<_> = tokens.iter().collect();
    let mut alive = Vec::new();
    for token in tokens {
        let user = who(servers, token).await;
        if user != "nobody" {
            alive.push((user, (**token).to_owned()));
        }
    }
    for user in users {
        let mut expected: Vec<_> = alive.iter().filter(|(of, _)| of == user).map(|(_, token)| id(token)).collect();
        expected.sort_unstable();
        for server in [0, 1] {
            let listed = servers.get_at(server, &format!("/list/{user}"), "").await;
            assert!(listed.is_ok(), "{listed:?}");
            let mut listed: Vec<_> = listed.body.split_whitespace().collect();
            listed.sort_unstable();
            assert_eq!(listed, expected, "the list of {user} at server {server}, and the tokens that live");
        }
    }
    let mut keys: Vec<_> = alive.iter().map(|(_, token)| format!("session:{}", id(token))).collect();
    keys.sort_unstable();
    assert_eq!(servers.left().await, keys, "the sessions in the store, and the tokens that live");
    alive
}
