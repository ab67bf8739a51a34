//! `filesystem`: two stores over one folder, as two processes have them; a write's outcome is always known.

use std::{fs, time::Duration};

use actix_typed_session::{Clock, store::FilesystemStore, testing::conformance::Subject};
use async_trait::async_trait;

use super::backend::Backend;

pub(crate) struct Filesystem;

#[async_trait]
impl Backend for Filesystem {
    fn name(&self) -> &'static str {
        "filesystem"
    }

    fn without(&self) -> &'static [&'static str] {
        &["s16"]
    }

    fn race_rounds(&self) -> usize {
        8
    }

    async fn subject(&self) -> Subject {
        let (clock, folder) = (Clock::manual(), tempfile::tempdir().unwrap());
        let open = |name| FilesystemStore::new(folder.path().join(name)).unwrap().clock(clock.clone());
        let gone = open("gone");
        fs::remove_dir_all(folder.path().join("gone")).unwrap();
        fs::write(folder.path().join("gone"), "a file where the folder was").unwrap();
        Subject::new(open("sessions"))
            .beside(open("sessions"))
            .clock(clock.clone())
            .failing("the folder became a file", gone, Duration::from_secs(2))
            .keeping(folder)
    }
}
