//! What the README, ARCHITECTURE.md and SECURITY.md say is so.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test panics")]

use std::{fs, path::Path};

use actix_typed_session::SessionConfig;

fn file(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    fs::read_to_string(root.join(name)).expect("the file is there")
}

/// Every source of the workspace that may hold a test, one after another.
fn sources() -> String {
    fn read(folder: &Path, all: &mut String) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                read(&path, all);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                *all += &fs::read_to_string(&path).expect("UTF-8");
            }
        }
    }
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = String::new();
    read(tests, &mut all);
    read(&tests.with_file_name("session").join("src"), &mut all);
    all
}

/// The cells of each row of the tables in a file whose first cell begins so.
fn rows<'a>(text: &'a str, begin: &str) -> Vec<Vec<&'a str>> {
    let rows = text.lines().map(|line| line.split('|').skip(1).map(str::trim).collect::<Vec<_>>());
    rows.filter(|row| row.first().is_some_and(|first| first.starts_with(begin))).collect()
}

/// What stands in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The name and the features of each store that the README has.
fn stores() -> Vec<(String, String)> {
    let readme = file("README.md");
    let (_, table) = readme.split_once("| `SESSION_TYPE` | feature |").expect("the table");
    let rows = rows(table.split("\n\n").next().unwrap_or_default(), "`");
    assert_eq!(rows.len(), 13, "the stores");
    rows.iter().map(|row| (row[0].trim_matches('`').to_owned(), row[1].to_owned())).collect()
}

#[test]
fn each_store_can_be_chosen_by_its_name() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, _) in stores() {
        let settings = [
            ("SESSION_TYPE", name.as_str()),
            ("SESSION_FILE_DIR", folder.path().to_str().expect("UTF-8")),
            ("SESSION_CACHE", "moka:1MiB"),
            ("SESSION_SQL", "sqlite:///sessions.db"),
        ];
        let built = SessionConfig::from_vars(settings).and_then(|config| config.store());
        assert!(built.is_ok(), "{name}: {:?}", built.err());
    }
}

#[test]
fn the_features_that_it_names_are_there() {
    let manifest = file("session/Cargo.toml");
    for (_, features) in stores() {
        for feature in quoted(&features) {
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

#[test]
fn each_test_that_the_architecture_names_is_there() {
    let (text, sources) = (file("ARCHITECTURE.md"), sources());
    let (_, rules) = text.split_once("| rule | mechanism | tests |").expect("the table");
    let tests = rules.lines().map(|line| line.split('|').nth(3).unwrap_or(line));
    for test in tests.flat_map(quoted) {
        let is_there = [format!("fn {test}("), format!("\"{test}\"")].iter().any(|text| sources.contains(text));
        assert!(is_there, "no test is called {test}");
    }
}

#[test]
fn each_rule_is_in_the_architecture_with_its_mechanism_and_its_tests() {
    let text = file("ARCHITECTURE.md");
    let (_, text) = text.split_once("| rule | mechanism | tests |").expect("the table");
    for (letter, last) in [('L', 9), ('O', 5), ('H', 11)] {
        for number in 1..=last {
            let rule = format!("{letter}{number} ");
            let [row] = &rows(text, &rule)[..] else { panic!("{rule}has one row") };
            let [_, mechanism, tests, ..] = &row[..] else { panic!("{rule}has three cells") };
            let (files, names): (Vec<_>, Vec<_>) = quoted(mechanism).partition(|name| name.ends_with(".rs"));
            let code: String = files.iter().map(|name| file(&format!("session/src/{name}"))).collect();
            assert!(!names.is_empty() && quoted(tests).next().is_some(), "{rule}");
            for name in names {
                assert!(code.contains(name), "{rule}: {name}");
            }
        }
    }
}

#[test]
fn each_file_of_the_architecture_is_there_and_each_file_is_in_it() {
    let text = file("ARCHITECTURE.md");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("session").join("src");
    for entry in fs::read_dir(&source).expect("the sources") {
        let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
        // a folder belongs to the file of its name
        let Some(module) = name.strip_suffix(".rs").filter(|module| *module != "lib") else { continue };
        let is_told = [format!("`{name}`"), format!("`{module}/`")].iter().any(|quoted| text.contains(quoted));
        assert!(is_told, "{name}");
    }
    for name in quoted(&text).filter(|name| name.ends_with(".rs") && !name.contains('*')) {
        let root = source.with_file_name("..");
        assert!(source.join(name).exists() || root.join(name).exists(), "{name}");
    }
}

#[test]
fn security_names_settings_that_exist_and_has_each_line_of_asvs() {
    let (text, keys) = (file("SECURITY.md"), file("session/src/config/keys.md"));
    for name in quoted(&text).filter(|name| name.starts_with("SESSION_") || name.starts_with("PERMANENT_")) {
        let key = name.split('=').next().unwrap_or_default();
        assert!(keys.contains(&format!("`{key}`")), "{key}");
    }
    let lines = [(1, 3), (2, 4), (3, 2), (4, 5), (5, 3), (6, 2)];
    let expected = lines.iter().flat_map(|(section, last)| (1..=*last).map(move |line| format!("7.{section}.{line}")));
    let told: Vec<_> = rows(&text, "7.").iter().map(|row| row[0].to_owned()).collect();
    assert_eq!(told, expected.collect::<Vec<_>>());
}
