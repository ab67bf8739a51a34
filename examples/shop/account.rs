//! Signing in, which keeps the cart, and out, which ends it.

use actix_typed_session::{Session, SessionError, SessionHandle};
use actix_web::{HttpResponse, get, post, web::Form};
use serde::Deserialize;
use start::{csrf, to};

use crate::page::{self, Flash, Visitor};

#[derive(Session)]
pub(crate) struct User {
    #[session(owner)]
    pub(crate) name: String,
}

#[derive(Deserialize)]
struct Login {
    name: String,
}

#[get("/sign-in")]
pub(crate) async fn form(visitor: Visitor) -> Result<HttpResponse, SessionError> {
    if visitor.0.is_some() {
        return Ok(to("/"));
    }
    page::show("Sign in", visitor, |_, token| {
        let inner = r#"<div><label for="name">Name</label>
            <input id="name" name="name" autocomplete="username" maxlength="40" required aria-describedby="hint">
            <p class="hint" id="hint">Any name will do: this is an example.</p></div>
            <div><button class="first">Sign in</button></div>"#;
        format!(
            r#"<p class="lead">What is in the cart stays there.</p><div class="fields">{}</div>"#,
            csrf::form("/sign-in", token, inner)
        )
    })
    .await
}

/// A real application checks a password here.
#[post("/sign-in")]
pub(crate) async fn sign_in(
    login: Form<Login>,
    session: SessionHandle,
    mut flash: Session<Flash>,
) -> Result<HttpResponse, SessionError> {
    let name = login.name.trim();
    if name.is_empty() || name.chars().count() > 40 {
        flash.messages.push("A name has 1 to 40 characters.".to_owned());
        return Ok(to("/sign-in"));
    }
    flash.messages.push(format!("Welcome, {name}!"));
    // with a new token, so that one that was planted before is worth nothing; the rest of the session stays
    session.insert(User { name: name.to_owned() })?;
    Ok(to("/cart"))
}

#[post("/sign-out")]
pub(crate) async fn sign_out(session: SessionHandle) -> HttpResponse {
    session.destroy();
    to("/")
}
