//! What the program says of itself, and to whom.

use std::process::Stdio;

use super::place::Place;

const COMMANDS: [&str; 8] = ["check", "migrate", "cleanup", "list", "revoke", "inspect", "completions", "man"];

pub(crate) async fn wrong_arguments_are_2(place: &Place) {
    let wrong: [&[&str]; 9] = [
        &[],
        &["destroy"],
        &["list"],
        &["revoke"],
        &["inspect"],
        &["inspect", "a", "b"],
        &["cleanup", "--batch", "0"],
        &["check", "--colour"],
        &["completions", "cmd"],
    ];
    for arguments in wrong {
        let said = place.run(arguments);
        assert_eq!((said.code, &*said.out), (2, ""), "{arguments:?}");
        assert!(said.err.contains("Usage: typed-session") || said.err.contains("'--help'"), "{}", said.err);
        let said = place.run(&[arguments, &["--json"]].concat());
        assert_eq!((said.code, &*said.err), (2, ""), "{arguments:?}");
        assert!(!said.json()["error"].as_str().unwrap().contains('\n'), "{}", said.out);
    }
}

pub(crate) async fn help_and_version_are_0(place: &Place) {
    let said = place.run(&["--help"]);
    assert_eq!((said.code, &*said.err), (0, ""));
    assert!(said.out.contains("Exit codes:"), "{}", said.out);
    for command in COMMANDS {
        assert!(said.out.contains(&format!("\n  {command}")), "{command}");
        assert_eq!(place.run(&["help", command]).code, 0);
    }
    assert_eq!(place.run(&["--version"]).out, format!("typed-session {}\n", env!("CARGO_PKG_VERSION")));
}

pub(crate) async fn the_manual_page_and_completions_know_every_command(place: &Place) {
    let page = place.run(&["man"]).out;
    assert!(page.contains(".TH typed-session 1"), "{page}");
    for command in COMMANDS {
        assert!(page.contains(&format!(".SH \"{}\"", command.to_uppercase())), "{command}");
    }
    for option in ["\\-\\-dry\\-run", "\\-\\-owner", "\\-\\-values", "\\-\\-json", "Exit codes"] {
        assert!(page.contains(option), "{option}");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = place.run(&["completions", shell]).out;
        assert!(COMMANDS.iter().all(|command| script.contains(command)), "{shell}");
    }
}

pub(crate) async fn nobody_reading_is_no_failure(place: &Place) {
    for arguments in [&["man"][..], &["completions", "zsh"], &["check"], &["--json", "cleanup"], &["--help"]] {
        let mut child = place.begin(arguments);
        // the other end is closed, as by a pager that was left
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    }
    let closed = place.command(&["check"], &[]).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(closed.success());
}
