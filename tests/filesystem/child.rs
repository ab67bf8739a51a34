//! Processes of a test's own: this program, started in a mode that its environment names.

use std::{
    env,
    io::{IoSlice, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use crate::{Test, killed, processes, script, site};

const MODE: &str = "SESSION_TEST_CHILD";

/// Whether this process is one that a test started.
pub(crate) fn is_one() -> bool {
    env::var_os(MODE).is_some()
}

/// Does what this process was started for.
pub(crate) fn run(tests: &[Test]) {
    // the test sees that a child has failed, whatever its other threads do
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tell(panic);
        std::process::exit(101);
    }));
    let mode = env::var(MODE).unwrap();
    let (mode, argument) = mode.split_once(':').unwrap();
    let directory = env::current_dir().unwrap();
    match mode {
        "test" => (tests.iter().find(|test| test.name == argument).unwrap().run)(),
        "script" => script::child(&directory, &Line::of_child()),
        "load" => killed::child(&directory, argument, &Line::of_child()),
        "serve" => site::child(&directory, &Line::of_child()),
        "add" => processes::add(&directory, argument, &Line::of_child()),
        "fill" => processes::fill(&directory, argument, &Line::of_child()),
        _ => panic!("no mode `{mode}`"),
    }
}

/// This program in a mode, in a directory; `before` is a program with arguments that starts it.
pub(crate) fn command(mode: &str, directory: &Path, before: &[&str]) -> Command {
    let this = env::current_exe().unwrap();
    let mut command = match before {
        [] => Command::new(this),
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments).arg(this);
            command
        }
    };
    command.env(MODE, mode).current_dir(directory).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// A child that a test talks to.
pub(crate) struct Child {
    pub(crate) line: Line,
    process: std::process::Child,
}

impl Child {
    /// Starts one, and waits until it is ready.
    pub(crate) fn start(mode: &str, directory: &Path) -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let process = command(mode, directory, &[]).stdin(OwnedFd::from(theirs)).spawn().unwrap();
        let mut child = Self { line: Line(ours), process };
        assert_eq!(child.line.next(), Some(b'r'), "the child is not ready");
        child
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Kills it, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// What it still says until it ends.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut said = Vec::new();
        (&self.line.0).read_to_end(&mut said).unwrap();
        self.process.wait().unwrap();
        said
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Bytes between a child and its test, by system calls that no store uses: what is traced is the store alone.
pub(crate) struct Line(UnixStream);

impl Line {
    fn of_child() -> Self {
        Self(UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap()))
    }

    /// Tells the test that this child is ready, and waits until it may go on.
    pub(crate) fn ready(&self) {
        self.say(b"r");
        (&self.0).read_exact(&mut [0]).unwrap();
    }

    /// Lets the child go on.
    pub(crate) fn go(&self) {
        self.say(b"g");
    }

    /// Waits for the next `go`; false if the test has ended.
    pub(crate) fn wait(&self) -> bool {
        (&self.0).read(&mut [0]).is_ok_and(|length| length > 0)
    }

    /// One message, whole or not at all.
    pub(crate) fn say(&self, message: &[u8]) {
        // the test may have gone
        let _ = (&self.0).write_vectored(&[IoSlice::new(message)]);
    }

    /// The next byte; none after the end.
    pub(crate) fn next(&mut self) -> Option<u8> {
        self.take().map(|[byte]| byte)
    }

    /// The next bytes; none after the end.
    pub(crate) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        (&self.0).read_exact(&mut bytes).ok().map(|()| bytes)
    }
}
