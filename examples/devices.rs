//! Shows a user's sessions, and ends one of them or all others.
//!
//!     cargo run --example devices
//!
//! then open http://127.0.0.1:8080/ in two browsers and sign in with one name. Or with curl, whose label is its own name:
//!
//!     curl -c phone -b phone http://127.0.0.1:8080/login -d name=ada -A phone
//!     curl -c laptop -b laptop http://127.0.0.1:8080/login -d name=ada -A laptop
//!     curl -c laptop -b laptop http://127.0.0.1:8080/                       # two devices
//!     curl -c laptop -b laptop http://127.0.0.1:8080/others -X POST
//!     curl -c phone -b phone http://127.0.0.1:8080/                         # signed out
//!
//! The store and every setting come from the environment when `SESSION_TYPE` is set. A real application asks for the
//! password before it ends a session, and checks that a form is its own: both are in `step_up`.

use std::error::Error;

use actix_typed_session::{Session, SessionError, SessionHandle, SessionId, SessionInfo, Sessions};
use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer, get,
    http::header,
    post,
    web::{Data, Form, Html, Path},
};
use serde::Deserialize;

/// Whose devices these are: `owner` is what the list goes by.
#[derive(Session)]
struct User {
    #[session(owner)]
    name: String,
}

#[derive(Deserialize)]
struct Login {
    name: String,
}

#[get("/")]
async fn home(
    user: Option<Session<User>>,
    session: SessionHandle,
    sessions: Data<Sessions>,
) -> Result<Html, SessionError> {
    let Some(user) = user else {
        return Ok(page(
            "<form method=post action=/login><input name=name placeholder=Name required> <button>Sign in</button></form>",
        ));
    };
    let devices = sessions.of(&user.name).await?;
    let items: String = devices.iter().map(|device| item(device, &session)).collect();
    Ok(page(&format!(
        "<p>The devices of {}:</p><ul>{items}</ul><form method=post action=/others><button>Sign out all others</button></form>",
        escape(&user.name)
    )))
}

/// A real application checks a password here.
#[post("/login")]
async fn login(form: Form<Login>, request: HttpRequest, session: SessionHandle) -> Result<HttpResponse, SessionError> {
    session.insert(User { name: form.into_inner().name })?; // and it is in the list before the response leaves
    let agent = request.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    session.label(agent.unwrap_or("unknown device"));
    Ok(to_home())
}

/// Whatever id the path has: only a session of this user ends.
#[post("/devices/{id}")]
async fn sign_out(
    user: Session<User>,
    id: Path<SessionId>,
    sessions: Data<Sessions>,
) -> Result<HttpResponse, SessionError> {
    Ok(if sessions.revoke(&user.name, *id).await? { to_home() } else { HttpResponse::NotFound().finish() })
}

#[post("/others")]
async fn sign_out_others(
    _user: Session<User>,
    session: SessionHandle,
    sessions: Data<Sessions>,
) -> Result<HttpResponse, SessionError> {
    sessions.revoke_others(&session).await?;
    Ok(to_home())
}

fn item(device: &SessionInfo, session: &SessionHandle) -> String {
    let label = escape(device.label.as_deref().unwrap_or_default());
    let seconds = device.last_used.elapsed().unwrap_or_default().as_secs();
    if device.is_current(session) {
        return format!("<li>{label}, this one");
    }
    let id = device.id;
    format!("<li>{label}, used {seconds} s ago <form method=post action=/devices/{id}><button>Sign out</button></form>")
}

fn page(body: &str) -> Html {
    Html::new(format!("<!doctype html><html lang=en><meta charset=utf-8><title>devices</title>{body}"))
}

fn to_home() -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, "/")).finish()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let middleware = start::sessions()?;
    let sessions = Data::new(middleware.sessions()?);
    let app = move || {
        let app = App::new().app_data(sessions.clone()).wrap(middleware.clone());
        app.service(home).service(login).service(sign_out).service(sign_out_others)
    };
    HttpServer::new(app).bind(start::address()?)?.run().await?;
    Ok(())
}
