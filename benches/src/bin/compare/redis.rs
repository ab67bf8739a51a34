//! The Redis that the contestants share, each with a database of its own.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    Outcome,
    process::{Server, free_port},
};

/// A `redis-server` on a free port that keeps nothing on the disk.
#[derive(Debug)]
pub(crate) struct Redis {
    server: Server,
}

impl Redis {
    pub(crate) fn start(folder: &Path) -> Outcome<Self> {
        let port = free_port()?;
        let mut command = Command::new("redis-server");
        command
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--databases", "64"])
            .args(["--save", "", "--appendonly", "no"])
            .current_dir(folder)
            .stdout(Stdio::null());
        Ok(Self { server: Server::start(&mut command, port)? })
    }

    pub(crate) fn url(&self, database: usize) -> String {
        format!("redis://127.0.0.1:{}/{database}", self.server.port)
    }

    pub(crate) fn cpu(&self) -> Outcome<Duration> {
        self.server.cpu()
    }

    /// How many commands it was sent before this call.
    pub(crate) fn commands(&self) -> Outcome<u64> {
        let stats = self.ask(&["INFO stats"])?;
        let line = stats.lines().find_map(|line| line.strip_prefix("total_commands_processed:"));
        Ok(line.ok_or("redis-server does not say how many commands it processed")?.trim().parse()?)
    }

    /// Forgets all sessions of a contestant.
    pub(crate) fn empty(&self, database: usize) -> Outcome {
        self.ask(&[&format!("SELECT {database}"), "FLUSHDB"]).map(drop)
    }

    /// All that is answered to these commands.
    fn ask(&self, commands: &[&str]) -> Outcome<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.server.port))?;
        for command in commands.iter().chain(&["QUIT"]) {
            stream.write_all(format!("{command}\r\n").as_bytes())?;
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        match answer.lines().find(|line| line.starts_with('-')) {
            Some(error) => Err(format!("redis-server answers `{error}`").into()),
            None => Ok(answer),
        }
    }
}
