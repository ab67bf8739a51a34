//! The page: the list of a user's devices, or the form that signs in.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_typed_session::{Clock, Session, SessionError, SessionHandle, SessionInfo, Sessions};
use actix_web::{HttpResponse, get, web::Data};
use start::{Page, csrf, escape};

use crate::{ABSOLUTE, IDLE, account::User};

/// Messages that are shown once.
#[derive(Default, Session)]
#[session(default)]
pub(crate) struct Flash {
    #[session(merge = "append")]
    pub(crate) messages: Vec<String>,
}

#[get("/")]
pub(crate) async fn show(
    user: Option<Session<User>>,
    mut flash: Session<Flash>,
    session: SessionHandle,
    sessions: Data<Sessions>,
    clock: Data<Clock>,
) -> Result<HttpResponse, SessionError> {
    let token = session.csrf_token().await?;
    let messages = std::mem::take(&mut flash.messages);
    let Some(user) = user else {
        return Ok(Page::new("Devices", "Sign in").messages(&messages).show(&sign_in(&token)));
    };
    let devices = sessions.of(&user.name).await?;
    let now = UNIX_EPOCH + Duration::from_millis(clock.now());
    let cards: String = devices.iter().map(|device| card(device, device.is_current(&session), now, &token)).collect();
    let others = csrf::form("/sign-out-others", &token, "<button>Sign out all others</button>");
    let all = csrf::form("/sign-out-all", &token, "<button>Sign out everywhere</button>");
    let main = format!(
        r#"<p class="lead">{} is signed in here. A device that you don't know is not yours: sign it out.</p>
        <ul class="cards">{cards}</ul><div class="actions">{others}{all}</div>"#,
        escape(&user.name)
    );
    Ok(Page::new("Devices", "Your devices").account(escape(&user.name)).messages(&messages).show(&main))
}

fn sign_in(token: &str) -> String {
    let fields = r#"<div><label for="name">Name</label>
        <input id="name" name="name" autocomplete="username" maxlength="40" required aria-describedby="name-hint">
        <p class="hint" id="name-hint">Any name will do: this is an example.</p></div>
        <div><label for="device">This device</label>
        <input id="device" name="device" maxlength="60" aria-describedby="device-hint">
        <p class="hint" id="device-hint">What the list calls it. Empty: as the browser says.</p></div>
        <div><button class="first">Sign in</button></div>"#;
    format!(r#"<div class="fields">{}</div>"#, csrf::form("/sign-in", token, fields))
}

/// A session in the list. It was last used as its record's expiry tells, which is late by a tenth of [`IDLE`] at most.
fn card(device: &SessionInfo, is_current: bool, now: SystemTime, token: &str) -> String {
    let label = escape(device.label.as_deref().unwrap_or("Unknown device"));
    let since = |time: SystemTime| now.duration_since(time).unwrap_or_default();
    let ago = |time: SystemTime| match since(time).as_secs() {
        0..60 => "just now".to_owned(),
        _ => format!("{} ago", length(since(time))),
    };
    let (idle, absolute) =
        (IDLE.saturating_sub(since(device.last_used)), ABSOLUTE.saturating_sub(since(device.created)));
    let badge = if is_current { r#" <span class="badge">this one</span>"# } else { "" };
    let button = format!(r#"<button class="plain">Sign out<span class="unseen"> {label}</span></button>"#);
    format!(
        r#"<li class="card"><div class="row"><h2>{label}{badge}</h2>{}</div>
        <dl><dt>Signed in</dt><dd>{}</dd><dt>Last used</dt><dd>{}</dd>
        <dt>Unused, it ends</dt><dd>in {}</dd><dt>At the latest</dt><dd>in {}</dd></dl></li>"#,
        csrf::form(&format!("/devices/{}/sign-out", device.id), token, &button),
        ago(device.authenticated),
        ago(device.last_used),
        length(idle.min(absolute)),
        length(absolute),
    )
}

/// "11 hours and 59 minutes", rounded up to minutes.
fn length(time: Duration) -> String {
    let minutes = time.as_secs().div_ceil(60);
    let count = |count: u64, unit: &str| match count {
        1 => format!("1 {unit}"),
        count => format!("{count} {unit}s"),
    };
    match (minutes / 60, minutes % 60) {
        (0, minutes) => count(minutes, "minute"),
        (hours, 0) => count(hours, "hour"),
        (hours, minutes) => format!("{} and {}", count(hours, "hour"), count(minutes, "minute")),
    }
}
