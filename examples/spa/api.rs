//! The API: each answer is the whole state of the visitor, with a CSRF token for the next request.

use std::collections::BTreeSet;

use actix_typed_session::{Session, SessionError, SessionHandle};
use actix_web::{HttpResponse, delete, get, post, web::Json};
use serde::{Deserialize, Serialize};

#[derive(Session)]
pub(crate) struct User {
    #[session(owner)]
    pub(crate) name: String,
}

#[derive(Default, Session)]
#[session(default)]
pub(crate) struct List {
    #[session(merge = "union")]
    pub(crate) things: BTreeSet<String>,
}

#[derive(Serialize)]
struct State {
    name: Option<String>,
    things: BTreeSet<String>,
    csrf: String,
}

#[derive(Deserialize)]
struct Login {
    name: String,
}

#[derive(Deserialize)]
struct Thing {
    thing: String,
}

#[get("/session")]
pub(crate) async fn show(
    user: Option<Session<User>>,
    list: Session<List>,
    session: SessionHandle,
) -> Result<Json<State>, SessionError> {
    state(user.map(|user| user.name.clone()), &list, &session).await
}

/// A real application checks a password here.
#[post("/sign-in")]
pub(crate) async fn sign_in(
    login: Json<Login>,
    list: Session<List>,
    session: SessionHandle,
) -> Result<HttpResponse, SessionError> {
    let Some(name) = text(&login.name) else { return Ok(HttpResponse::UnprocessableEntity().finish()) };
    session.insert(User { name: name.clone() })?;
    // of the new session token: the one that this request came with is dead
    Ok(HttpResponse::Ok().json(state(Some(name), &list, &session).await?))
}

#[post("/sign-out")]
pub(crate) async fn sign_out(session: SessionHandle) -> Result<Json<State>, SessionError> {
    session.destroy();
    state(None, &List::default(), &session).await
}

/// For who is signed in: the first argument is the guard, which answers 401.
#[post("/things")]
pub(crate) async fn add(
    user: Session<User>,
    thing: Json<Thing>,
    mut list: Session<List>,
    session: SessionHandle,
) -> Result<HttpResponse, SessionError> {
    match text(&thing.thing) {
        Some(thing) if list.things.len() < 50 => list.things.insert(thing),
        _ => return Ok(HttpResponse::UnprocessableEntity().finish()),
    };
    Ok(HttpResponse::Ok().json(state(Some(user.name.clone()), &list, &session).await?))
}

#[delete("/things")]
pub(crate) async fn remove(
    user: Session<User>,
    thing: Json<Thing>,
    mut list: Session<List>,
    session: SessionHandle,
) -> Result<Json<State>, SessionError> {
    list.things.remove(&thing.thing);
    state(Some(user.name.clone()), &list, &session).await
}

async fn state(name: Option<String>, list: &List, session: &SessionHandle) -> Result<Json<State>, SessionError> {
    Ok(Json(State { name, things: list.things.clone(), csrf: session.csrf_token().await? }))
}

/// What is worth to be kept of what somebody typed.
fn text(input: &str) -> Option<String> {
    let text = input.trim();
    (1..=40).contains(&text.chars().count()).then(|| text.to_owned())
}
