//! A store of one's own, in about a hundred lines: a map behind a lock, as a stand-in for your database.
//!
//!     cargo run --example custom_store
//!     curl -c jar -b jar http://127.0.0.1:8080/count      # 1, then 2, then 3 …
//!
//! The rules that a store must keep are at `SessionStore`; the suite of feature `testing` checks every one of them, as the
//! test below does:
//!
//!     cargo test --example custom_store

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use actix_typed_session::{
    Clock, Session, SessionMiddleware,
    store::{Created, Record, SessionStore, StoreError, Swept, Updated, Version, async_trait},
};
use actix_web::{App, HttpServer, get, web::ServiceConfig};

/// Keeps sessions in a map.
#[derive(Default)]
pub struct MapStore {
    rows: Mutex<HashMap<String, Row>>,
    clock: Clock,
}

struct Row {
    record: Record,
    /// In milliseconds, by the clock.
    expires_at: u64,
}

impl MapStore {
    /// The same by another clock: tests bring one that they move.
    pub fn with_clock(clock: Clock) -> Self {
        Self { clock, ..Self::default() }
    }

    fn rows(&self) -> MutexGuard<'_, HashMap<String, Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn row(&self, record: &Record) -> Row {
        Row { record: record.clone(), expires_at: self.expires_at(record.expires_in) }
    }

    fn expires_at(&self, expires_in: Duration) -> u64 {
        // rounded up, for an expiry is never earlier than asked
        let millis = expires_in.as_nanos().div_ceil(1_000_000);
        self.clock.elapsed().saturating_add(u64::try_from(millis).unwrap_or(u64::MAX))
    }

    fn is_live(&self, row: &Row) -> bool {
        row.expires_at >= self.clock.elapsed()
    }

    fn current(&self, row: &Row) -> Record {
        let left = row.expires_at.saturating_sub(self.clock.elapsed());
        Record { expires_in: Duration::from_millis(left), ..row.record.clone() }
    }
}

#[async_trait]
impl SessionStore for MapStore {
    async fn load(&self, key: &str) -> Result<Option<Record>, StoreError> {
        Ok(self.rows().get(key).filter(|row| self.is_live(row)).map(|row| self.current(row)))
    }

    async fn create(&self, key: &str, record: &Record) -> Result<Created, StoreError> {
        let mut rows = self.rows();
        if rows.get(key).is_some_and(|row| self.is_live(row)) {
            return Ok(Created::Taken);
        }
        rows.insert(key.to_owned(), self.row(record));
        Ok(Created::Created)
    }

    async fn update(&self, key: &str, record: &Record, expected: &Version) -> Result<Updated, StoreError> {
        let mut rows = self.rows();
        match rows.get_mut(key).filter(|row| self.is_live(row)) {
            None => Ok(Updated::Gone),
            Some(row) if row.record.version != *expected => Ok(Updated::Conflict(self.current(row))),
            Some(row) => {
                *row = self.row(record);
                Ok(Updated::Done)
            }
        }
    }

    async fn touch(&self, key: &str, expires_in: Duration) -> Result<bool, StoreError> {
        let mut rows = self.rows();
        let Some(row) = rows.get_mut(key).filter(|row| self.is_live(row)) else { return Ok(false) };
        row.expires_at = row.expires_at.max(self.expires_at(expires_in));
        Ok(true)
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.rows().remove(key);
        Ok(())
    }

    async fn delete_expired(&self, limit: u64) -> Result<Swept, StoreError> {
        let mut rows = self.rows();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut expired: Vec<_> =
            rows.iter().filter(|(_, row)| !self.is_live(row)).map(|(key, _)| key.clone()).collect();
        let more = expired.len() > limit;
        expired.truncate(limit);
        let deleted = expired.iter().filter(|key| rows.remove(*key).is_some()).count() as u64;
        Ok(Swept { deleted, more })
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn name(&self) -> &'static str {
        "map"
    }
}

#[derive(Default, Session)]
#[session(default)]
struct Visits {
    #[session(merge = "add")]
    count: u64,
}

#[get("/count")]
async fn count(mut visits: Session<Visits>) -> String {
    visits.count += 1;
    visits.count.to_string()
}

/// For `main` and for the tests.
fn routes(app: &mut ServiceConfig) {
    app.service(count);
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(8080);
    let sessions = SessionMiddleware::new(MapStore::default());
    println!("listening on http://127.0.0.1:{port}");
    HttpServer::new(move || App::new().wrap(sessions.clone()).configure(routes)).bind(("127.0.0.1", port))?.run().await
}

#[cfg(test)]
mod tests {
    use actix_typed_session::testing::{
        Browser,
        conformance::{self, Subject},
    };
    use actix_web::test;

    use super::*;

    #[actix_web::test]
    async fn the_store_keeps_every_rule() {
        let clock = Clock::manual();
        conformance::run_all(&Subject::new(MapStore::with_clock(clock.clone())).clock(clock)).await;
    }

    #[actix_web::test]
    async fn sessions_are_kept_in_it() {
        let sessions = SessionMiddleware::new(MapStore::default());
        let app = App::new().wrap(sessions.clone()).configure(routes);
        let browser = Browser::of(test::init_service(app).await);
        browser.get("/count").await;
        assert_eq!(browser.get("/count").await.body, "2");
        assert_eq!(browser.expect_stored::<Visits>(&sessions).await.count, 2);
    }
}
