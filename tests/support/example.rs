//! [`Example`]: an example of the repository, run as a program of its own.

use std::{
    env,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::LazyLock,
    time::Duration,
};

/// A running example; killed when it is dropped.
pub struct Example {
    /// Where it listens.
    pub address: SocketAddr,
    process: Child,
}

impl Example {
    /// Starts an example with these settings in its environment and no others.
    ///
    /// # Panics
    ///
    /// If it can't be built, or does not listen.
    #[must_use]
    pub fn start(name: &str, settings: &[(&str, &str)]) -> Self {
        loop {
            let port = free_port();
            let mut process = command(name, settings).env("PORT", port.to_string()).spawn().expect("it runs");
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let listens = || {
                std::thread::sleep(Duration::from_millis(10));
                TcpStream::connect(address).is_ok()
            };
            while process.try_wait().expect("it is a child").is_none() {
                if listens() {
                    return Self { address, process };
                }
            }
            // else somebody took the port meanwhile, or it never starts: then it says why
            assert!(TcpStream::connect(address).is_ok(), "{name} ended: {}", complaint(name, settings));
        }
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What an example that can't start says last.
///
/// # Panics
///
/// If it can't be built.
#[must_use]
pub fn complaint(name: &str, settings: &[(&str, &str)]) -> String {
    // one that complains of nothing would run for ever
    let mut process = Command::new("timeout");
    process.arg("60").arg(BUILT.join(name)).env_clear().envs(settings.iter().copied()).env("PORT", "0");
    process.envs(env::var_os("PATH").map(|path| ("PATH", path))).stdin(Stdio::null()).stdout(Stdio::null());
    let mut process = process.stderr(Stdio::piped()).spawn().expect("it runs");
    let said = process.stderr.take().expect("it is piped");
    let last = BufReader::new(said).lines().map_while(Result::ok).find(|line| line.starts_with("Error"));
    // the end of `timeout`, which a signal tells to end the program
    let _ = Command::new("kill").arg(process.id().to_string()).status();
    let _ = process.wait();
    last.unwrap_or_default()
}

fn command(name: &str, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(BUILT.join(name));
    command.env_clear().envs(settings.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("it is bound").port()
}

/// Where the examples are, built once: as the tests of the whole workspace are, so that after them there is little to do.
static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let build = ["build", "--quiet", "--workspace", "--all-features", "--examples"];
    let built = Command::new(cargo).args(build).stdin(Stdio::null()).status().expect("cargo runs");
    assert!(built.success(), "the examples do not build");
    let this = env::current_exe().expect("a test has a path");
    let profile = this.parent().and_then(|deps| deps.parent()).expect("target/debug/deps");
    profile.join("examples")
});
