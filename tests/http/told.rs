//! What is told of sessions is on the page of events, all of it, and shows nobody's secrets.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use actix_typed_session::{
    Session, SessionConfig, SessionMiddleware,
    store::{Created, Record, SessionStore, StoreError, StoreErrorKind, Swept, Updated, Version},
};
use actix_typed_session_tests::support::{browser::Browser, server::Server};
use actix_web::web::get;
use async_trait::async_trait;

use crate::{
    events::{self, Line},
    flows, recorder,
};

const PAGE: &str = include_str!("../../session/src/docs/events.md");
/// What a flow over HTTP does not come to: of stores that are not asked here.
const ELSEWHERE: [&str; 4] =
    ["session.store.prune", "session.store.uncached", "session.store.unswept", "session.record.foreign"];

/// The rows of the page's tables by the name in the first cell, without it.
fn rows() -> BTreeMap<String, Vec<Vec<&'static str>>> {
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| `session")?.split_once("` |"));
    rows.map(|(name, cells)| (format!("session{name}"), cells.split('|').map(names).collect())).collect()
}

/// The names in a cell, each in its ticks, or the cell if there is none.
fn names(cell: &str) -> Vec<&str> {
    let names: Vec<_> = cell.split('`').skip(1).step_by(2).collect();
    if names.is_empty() { vec![cell.trim()] } else { names }
}

fn own() -> Vec<Line> {
    events::all().into_iter().filter(|line| line.target.starts_with("actix_typed_session")).collect()
}

/// Issue 4: names, levels and fields are what the page says.
#[tokio::test]
async fn what_is_told_is_on_the_page() {
    flows::secrets().await;
    let rows = rows();
    for line in own() {
        let Some([level, fields, ..]) = rows.get(line.name).map(Vec::as_slice) else { panic!("not there: {line:?}") };
        assert_eq!(line.target, "actix_typed_session", "{line:?}");
        assert_eq!(level, &[line.level.as_str()], "{line:?}");
        let fields = fields.iter().filter(|field| **field != "–");
        assert!(fields.eq(&line.fields), "{line:?}");
    }
}

/// Issue 4: the flows come to everything that the page has, so that the search for secrets is of all of it.
#[tokio::test]
async fn the_flows_come_to_all_that_can_be_told() {
    flows::secrets().await;
    let told: BTreeSet<_> = own().iter().map(|line| line.name).collect();
    let events = rows().into_keys().filter(|name| name.starts_with("session."));
    for name in events.filter(|name| !ELSEWHERE.contains(&name.as_str())) {
        assert!(told.contains(name.as_str()), "no flow came to `{name}`");
    }
}

/// H8: all that this process logs, at TRACE, from whatever crate.
#[tokio::test]
async fn the_log_shows_no_token_secret_key_or_value() {
    let secrets = flows::secrets().await;
    let texts: BTreeSet<_> = events::all().into_iter().map(|line| line.text).collect();
    assert!(texts.len() > 100, "{}", texts.len());
    for text in texts {
        secrets.assert_hidden(&text);
    }
}

/// H8: all that this process counts and measures.
#[tokio::test]
async fn metrics_show_no_token_secret_key_or_value_and_no_id() {
    let secrets = flows::secrets().await;
    let (rows, events) = (rows(), own());
    let labels_of = |name: &str| rows.get(name).map(|row| row[1].clone()).unwrap_or_default();
    let series = recorder::all();
    for one in series.keys() {
        secrets.assert_hidden(&format!("{one:?}"));
        let known = labels_of(&one.name);
        assert!(!known.is_empty() && one.labels.keys().all(|label| known.contains(&label.as_str())), "{one:?}");
        // an id is 32 digits, a store's key is longer
        assert!(one.labels.values().all(|value| value.len() < 24), "{one:?}");
        if let Some(event) = one.labels.get("event") {
            assert!(events.iter().any(|line| line.name.strip_prefix("session.") == Some(event)), "{one:?}");
        }
    }
    assert!(series.len() < 150, "{}", series.len());
    for text in recorder::described() {
        let name = text.split(':').next().unwrap();
        assert!(!labels_of(name).is_empty(), "{text}");
    }
    assert_eq!(recorder::described().len(), 2);
}

/// Issue 4: what is counted is what was told.
#[tokio::test]
async fn each_event_and_each_call_of_the_store_is_counted() {
    flows::secrets().await;
    let series = recorder::all();
    let counted: BTreeSet<_> = series.keys().filter_map(|one| one.labels.get("event")).collect();
    let events = rows().into_keys().filter(|name| name.starts_with("session."));
    let uncounted = ["session.store.call", "session.load", "session.commit"];
    for name in events.filter(|name| !ELSEWHERE.contains(&name.as_str()) && !uncounted.contains(&name.as_str())) {
        let event = name.trim_start_matches("session.").to_owned();
        assert!(counted.contains(&event), "`{event}` is not counted");
    }
    let values =
        |label: &str| -> BTreeSet<String> { series.keys().filter_map(|one| one.labels.get(label).cloned()).collect() };
    for operation in ["load", "create", "update", "touch", "delete", "delete_expired"] {
        assert!(values("operation").contains(operation), "{operation}");
    }
    for outcome in ["ok", "timeout", "unavailable", "outcome_unknown", "protocol"] {
        assert!(values("outcome").contains(outcome), "{outcome}");
    }
    for reason in ["secret", "signature", "unsigned", "malformed", "overtaken", "rotated_away", "ended"] {
        assert!(values("reason").contains(reason), "{reason}");
    }
    assert_eq!(values("anonymous"), ["false", "true"].map(str::to_owned).into());
}

/// What is late by a store's own time is as late as by the middleware's.
#[tokio::test]
async fn a_store_that_keeps_its_time_and_did_not_answer_in_it_is_counted_as_late() {
    recorder::record();
    let config = SessionConfig::new().store_timeout(TIME);
    let server = Server::start(SessionMiddleware::with_config(Patient, config).unwrap(), 1, |app| {
        app.route("/", get().to(async |seen: Session<Seen>| seen.times.to_string()));
    });
    let cookie = format!("__Host-session={}", "A".repeat(64));
    assert_eq!(Browser::new(server.address).send("GET", "/", &[("Cookie", &cookie)], "").await.status, 503);
    let labels = [("store", "patient"), ("operation", "load"), ("outcome", "timeout")];
    let labels = labels.map(|(label, value)| (label.to_owned(), value.to_owned())).into();
    let all = recorder::all();
    assert!(all.keys().any(|one| one.labels == labels), "{all:?}");
}

const TIME: Duration = Duration::from_millis(20);

#[derive(Default, Session)]
#[session(default)]
struct Seen {
    times: u32,
}

/// Gives up by itself, as a client with a time-out of its own does.
struct Patient;

impl Patient {
    async fn wait<T>(&self) -> Result<T, StoreError> {
        tokio::time::sleep(TIME).await;
        Err(StoreError::new(StoreErrorKind::Unavailable, "no answer came"))
    }
}

#[async_trait]
impl SessionStore for Patient {
    async fn load(&self, _: &str) -> Result<Option<Record>, StoreError> {
        self.wait().await
    }

    async fn create(&self, _: &str, _: &Record) -> Result<Created, StoreError> {
        self.wait().await
    }

    async fn update(&self, _: &str, _: &Record, _: &Version) -> Result<Updated, StoreError> {
        self.wait().await
    }

    async fn touch(&self, _: &str, _: Duration) -> Result<bool, StoreError> {
        self.wait().await
    }

    async fn delete(&self, _: &str) -> Result<(), StoreError> {
        self.wait().await
    }

    async fn delete_expired(&self, _: u64) -> Result<Swept, StoreError> {
        self.wait().await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.wait().await
    }

    fn timeout(&self) -> Option<Duration> {
        Some(TIME)
    }

    fn name(&self) -> &'static str {
        "patient"
    }
}
