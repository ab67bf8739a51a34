//! [`MemoryStore`].

/// To be written.
#[derive(Debug)]
pub struct MemoryStore;
