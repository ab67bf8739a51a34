//! Asks for the password again before what matters, and refuses forged requests: a fresh proof, and CSRF tokens.
//!
//!     cargo run --example step_up
//!
//! then, in a browser, http://127.0.0.1:8080/: sign in (the password is `secret`), wait for a minute, change the email.
//!
//! The store and every setting come from the environment when `SESSION_TYPE` is set.

use std::error::Error;

use actix_typed_session::{Fresh, Session, SessionError, SessionHandle};
use actix_web::{
    App, HttpResponse, HttpServer, get,
    middleware::from_fn,
    post,
    web::{self, Form, ServiceConfig},
};
use serde::Deserialize;
use start::{Page, csrf, to};

#[derive(Session)]
struct User {
    #[session(owner)]
    name: String,
    email: Option<String>,
}

#[derive(Deserialize)]
struct Login {
    name: String,
    password: String,
}

#[derive(Deserialize)]
struct Password {
    password: String,
}

#[derive(Deserialize)]
struct Email {
    email: String,
}

#[get("/")]
async fn home(user: Option<Session<User>>, session: SessionHandle) -> Result<HttpResponse, SessionError> {
    let token = session.csrf_token().await?;
    let (title, form) = match &user {
        Some(user) => {
            let email = user.email.as_deref().unwrap_or("no address");
            (format!("{}, {email}", user.name), csrf::form("/email", &token, EMAIL))
        }
        None => ("Hello".to_owned(), csrf::form("/login", &token, &format!("{NAME}{PASSWORD}"))),
    };
    Ok(page(&title, &form))
}

#[post("/login")]
async fn login(form: Form<Login>, session: SessionHandle) -> Result<HttpResponse, SessionError> {
    if !is_password_of(&form.name, &form.password) {
        return Ok(HttpResponse::Forbidden().body("that is not the password\n"));
    }
    session.insert(User { name: form.into_inner().name, email: None })?; // notes the time, too
    Ok(to("/"))
}

/// Only for those who gave the password within the last minute; the others give it again.
#[post("/email")]
async fn change_email(
    user: Result<Fresh<User, 60>, SessionError>,
    form: Form<Email>,
) -> Result<HttpResponse, SessionError> {
    match user {
        Ok(mut user) => {
            user.email = Some(form.into_inner().email);
            Ok(to("/"))
        }
        Err(SessionError::NotFresh { .. }) => Ok(to("/confirm")),
        Err(error) => Err(error),
    }
}

#[get("/confirm")]
async fn confirm_form(user: Session<User>, session: SessionHandle) -> Result<HttpResponse, SessionError> {
    let token = session.csrf_token().await?;
    Ok(page(&format!("{}, is it you?", user.name), &csrf::form("/confirm", &token, PASSWORD)))
}

#[post("/confirm")]
async fn confirm(user: Session<User>, form: Form<Password>, session: SessionHandle) -> HttpResponse {
    if !is_password_of(&user.name, &form.password) {
        return HttpResponse::Forbidden().body("that is not the password\n");
    }
    session.mark_authenticated(); // with a new token
    to("/")
}

const NAME: &str = r#"<div><label for="name">Name</label>
    <input id="name" name="name" autocomplete="username" required></div>"#;
const PASSWORD: &str = r#"<div><label for="password">Password</label>
    <input id="password" name="password" type="password" autocomplete="current-password" required></div>
    <div><button class="first">Go on</button></div>"#;
const EMAIL: &str = r#"<div><label for="email">New email</label>
    <input id="email" name="email" type="email" autocomplete="email" required></div>
    <div><button class="first">Change it</button></div>"#;

fn page(title: &str, form: &str) -> HttpResponse {
    Page::new("Step up", title).show(&format!(r#"<div class="fields">{form}</div>"#))
}

/// A real application has a hash for each user.
fn is_password_of(name: &str, password: &str) -> bool {
    !name.is_empty() && password == "secret"
}

/// For `main` and for the tests. The sessions are wrapped around it, for the check needs them.
fn routes(app: &mut ServiceConfig) {
    let site = web::scope("").wrap(from_fn(csrf::check));
    app.service(start::style())
        .service(site.service(home).service(login).service(change_email).service(confirm_form).service(confirm));
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

    use actix_typed_session::{Clock, SessionConfig, SessionMiddleware, store::MemoryStore, testing::Browser};
    use actix_web::test::{self, TestRequest};

    use super::*;

    /// A visitor, the sessions to look into, and the clock that both go by.
    async fn open() -> (Browser, SessionMiddleware, Clock) {
        let clock = Clock::manual();
        let store = MemoryStore::default().clock(clock.clone());
        let sessions = SessionMiddleware::with_config(store, SessionConfig::new().clock(clock.clone())).unwrap();
        let app = test::init_service(App::new().wrap(sessions.clone()).configure(routes)).await;
        (Browser::of(app), sessions, clock)
    }

    fn ada() -> User {
        User { name: "ada".to_owned(), email: None }
    }

    /// The token in the form of a page.
    async fn token(browser: &Browser, path: &str) -> String {
        csrf::token_in(&browser.get(path).await.body).unwrap().to_owned()
    }

    #[actix_web::test]
    async fn a_form_of_another_site_is_refused() {
        let (browser, ..) = open().await;
        let planted = token(&browser, "/").await;
        let form = |token| [("name", "ada"), ("password", "secret"), ("csrf_token", token)];
        assert_eq!(browser.post_form("/login", &form("guess")).await.status, 403);
        assert_eq!(browser.post_form("/login", &form(&planted)).await.status, 303);
        let email = [("email", "ada@example.com"), ("csrf_token", &planted)];
        assert_eq!(browser.post_form("/email", &email).await.status, 403, "it is of before the sign-in");
        assert_eq!(browser.other().post("/email").await.status, 403);
    }

    #[actix_web::test]
    async fn a_wrong_password_signs_nobody_in() {
        let (browser, sessions, _) = open().await;
        let token = token(&browser, "/").await;
        let form = [("name", "ada"), ("password", "guess"), ("csrf_token", &token)];
        assert_eq!(browser.post_form("/login", &form).await.status, 403);
        assert!(browser.stored::<User>(&sessions).await.is_none());
    }

    #[actix_web::test]
    async fn who_has_just_signed_in_may_change_the_email() {
        let (browser, sessions, _) = open().await;
        let ada = browser.with_session(&sessions, &ada()).await;
        let email = [("email", "ada@example.com"), ("csrf_token", &token(&ada, "/").await)];
        let response = ada.post_form("/email", &email).await;
        assert_eq!(response.header("location"), Some("/"));
        assert!(ada.follow(response).await.body.contains("ada, ada@example.com"));
        let stored = ada.expect_stored::<User>(&sessions).await;
        assert_eq!(stored.email.as_deref(), Some("ada@example.com"));
    }

    #[actix_web::test]
    async fn after_a_minute_the_password_is_asked_for_again() {
        let (browser, sessions, clock) = open().await;
        let ada = browser.with_session(&sessions, &ada()).await;
        clock.advance(Duration::from_secs(61));
        let email = async || {
            let email = [("email", "ada@example.com"), ("csrf_token", &token(&ada, "/").await)];
            ada.post_form("/email", &email).await
        };
        assert_eq!(email().await.header("location"), Some("/confirm"));
        let before = ada.cookie("__Host-session");
        for (password, status) in [("guess", 403), ("secret", 303)] {
            let token = token(&ada, "/confirm").await;
            let request = TestRequest::post().uri("/confirm").insert_header(("X-CSRF-Token", token));
            assert_eq!(ada.send(request.set_form([("password", password)])).await.status, status);
        }
        assert_ne!(ada.cookie("__Host-session"), before);
        assert_eq!(email().await.header("location"), Some("/"));
    }
}
