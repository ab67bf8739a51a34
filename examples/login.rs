//! Signs visitors in and out: a guard, a new token by construction, a message that is shown once.
//!
//!     cargo run --example login
//!
//! then, in another terminal, with a cookie jar:
//!
//!     curl -c jar -b jar http://127.0.0.1:8080/me                       # 401
//!     curl -c jar -b jar http://127.0.0.1:8080/login -d name=ada        # see the new cookie in `jar`
//!     curl -c jar -b jar http://127.0.0.1:8080/me                       # ada
//!     curl -c jar -b jar http://127.0.0.1:8080/                         # welcome, once
//!     curl -c jar -b jar http://127.0.0.1:8080/logout -X POST
//!
//! The store and every setting come from the environment when `SESSION_TYPE` is set.

use std::error::Error;

use actix_typed_session::{Session, SessionError, SessionHandle};
use actix_web::{
    App, HttpResponse, HttpServer, Responder, get,
    http::header,
    post,
    web::{Form, Html},
};
use serde::Deserialize;

/// Who is signed in. The required field makes `Session<User>` a guard: without it, the answer is 401.
#[derive(Session)]
struct User {
    #[session(owner)]
    name: String,
}

/// Messages that are shown once.
#[derive(Default, Session)]
#[session(default)]
struct Flash {
    #[session(merge = "append")]
    messages: Vec<String>,
}

#[derive(Deserialize)]
struct Login {
    name: String,
}

#[get("/")]
async fn home(user: Option<Session<User>>, mut flash: Session<Flash>) -> impl Responder {
    let shown: String =
        std::mem::take(&mut flash.messages).iter().map(|text| format!("<p>{}</p>", escape(text))).collect();
    let form = match user {
        Some(user) => format!("<p>Signed in as {}.</p><form method=post action=/logout><button>Sign out</button></form>", escape(&user.name)),
        None => "<form method=post action=/login><label>Name <input name=name required></label> <button>Sign in</button></form>".to_owned(),
    };
    Html::new(format!("<!doctype html><html lang=en><meta charset=utf-8><title>login</title>{shown}{form}"))
}

/// A real application checks a password here.
#[post("/login")]
async fn login(
    form: Form<Login>,
    session: SessionHandle,
    mut flash: Session<Flash>,
) -> Result<HttpResponse, SessionError> {
    let Login { name } = form.into_inner();
    if name.trim().is_empty() {
        return Ok(HttpResponse::BadRequest().body("a name is needed\n"));
    }
    flash.messages.push(format!("Welcome, {name}!"));
    session.insert(User { name })?; // with a new token, so that one that was planted before is worth nothing
    Ok(to_home())
}

#[get("/me")]
async fn me(user: Session<User>) -> impl Responder {
    user.name.clone()
}

#[post("/logout")]
async fn logout(session: SessionHandle) -> impl Responder {
    session.destroy();
    to_home()
}

fn to_home() -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, "/")).finish()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let sessions = start::sessions()?;
    HttpServer::new(move || App::new().wrap(sessions.clone()).service(home).service(login).service(me).service(logout))
        .bind(start::address()?)?
        .run()
        .await?;
    Ok(())
}
