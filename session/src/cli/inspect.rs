//! `inspect`: what is in a session.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

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
    let fields_shown = if values {
        let value = |text| serde_json::from_str(text).unwrap_or(RawValue::NULL);
        Fields::Values(fields.iter().map(|(name, text)| (*name, value(text))).collect())
    } else {
        Fields::Names(fields.iter().map(|(name, _)| *name).collect())
    };
    let json = Inspected {
        id: id.to_string(),
        created: at_millis(contents.created),
        expires: at_millis(expires),
        ends: ends.as_deref(),
        bytes: size,
        fields: fields_shown,
    };
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

#[derive(Serialize)]
struct Inspected<'a> {
    id: String,
    created: String,
    expires: String,
    ends: Option<&'a str>,
    bytes: usize,
    fields: Fields<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Fields<'a> {
    Names(Vec<&'a str>),
    /// As the app has written them, whose numbers may be larger than those of other programs.
    Values(BTreeMap<&'a str, &'a RawValue>),
}
