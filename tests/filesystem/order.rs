//! The order in which a save reaches the disk, by the log of its system calls: no test can cut the power.

use std::path::Path;

use tempfile::TempDir;

use crate::{
    script::{SCRIPT, heard},
    tests, traced,
};

tests![
    a_save_is_on_the_disk_before_it_is_acknowledged if traced::need,
];

/// What reaches the disk, or the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    Made(String),
    Wrote(String),
    Synced(String),
    Renamed { from: String, to: String },
    Removed(String),
    Acknowledged,
}

fn a_save_is_on_the_disk_before_it_is_acknowledged() {
    let directory = TempDir::new().unwrap();
    let calls = "trace=?mkdir,?mkdirat,write,fsync,?rename,?renameat,?renameat2,?unlink,?unlinkat,writev";
    let (said, log) = traced::run(directory.path(), &[calls]);
    assert_eq!(heard(&said).1.len(), SCRIPT.len(), "{log}");
    let events: Vec<Event> = log.lines().filter_map(event).collect();
    let steps: Vec<&[Event]> = events.split(|event| *event == Event::Acknowledged).collect();
    assert_eq!(steps.len(), SCRIPT.len() + 2, "the opening, the steps, and the end: {log}");
    for events in &steps {
        check(events);
    }
    let synced = |step: &[Event]| step.iter().filter(|event| matches!(event, Event::Synced(_))).count();
    let syncs: Vec<usize> = steps.iter().map(|step| synced(step)).collect();
    // each step brings its folder to the disk, and a write its file too: also where it finds that it was done before, by
    // a process that may have been killed before it brought that to the disk
    let least = [2, 2, 1, 2, 1, 2, 2, 1, 1, 2, 2, 0];
    assert!(syncs.iter().zip(least).all(|(syncs, least)| *syncs >= least), "{syncs:?}: {log}");
}

/// Asserts the order of what happened before an acknowledgement.
fn check(events: &[Event]) {
    let at = |event: &Event| events.iter().rposition(|other| other == event);
    let synced = |path: &str| at(&Event::Synced(path.to_owned()));
    for (position, event) in events.iter().enumerate() {
        let after = match event {
            Event::Made(path) => synced(folder(path)),
            Event::Wrote(path) => {
                assert!(path.ends_with(".tmp"), "it is written in place: {events:?}");
                synced(path)
            }
            Event::Renamed { from, to } => {
                assert!(synced(from).is_some_and(|synced| synced < position), "not on the disk yet: {events:?}");
                assert!(!to.ends_with(".tmp"));
                synced(folder(to))
            }
            Event::Removed(path) if path.ends_with(".probe") => Some(usize::MAX),
            Event::Removed(path) => synced(folder(path)),
            Event::Synced(_) | Event::Acknowledged => Some(usize::MAX),
        };
        assert!(after.is_some_and(|after| after > position), "{event:?} is not brought to the disk: {events:?}");
    }
}

fn folder(path: &str) -> &str {
    Path::new(path).parent().unwrap().to_str().unwrap()
}

/// One line of the log, such as `17 fsync(5</tmp/x>) = 0`.
fn event(line: &str) -> Option<Event> {
    let (call, arguments) = line.split_once(' ')?.1.trim_start().split_once('(')?;
    if !arguments.contains(" = 0") && !matches!(call, "write" | "writev") {
        return None;
    }
    let between =
        |start: char, end: char| arguments.split_once(start)?.1.split_once(end).map(|(path, _)| path.to_owned());
    let mut quoted = arguments.split('"').skip(1).step_by(2).map(str::to_owned);
    match call {
        "mkdir" | "mkdirat" => quoted.next().map(Event::Made),
        "write" => between('<', '>').map(Event::Wrote),
        "fsync" => between('<', '>').map(Event::Synced),
        "rename" | "renameat" | "renameat2" => Some(Event::Renamed { from: quoted.next()?, to: quoted.next()? }),
        "unlink" | "unlinkat" => quoted.next().map(Event::Removed),
        "writev" => Some(Event::Acknowledged),
        _ => None,
    }
}
