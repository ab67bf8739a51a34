//! What the new servers run.

use actix_typed_session::{Session, SessionError, SessionHandle};
use actix_web::{HttpResponse, get, post, web::Form};
use serde::{Deserialize, Serialize};
use start::{csrf, to};

use crate::page;

/// One field has a better name, one has a type that says more, and one is new.
#[derive(Default, Session)]
#[session(key = "profile", default)]
struct Profile {
    /// Called `name` in the store, as version 1 writes and reads it.
    #[session(rename = "name")]
    display_name: String,
    /// What version 1 keeps: read where there is no `letters` yet, and written for it.
    newsletter: bool,
    /// Instead of yes and no. It has a name of its own, for version 1 could not read it under the old one.
    letters: Option<Letters>,
    /// New. Version 1 does not know it, and keeps it.
    language: Language,
    #[session(merge = "add")]
    saves: u32,
}

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Letters {
    Never,
    Monthly,
    Weekly,
}

#[derive(Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Language {
    #[default]
    English,
    German,
    French,
}

#[derive(Deserialize)]
struct Input {
    display_name: String,
    letters: Letters,
    language: Language,
}

impl Profile {
    /// What version 1 said last counts where the two differ.
    fn letters(&self) -> Letters {
        match (self.letters, self.newsletter) {
            (Some(letters), wanted) if (letters != Letters::Never) == wanted => letters,
            (_, true) => Letters::Weekly,
            (_, false) => Letters::Never,
        }
    }
}

#[get("/v2")]
pub(crate) async fn show(profile: Session<Profile>, session: SessionHandle) -> Result<HttpResponse, SessionError> {
    let token = session.csrf_token().await?;
    let letters = [("never", Letters::Never), ("monthly", Letters::Monthly), ("weekly", Letters::Weekly)];
    let languages = [("english", Language::English), ("german", Language::German), ("french", Language::French)];
    let fields = format!(
        "{}{}{}{}",
        page::text("display_name", "Display name", &profile.display_name),
        page::choice("letters", "Newsletter", &letters, profile.letters()),
        page::choice("language", "Language", &languages, profile.language),
        page::SAVE
    );
    page::show("Version 2", profile.saves, &csrf::form("/v2", &token, &fields), &session).await
}

#[post("/v2")]
pub(crate) async fn save(input: Form<Input>, mut profile: Session<Profile>) -> HttpResponse {
    let Input { display_name, letters, language } = input.into_inner();
    profile.display_name = display_name;
    profile.newsletter = letters != Letters::Never;
    profile.letters = Some(letters);
    profile.language = language;
    profile.saves += 1;
    to("/v2")
}
