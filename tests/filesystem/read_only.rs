//! A directory that can't be written.

use std::time::Duration;

use actix_typed_session::{
    Clock,
    store::{Created, FilesystemStore, Record, SessionStore, StoreErrorKind, Updated},
};
use actix_typed_session_tests::support::browser::Browser;

use crate::{
    HOUR, block_on,
    place::{self, remount},
    site::{self, page},
    tests,
};

tests![
    a_read_only_directory_is_read_and_each_write_is_an_error if place::need_disk,
    visitors_of_a_site_over_a_read_only_directory_stay_who_they_are if place::need_disk,
];

fn a_read_only_directory_is_read_and_each_write_is_an_error() {
    if place::on_disk("a_read_only_directory_is_read_and_each_write_is_an_error", "size=1m") {
        return;
    }
    block_on(async {
        let clock = Clock::manual();
        let store = FilesystemStore::new("sessions").unwrap().clock(clock.clone());
        let record = Record::new("bytes", HOUR);
        assert_eq!(store.create("key", &record).await.unwrap(), Created::Created);
        let expires = Record::new("expires", Duration::from_secs(1));
        assert_eq!(store.create("expires", &expires).await.unwrap(), Created::Created);
        remount("ro");
        store.ping().await.unwrap();
        assert_eq!(store.load("key").await.unwrap().unwrap().bytes, "bytes");
        assert_eq!(store.load("none").await.unwrap(), None);
        assert_eq!(store.delete_expired(10).await.unwrap().deleted, 0, "nothing is due");
        clock.advance(HOUR / 2);
        let errors = [
            store.create("new", &record).await.unwrap_err(),
            store.update("key", &record, &record.version).await.unwrap_err(),
            store.touch("key", 2 * HOUR).await.unwrap_err(),
            store.delete("key").await.unwrap_err(),
            store.delete_expired(10).await.unwrap_err(),
            store.migrate().await.unwrap_err(),
        ];
        assert!(errors.iter().all(|error| error.kind() == StoreErrorKind::Unavailable), "{errors:?}");
        assert_eq!(FilesystemStore::new("sessions").unwrap_err().key(), "SESSION_FILE_DIR");
        remount("rw");
        assert_eq!(store.delete_expired(10).await.unwrap().deleted, 1);
        assert_eq!(store.update("key", &Record::new("new", HOUR), &record.version).await.unwrap(), Updated::Done);
    });
}

fn visitors_of_a_site_over_a_read_only_directory_stay_who_they_are() {
    if place::on_disk("visitors_of_a_site_over_a_read_only_directory_stay_who_they_are", "size=1m") {
        return;
    }
    let clock = Clock::manual();
    let server = site::server("sessions", &clock);
    block_on(async {
        let browser = Browser::new(server.address);
        page(&browser, "/count").await;
        page(&browser, "/in").await;
        remount("ro");
        site::assert_reads_but_does_not_write(&browser, &clock).await;
        let out = browser.get("/out").await;
        assert_eq!((out.status, out.set_cookies().len()), (503, 0), "it has not ended");
        assert_eq!(page(&browser, "/who").await, "ada");
        remount("rw");
        page(&browser, "/out").await;
        assert_eq!(browser.get("/who").await.status, 401);
    });
}
