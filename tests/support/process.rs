//! What the servers of tests share: a free port, and signals.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::{
    fs,
    net::TcpListener,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    thread::sleep,
    time::{Duration, Instant},
};

/// A port that nobody listens on, below those that the system gives to outgoing connections.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 500).unwrap() * 20;
    loop {
        let port = 20_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A command that runs as this user, where this process is root's and the program refuses to be; silent, in this folder,
/// which is the user's then.
pub fn command_as(user: &str, program: impl AsRef<Path>, folder: &Path) -> Command {
    let mut command = Command::new(program.as_ref());
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if is_root {
        let (uid, gid) = ids(user);
        std::os::unix::fs::chown(folder, Some(uid), Some(gid)).unwrap();
        command.uid(uid).gid(gid);
    }
    command
}

/// Whether this user can be run as.
pub fn has_user(user: &str) -> bool {
    passwd(user).is_some()
}

/// Waits until a server says that it is up; `false` if it ended before.
pub fn wait_until_up(process: &mut Child, mut is_up: impl FnMut() -> bool) -> bool {
    let patience = Instant::now() + Duration::from_secs(60);
    while !is_up() {
        if process.try_wait().unwrap().is_some() {
            return false;
        }
        assert!(Instant::now() < patience, "the server does not start");
        sleep(Duration::from_millis(10));
    }
    true
}

/// The processes that this one started.
pub fn children(process: &Child) -> Vec<u32> {
    let parent = process.id().to_string();
    let all = fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // after the name, which may hold anything: the state and the parent
        stat.rsplit_once(')').is_some_and(|(_, rest)| rest.split_whitespace().nth(1) == Some(&parent))
    })
    .collect()
}

/// Holds a process still. Its threads stop one after the other: this waits for the last.
pub fn hold(pid: u32) {
    signal_pid(pid, "-STOP");
    while !all_stopped(pid) {
        sleep(Duration::from_millis(1));
    }
}

/// Lets a process go on after [`hold`].
pub fn release(pid: u32) {
    signal_pid(pid, "-CONT");
}

/// Sends a signal to a process that may be gone by now.
pub fn signal_pid(pid: u32, signal: &str) {
    let _ = Command::new("kill").args([signal, &pid.to_string()]).stderr(Stdio::null()).status();
}

fn ids(user: &str) -> (u32, u32) {
    passwd(user).unwrap()
}

fn passwd(user: &str) -> Option<(u32, u32)> {
    let all = fs::read_to_string("/etc/passwd").ok()?;
    let line = all.lines().find(|line| line.split(':').next() == Some(user))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Whether all threads of a process are held or gone, as far as the system tells.
fn all_stopped(process: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return true };
    let is_stopped = |stat: String| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with(['T', 'Z', 'X']));
    threads.flatten().all(|thread| fs::read_to_string(thread.path().join("stat")).is_ok_and(is_stopped))
}
