//! `cleanup`: expired sessions.

use std::{fs, process::Command, time::Duration};

use actix_typed_session::store::{FilesystemStore, Record, SessionStore};

use super::place::{Kind, Place};

const MINUTE: Duration = Duration::from_secs(60);

/// So many records that have expired, and five that live.
async fn expired(place: &Place, count: usize) -> FilesystemStore {
    let store = FilesystemStore::new(place.path()).unwrap();
    for index in 0..count {
        let record = Record::new("bytes", Duration::from_millis(1));
        let _ = store.create(&format!("session:expired {index}"), &record).await.unwrap();
    }
    for index in 0..5 {
        let _ = store.create(&format!("session:live {index}"), &Record::new("bytes", MINUTE)).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(5)).await;
    store
}

async fn assert_live(store: &FilesystemStore) {
    for index in 0..5 {
        assert!(store.load(&format!("session:live {index}")).await.unwrap().is_some());
    }
}

pub(crate) async fn cleanup_leaves_what_lives(place: &Place) {
    let site = place.site(&[]);
    let ada = place.visitor(&site, &["/login/ada"]).await;
    let said = place.run(&["cleanup"]);
    assert_eq!((said.code, &*said.err), (0, ""));
    assert!(said.out.starts_with("0 expired sessions deleted in "), "{}", said.out);
    assert_eq!(ada.get("/me").await.status, 200);
}

pub(crate) async fn cleanup_again_finds_nothing(place: &Place) {
    if place.kind == Kind::Filesystem {
        expired(place, 20).await;
        assert_eq!(place.json(&["cleanup"])["deleted"], 20);
    }
    assert_eq!(place.json(&["cleanup"])["deleted"], 0);
    assert_eq!(place.json(&["cleanup", "--dry-run"])["expired"], 0);
}

pub(crate) async fn a_dry_run_counts_and_deletes_nothing(place: &Place) {
    let store = expired(place, 20).await;
    let said = place.run(&["cleanup", "--dry-run"]);
    assert_eq!((said.code, &*said.out, &*said.err), (0, "20 expired sessions would be deleted\n", ""));
    assert_eq!(place.json(&["cleanup", "--dry-run"])["expired"], 20);
    assert_eq!(store.count_expired().await.unwrap(), Some(20));
}

pub(crate) async fn cleanup_deletes_what_has_expired(place: &Place) {
    for batch in ["1", "7", "100000"] {
        let store = expired(place, 30).await;
        let said = place.run(&["cleanup", "--batch", batch]);
        assert_eq!((said.code, &*said.err), (0, ""));
        assert!(said.out.starts_with("30 expired sessions deleted in "), "{}", said.out);
        assert_eq!(store.count_expired().await.unwrap(), Some(0));
        assert_live(&store).await;
        for index in 0..5 {
            store.delete(&format!("session:live {index}")).await.unwrap();
        }
    }
}

pub(crate) async fn two_cleanups_at_once_share_the_work(place: &Place) {
    let store = expired(place, 400).await;
    let both = [(); 2].map(|()| place.begin(&["--json", "cleanup", "--batch", "5"]));
    let deleted = both.map(|one| place.said(one.wait_with_output().unwrap()).json()["deleted"].as_u64().unwrap());
    assert_eq!(deleted.iter().sum::<u64>(), 400, "each was deleted once: {deleted:?}");
    assert_eq!(store.count_expired().await.unwrap(), Some(0));
    assert_live(&store).await;
}

pub(crate) async fn a_cleanup_that_was_killed_is_finished_by_the_next(place: &Place) {
    let store = expired(place, 400).await;
    let mut first = place.begin(&["cleanup", "--batch", "1"]);
    // wherever it is by then
    while store.count_expired().await.unwrap() > Some(395) {}
    first.kill().unwrap();
    first.wait().unwrap();
    let left = store.count_expired().await.unwrap().unwrap();
    assert_eq!(place.json(&["cleanup"])["deleted"], left);
    assert_eq!(store.count_expired().await.unwrap(), Some(0));
    assert_live(&store).await;
}

pub(crate) async fn what_can_not_be_read_is_1_and_keeps_nothing_else_from_being_deleted(place: &Place) {
    let store = expired(place, 20).await;
    let is_folder = |entry: &fs::DirEntry| entry.path().is_dir();
    let folder = fs::read_dir(place.path()).unwrap().filter_map(Result::ok).find(is_folder).unwrap();
    fs::remove_dir_all(folder.path()).unwrap();
    fs::write(folder.path(), "a file where a folder was").unwrap();
    let said = place.run(&["cleanup"]);
    assert_eq!((said.code, &*said.out), (1, ""));
    assert!(said.err.contains("; 0 expired sessions are left"), "{}", said.err);
    assert_eq!(store.count_expired().await.unwrap(), Some(0));
}

pub(crate) async fn a_walk_goes_on_where_many_sessions_live(place: &Place) {
    let store = FilesystemStore::new(place.path()).unwrap();
    // in the last folder, behind more files than one call looks at
    let last = fs::canonicalize(place.path()).unwrap().join("ff");
    let mut index = 0;
    while !fs::read_dir(&last).is_ok_and(|mut files| files.next().is_some()) {
        index += 1;
        let _ = store.create(&format!("session:{index}"), &Record::new("", Duration::from_millis(1))).await.unwrap();
    }
    for index in 1..index {
        store.delete(&format!("session:{index}")).await.unwrap();
    }
    for index in 0..600 {
        let _ = store.create(&format!("session:live {index}"), &Record::new("bytes", MINUTE)).await.unwrap();
    }
    assert_eq!(store.delete_expired(1).await.unwrap().deleted, 0, "a call's work is bounded");
    assert_eq!(place.json(&["cleanup", "--batch", "1"])["deleted"], 1);
    assert_live(&store).await;
}

pub(crate) async fn on_a_terminal_a_bar_shows_how_far_it_is(place: &Place) {
    expired(place, 200).await;
    let command = place.command(&[], &[]);
    let program = command.get_program().to_str().unwrap();
    let run = format!("{program} cleanup --batch 1");
    let mut script = Command::new("script");
    let output = script.args(["--quiet", "--return", "--command", &run, "/dev/null"]).envs(place.settings()).output();
    let output = output.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said:?}");
    assert!(said.contains(" of 200 deleted, "), "{said:?}");
    assert!(said.contains("200 expired sessions deleted in "), "{said:?}");
}
