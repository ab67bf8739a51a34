//! `check`: what the settings mean, and whether the store answers.

use std::{
    env,
    time::{Duration, Instant},
};

use serde_json::{Map, Value, json};

use super::{failure::Failure, out::Out, time::trip};
use crate::{SessionConfig, SessionMiddleware, store::SessionStore};

/// How often the store is asked for a round trip to be measured.
const PINGS: usize = 11;

pub(super) async fn check(config: SessionConfig, out: &mut Out) -> Result<(), Failure> {
    let vars: Vec<_> =
        env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect();
    let settings = SessionConfig::shown(&vars);
    let strays = SessionConfig::strays(&vars);
    let store = config.store()?;
    // as the app does at its start, where settings may contradict each other
    SessionMiddleware::from_config(config)?;

    let asked = ask(&*store).await;

    let mut json = Map::new();
    let shown = settings.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    json.insert("settings".to_owned(), Value::Object(shown));
    json.insert("warnings".to_owned(), json!(strays));
    json.insert("store".to_owned(), json!(store.name()));
    match &asked {
        Ok(Answers { first, median }) => {
            json.insert("first_answer_ms".to_owned(), millis(*first));
            json.insert("round_trip_ms".to_owned(), millis(*median));
        }
        Err(failure) => _ = json.insert("error".to_owned(), json!(failure.to_string())),
    }
    out.say(&Value::Object(json), |to| {
        for (name, value) in &settings {
            writeln!(to, "{name:<30} {value}")?;
        }
        for warning in &strays {
            writeln!(to, "warning: {warning}")?;
        }
        writeln!(to, "{:<30} {}", "store", store.name())?;
        match &asked {
            _ if store.name() == "null" => {
                writeln!(to, "`SESSION_TYPE` names no store: sessions are empty, and to change one is an error")
            }
            _ if store.is_local() => writeln!(to, "its sessions live in the process of the app, and end with it"),
            Ok(Answers { first, median }) => {
                writeln!(to, "{:<30} {}, connecting included", "first answer", trip(*first))?;
                writeln!(to, "{:<30} {}, the median of {PINGS}", "round trip", trip(*median))
            }
            Err(_) => Ok(()),
        }
    })?;
    // as JSON it is a part of the one object
    asked.map(drop).map_err(|failure| if out.is_json() { Failure::Told } else { failure })
}

/// How long the store took to answer.
struct Answers {
    first: Duration,
    median: Duration,
}

async fn ask(store: &dyn SessionStore) -> Result<Answers, Failure> {
    let mut trips = Vec::with_capacity(PINGS);
    let ping = async || {
        let began = Instant::now();
        store.ping().await.map(|()| began.elapsed())
    };
    let first = ping().await?;
    for _ in 0..PINGS {
        trips.push(ping().await?);
    }
    trips.sort_unstable();
    Ok(Answers { first, median: trips.get(PINGS / 2).copied().unwrap_or_default() })
}

fn millis(duration: Duration) -> Value {
    json!(duration.as_secs_f64() * 1000.0)
}
