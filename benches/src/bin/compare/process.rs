//! A process that was started for a measurement, and the processor's time that it took.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::Outcome;

/// A server; killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
}

impl Server {
    /// Starts a command that is to listen on this port, and waits until it does.
    pub(crate) fn start(command: &mut Command, port: u16) -> Outcome<Self> {
        let child = command.spawn().map_err(|error| format!("{command:?} does not start: {error}"))?;
        let mut server = Self { child, port };
        let patience = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = server.child.try_wait()? {
                return Err(format!("{command:?} ended with {status}").into());
            }
            if Instant::now() > patience {
                return Err(format!("{command:?} does not listen on port {port}").into());
            }
            sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    /// What all its threads have had of the processor so far, in their own code and in the kernel for them.
    pub(crate) fn cpu(&self) -> Outcome<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // the program's name, in brackets, may hold anything
        let (_, fields) = stat.rsplit_once(')').ok_or("`/proc/PID/stat` without a name")?;
        // user and system time are the 14th and 15th of all, so the 12th and 13th after the name
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
        Ok(Duration::from_nanos(ticks * 1_000_000_000 / rustix::param::clock_ticks_per_second()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // it has ended already if this fails
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
