//! `custom`: the store of `examples/custom_store.rs`, as somebody else would test theirs.

use actix_typed_session::{Clock, testing::conformance::Subject};
use async_trait::async_trait;

use self::custom_store::MapStore;
use super::backend::Backend;

/// The example itself.
#[allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "it is a program of its own, of which the store is a part"
)]
#[path = "../../examples/custom_store.rs"]
mod custom_store;

pub(crate) struct Custom;

#[async_trait]
impl Backend for Custom {
    fn name(&self) -> &'static str {
        "custom"
    }

    fn without(&self) -> &'static [&'static str] {
        &["s11", "s16"]
    }

    async fn subject(&self) -> Subject {
        let clock = Clock::manual();
        Subject::new(MapStore::with_clock(clock.clone())).clock(clock)
    }
}
