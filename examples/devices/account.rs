//! Signing in, with a label for the list, and out: one session, all others, all.

use actix_typed_session::{Session, SessionError, SessionHandle, SessionId, Sessions};
use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    post,
    web::{Data, Form, Path},
};
use serde::Deserialize;
use start::to;

use crate::{agent, list::Flash};

/// Whose sessions these are: `owner` is what the list goes by.
#[derive(Session)]
pub(crate) struct User {
    #[session(owner)]
    pub(crate) name: String,
}

#[derive(Deserialize)]
struct Login {
    name: String,
    device: String,
}

/// A real application checks a password here.
#[post("/sign-in")]
pub(crate) async fn sign_in(
    login: Form<Login>,
    request: HttpRequest,
    session: SessionHandle,
    mut flash: Session<Flash>,
) -> Result<HttpResponse, SessionError> {
    let Login { name, device } = login.into_inner();
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 40 {
        flash.messages.push("A name has 1 to 40 characters.".to_owned());
        return Ok(to("/"));
    }
    session.insert(User { name: name.to_owned() })?; // and it is in the list before the response leaves
    let agent = request.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    match device.trim() {
        "" => session.label(&agent::name(agent.unwrap_or_default())),
        device => session.label(device), // 256 bytes of it are kept
    }
    Ok(to("/"))
}

/// Whatever id the path has: only a session of this user ends.
#[post("/devices/{id}/sign-out")]
pub(crate) async fn sign_out(
    user: Session<User>,
    id: Path<SessionId>,
    sessions: Data<Sessions>,
    mut flash: Session<Flash>,
) -> Result<HttpResponse, SessionError> {
    let told = match sessions.revoke(&user.name, *id).await? {
        true => "That device is signed out.",
        false => "That device was signed out already.",
    };
    flash.messages.push(told.to_owned());
    Ok(to("/"))
}

#[post("/sign-out-others")]
pub(crate) async fn sign_out_others(
    _user: Session<User>,
    session: SessionHandle,
    sessions: Data<Sessions>,
    mut flash: Session<Flash>,
) -> Result<HttpResponse, SessionError> {
    let ended = sessions.revoke_others(&session).await?;
    flash.messages.push(match ended {
        1 => "One other device is signed out.".to_owned(),
        ended => format!("{ended} other devices are signed out."),
    });
    Ok(to("/"))
}

/// This one, too: nothing that was signed in before survives it.
#[post("/sign-out-all")]
pub(crate) async fn sign_out_all(
    user: Session<User>,
    session: SessionHandle,
    sessions: Data<Sessions>,
) -> Result<HttpResponse, SessionError> {
    sessions.revoke_owner(&user.name).await?;
    session.destroy(); // and the cookie goes
    Ok(to("/"))
}
