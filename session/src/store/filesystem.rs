//! [`FilesystemStore`].

/// To be written.
#[derive(Debug)]
pub struct FilesystemStore;
