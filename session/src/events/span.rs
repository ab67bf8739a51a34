//! The spans around a load and a commit: with the session's id, as soon as that is known.

use std::future::Future;

use futures_util::{FutureExt as _, future::BoxFuture};
use tracing::{Instrument as _, Level, Span, field, level_filters::LevelFilter};

use super::TARGET;
use crate::{commit::Outcome, id::SessionId, live::Loaded};

/// The span of a load.
pub(super) const LOAD: &str = "session.load";
/// The span of a commit.
pub(super) const COMMIT: &str = "session.commit";

/// A load, in its span.
pub(crate) fn loading(load: impl Future<Output = Loaded> + Send + 'static) -> BoxFuture<'static, Loaded> {
    if nobody_listens() {
        return load.boxed();
    }
    let span = tracing::debug_span!(target: TARGET, LOAD, id = field::Empty);
    inside(span, load, |loaded| loaded.as_ref().ok()?.as_ref().map(|live| live.token.id()))
}

/// A commit of this session, or of one that is not known yet, in its span.
pub(crate) fn committing(
    id: Option<SessionId>,
    commit: impl Future<Output = Outcome> + Send + 'static,
) -> BoxFuture<'static, Outcome> {
    if nobody_listens() {
        return commit.boxed();
    }
    let span = tracing::debug_span!(target: TARGET, COMMIT, id = id.map(field::display));
    inside(span, commit, move |outcome| match id {
        Some(_) => None,
        None => outcome.as_ref().ok()?.live.as_ref().map(|live| live.token.id()),
    })
}

/// Whether no subscriber wants spans of this level, whatever their target: one relaxed load.
fn nobody_listens() -> bool {
    LevelFilter::current() < Level::DEBUG
}

/// A future in a span, which gets the id that comes of it; where nobody listens, the future alone.
fn inside<T: 'static>(
    span: Span,
    future: impl Future<Output = T> + Send + 'static,
    id: impl FnOnce(&T) -> Option<SessionId> + Send + 'static,
) -> BoxFuture<'static, T> {
    if span.is_disabled() {
        return future.boxed();
    }
    let inside = span.clone();
    let future = async move {
        let output = future.await;
        if let Some(id) = id(&output) {
            inside.record("id", field::display(id));
        }
        output
    };
    future.instrument(span).boxed()
}
