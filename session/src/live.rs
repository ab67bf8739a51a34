//! A live session: found by the token that a request brought, and how long it lives.

use std::{sync::Arc, time::Duration};

use crate::{
    changes::View,
    clock::millis,
    cookie::{self, Presented},
    error::SessionError,
    events,
    joint::Joint,
    record::{Contents, NEVER},
    store::{Record, Version},
    token::Token,
    worker::Worker,
};

/// A live session, verified: the bearer of the token is who began it.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) token: Token,
    pub(crate) contents: Contents,
    /// Where it is stored.
    pub(crate) key: String,
    pub(crate) version: Version,
    /// How long it had to live when it was loaded or written.
    pub(crate) remaining: Duration,
    /// Whether only an old key verified the cookie.
    pub(crate) stale_key: bool,
}

/// What a load comes to: the live session, or an anonymous visitor.
pub(crate) type Loaded = Result<Option<Arc<Live>>, SessionError>;
/// A load that all who need it share, and that goes on when the one who began it is gone.
pub(crate) type Loading = Joint<Loaded>;

impl Live {
    /// The token as the request brought it.
    pub(crate) fn presented(&self) -> Presented {
        Presented { token: self.token.clone(), stale_key: self.stale_key }
    }
}

/// The session of a token as the store read it before, if it has that at hand, and is not to be touched: that is for who
/// has the secret now. The visitor may be somebody all the same where there is none.
pub(crate) fn recall(worker: &Worker, presented: &Presented) -> Option<Live> {
    let Presented { token, stale_key } = presented;
    let key = token.id().key(&worker.core.config.key_prefix);
    let Record { version, bytes, expires_in: remaining } = worker.recall(&key)?;
    let contents = worker.open(&key, bytes)?;
    let is_live = token.verify(&contents.secret_hash) && deadline(worker, &contents) > worker.core.config.clock.now();
    let live = Live { token: token.clone(), contents, key, version, remaining, stale_key: *stale_key };
    if !is_live || is_due(worker, &live) {
        return None;
    }
    events::loaded(Some(token.id()));
    Some(live)
}

/// Begins to look up the tokens of a request.
pub(crate) fn begin(worker: Arc<Worker>, presented: Vec<Presented>) -> Loading {
    Joint::new(events::loading(load(worker, presented)))
}

/// Looks up the tokens of a request. Two that are live mean that somebody tossed a cookie in: then none counts.
async fn load(worker: Arc<Worker>, presented: Vec<Presented>) -> Loaded {
    let budget = worker.budget();
    let mut found: Option<Live> = None;
    for Presented { token, stale_key } in presented {
        let key = token.id().key(&worker.core.config.key_prefix);
        let Some(record) = worker.load(&key, budget).await? else { continue };
        let Some(contents) = worker.open(&key, record.bytes) else { continue };
        if !token.verify(&contents.secret_hash) {
            events::rejected(Some(token.id()), worker.core.cookies.name(), "secret");
            continue;
        }
        if deadline(&worker, &contents) <= worker.core.config.clock.now() {
            events::expired(token.id());
            continue;
        }
        if found.is_some() {
            events::tossed(worker.core.cookies.name());
            events::loaded(None);
            return Ok(None);
        }
        found = Some(Live { token, contents, key, version: record.version, remaining: record.expires_in, stale_key });
    }
    events::loaded(found.as_ref().map(|live| live.token.id()));
    Ok(found.map(Arc::new))
}

/// Whether a session that was only read is to be touched, or its cookie to be sent again.
pub(crate) fn is_due(worker: &Worker, live: &Live) -> bool {
    live.stale_key || touch_due(worker, live).is_some()
}

/// The new expiry of a session that was only read, at most once a tenth of the idle timeout.
pub(crate) fn touch_due(worker: &Worker, live: &Live) -> Option<Duration> {
    let config = &worker.core.config;
    let wanted = expires_in(worker, deadline(worker, &live.contents));
    let gained = wanted.saturating_sub(live.remaining);
    (config.refresh && !gained.is_zero() && gained >= config.idle_timeout / 10).then_some(wanted)
}

/// When a session ends, whatever its use: as it was begun, or earlier by the settings of today.
pub(crate) fn deadline(worker: &Worker, contents: &Contents) -> u64 {
    let today = worker.core.config.absolute_lifetime.map_or(NEVER, |lifetime| later(contents.created, lifetime));
    contents.deadline.min(today)
}

/// How long a record lives that is written now: the earlier of idle timeout and deadline.
pub(crate) fn expires_in(worker: &Worker, deadline: u64) -> Duration {
    let config = &worker.core.config;
    config.idle_timeout.min(until(worker, deadline))
}

/// How long it is until a time.
pub(crate) fn until(worker: &Worker, time: u64) -> Duration {
    Duration::from_millis(time.saturating_sub(worker.core.config.clock.now()))
}

/// How long a record lives that names sessions without a deadline: ten years, the longest that stores are held to.
pub(crate) const ABOUT_FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// When a session ends that begins now.
pub(crate) fn new_deadline(worker: &Worker) -> u64 {
    let config = &worker.core.config;
    config.absolute_lifetime.map_or(NEVER, |lifetime| later(config.clock.now(), lifetime))
}

/// How long a cookie would live that is sent now, were there no [`cookie::MAX_AGE`]; without a time until the browser
/// ends.
pub(crate) fn cookie_lifetime(worker: &Worker, deadline: u64) -> Option<Duration> {
    let config = &worker.core.config;
    config.permanent.then(|| until(worker, deadline))
}

/// Whether half of the days are over that a browser keeps a cookie whose session has no absolute lifetime.
pub(crate) fn cookie_due(worker: &Worker, live: &Live) -> bool {
    let config = &worker.core.config;
    let age = config.clock.now().saturating_sub(live.contents.created);
    config.permanent && deadline(worker, &live.contents) == NEVER && age > millis(cookie::MAX_AGE / 2)
}

/// What is stored, without a change.
pub(crate) fn stored(live: Option<&Arc<Live>>) -> View<'_> {
    View::of(live.map(|live| &live.contents.fields))
}

fn later(from: u64, by: Duration) -> u64 {
    from.saturating_add(millis(by))
}
