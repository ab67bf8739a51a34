//! `check` and `migrate`: what the settings say.

use std::fs;

use super::place::{KEY, Kind, PASSWORD, Place};

pub(crate) async fn check_says_what_is_set_and_that_the_store_answers(place: &Place) {
    let more = [("SESSION_COOKIE_NAME", "sid"), ("SESSION_ID_LENGTH", "32")];
    let said = place.run_with(&["check"], &more);
    assert_eq!((said.code, &*said.err), (0, ""), "{}", said.out);
    let line = |name: &str| said.out.lines().find(|line| line.starts_with(name)).map(|line| line[name.len()..].trim());
    assert_eq!(line("SESSION_TYPE"), Some(&*place.kind.to_string()));
    assert_eq!(line("SESSION_COOKIE_NAME"), Some("sid"));
    assert_eq!(line("SESSION_ID_LENGTH"), None, "it is the default");
    assert!(line("round trip").is_some());

    let json = place.run_with(&["check", "--json"], &more).json();
    assert_eq!(json["store"], place.kind.to_string());
    assert_eq!(json["settings"]["SESSION_COOKIE_NAME"], "sid");
    assert!(json["round_trip_ms"].as_f64().unwrap() > 0.0);
}

pub(crate) async fn check_shows_no_secret(place: &Place) {
    let key = KEY.repeat(2);
    let more = [
        ("SESSION_USE_SIGNER", "true"),
        ("SECRET_KEY", &*key),
        ("SESSION_ENCRYPTION_KEYS", KEY),
        // of other stores, as they may be left there
        ("SESSION_MEMCACHED", "ann:hunter2@cache"),
        ("SESSION_DYNAMODB_SECRET", "hunter2"),
    ];
    // each output is looked through
    for arguments in [&["check"][..], &["check", "--json"]] {
        let said = place.run_with(arguments, &more);
        assert_eq!(said.code, 0, "{}", said.err);
        assert!(said.out.contains("SECRET_KEY") && said.out.contains("[redacted]"), "{}", said.out);
    }
    let wrong = place.run_with(&["check"], &[("SECRET_KEY", "hunter2"), ("SESSION_USE_SIGNER", "true")]);
    assert_eq!(wrong.code, 2, "{}", wrong.err);
}

pub(crate) async fn check_of_a_store_that_is_down_is_1_and_says_why(place: &Place) {
    let url = format!("redis://:{PASSWORD}@127.0.0.1:1");
    let (more, why) = match place.kind {
        Kind::Redis => (("SESSION_REDIS", &*url), "can't connect to redis at 127.0.0.1:1: Connection refused"),
        Kind::Filesystem => (("SESSION_FILE_DIR", "/dev/null/sessions"), "/dev/null/sessions"),
    };
    let said = place.run_with(&["check"], &[more]);
    // a folder that can't be made is a setting that is wrong
    assert_eq!(said.code, if place.kind == Kind::Redis { 1 } else { 2 }, "{}", said.err);
    assert!(said.err.starts_with("typed-session: ") && said.err.contains(why), "{}", said.err);
    assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    assert_eq!(said.err.matches("refused").count(), usize::from(place.kind == Kind::Redis), "{}", said.err);
    if place.kind == Kind::Redis {
        assert!(said.out.contains("SESSION_REDIS "), "what is set is told all the same: {}", said.out);
    }
    let said = place.run_with(&["check", "--json"], &[more]);
    assert_eq!(said.err, "");
    assert!(said.json()["error"].as_str().unwrap().contains(why));
}

pub(crate) async fn migrate_may_run_twice(place: &Place) {
    for _ in 0..2 {
        let said = place.run(&["migrate"]);
        assert_eq!((said.code, &*said.err), (0, ""));
    }
    assert_eq!(place.json(&["migrate"])["migrated"], true);
}

pub(crate) async fn print_does_nothing(place: &Place) {
    let said = place.run(&["migrate", "--print"]);
    assert_eq!((said.code, &*said.out, &*said.err), (0, "", ""));
    assert!(place.json(&["migrate", "--print"])["migration"].is_null());
}

pub(crate) async fn a_wrong_setting_is_2_and_named(place: &Place) {
    for (name, value) in [
        ("SESSION_TYPE", "cassandra"),
        ("SESSION_REDIS", "http://cache"),
        ("SESSION_COOKIE_SAMESITE", "sometimes"),
        ("SESSION_ID_LENGTH", "8"),
    ] {
        for command in [&["check"][..], &["cleanup"], &["list", "--owner", "ada"]] {
            let said = place.run_with(command, &[(name, value)]);
            assert_eq!((said.code, &*said.out), (2, ""), "{}", said.err);
            assert!(said.err.contains(name), "{}", said.err);
        }
    }
    let said = place.run_with(&["--json", "check"], &[("SESSION_ID_LENGTH", "8")]);
    assert!(said.json()["error"].as_str().unwrap().contains("SESSION_ID_LENGTH"));
}

pub(crate) async fn a_variable_that_is_no_setting_is_told(place: &Place) {
    let said = place.run_with(&["check"], &[("SESSION_COOKIE_NAM", "sid")]);
    assert_eq!(said.code, 0);
    assert_eq!(said.out.matches("warning: ").count(), 1, "{}", said.out);
    assert!(said.out.contains("`SESSION_COOKIE_NAM`") && said.out.contains("`SESSION_COOKIE_NAME`?"), "{}", said.out);
}

pub(crate) async fn sessions_that_live_in_another_process_are_2(place: &Place) {
    let id = "0".repeat(32);
    for kind in ["memory", "null"] {
        let commands: [&[&str]; 5] = [
            &["cleanup"],
            &["list", "--owner", "ada"],
            &["revoke", "--owner", "ada"],
            &["revoke", "--id", &id],
            &["inspect", &id],
        ];
        for command in commands {
            let said = place.run_with(command, &[("SESSION_TYPE", kind)]);
            assert_eq!((said.code, &*said.out), (2, ""), "{command:?}");
            assert!(said.err.contains("SESSION_TYPE"), "{}", said.err);
        }
        assert_eq!(place.run_with(&["check"], &[("SESSION_TYPE", kind)]).code, 0);
    }
    assert!(fs::exists(place.path()).is_ok_and(|there| !there));
}

pub(crate) async fn a_store_that_may_throw_out_has_no_lists(place: &Place) {
    let more = [("SESSION_TYPE", "memcached"), ("SESSION_MEMCACHED", "127.0.0.1:1")];
    for command in [&["list", "--owner", "ada"][..], &["revoke", "--owner", "ada"]] {
        let said = place.run_with(command, &more);
        assert_eq!(said.code, 2, "{}", said.err);
        assert!(said.err.contains("memcached"), "{}", said.err);
    }
    // one session is found without any list, if anybody answers
    assert_eq!(place.run_with(&["revoke", "--id", &"0".repeat(32)], &more).code, 1);
}
