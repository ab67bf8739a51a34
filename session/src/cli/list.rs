//! `list`: the sessions of a user.

use std::time::{Duration, SystemTime};

use serde_json::json;

use super::{
    failure::Failure,
    out::{Out, owner, plain},
    time::{at, length},
};
use crate::Sessions;

pub(super) async fn list(sessions: &Sessions, user: &str, out: &mut Out) -> Result<(), Failure> {
    let user = owner(user)?;
    let sessions = sessions.of(&*user).await?;
    let json = sessions.iter().map(|session| {
        json!({
            "id": session.id,
            "created": at(session.created),
            "authenticated": at(session.authenticated),
            "last_used": at(session.last_used),
            "label": session.label,
        })
    });
    out.say(&json!({ "sessions": json.collect::<Vec<_>>() }), |to| {
        if !sessions.is_empty() {
            writeln!(to, "{:<32}  {:<20}  {:<10}  LABEL", "ID", "SIGNED IN", "IDLE")?;
        }
        for session in &sessions {
            let label = session.label.as_deref().map(plain).unwrap_or_default();
            let idle = length(since(session.last_used));
            let line = format!("{}  {}  {idle:<10}  {label}", session.id, at(session.authenticated));
            writeln!(to, "{}", line.trim_end())?;
        }
        Ok(())
    })
}

fn since(time: SystemTime) -> Duration {
    time.elapsed().unwrap_or_default()
}
