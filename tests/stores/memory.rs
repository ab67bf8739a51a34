//! `memory`: it has no backend that could fail.

use actix_typed_session::{Clock, store::MemoryStore, testing::conformance::Subject};
use async_trait::async_trait;

use super::backend::Backend;

pub(crate) struct Memory;

#[async_trait]
impl Backend for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn without(&self) -> &'static [&'static str] {
        &["s11", "s16"]
    }

    async fn subject(&self) -> Subject {
        let clock = Clock::manual();
        Subject::new(MemoryStore::default().clock(clock.clone())).clock(clock)
    }
}
