//! What the README says is so.

#![allow(clippy::expect_used, reason = "a test panics")]

use std::{fs, path::Path};

use actix_typed_session::SessionConfig;

fn file(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    fs::read_to_string(root.join(name)).expect("the file is there")
}

#[test]
fn a_store_that_is_done_can_be_chosen_and_one_that_is_planned_can_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let readme = file("README.md");
    let rows: Vec<Vec<&str>> = readme
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    assert_eq!(rows.len(), 14, "the head and the stores");
    for row in rows.iter().skip(1) {
        let [_, name, _, state, ..] = row.as_slice() else { continue };
        let settings =
            [("SESSION_TYPE", name.trim_matches('`')), ("SESSION_FILE_DIR", folder.path().to_str().expect("UTF-8"))];
        let built = SessionConfig::from_vars(settings).and_then(|config| config.store());
        assert_eq!(built.is_ok(), *state == "done", "{name} is {state}");
    }
}

#[test]
fn the_features_that_it_names_are_there() {
    let manifest = file("session/Cargo.toml");
    for line in file("README.md").lines().filter(|line| line.contains("| done |")) {
        let features = line.split('|').nth(2).unwrap_or_default();
        for feature in features.split('`').skip(1).step_by(2) {
            assert!(manifest.contains(&format!("\n{feature} = [")), "{feature}");
        }
    }
}

#[test]
fn the_version_of_rust_is_that_of_the_workspace() {
    let manifest = file("Cargo.toml");
    let version =
        manifest.split("rust-version = \"").nth(1).and_then(|rest| rest.split('"').next()).expect("it is there");
    assert!(file("README.md").contains(&format!("Rust {version} or newer")));
    assert!(file("rust-toolchain.toml").contains(&format!("channel = \"{version}.")));
}
