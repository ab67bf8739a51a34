//! What this process logs through `tracing`, at every level.

use std::{
    fmt::{self, Write as _},
    sync::{Mutex, MutexGuard, Once, PoisonError},
    thread,
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// An event, or a span when it begins or gets a value later, and then without a name.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// The thread that logged it, as `Debug` shows it.
    pub(crate) thread: String,
    pub(crate) target: &'static str,
    pub(crate) name: &'static str,
    pub(crate) level: Level,
    /// The names of all fields that it may have, but for the message.
    pub(crate) fields: Vec<&'static str>,
    /// All fields with their values.
    pub(crate) text: String,
}

static LOG: Mutex<Vec<Line>> = Mutex::new(Vec::new());

/// Begins to listen, once a process.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Listener).expect("no other subscriber"));
}

/// All lines so far, of all tests.
pub(crate) fn all() -> Vec<Line> {
    log().clone()
}

/// The lines so far of one thread.
pub(crate) fn of(thread: &str) -> Vec<Line> {
    log().iter().filter(|line| line.thread == thread).cloned().collect()
}

fn log() -> MutexGuard<'static, Vec<Line>> {
    LOG.lock().unwrap_or_else(PoisonError::into_inner)
}

fn note(metadata: &'static Metadata<'static>, record: impl FnOnce(&mut Text)) {
    let (target, name, level) = (metadata.target(), metadata.name(), *metadata.level());
    let fields = metadata.fields().iter().map(|field| field.name()).filter(|name| *name != "message").collect();
    let mut text = Text(target.to_owned());
    record(&mut text);
    log().push(Line { thread: own_thread(), target, name, level, fields, text: text.0 });
}

fn own_thread() -> String {
    format!("{:?}", thread::current().id())
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        // as it is, without the quotes and escapes that would hide a secret from a search
        let _ = write!(self.0, " {}={value}", field.name());
    }
}

struct Listener;

impl Subscriber for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        note(attributes.metadata(), |text| attributes.record(text));
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, record: &span::Record<'_>) {
        let mut text = Text("later, of a span".to_owned());
        record.record(&mut text);
        let (target, name, fields) = ("", "", Vec::new());
        log().push(Line { thread: own_thread(), target, name, level: Level::TRACE, fields, text: text.0 });
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        note(event.metadata(), |text| event.record(text));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
