//! What the page "Troubleshooting" quotes is what the compiler, the program and its log say.

use std::{fs, path::Path};

use actix_typed_session::{
    SessionConfig, SessionMiddleware,
    store::{MemcachedStore, NullStore, Record, SessionStore as _},
};

use crate::{events, flows, mistakes, site::DAY};

const PAGE: &str = include_str!("../../session/src/docs/troubleshooting.md");

/// The lines that a section of the page quotes.
fn quoted(section: &str) -> Vec<&'static str> {
    let (_, text) = PAGE.split_once(&format!("\n## {section}\n")).expect("the section");
    let text = text.split("\n## ").next().expect("a text");
    let blocks = text.split("```text\n").skip(1).map(|rest| rest.split("```").next().expect("it ends"));
    blocks.flat_map(str::lines).collect()
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

#[test]
fn what_the_compiler_is_quoted_with_is_what_it_says_of_such_a_mistake() {
    let folder = repository().join("session-derive/tests/ui/fail");
    let said: String = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "stderr"))
        .map(|path| fs::read_to_string(path).expect("UTF-8"))
        .collect();
    let quoted = quoted("The compiler");
    assert!(quoted.len() > 8, "{quoted:?}");
    for message in quoted {
        assert!(said.lines().any(|line| line == message), "the compiler never says: {message}");
    }
}

/// What is said of a program's settings, and of those of one that is built without the features that are on here.
fn said_at_the_start() -> Vec<String> {
    let of = |vars: &[(&str, &str)]| {
        let built = SessionConfig::from_vars(vars.iter().copied()).and_then(SessionMiddleware::from_config);
        built.expect_err("it can't be honoured").to_string()
    };
    let memcached = || MemcachedStore::new("127.0.0.1:11211").unwrap();
    let mut said = vec![
        of(&[("SESSION_USE_SIGNER", "true"), ("SESSION_SECRET_KEYS", "hunter2")]),
        of(&[("SESSION_USE_SIGNER", "true")]),
        of(&[("SESSION_ENCRYPTION_KEYS", "hunter2")]),
        of(&[("SESSION_COOKIE_SAMESITE", "sometimes")]),
        of(&[("SESSION_COOKIE_SAMESITE", "None"), ("SESSION_COOKIE_SECURE", "false")]),
        of(&[("SESSION_COOKIE_NAME", "__Host-sid"), ("SESSION_COOKIE_PATH", "/shop")]),
        of(&[("SESSION_TYPE", "sql")]),
        SessionMiddleware::new(memcached()).sessions().unwrap_err().to_string(),
        of(&[("SESSION_TYPE", "memcached"), ("SESSION_LIMIT_PER_OWNER", "5")]),
    ];
    // the tests of a build without them
    let tests = fs::read_to_string(repository().join("session/src/config/tests.rs")).expect("UTF-8");
    let of_features = tests.split('"').filter(|text| text.ends_with("which this program is built without"));
    said.extend(of_features.map(str::to_owned));
    said
}

#[test]
fn what_the_start_is_quoted_with_is_what_it_says() {
    let (mut quoted, mut said) = (quoted("The start"), said_at_the_start());
    quoted.sort_unstable();
    said.sort_unstable();
    assert_eq!(quoted, said);
}

#[tokio::test]
async fn what_the_log_is_quoted_with_is_what_it_says() {
    flows::secrets().await;
    mistakes::a_message_for_after_the_end().await;
    let told = events::all();
    let nowhere = NullStore.create("session:1", &Record::new("bytes", DAY)).await.unwrap_err().to_string();
    let quoted = quoted("The log");
    assert!(quoted.len() > 15, "{quoted:?}");
    for line in quoted {
        let is_said = match line.split_once(" actix_typed_session: ") {
            Some((level, message)) => told.iter().any(|told| {
                // the name of the event is in the text below
                told.level.as_str() == level
                    && told.target == "actix_typed_session"
                    && told.text.contains(&format!("message={message}"))
                    && PAGE.contains(&format!("`{}`", told.name))
            }),
            None => nowhere == line || told.iter().any(|told| told.text.contains(&format!(" error={line}"))),
        };
        assert!(is_said, "the log never says: {line}");
    }
}
