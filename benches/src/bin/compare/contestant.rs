//! A session server that takes part: started, checked, with visitors who are signed in.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use benches::{ANONYMOUS, Visitor};

use crate::{
    Outcome,
    http::Client,
    options::Options,
    process::{Server, free_port},
    redis::Redis,
};

/// A contestant that runs.
#[derive(Debug)]
pub(crate) struct Contestant {
    pub(crate) name: String,
    pub(crate) server: Server,
    /// A cookie a line; empty if it has no sessions at all.
    pub(crate) cookies: PathBuf,
    database: usize,
}

/// How many visitors are signed in.
const VISITORS: usize = 500;

impl Contestant {
    /// Starts it and makes sure that it does what it is measured by.
    pub(crate) fn start(
        (name, program): &(String, String),
        database: usize,
        options: &Options,
        redis: &Redis,
        folder: &Path,
    ) -> Outcome<Self> {
        let program =
            if program.contains('/') { PathBuf::from(program) } else { env::current_exe()?.with_file_name(program) };
        if !program.exists() {
            return Err(format!("there is no {}: `benches/run` builds it", program.display()).into());
        }
        let port = free_port()?;
        let mut command = Command::new(program);
        command
            .env("PORT", port.to_string())
            .env("REDIS_URL", redis.url(database))
            .env("WORKERS", options.workers.to_string())
            .env_remove("RECORD_BYTES");
        if let Some(bytes) = options.bytes {
            command.env("RECORD_BYTES", bytes.to_string());
        }
        let contestant = Self {
            name: name.clone(),
            server: Server::start(&mut command, port)?,
            cookies: folder.join(format!("{database}.cookies")),
            database,
        };
        contestant.check(options).map_err(|error| format!("{name}: {error}"))?;
        contestant.sign_in(redis)?;
        Ok(contestant)
    }

    /// Forgets all sessions, and signs visitors in anew.
    pub(crate) fn sign_in(&self, redis: &Redis) -> Outcome {
        redis.empty(self.database)?;
        let mut client = Client::new(self.server.port)?;
        let mut cookies = String::new();
        for _ in 0..VISITORS {
            let Some(cookie) = client.get("login", None)?.cookie else { break };
            cookies.push_str(&cookie);
            cookies.push('\n');
        }
        Ok(fs::write(&self.cookies, cookies)?)
    }

    /// Whether its answers are those of all contestants, or, without sessions, the names of the paths.
    fn check(&self, options: &Options) -> Outcome {
        let mut client = Client::new(self.server.port)?;
        let mut expect = |path: &str, cookie: Option<&str>, expected: &str| {
            let response = client.get(path, cookie)?;
            if response.status != 200 || response.body != expected {
                let cookie = if cookie.is_some() { "with" } else { "without" };
                return Err(format!("/{path} {cookie} a cookie answers {response:?}, and not `{expected}`").into());
            }
            Ok::<_, Box<dyn std::error::Error>>(response.cookie)
        };
        let Some(cookie) = expect("login", None, "login")? else {
            for path in ["none", "read", "write"] {
                expect(path, None, path)?;
            }
            return Ok(());
        };
        let cookie = Some(cookie.as_str());
        let read = Visitor::of_size(options.bytes).read();
        for (path, expected) in [("none", "none"), ("read", &read), ("write", "1"), ("write", "2"), ("read", &read)] {
            expect(path, cookie, expected)?;
        }
        let unknown = cookie.map(another);
        expect("read", unknown.as_deref(), ANONYMOUS)?;
        expect("read", None, ANONYMOUS)?;
        expect("read", cookie, &read)?;
        Ok(())
    }
}

/// A cookie as the server could have made it, which names no session.
fn another(cookie: &str) -> String {
    let (name, value) = cookie.split_once('=').unwrap_or((cookie, ""));
    // in the middle of it, for the last character may hold bits that must be zero
    let at = value.len() / 2;
    let changed = value.char_indices().map(|(index, char)| match char {
        'A' if index == at => 'B',
        _ if index == at => 'A',
        char => char,
    });
    format!("{name}={}", changed.collect::<String>())
}
