//! Places that a test can't make for itself: a small disk of its own, and the rights of a user who is not root.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    process::{Command, Stdio},
    sync::LazyLock,
};

use tempfile::TempDir;

use crate::{Missing, child, traced::fast};

/// Whether a test can have a disk of its own: a mount that only its process sees.
pub(crate) fn need_disk() -> Result<(), Missing> {
    static NEED: LazyLock<Result<(), Missing>> = LazyLock::new(|| {
        let directory = TempDir::new().unwrap();
        let mut unshare = unshare("size=64k");
        let mount = quiet(Command::new(unshare.remove(0)).args(unshare).arg("true").current_dir(directory.path()));
        match mount {
            None => Err(Missing::Program("unshare is not installed")),
            Some(false) => Err(Missing::Forbidden("the system does not let a test mount a disk of its own")),
            Some(true) => Ok(()),
        }
    });
    NEED.clone()
}

/// Runs a test on a disk of its own, with these options of `tmpfs`, which is the working directory there. Whether it
/// did; else this process is the one that is there.
pub(crate) fn on_disk(test: &str, options: &str) -> bool {
    let before = unshare(options);
    is_elsewhere(test, &before)
}

/// Makes the disk read-only, or writable again.
pub(crate) fn remount(options: &str) {
    let mount = Command::new("mount").args(["-o", &format!("remount,bind,{options}"), "."]).status().unwrap();
    assert!(mount.success());
}

/// Whether a test can do without the rights of root.
pub(crate) fn need_user() -> Result<(), Missing> {
    static NEED: LazyLock<Result<(), Missing>> = LazyLock::new(|| {
        let this = std::env::current_exe().unwrap();
        match !is_root() || quiet(Command::new("setpriv").args(&USER[1..]).args(["test", "-x"]).arg(this)) == Some(true)
        {
            true => Ok(()),
            false => Err(Missing::Forbidden("root can't start this program as another user here")),
        }
    });
    NEED.clone()
}

/// Runs a test without the rights of root, in a new working directory. Whether it did; else this process is the one.
pub(crate) fn as_user(test: &str) -> bool {
    match is_root() {
        true => is_elsewhere(test, &USER.map(str::to_owned)),
        false => is_elsewhere(test, &[]),
    }
}

const USER: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

fn is_elsewhere(test: &str, before: &[String]) -> bool {
    if child::is_one() {
        return false;
    }
    let directory = TempDir::new_in(fast()).unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let before: Vec<&str> = before.iter().map(String::as_str).collect();
    let test = child::command(&format!("test:{test}"), directory.path(), &before).status().unwrap();
    assert!(test.success(), "it failed, as told above");
    true
}

fn unshare(options: &str) -> Vec<String> {
    let script = r#"mount -t tmpfs -o "$0" none "$PWD" && cd "$PWD" && exec "$@""#;
    let rights = (!is_root()).then_some("--map-root-user");
    let words = ["unshare", "--mount"].into_iter().chain(rights).chain(["sh", "-c", script, options]);
    words.map(str::to_owned).collect()
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|this| this.uid() == 0)
}

/// Whether a program ended well; none if it is not there.
fn quiet(command: &mut Command) -> Option<bool> {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.ok().map(|status| status.success())
}
