//! `check`: what the settings mean, and whether the store answers.

use std::{
    env,
    time::{Duration, Instant},
};

use serde_json::{Map, Value, json};

use super::{failure::Failure, out::Out, time::trip};
use crate::{SessionConfig, SessionMiddleware};

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

    let began = Instant::now();
    store.ping().await?;
    let first = began.elapsed();
    let mut trips = Vec::with_capacity(PINGS);
    for _ in 0..PINGS {
        let began = Instant::now();
        store.ping().await?;
        trips.push(began.elapsed());
    }
    trips.sort_unstable();
    let median = trips.get(PINGS / 2).copied().unwrap_or_default();

    let json = json!({
        "settings": settings.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect::<Map<_, _>>(),
        "warnings": strays,
        "store": store.name(),
        "first_round_trip_ms": millis(first),
        "round_trip_ms": millis(median),
    });
    out.say(&json, |to| {
        for (name, value) in &settings {
            writeln!(to, "{name:<30} {value}")?;
        }
        for warning in &strays {
            writeln!(to, "warning: {warning}")?;
        }
        writeln!(to, "{:<30} {}", "store", store.name())?;
        match store.name() {
            "null" => writeln!(to, "`SESSION_TYPE` names no store: sessions are empty, and to change one is an error"),
            _ if store.is_local() => writeln!(to, "its sessions live in the process of the app, and end with it"),
            _ => {
                writeln!(to, "{:<30} {}, connecting included", "first answer", trip(first))?;
                writeln!(to, "{:<30} {}, the median of {PINGS}", "round trip", trip(median))
            }
        }
    })
}

fn millis(duration: Duration) -> Value {
    json!(duration.as_secs_f64() * 1000.0)
}
