//! One measurement: a server, a path, some seconds.

use std::{path::PathBuf, process::Command};

use crate::{Outcome, contestant::Contestant, options::Options, redis::Redis};

/// What came out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    /// Requests a second.
    pub(crate) rate: f64,
    /// What the server had of the processor a request, in microseconds.
    pub(crate) cpu: f64,
    /// The same of Redis.
    pub(crate) redis_cpu: f64,
    /// Redis commands a request.
    pub(crate) commands: f64,
}

/// Measures; a request that fails is an error.
pub(crate) fn measure(contestant: &Contestant, path: &str, options: &Options, redis: &Redis) -> Outcome<Figures> {
    let (cpu, redis_cpu, commands) = (contestant.server.cpu()?, redis.cpu()?, redis.commands()?);
    let report = wrk(contestant, path, options)?;
    let commands = redis.commands()? - commands - ASKED;
    let (redis_cpu, cpu) = (redis.cpu()? - redis_cpu, contestant.server.cpu()? - cpu);
    if path == "login" {
        contestant.sign_in(redis)?;
    }
    let failure = report.lines().find(|line| line.contains("Non-2xx") || line.contains("Socket errors"));
    if let Some(failure) = failure {
        return Err(format!("{} fails at /{path}: {}", contestant.name, failure.trim()).into());
    }
    let number = |line: Option<&str>| line.and_then(|line| line.trim().parse().ok());
    let requests =
        number(report.lines().find_map(|line| line.split_once(" requests in")).map(|(requests, _)| requests));
    let rate = number(report.lines().find_map(|line| line.strip_prefix("Requests/sec:")));
    let (Some(requests), Some(rate)) = (requests, rate) else { return Err(format!("wrk says {report}").into()) };
    let micros = |time: std::time::Duration| time.as_secs_f64() * 1e6 / requests;
    Ok(Figures { rate, cpu: micros(cpu), redis_cpu: micros(redis_cpu), commands: commands as f64 / requests })
}

/// How many commands one look at the number of commands is.
const ASKED: u64 = 2;

fn wrk(contestant: &Contestant, path: &str, options: &Options) -> Outcome<String> {
    let mut command = Command::new("wrk");
    command
        .args(["--threads", "1", "--connections", &options.connections.to_string()])
        .args(["--duration", &format!("{}s", options.seconds)])
        .env("COOKIES", &contestant.cookies);
    // a visitor signs in without a cookie, and who has no sessions has none to send
    if path != "login" && contestant.cookies.metadata()?.len() > 0 {
        command.arg("--script").arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("cookies.lua"));
    }
    let output = command.arg(format!("http://127.0.0.1:{}/{path}", contestant.server.port)).output();
    let output = output.map_err(|error| format!("wrk does not start: {error}"))?;
    if !output.status.success() {
        return Err(format!("wrk fails: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
