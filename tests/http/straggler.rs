//! L9 and S4: a write that was given up and arrives when all is over.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_typed_session::{
    SessionMiddleware,
    store::{Created, Record, SessionStore, StoreError, StoreErrorKind, Swept, Updated, Version, async_trait},
    testing::{Fault, Operation, ReferenceStore},
};
use actix_typed_session_tests::support::{browser::Browser, server::Server};

use crate::{
    routes::routes,
    site::{NAME, Site, key},
};

/// A store behind a network that keeps the first `create` back.
#[derive(Clone, Default)]
struct Slow {
    store: ReferenceStore,
    on_its_way: Arc<Mutex<Option<(String, Record)>>>,
}

#[async_trait]
impl SessionStore for Slow {
    async fn load(&self, key: &str) -> Result<Option<Record>, StoreError> {
        self.store.load(key).await
    }

    async fn create(&self, key: &str, record: &Record) -> Result<Created, StoreError> {
        let is_first = self.on_its_way.lock().unwrap().is_none();
        if is_first {
            *self.on_its_way.lock().unwrap() = Some((key.to_owned(), record.clone()));
            return Err(StoreError::new(StoreErrorKind::OutcomeUnknown, "no answer came"));
        }
        self.store.create(key, record).await
    }

    async fn update(&self, key: &str, record: &Record, expected: &Version) -> Result<Updated, StoreError> {
        self.store.update(key, record, expected).await
    }

    async fn touch(&self, key: &str, expires_in: Duration) -> Result<bool, StoreError> {
        self.store.touch(key, expires_in).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.store.delete(key).await
    }

    async fn delete_expired(&self, limit: u64) -> Result<Swept, StoreError> {
        self.store.delete_expired(limit).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.store.ping().await
    }

    fn name(&self) -> &'static str {
        "slow"
    }
}

#[tokio::test]
async fn a_create_that_arrives_after_the_end_revives_nothing() {
    for end in ["/destroy", "/rotate"] {
        let slow = Slow::default();
        let server = Server::start(SessionMiddleware::new(slow.clone()), 1, routes);
        let browser = Browser::new(server.address);
        assert_eq!(browser.get("/push/1").await.status, 200);
        let token = browser.cookie(NAME).unwrap();
        assert_eq!(browser.get(end).await.status, 200);
        // and where it was rotated, the session ends later
        assert_eq!(browser.get("/destroy").await.status, 200);

        let (key, record) = slow.on_its_way.lock().unwrap().clone().unwrap();
        let _ = slow.store.create(&key, &record).await.unwrap();
        let thief = Browser::new(server.address);
        thief.set_cookie("/", &format!("{NAME}={token}; Path=/; Secure"));
        assert_eq!(thief.get("/read").await.body, "[]", "{end}");
    }
}

/// L9: an answer to a rotation was lost, and somebody wrote meanwhile: the record's secret tells whether it happened.
#[tokio::test]
async fn a_rotation_in_doubt_is_made_once_whatever_others_wrote_meanwhile() {
    for happened in [true, false] {
        let site = Site::begun().await;
        let (old, key) = (site.token(), key(&site.token()));
        let before = site.record(&old).await.unwrap();
        site.faults.next(Operation::Update, 1, Fault::LostAnswer);
        let gate = site.faults.hold(Operation::Update);
        let browser = site.browser.clone();
        let rotation = tokio::spawn(async move { browser.get("/rotate").await });
        gate.arrived(1).await;
        let now = site.record(&old).await.unwrap();
        let bytes = if happened { &now.bytes } else { &before.bytes };
        let others = Record::new(bytes.clone(), now.expires_in);
        assert_eq!(site.store.update(&key, &others, &now.version).await.unwrap(), Updated::Done);
        gate.open();
        assert_eq!(rotation.await.unwrap().status, 200, "{happened}");
        assert_ne!(site.token(), old);
        assert_eq!(site.get("/read").await.body, "[1]", "{happened}");
        assert_eq!(site.record(&old).await.unwrap().version == others.version, happened);
    }
}
