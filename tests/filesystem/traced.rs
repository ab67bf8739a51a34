//! A child under `strace`, which can kill it or fail a call of it at the n-th call of a kind.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use tempfile::TempDir;

use crate::{Missing, child::Child};

/// The system calls of a store, by what they do; what a system does not have is passed over.
pub(crate) const CALLS: [&str; 13] = [
    "?mkdir,?mkdirat",
    "openat",
    "?chmod,?fchmodat",
    "fchmod",
    "write",
    "fsync",
    "?rename,?renameat,?renameat2",
    "?unlink,?unlinkat",
    "flock",
    "?statx",
    "?fstat",
    "read",
    "close",
];

/// Whether processes can be traced here.
pub(crate) fn need() -> Result<(), Missing> {
    static NEED: LazyLock<Result<(), Missing>> = LazyLock::new(|| {
        let quiet = |command: &mut Command| command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        if quiet(Command::new("strace").arg("-V")).is_err() {
            return Err(Missing::Program("strace is not installed"));
        }
        let mut sleep = Command::new("sleep").arg("60").spawn().unwrap();
        let id = sleep.id().to_string();
        let mut strace = Command::new("strace").args(["-p", &id]).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let _ = BufReader::new(strace.stderr.take().unwrap()).read_line(&mut line);
        let _ = sleep.kill();
        let _ = (sleep.wait(), strace.kill(), strace.wait());
        match line.contains("attached") && !line.contains("ptrace") {
            true => Ok(()),
            false => Err(Missing::Forbidden("the system does not let one process trace another")),
        }
    });
    NEED.clone()
}

/// Runs the script with these expressions of `strace`; what the child said, and the log.
pub(crate) fn run(directory: &Path, expressions: &[&str]) -> (Vec<u8>, String) {
    let mut child = Child::start("script:", directory);
    let log = directory.join("log");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-s", "0", "-o"]).arg(&log).args(["-p", &child.id().to_string()]);
    for expression in expressions {
        strace.args(["-e", expression]);
    }
    let mut strace = strace.stderr(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
    let mut errors = BufReader::new(strace.stderr.take().unwrap());
    let mut line = String::new();
    errors.read_line(&mut line).unwrap();
    assert!(line.contains("attached"), "{line}");
    child.line.go();
    let said = child.rest();
    errors.read_to_string(&mut line).unwrap();
    strace.wait().unwrap();
    let mut text = String::new();
    File::open(log).unwrap().read_to_string(&mut text).unwrap();
    (said, text)
}

/// Runs the script again and again in new directories: for each kind of call, with `fault` at its first, second, third
/// … until one run ends without it. How many faults there were.
pub(crate) fn at_each_call(calls: &[&str], fault: &str, check: impl Fn(&Path, &[u8], &str) + Sync) -> usize {
    let (next, faults) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from).min(4) {
            scope.spawn(|| {
                while let Some(call) = calls.get(next.fetch_add(1, Ordering::Relaxed)) {
                    for when in 1.. {
                        let directory = TempDir::new_in(fast()).unwrap();
                        let inject = format!("inject={call}:{fault}:when={when}");
                        let (said, log) = run(directory.path(), &[&format!("trace={call}"), &inject]);
                        let hit = log.contains("INJECTED") || log.contains("killed by");
                        check(directory.path(), &said, &inject);
                        if !hit {
                            break;
                        }
                        faults.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    faults.into_inner()
}

/// A directory in memory if there is one: kills and errors are no matter of the disk.
pub(crate) fn fast() -> &'static Path {
    static FAST: LazyLock<std::path::PathBuf> = LazyLock::new(|| {
        let shared = Path::new("/dev/shm");
        match TempDir::new_in(shared) {
            Ok(_) => shared.to_owned(),
            Err(_) => std::env::temp_dir(),
        }
    });
    &FAST
}
