//! Each system call of a save fails once: what the store says of it is what happened.

use std::path::Path;

use actix_typed_session::store::FilesystemStore;

use crate::{
    block_on,
    script::{Possible, SCRIPT, check_usable, heard, root},
    tests,
    traced::{self, CALLS, at_each_call},
};

tests![
    a_disk_that_is_full_at_any_system_call_of_a_save_is_told_as_it_is if traced::need,
    an_error_of_the_disk_at_any_system_call_of_a_save_is_told_as_it_is if traced::need,
];

fn a_disk_that_is_full_at_any_system_call_of_a_save_is_told_as_it_is() {
    let writing = ["?mkdir,?mkdirat", "openat", "write", "fsync", "?rename,?renameat,?renameat2"];
    let errors = at_each_call(&writing, "error=ENOSPC", check);
    assert!(errors > 40, "{errors} errors are too few for every call");
}

fn an_error_of_the_disk_at_any_system_call_of_a_save_is_told_as_it_is() {
    let all: Vec<_> = CALLS.into_iter().filter(|call| *call != "close").collect();
    let errors = at_each_call(&all, "error=EIO", check);
    assert!(errors > 100, "{errors} errors are too few for every call");
}

fn check(directory: &Path, said: &[u8], inject: &str) {
    let (opened, outcomes) = heard(said);
    let root = root(directory);
    if opened == Some(true) {
        assert_eq!(outcomes.len(), SCRIPT.len(), "{inject}: it ended early");
        block_on(async {
            let store = FilesystemStore::new(&root).unwrap();
            Possible::after(&outcomes).check(&store).await;
        });
    }
    assert!(opened.is_some(), "{inject}: it ended before it had the store");
    check_usable(&root, 1);
}
