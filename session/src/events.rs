//! Every event of this crate, with its name, its level and its fields.
//!
//! No function here is given a token, a secret or a stored value, so none can show one. An event that nobody listens to
//! costs one relaxed load.

#![cfg_attr(
    not(all(feature = "memory", feature = "filesystem", feature = "redis", feature = "mongodb")),
    allow(dead_code, reason = "some events are those of one store")
)]

use std::{fmt, path::Path, time::Duration};

use tracing::{Level, field};

use crate::{
    error::{Chain, SessionError, StoreError},
    id::SessionId,
};

mod call;
mod metrics;
mod span;
#[cfg(test)]
mod tests;

pub(crate) use self::{
    call::Call,
    metrics::describe,
    span::{committing, loading},
};

/// What is fixed about an event.
struct Event {
    /// What it is called in the metadata of the log.
    name: &'static str,
    level: Level,
    #[cfg(test)]
    fields: &'static [&'static str],
}

macro_rules! events {
    ($($event:ident: $level:ident $name:literal { $($field:ident),* };)*) => {
        $(const $event: Event = Event {
            name: $name,
            level: Level::$level,
            #[cfg(test)]
            fields: &[$(stringify!($field)),*],
        };)*
        #[cfg(test)]
        const ALL: &[Event] = &[$($event),*];
    };
}

events! {
    CREATED: DEBUG "session.created" { id };
    LOADED: TRACE "session.loaded" { id, anonymous };
    TOUCHED: TRACE "session.touched" { id, touched };
    ROTATED: DEBUG "session.rotated" { id };
    DESTROYED: DEBUG "session.destroyed" { id };
    REVOKED: DEBUG "session.revoked" { id, reason };
    EXPIRED: DEBUG "session.expired" { id };
    REJECTED: DEBUG "session.rejected" { id, cookie, reason };
    TOSSED: WARN "session.tossed" { cookie };
    PLAIN_HTTP: WARN "session.plain_http" { cookie };
    LIMIT_REFUSED: DEBUG "session.limit_refused" { limit };
    NOT_FRESH: DEBUG "session.not_fresh" { limit, age };
    CSRF: DEBUG "session.csrf" { id };
    CONFLICT: DEBUG "session.conflict" { id, reason };
    MERGED: DEBUG "session.merged" { field, overruled };
    GONE: DEBUG "session.gone" { rotate };
    DROPPED: WARN "session.dropped" {};
    FIELD_DROPPED: DEBUG "session.field.dropped" { field, reason };
    FIELD_UNDECODABLE: WARN "session.field.undecodable" { field, reason };
    LATE_CHANGE: ERROR "session.late_change" {};
    DAMAGED: WARN "session.damaged" { store };
    SWEPT: DEBUG "session.swept" { store, count };
    STORE_CALL: TRACE "session.store.call" { store, operation, outcome, duration };
    LOAD_FAILED: ERROR "session.load.failed" { error };
    COMMIT_FAILED: ERROR "session.commit.failed" { error };
    SAVE_FAILED: ERROR "session.save.failed" { error };
    LIST_FAILED: WARN "session.list.failed" { error };
    STORE_FAILED: WARN "session.store.failed" { store, operation, error, duration };
    STORE_DAMAGED: WARN "session.store.damaged" { store, path, reason };
    STORE_FOREIGN: WARN "session.record.foreign" { store, key };
    STORE_FULL: WARN "session.store.full" { store, limit };
    STORE_PRUNE: WARN "session.store.prune" { store, error };
    STORE_UNCACHED: WARN "session.store.uncached" { store, error };
    STORE_UNSWEPT: WARN "session.store.unswept" { store };
    NO_MIDDLEWARE: ERROR "session.no_middleware" { route };
    USAGE: ERROR "session.usage" { error };
    SECOND_STORE: ERROR "session.second_store" { cookie, store };
    CONFIG_UNKNOWN: WARN "session.config.unknown" { variable };
}

/// Where all events come from, whatever file tells of them.
const TARGET: &str = "actix_typed_session";

/// Tells the log of an event.
macro_rules! log {
    ($event:ident, { $($fields:tt)* }, $($message:tt)+) => {
        tracing::event!(name: $event.name, target: TARGET, $event.level, { $($fields)* }, $($message)+)
    };
}

/// Tells the log of an event and counts it, by the label that follows `by` if one does.
macro_rules! emit {
    ($event:ident $(by $label:ident)?, { $($fields:tt)* }, $($message:tt)+) => {{
        log!($event, { $($fields)* }, $($message)+);
        metrics::count($event.name, &[$((stringify!($label), $label))?]);
    }};
}

/// A session began.
pub(crate) fn created(id: SessionId) {
    emit!(CREATED, { id = %id }, "a session began");
}

/// The cookie of a request was looked up; none where the visitor is anonymous all the same.
pub(crate) fn loaded(id: Option<SessionId>) {
    let anonymous = if id.is_none() { "true" } else { "false" };
    emit!(LOADED by anonymous, { id = id.map(field::display), anonymous = id.is_none() }, "a cookie was looked up");
}

/// The expiry of a session that was only read was moved, unless it had ended.
pub(crate) fn touched(id: SessionId, touched: bool) {
    emit!(TOUCHED, { id = %id, touched }, "a session was read, and is to live longer");
}

/// A session has a new token.
pub(crate) fn rotated(id: SessionId) {
    emit!(ROTATED, { id = %id }, "a session has a new token");
}

/// A request ended its session.
pub(crate) fn destroyed(id: SessionId) {
    emit!(DESTROYED, { id = %id }, "a session was destroyed");
}

/// A session was ended from outside: `limit`, `owner`, `id` or `others` says by what.
pub(crate) fn revoked(id: SessionId, reason: &'static str) {
    emit!(REVOKED by reason, { id = %id, reason }, "a session was revoked");
}

/// A session was found whose absolute lifetime is over.
pub(crate) fn expired(id: SessionId) {
    emit!(EXPIRED, { id = %id }, "the absolute lifetime of a session is over");
}

/// A cookie was refused: `malformed`, `unsigned` and `signature` before the store was asked, `secret` after that.
pub(crate) fn rejected(id: Option<SessionId>, cookie: &str, reason: &'static str) {
    emit!(REJECTED by reason, { id = id.map(field::display), cookie, reason }, "a session cookie was refused");
}

/// A request brought two live sessions.
pub(crate) fn tossed(cookie: &str) {
    emit!(TOSSED, { cookie }, "a request brought two live sessions, and is taken for anonymous");
}

/// A browser was sent a cookie that it does not keep, for it is on plain http.
pub(crate) fn plain_http(cookie: &str) {
    emit!(
        PLAIN_HTTP,
        { cookie },
        "a browser is on plain http, where it keeps no `Secure` cookie, so that each of its requests is a new visitor's: \
         serve over https, or set `SESSION_COOKIE_SECURE=false` in a network that is all yours"
    );
}

/// A sign-in was refused, for the owner has as many sessions as is allowed.
pub(crate) fn limit_refused(limit: usize) {
    emit!(
        LIMIT_REFUSED,
        { limit },
        "a sign-in was refused: the owner has as many sessions as `SESSION_LIMIT_PER_OWNER` allows"
    );
}

/// A guard refused a visitor who was authenticated too long ago; without an age where nothing tells when.
pub(crate) fn not_fresh(limit: Duration, age: Option<Duration>) {
    emit!(
        NOT_FRESH,
        { limit = limit.as_secs(), age = age.map(|age| age.as_secs()) },
        "the owner was authenticated too long ago"
    );
}

/// A CSRF token was refused; without an id where there is no session.
pub(crate) fn csrf(id: Option<SessionId>) {
    emit!(CSRF, { id = id.map(field::display) }, "a CSRF token was refused");
}

/// A write met that of another request: `overtaken`, or `rotated_away` where the token is dead by that.
pub(crate) fn conflict(id: SessionId, reason: &'static str) {
    emit!(CONFLICT by reason, { id = %id, reason }, "another request wrote the session meanwhile");
}

/// A field that two requests changed was merged; `overruled` says whether a change was lost by that.
pub(crate) fn merged(field: &str, overruled: bool) {
    emit!(MERGED, { field, overruled }, "a field was changed by another request too");
}

/// A session ended while a request changed it.
pub(crate) fn gone(rotate: bool) {
    emit!(GONE, { rotate }, "the session ended meanwhile, and the changes with it");
}

/// The changes of a request were dropped, for its response is a failure.
pub(crate) fn dropped() {
    emit!(DROPPED, {}, "the response is a failure, and the session's changes are dropped");
}

/// The change of a field was dropped: its struct was `removed`, or the session it was read from has `ended`.
pub(crate) fn field_dropped(field: &str, reason: &'static str) {
    emit!(
        FIELD_DROPPED by reason,
        { field, reason },
        "the change of a field is void, for its struct was removed or its session has ended: what is to outlast a \
         `destroy` is inserted after it"
    );
}

/// A stored field does not decode.
pub(crate) fn field_undecodable(field: &str, reason: &'static str) {
    emit!(
        FIELD_UNDECODABLE,
        { field, reason },
        "a stored field does not decode, counts as absent and is kept until it is overwritten: another version of its struct \
         wrote it, or another app by the same cookie and `SESSION_KEY_PREFIX`"
    );
}

/// The session was changed after the response began.
pub(crate) fn late_change() {
    emit!(
        LATE_CHANGE,
        {},
        "the session was changed after the response began, and that is lost: call `save().await` on it there"
    );
}

/// A record can't be read.
pub(crate) fn damaged(store: &str) {
    emit!(
        DAMAGED,
        { store },
        "a stored record is damaged, foreign or sealed by an unknown key, and counts as absent: look for a key that was \
         dropped from `SESSION_ENCRYPTION_KEYS`, and for another app with the same `SESSION_KEY_PREFIX`"
    );
}

/// Expired records were deleted.
pub(crate) fn swept(store: &str, count: u64) {
    emit!(SWEPT, { store, count }, "expired records were deleted");
}

/// A request has no session, for it could not be loaded.
pub(crate) fn load_failed(error: &SessionError) {
    emit!(LOAD_FAILED, { error = %Chain(error) }, "the session could not be loaded");
}

/// A request's changes were not saved.
pub(crate) fn commit_failed(error: &SessionError) {
    emit!(COMMIT_FAILED, { error = %Chain(error) }, "the session was not saved");
}

/// A handler's `save` failed.
pub(crate) fn save_failed(error: &SessionError) {
    emit!(SAVE_FAILED, { error = %Chain(error) }, "the session was not saved early");
}

/// What has ended could not be struck off a user's record.
pub(crate) fn list_failed(error: &SessionError) {
    emit!(LIST_FAILED, { error = %Chain(error) }, "the list of a user's sessions names some that have ended");
}

/// A call to the store is over, after so many milliseconds. Not counted: it is measured.
fn store_called(store: &str, operation: &'static str, outcome: &'static str, duration: f64) {
    log!(STORE_CALL, { store, operation, outcome, duration }, "a call to the session store is over");
}

/// A call to the store failed, after so many milliseconds.
fn store_failed(store: &str, operation: &'static str, error: &StoreError, duration: f64) {
    emit!(STORE_FAILED, { store, operation, error = %Chain(error), duration }, "the session store failed");
}

/// A session's file can't be read.
pub(crate) fn file_damaged(path: &Path, reason: &'static str) {
    emit!(
        STORE_DAMAGED,
        { store = "filesystem", path = %path.display(), reason },
        "a session's file is damaged, and counts as absent"
    );
}

/// A store that was to cache what it reads can't.
pub(crate) fn store_uncached(store: &'static str, error: &StoreError) {
    emit!(
        STORE_UNCACHED,
        { store, error = %Chain(error) },
        "the server does not tell what changes, so that nothing is cached"
    );
}

/// A server that was asked to delete what expires does not know how.
pub(crate) fn store_unswept(store: &'static str) {
    emit!(STORE_UNSWEPT, { store }, "the server deletes nothing by itself, so that expired records need a sweep");
}

/// Something else is stored where a record would be.
pub(crate) fn record_foreign(store: &'static str, key: &str) {
    emit!(
        STORE_FOREIGN,
        { store, key },
        "what is stored under this key is no record, and counts as absent; it is kept until it is deleted"
    );
}

/// Live sessions are being ended for want of room.
pub(crate) fn store_full(store: &'static str, limit: u64, setting: &'static str) {
    emit!(STORE_FULL, { store, limit }, "the store is full, and live sessions are being ended: raise {setting}");
}

/// The files could not be kept to the threshold.
pub(crate) fn prune_failed(error: &StoreError) {
    emit!(
        STORE_PRUNE,
        { store = "filesystem", error = %Chain(error) },
        "the session files can't be kept to the threshold"
    );
}

/// No middleware is around a handler that wants a session.
pub(crate) fn no_middleware(route: Option<&str>, error: &SessionError) {
    emit!(NO_MIDDLEWARE, { route }, "{error}");
}

/// A session is used in a way that can't be right.
pub(crate) fn usage(error: &SessionError) {
    emit!(USAGE, { error = %error }, "the session is used in a way that can't be right");
}

/// Two local stores for one cookie.
pub(crate) fn second_store(cookie: &str, store: &str) {
    emit!(
        SECOND_STORE,
        { cookie, store },
        "this process has a second store for the same cookie, and each knows its own sessions only: build the \
         `SessionMiddleware` once, outside the app factory, and wrap clones of it"
    );
}

/// A variable that looks like a setting is none.
pub(crate) fn config_unknown(variable: &str, advice: impl fmt::Display) {
    emit!(CONFIG_UNKNOWN, { variable }, "{advice}");
}
