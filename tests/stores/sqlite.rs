//! `sqlite`: `SqlStore` over a file a subject, opened twice as two processes do; no server stands between a write and its
//! answer.

use std::{fs, time::Duration};

use actix_typed_session::{
    Clock,
    store::{SessionStore, SqlStore},
    testing::conformance::Subject,
};
use async_trait::async_trait;

use super::backend::Backend;

pub(crate) struct Sqlite;

#[async_trait]
impl Backend for Sqlite {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn without(&self) -> &'static [&'static str] {
        &["s16"]
    }

    fn race_rounds(&self) -> usize {
        8
    }

    async fn subject(&self) -> Subject {
        let (clock, folder) = (Clock::manual(), tempfile::tempdir().unwrap());
        let path = |name: &str| folder.path().join(name);
        let at =
            |name: &str| SqlStore::new(&format!("sqlite:///{}", path(name).display())).unwrap().clock(clock.clone());
        let within = Duration::from_millis(400);
        let store = at("sessions.db").timeout(Duration::from_secs(10));
        store.migrate().await.unwrap();
        fs::create_dir(path("folder")).unwrap();
        fs::write(path("text"), "a text that somebody wrote, and that is no database at all".repeat(100)).unwrap();
        at("other.db").table("others").unwrap().migrate().await.unwrap();
        Subject::new(store)
            .beside(at("sessions.db").timeout(Duration::from_secs(10)))
            .clock(clock.clone())
            .failing("the file is a folder", at("folder").timeout(within), within)
            .failing("the file is a text", at("text").timeout(within), within)
            .failing("the folder is not there", at("gone/sessions.db").timeout(within), within)
            .failing("there is no table", at("other.db").timeout(within), within)
            .keeping(folder)
    }
}
