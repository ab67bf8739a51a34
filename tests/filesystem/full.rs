//! A disk without room, and one without room for another file.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    time::Duration,
};

use actix_typed_session::{
    Clock,
    store::{Created, FilesystemStore, Record, SessionStore, StoreErrorKind, Updated},
};
use actix_typed_session_tests::support::browser::Browser;

use crate::{
    HOUR, block_on, place,
    script::files,
    site::{self, page},
    tests,
};

tests![
    a_full_disk_is_an_error_and_loses_nothing if place::need_disk,
    a_disk_without_room_for_a_file_is_an_error_and_loses_nothing if place::need_disk,
    visitors_of_a_site_on_a_full_disk_can_read_and_leave if place::need_disk,
];

fn a_full_disk_is_an_error_and_loses_nothing() {
    if place::on_disk("a_full_disk_is_an_error_and_loses_nothing", "size=512k") {
        return;
    }
    block_on(async {
        let clock = Clock::manual();
        let store = FilesystemStore::new("sessions").unwrap().clock(clock.clone());
        let record = large();
        assert_eq!(store.create("old", &record).await.unwrap(), Created::Created);
        assert_eq!(store.create("ends", &large()).await.unwrap(), Created::Created);
        let expires = Record::new("expires", Duration::from_secs(1));
        assert_eq!(store.create("expires", &expires).await.unwrap(), Created::Created);
        fill();
        let before = files("sessions".as_ref());
        for number in 0..50 {
            let errors = [
                store.create(&format!("new{number}"), &large()).await.unwrap_err(),
                store.update("old", &large(), &record.version).await.unwrap_err(),
                store.touch("old", 2 * HOUR).await.unwrap_err(),
            ];
            assert!(errors.iter().all(|error| error.kind() == StoreErrorKind::Unavailable), "{errors:?}");
        }
        assert_eq!(files("sessions".as_ref()), before, "failures leave nothing");
        let found = store.load("old").await.unwrap().unwrap();
        assert_eq!(found, Record { expires_in: found.expires_in, ..record.clone() });
        assert!(found.expires_in <= HOUR);

        clock.advance(HOUR / 2);
        assert_eq!(store.delete_expired(10).await.unwrap().deleted, 1, "a sweep makes room");
        fill();
        store.delete("ends").await.unwrap();
        assert_eq!(store.load("ends").await.unwrap(), None);
        store.delete("ends").await.unwrap();
        fs::remove_file("filler").unwrap();
        assert_eq!(store.update("old", &large(), &record.version).await.unwrap(), Updated::Done);
    });
}

fn a_disk_without_room_for_a_file_is_an_error_and_loses_nothing() {
    if place::on_disk("a_disk_without_room_for_a_file_is_an_error_and_loses_nothing", "size=1m,nr_inodes=40") {
        return;
    }
    block_on(async {
        let store = FilesystemStore::new("sessions").unwrap();
        let record = large();
        assert_eq!(store.create("old", &record).await.unwrap(), Created::Created);
        while let Ok(file) = File::create(format!("filler{}", rand_name())) {
            drop(file);
        }
        for number in 0..20 {
            let errors = [
                store.create(&format!("new{number}"), &large()).await.unwrap_err(),
                store.update("old", &large(), &record.version).await.unwrap_err(),
                store.touch("old", 2 * HOUR).await.unwrap_err(),
            ];
            assert!(errors.iter().all(|error| error.kind() == StoreErrorKind::Unavailable), "{errors:?}");
        }
        assert_eq!(FilesystemStore::new("sessions").unwrap_err().key(), "SESSION_FILE_DIR");
        assert_eq!(store.load("old").await.unwrap().unwrap().version, record.version);
        store.delete("old").await.unwrap();
        assert_eq!(store.load("old").await.unwrap(), None);
        assert_eq!(store.create("old", &large()).await.unwrap(), Created::Created, "there is room for one again");
    });
}

fn visitors_of_a_site_on_a_full_disk_can_read_and_leave() {
    if place::on_disk("visitors_of_a_site_on_a_full_disk_can_read_and_leave", "size=512k") {
        return;
    }
    let clock = Clock::manual();
    let server = site::server("sessions", &clock);
    block_on(async {
        let browser = Browser::new(server.address);
        page(&browser, "/count").await;
        page(&browser, "/in").await;
        fill();
        site::assert_reads_but_does_not_write(&browser, &clock).await;
        let token = browser.cookie(site::COOKIE).unwrap();
        page(&browser, "/out").await;
        assert_eq!(browser.get("/who").await.status, 401);
        assert_eq!(site::with_token(&browser, &token).get("/who").await.status, 401, "it has ended");
        fs::remove_file("filler").unwrap();
        assert_eq!(page(&browser, "/count").await, "1");
    });
}

fn large() -> Record {
    Record::new(vec![1; 9000], HOUR)
}

fn fill() {
    let mut filler = File::options().append(true).create(true).open("filler").unwrap();
    let error = loop {
        if let Err(error) = filler.write_all(&[0; 4096]) {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::StorageFull);
}

fn rand_name() -> String {
    format!("{:?}", Record::new("", HOUR).version)
}
