//! What both versions show alike: a form, and what is stored.

use actix_typed_session::{SessionError, SessionHandle};
use actix_web::{HttpResponse, get};
use start::{Page, escape, to};

pub(crate) const SAVE: &str = r#"<div><button class="first">Save</button></div>"#;

/// Every name that a version stores a field under.
const STORED: [&str; 5] =
    ["profile.name", "profile.newsletter", "profile.letters", "profile.language", "profile.saves"];

#[get("/")]
pub(crate) async fn home() -> HttpResponse {
    to("/v1")
}

/// A version's page: its form, and the fields as they are stored, whichever version wrote them.
pub(crate) async fn show(
    title: &str,
    saves: u32,
    form: &str,
    session: &SessionHandle,
) -> Result<HttpResponse, SessionError> {
    let mut rows = String::new();
    for name in STORED {
        let value: Option<serde_json::Value> = session.get(name).await?;
        let value = value.map_or("–".to_owned(), |value| format!("<code>{}</code>", escape(&value.to_string())));
        rows += &format!(r#"<tr><th scope="row"><code>{name}</code></th><td>{value}</td></tr>"#);
    }
    let main = format!(
        r#"<p class="lead">Saved so far, by both: <strong id="saves">{saves}</strong>.</p>
        <div class="fields">{form}</div>
        <h2>In the store</h2><div class="scrolls"><table><thead><tr><th scope="col">Field</th><th scope="col">Value</th></tr></thead>
        <tbody>{rows}</tbody></table></div>"#
    );
    Ok(Page::new("Migrate", title).link("/v1", "Version 1").link("/v2", "Version 2").show(&main))
}

pub(crate) fn text(name: &str, label: &str, value: &str) -> String {
    let value = escape(value);
    format!(
        r#"<div><label for="{name}">{label}</label><input id="{name}" name="{name}" value="{value}" maxlength="40"></div>"#
    )
}

pub(crate) fn check(name: &str, label: &str, is_on: bool) -> String {
    let checked = if is_on { " checked" } else { "" };
    format!(r#"<label class="check"><input type="checkbox" name="{name}"{checked}>{label}</label>"#)
}

pub(crate) fn choice<T: Copy + PartialEq>(name: &str, label: &str, all: &[(&str, T)], chosen: T) -> String {
    let option = |(value, of): &(&str, T)| {
        let selected = if *of == chosen { " selected" } else { "" };
        let mut text = (*value).to_owned();
        if let Some(first) = text.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        format!(r#"<option value="{value}"{selected}>{text}</option>"#)
    };
    let options: String = all.iter().map(option).collect();
    format!(r#"<div><label for="{name}">{label}</label><select id="{name}" name="{name}">{options}</select></div>"#)
}
