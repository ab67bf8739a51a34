#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use tracing::{Metadata, Subscriber, span, subscriber::with_default};

use super::*;
use crate::error::StoreErrorKind;

/// Level and fields of what was told, by name.
type Told = BTreeMap<String, (String, Vec<String>)>;

#[derive(Clone, Default)]
struct Listener(Arc<Mutex<Told>>);

impl Listener {
    fn note(&self, metadata: &Metadata<'_>) {
        assert_eq!(metadata.target(), TARGET);
        let fields = metadata.fields().iter().map(|field| field.name().to_owned());
        let fields = fields.filter(|field| field != "message").collect();
        self.0.lock().unwrap().insert(metadata.name().to_owned(), (metadata.level().to_string(), fields));
    }
}

impl Subscriber for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        self.note(span.metadata());
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        self.note(event.metadata());
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// The rows of the page's tables whose first cell begins with `session.` or `session_`: a name and the other cells.
fn rows() -> BTreeMap<String, Vec<String>> {
    let page = include_str!("../docs/events.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `session")).map(|row| {
        let mut cells = format!("`session{row}").split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
        let name = cells.remove(0).trim_matches('`').to_owned();
        (name, cells)
    });
    rows.collect()
}

/// The names in a cell.
fn names(cell: &str) -> Vec<String> {
    cell.split(", ").filter(|name| *name != "–").map(|name| name.trim_matches('`').to_owned()).collect()
}

/// Calls each function once.
fn tell_all() {
    let id = SessionId::random();
    let store = StoreError::new(StoreErrorKind::Protocol, "a test");
    let error = SessionError::BudgetSpent;
    created(id);
    loaded(Some(id));
    touched(id, true);
    rotated(id);
    destroyed(id);
    revoked(id, "limit");
    expired(id);
    rejected(None, "sid", "secret");
    tossed("sid");
    plain_http("sid");
    limit_refused(3);
    not_fresh(Duration::from_secs(1), None);
    csrf(None);
    conflict(id, "overtaken");
    merged("cart.items", false);
    gone(false);
    dropped();
    field_dropped("cart.items", "removed");
    field_undecodable("cart.items", "a test");
    late_change();
    damaged("test");
    swept("test", 1);
    load_failed(&error);
    commit_failed(&error);
    save_failed(&error);
    list_failed(&error);
    Call::begin("load").end::<()>("test", &Err(store), false);
    no_middleware(None, &error);
    usage(&error);
    second_store("sid", "test");
    config_unknown("SESSION_X", "a test");
    file_damaged(Path::new("/"), "a test");
    prune_failed(&StoreError::new(StoreErrorKind::Protocol, "a test"));
    record_foreign("redis", "key");
    store_uncached("redis", &StoreError::new(StoreErrorKind::Unsupported, "a test"));
    store_unswept("mongodb");
    store_full("test", 1, "it");
    drop((loading(async { Ok(None) }), committing(None, std::future::pending())));
}

#[test]
fn what_is_told_is_what_is_declared() {
    let listener = Listener::default();
    with_default(listener.clone(), || {
        tell_all();
        // another test may have been the first to come to one of these, at the moment when nobody listened so far
        tracing::callsite::rebuild_interest_cache();
        tell_all();
    });
    let mut told = listener.0.lock().unwrap().clone();
    for span in [super::span::LOAD, super::span::COMMIT] {
        assert_eq!(told.remove(span), Some(("DEBUG".to_owned(), vec!["id".to_owned()])), "{span}");
    }
    let declared: Told = ALL
        .iter()
        .map(|event| {
            let fields = event.fields.iter().map(|field| (*field).to_owned()).collect();
            (event.name.to_owned(), (event.level.to_string(), fields))
        })
        .collect();
    assert_eq!(told, declared);
}

#[test]
fn the_page_has_each_event_and_span_and_no_other() {
    let mut page = rows();
    for event in ALL {
        let row = page.remove(event.name).unwrap_or_else(|| panic!("no row for `{}`", event.name));
        assert_eq!(row[0], event.level.as_str(), "{}", event.name);
        assert_eq!(names(&row[1]), event.fields, "{}", event.name);
    }
    for span in [super::span::LOAD, super::span::COMMIT] {
        assert_eq!(page.remove(span).map(|row| row[..2].to_vec()), Some(vec!["DEBUG".to_owned(), "`id`".to_owned()]));
    }
    let metrics = page.into_keys().collect::<Vec<_>>();
    assert_eq!(metrics, ["session_events_total", "session_store_call_duration_seconds"]);
    #[cfg(feature = "metrics")]
    assert_eq!(metrics, [metrics::EVENTS, metrics::STORE_CALLS]);
}

#[test]
fn one_name_is_one_event() {
    let names: std::collections::BTreeSet<_> = ALL.iter().map(|event| event.name).collect();
    assert_eq!(names.len(), ALL.len());
    assert!(names.iter().all(|name| name.starts_with("session.")));
}
