//! Two processes on one directory: what each of them does counts, and neither undoes the other.

use std::{path::Path, time::Duration};

use actix_typed_session::store::{Created, FilesystemStore, Record, SessionStore, Updated, Version};
use actix_typed_session_tests::support::browser::Browser;
use futures_util::future::join_all;
use tempfile::TempDir;

use crate::{
    HOUR, block_on,
    child::{Child, Line},
    script::files,
    site::{COOKIE, Site, page, with_token},
    tests,
    traced::fast,
};

tests![
    of_the_additions_of_two_processes_none_is_lost,
    requests_to_two_servers_are_counted_exactly,
    of_rotations_on_two_servers_one_wins_and_its_token_alone_lives,
    what_one_process_ends_no_other_brings_back,
    sweeps_of_one_process_take_nothing_from_another,
    two_processes_keep_to_a_threshold_together,
];

const ADDITIONS: u64 = 150;

fn of_the_additions_of_two_processes_none_is_lost() {
    let directory = TempDir::new_in(fast()).unwrap();
    let store = FilesystemStore::new(directory.path()).unwrap();
    let zero = Record::new(0_u64.to_be_bytes().to_vec(), HOUR);
    assert_eq!(block_on(store.create("sum", &zero)).unwrap(), Created::Created);
    let mut children = [(), ()].map(|()| Child::start(&format!("add:{ADDITIONS}"), directory.path()));
    children.iter().for_each(|child| child.line.go());
    children.iter_mut().for_each(|child| assert_eq!(child.rest(), b"."));
    let sum = block_on(store.load("sum")).unwrap().unwrap().bytes;
    assert_eq!(*sum, (2 * ADDITIONS).to_be_bytes());
    assert_eq!(files(directory.path()).len(), 1);
}

/// The process that adds to one record, this often, from two threads at once.
pub(crate) fn add(directory: &Path, times: &str, line: &Line) {
    let store = FilesystemStore::new(directory).unwrap().timeout(HOUR);
    let (store, times): (_, u64) = (&store, times.parse().unwrap());
    line.ready();
    block_on(async {
        let adders = [times / 2, times - times / 2].map(|times| async move {
            let mut done = 0;
            while done < times {
                let record = store.load("sum").await.unwrap().unwrap();
                let sum = u64::from_be_bytes(record.bytes[..].try_into().unwrap()) + 1;
                let next = Record::new(sum.to_be_bytes().to_vec(), HOUR);
                done += u64::from(store.update("sum", &next, &record.version).await.unwrap() == Updated::Done);
            }
        });
        join_all(adders).await;
    });
    line.say(b".");
}

fn requests_to_two_servers_are_counted_exactly() {
    let directory = TempDir::new_in(fast()).unwrap();
    let sites = [Site::start(directory.path()), Site::start(directory.path())];
    let first = Browser::new(sites[0].address);
    let browsers = [first.clone(), first.at(sites[1].address)];
    block_on(async {
        page(&first, "/count").await;
        for _ in 0..4 {
            let requests = browsers.iter().cycle().take(32).map(|browser| browser.get("/count"));
            assert!(join_all(requests).await.iter().all(|answer| answer.status == 200));
        }
        assert_eq!(page(&browsers[1], "/look").await, (1 + 4 * 32).to_string());
    });
}

fn of_rotations_on_two_servers_one_wins_and_its_token_alone_lives() {
    let directory = TempDir::new_in(fast()).unwrap();
    let sites = [Site::start(directory.path()), Site::start(directory.path())];
    let first = Browser::new(sites[0].address);
    block_on(async {
        page(&first, "/count").await;
        for _ in 0..3 {
            let old = first.cookie(COOKIE).unwrap();
            // each with a jar of its own, and the same token
            let browsers: Vec<Browser> =
                sites.iter().cycle().take(16).map(|site| with_token(&first.at(site.address), &old)).collect();
            join_all(browsers.iter().map(|browser| browser.get("/rotate"))).await;
            let mut tokens: Vec<String> = browsers.iter().map(|browser| browser.cookie(COOKIE).unwrap()).collect();
            tokens.retain(|token| *token != old);
            assert_eq!(tokens.len(), 1, "one wins");
            assert_eq!(page(&with_token(&first, &tokens[0]), "/look").await, "1");
            assert_eq!(page(&with_token(&first, &old), "/look").await, "0");
            first.set_cookie("/", &format!("{COOKIE}={}; Secure; Path=/", tokens[0]));
        }
    });
    assert_eq!(files(directory.path()).len(), 1);
}

fn what_one_process_ends_no_other_brings_back() {
    let directory = TempDir::new_in(fast()).unwrap();
    let sites = [Site::start(directory.path()), Site::start(directory.path())];
    block_on(async {
        for _ in 0..6 {
            let first = Browser::new(sites[0].address);
            page(&first, "/count").await;
            let token = first.cookie(COOKIE).unwrap();
            let browsers: Vec<Browser> =
                sites.iter().cycle().take(12).map(|site| with_token(&first.at(site.address), &token)).collect();
            let leaves = with_token(&first.at(sites[1].address), &token);
            let counts = browsers.iter().map(|browser| browser.get("/count"));
            let (out, _) = tokio::join!(leaves.get("/out"), join_all(counts));
            assert_eq!(out.status, 200);
            for site in &sites {
                assert_eq!(page(&with_token(&first.at(site.address), &token), "/look").await, "0");
            }
        }
    });
}

fn sweeps_of_one_process_take_nothing_from_another() {
    let directory = TempDir::new_in(fast()).unwrap();
    let store = FilesystemStore::new(directory.path()).unwrap();
    // it saves, touches and deletes, and asserts what each call comes to
    let mut busy = Child::start("load:busy", directory.path());
    busy.line.go();
    block_on(async {
        for round in 0..20 {
            let expired: Vec<String> = (0..8).map(|number| format!("{round}:{number}")).collect();
            for key in &expired {
                let record = Record::new("expires", Duration::from_millis(1));
                assert_eq!(store.create(key, &record).await.unwrap(), Created::Created);
            }
            store.delete_expired(1000).await.unwrap();
            for key in &expired {
                assert!(store.create(key, &Record::new("new", HOUR)).await.unwrap() == Created::Created);
                assert!(store.load(key).await.unwrap().is_some());
            }
            // the child lives: an assertion of its would have ended it
            let mut steps = 0;
            while steps < 100 {
                assert!(busy.line.take::<5>().is_some(), "the child ended");
                steps += 1;
            }
        }
    });
    busy.kill();
}

fn two_processes_keep_to_a_threshold_together() {
    let directory = TempDir::new_in(fast()).unwrap();
    let mut children = ["a", "b"].map(|name| Child::start(&format!("fill:{name}"), directory.path()));
    for round in 0..60 {
        children.iter().for_each(|child| child.line.go());
        children.iter_mut().for_each(|child| assert_eq!(child.line.next(), Some(b'.')));
        // one counts while the other's record is not there yet, so it may be one over; it never ends too many
        let count = files(directory.path()).len();
        let least = THRESHOLD.min(2 * (round + 1));
        assert!((least..=THRESHOLD + 1).contains(&count), "{count} records in round {round}");
    }
    let store = FilesystemStore::new(directory.path()).unwrap().threshold(THRESHOLD as u64);
    assert_eq!(block_on(store.create("last", &Record::new("", HOUR))).unwrap(), Created::Created);
    assert_eq!(files(directory.path()).len(), THRESHOLD);
    assert!(block_on(store.load("last")).unwrap().is_some());
}

const THRESHOLD: usize = 12;

/// The process that makes a record each time that it is told to, with any lifetime.
pub(crate) fn fill(directory: &Path, name: &str, line: &Line) {
    let store = FilesystemStore::new(directory).unwrap().timeout(HOUR).threshold(THRESHOLD as u64);
    line.ready();
    for number in 0.. {
        let seconds = u64::from(Version::random().as_bytes()[0]);
        let record = Record::new("", HOUR + Duration::from_secs(seconds));
        assert_eq!(block_on(store.create(&format!("{name}{number}"), &record)).unwrap(), Created::Created);
        line.say(b".");
        if !line.wait() {
            break;
        }
    }
}
