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

use std::{error::Error, mem};

use actix_typed_session::{Session, SessionError, SessionHandle};
use actix_web::{
    App, HttpResponse, HttpServer, Responder, get, post,
    web::{Form, ServiceConfig},
};
use serde::Deserialize;
use start::{Page, escape, to};

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
async fn home(user: Option<Session<User>>, mut flash: Session<Flash>) -> HttpResponse {
    let page = Page::new("Login", "Welcome").messages(&mem::take(&mut flash.messages));
    page.show(&match user {
        Some(user) => format!(
            r#"<p>Signed in as {}.</p><form method="post" action="/logout"><button>Sign out</button></form>"#,
            escape(&user.name)
        ),
        None => r#"<div class="fields"><form method="post" action="/login"><div><label for="name">Name</label>
            <input id="name" name="name" autocomplete="username" required></div>
            <div><button class="first">Sign in</button></div></form></div>"#
            .to_owned(),
    })
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
    Ok(to("/"))
}

#[get("/me")]
async fn me(user: Session<User>) -> impl Responder {
    user.name.clone()
}

#[post("/logout")]
async fn logout(session: SessionHandle) -> impl Responder {
    session.destroy();
    to("/")
}

/// For `main` and for the tests.
fn routes(app: &mut ServiceConfig) {
    app.service(start::style()).service(home).service(login).service(me).service(logout);
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let sessions = start::sessions()?;
    HttpServer::new(move || App::new().wrap(sessions.clone()).configure(routes)).bind(start::address()?)?.run().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actix_typed_session::{
        Clock, SessionConfig, SessionMiddleware,
        store::MemoryStore,
        testing::{Browser, Fault, FaultStore, Operation},
    };
    use actix_web::test;

    use super::*;

    /// A visitor, and the sessions to look into.
    async fn open() -> (Browser, SessionMiddleware) {
        let sessions = SessionMiddleware::new(MemoryStore::default());
        (over(&sessions).await, sessions)
    }

    async fn over(sessions: &SessionMiddleware) -> Browser {
        Browser::of(test::init_service(App::new().wrap(sessions.clone()).configure(routes)).await)
    }

    #[actix_web::test]
    async fn who_signs_in_is_welcomed_once() {
        let (browser, sessions) = open().await;
        let response = browser.post_form("/login", &[("name", "<ada>")]).await;
        assert_eq!(response.status, 303);
        assert_eq!(browser.expect_stored::<User>(&sessions).await.name, "<ada>");
        assert_eq!(browser.expect_stored::<Flash>(&sessions).await.messages, ["Welcome, <ada>!"]);
        assert!(browser.follow(response).await.body.contains("Welcome, &lt;ada&gt;!"));
        assert!(!browser.get("/").await.body.contains("Welcome, "));
    }

    #[actix_web::test]
    async fn a_visitor_is_let_in_only_when_signed_in() {
        let (visitor, sessions) = open().await;
        assert_eq!(visitor.get("/me").await.status, 401);
        assert!(visitor.cookies().is_empty());
        let ada = visitor.other().with_session(&sessions, &User { name: "ada".to_owned() }).await;
        assert_eq!(ada.get("/me").await.body, "ada");
    }

    #[actix_web::test]
    async fn a_token_of_before_the_sign_in_is_worth_nothing() {
        let (browser, sessions) = open().await;
        let browser = browser.with_session(&sessions, &User { name: "ada".to_owned() }).await;
        let thief = browser.other();
        thief.set_cookie(&format!("__Host-session={}; Path=/; Secure", browser.cookie("__Host-session").unwrap()));
        assert_eq!(thief.get("/me").await.body, "ada");
        browser.post_form("/login", &[("name", "grace")]).await;
        assert_eq!(browser.get("/me").await.body, "grace");
        assert_eq!(thief.get("/me").await.status, 401);
    }

    #[actix_web::test]
    async fn signing_out_ends_the_session_in_every_tab() {
        let (browser, sessions) = open().await;
        let browser = browser.with_session(&sessions, &User { name: "ada".to_owned() }).await;
        let tab = browser.clone();
        assert_eq!(tab.post("/logout").await.status, 303);
        assert_eq!(browser.get("/me").await.status, 401);
        assert!(browser.cookies().is_empty());
    }

    #[actix_web::test]
    async fn who_does_not_come_back_for_a_month_is_signed_out() {
        let clock = Clock::manual();
        let store = MemoryStore::default().clock(clock.clone());
        let sessions = SessionMiddleware::with_config(store, SessionConfig::new().clock(clock.clone())).unwrap();
        let ada = over(&sessions).await.with_session(&sessions, &User { name: "ada".to_owned() }).await;
        clock.advance(Duration::from_secs(32 * 24 * 60 * 60));
        assert_eq!(ada.get("/me").await.status, 401);
    }

    #[actix_web::test]
    async fn nobody_is_signed_in_when_the_store_is_down() {
        let store = FaultStore::new(MemoryStore::default());
        let browser = over(&SessionMiddleware::new(store.clone())).await;
        store.always(Operation::Create, Fault::Unavailable);
        assert_eq!(browser.post_form("/login", &[("name", "ada")]).await.status, 503);
        assert!(browser.cookies().is_empty());
        store.clear();
        assert_eq!(browser.post_form("/login", &[("name", "ada")]).await.status, 303);
    }
}
