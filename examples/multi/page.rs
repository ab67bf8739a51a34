//! What both parts show alike: who is signed in there, and what their cookie is like.

use actix_typed_session::{SessionError, SessionHandle};
use actix_web::HttpResponse;
use serde::Deserialize;
use start::{Page, csrf, escape};

#[derive(Deserialize)]
pub(crate) struct Login {
    name: String,
}

impl Login {
    /// The name, if it is one.
    pub(crate) fn name(&self) -> Option<String> {
        let name = self.name.trim();
        (1..=40).contains(&name.chars().count()).then(|| name.to_owned())
    }
}

/// The page of a part, whose forms are under `path`.
pub(crate) async fn show(
    title: &str,
    path: &str,
    name: Option<&str>,
    cookie: &[(&str, &str)],
    session: &SessionHandle,
) -> Result<HttpResponse, SessionError> {
    let token = session.csrf_token().await?;
    let who = match name {
        Some(name) => format!(
            r#"<p class="lead">Signed in as <strong id="who">{}</strong>.</p><div class="actions">{}</div>"#,
            escape(name),
            csrf::form(&format!("{path}/sign-out"), &token, "<button>Sign out</button>")
        ),
        None => {
            let fields = r#"<div><label for="name">Name</label>
                <input id="name" name="name" autocomplete="username" maxlength="40" required></div>
                <div><button class="first">Sign in</button></div>"#;
            format!(
                r#"<p class="lead">Nobody is signed in here.</p><div class="fields">{}</div>"#,
                csrf::form(&format!("{path}/sign-in"), &token, fields)
            )
        }
    };
    let rows: String = cookie.iter().map(|(name, value)| format!("<dt>{name}</dt><dd>{value}</dd>")).collect();
    let main = format!(r#"{who}<div class="card"><h2>The session here</h2><dl>{rows}</dl></div>"#);
    Ok(Page::new("Multi", title).link("/", "Customers").link("/staff", "Staff").show(&main))
}
