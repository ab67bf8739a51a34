//! `inspect`: what is in a session.

use serde_json::{Map, Value, json};

use super::{
    failure::{Failure, id},
    out::{Out, plain},
    time::{at_millis, length},
};
use crate::{clock::millis, end, live, record::NEVER, worker::Worker};

pub(super) async fn inspect(worker: &Worker, session: &str, values: bool, out: &mut Out) -> Result<(), Failure> {
    let id = id(session)?;
    let key = id.key(&worker.core.config.key_prefix);
    let found = worker.load(&key, worker.budget()).await?.filter(|record| !end::is_tombstone(&record.bytes));
    let Some(record) = found else { return Err(Failure::failed("there is no such session")) };
    let size = record.bytes.len();
    let Some(contents) = worker.open(&key, record.bytes) else {
        return Err(Failure::failed(
            "the session can't be read: it is damaged, or sealed by a key that is not in `SESSION_ENCRYPTION_KEYS`, or \
             not sealed where there are keys",
        ));
    };
    let now = worker.core.config.clock.now();
    let deadline = live::deadline(worker, &contents);
    if deadline <= now {
        return Err(Failure::failed("there is no such session: its time is over"));
    }
    let expires = now.saturating_add(millis(record.expires_in)).min(deadline);
    let ends = (deadline != NEVER).then(|| at_millis(deadline));

    let fields: Vec<(&str, &str)> = contents.fields.iter().collect();
    let shown = if values {
        // a value is JSON, as the app has written it
        let value = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
        Value::Object(fields.iter().map(|(name, text)| ((*name).to_owned(), value(text))).collect::<Map<_, _>>())
    } else {
        json!(fields.iter().map(|(name, _)| *name).collect::<Vec<_>>())
    };
    let json = json!({
        "id": id,
        "created": at_millis(contents.created),
        "expires": at_millis(expires),
        "ends": ends,
        "bytes": size,
        "fields": shown,
    });
    out.say(&json, |to| {
        let mut line = |name: &str, value: &str| writeln!(to, "{name:<10} {value}");
        line("id", &id.to_string())?;
        line("created", &at_millis(contents.created))?;
        line("expires", &format!("{}, in {}", at_millis(expires), length(record.expires_in)))?;
        line("ends", ends.as_deref().unwrap_or("never, as long as it is used"))?;
        line("bytes", &size.to_string())?;
        line("fields", &fields.len().to_string())?;
        for (name, text) in &fields {
            match values {
                true => writeln!(to, "  {} = {}", plain(name), plain(text))?,
                false => writeln!(to, "  {}", plain(name))?,
            }
        }
        Ok(())
    })
}
