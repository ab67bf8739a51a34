//! What the servers of before run.

use actix_typed_session::{Session, SessionError, SessionHandle};
use actix_web::{HttpResponse, get, post, web::Form};
use serde::Deserialize;
use start::{csrf, to};

use crate::page;

/// Both versions spell the key, which is how one program may have two structs of it.
#[derive(Default, Session)]
#[session(key = "profile", default)]
struct Profile {
    name: String,
    newsletter: bool,
    #[session(merge = "add")]
    saves: u32,
}

#[derive(Deserialize)]
struct Input {
    name: String,
    newsletter: Option<String>,
}

#[get("/v1")]
pub(crate) async fn show(profile: Session<Profile>, session: SessionHandle) -> Result<HttpResponse, SessionError> {
    let token = session.csrf_token().await?;
    let fields = format!(
        "{}{}{}",
        page::text("name", "Name", &profile.name),
        page::check("newsletter", "Send me the newsletter", profile.newsletter),
        page::SAVE
    );
    page::show("Version 1", profile.saves, &csrf::form("/v1", &token, &fields), &session).await
}

#[post("/v1")]
pub(crate) async fn save(input: Form<Input>, mut profile: Session<Profile>) -> HttpResponse {
    let Input { name, newsletter } = input.into_inner();
    profile.name = name;
    profile.newsletter = newsletter.is_some();
    profile.saves += 1;
    to("/v1")
}
