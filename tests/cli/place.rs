//! [`Place`]: a store, a site over it whose visitors sign in, and the command line beside it.

use std::{
    fmt,
    process::{Child, Command, Output, Stdio},
    sync::Mutex,
};

use actix_typed_session::{Session, SessionConfig, SessionError, SessionHandle, SessionMiddleware};
use actix_typed_session_tests::support::{browser::Browser, program::program, redis::RedisServer, server::Server};
use actix_web::web::{Path, ServiceConfig, get};
use serde_json::Value;
use tempfile::TempDir;

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Filesystem,
    Redis,
}

/// The password of the Redis, the value of a field, and what keys begin with.
pub(crate) const PASSWORD: &str = "hunter2";
pub(crate) const PRIVATE: &str = "her diagnosis";
pub(crate) const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

impl Kind {
    pub(crate) fn missing(self) -> Option<String> {
        RedisServer::missing().filter(|_| self == Self::Redis).map(str::to_owned)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Redis { "redis" } else { "filesystem" })
    }
}

pub(crate) struct Place {
    pub(crate) kind: Kind,
    folder: TempDir,
    redis: Option<RedisServer>,
    /// What must be in no output: the tokens of the visitors so far.
    tokens: Mutex<Vec<String>>,
}

/// What the command line said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// The one JSON object that the output is.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("no JSON: {:?}, {:?}", self.out, self.err))
    }
}

#[derive(Session)]
struct User {
    #[session(owner)]
    name: Value,
}

#[derive(Default, Session)]
#[session(default)]
struct Notes {
    text: String,
    large: u128,
}

/// `/login/ada` signs in as the text `ada`, `/login/42` as the number; `/note` begins an anonymous session.
fn routes(app: &mut ServiceConfig) {
    app.route(
        "/login/{name}",
        get().to(async |session: SessionHandle, mut notes: Session<Notes>, name: Path<String>| {
            let name = serde_json::from_str(&name).unwrap_or_else(|_| Value::String(name.into_inner()));
            session.insert(User { name })?;
            session.label("\u{1b}[2Jphone\nof \u{202e}ada");
            notes.text = PRIVATE.to_owned();
            notes.large = u128::MAX;
            Ok::<_, SessionError>("signed in")
        }),
    )
    .route(
        "/note",
        get().to(async |mut notes: Session<Notes>| {
            notes.text = PRIVATE.to_owned();
            "noted"
        }),
    )
    .route("/me", get().to(async |user: Session<User>| user.name.to_string()))
    .route("/read", get().to(async |notes: Session<Notes>| notes.text.clone()));
}

impl Place {
    pub(crate) fn new(kind: Kind) -> Self {
        let redis = (kind == Kind::Redis).then(|| RedisServer::start_with(&["--requirepass", PASSWORD]));
        Self { kind, folder: TempDir::new().unwrap(), redis, tokens: Mutex::default() }
    }

    /// The settings that name the store.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        match &self.redis {
            Some(redis) => {
                let url = format!("redis://:{PASSWORD}@127.0.0.1:{}", redis.port());
                vec![("SESSION_TYPE", "redis".to_owned()), ("SESSION_REDIS", url)]
            }
            None => vec![("SESSION_TYPE", "filesystem".to_owned()), ("SESSION_FILE_DIR", self.path())],
        }
    }

    /// The folder of the files.
    pub(crate) fn path(&self) -> String {
        self.folder.path().join("sessions").to_str().unwrap().to_owned()
    }

    /// A site with these settings, too.
    pub(crate) fn site(&self, more: &[(&'static str, &str)]) -> Server {
        let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let config = SessionConfig::from_vars(self.settings().into_iter().chain(more)).unwrap();
        Server::start(SessionMiddleware::from_config(config).unwrap(), 1, routes)
    }

    /// A visitor who has seen these pages.
    pub(crate) async fn visitor(&self, site: &Server, pages: &[&str]) -> Browser {
        let browser = Browser::new(site.address);
        for page in pages {
            assert_eq!(browser.get(page).await.status, 200, "{page}");
        }
        self.tokens.lock().unwrap().extend(browser.cookie("__Host-session"));
        browser
    }

    /// The command line with these arguments.
    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        self.run_with(arguments, &[])
    }

    /// The same with these settings, too, which come after those of the store.
    pub(crate) fn run_with(&self, arguments: &[&str], more: &[(&str, &str)]) -> Said {
        self.said(self.command(arguments, more).output().unwrap())
    }

    /// The same as JSON, of which there is exactly one object whatever happens.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let said = self.run(&[&["--json"], arguments].concat());
        assert_eq!(said.err, "", "{arguments:?}");
        let json = said.json();
        assert_eq!(json.get("error").is_some(), said.code != 0, "{json}");
        json
    }

    /// The command line, begun and going on by itself.
    pub(crate) fn begin(&self, arguments: &[&str]) -> Child {
        self.command(arguments, &[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    pub(crate) fn command(&self, arguments: &[&str], more: &[(&str, &str)]) -> Command {
        let mut command = program();
        command.args(arguments).envs(self.settings()).envs(more.iter().copied());
        command
    }

    /// What a run came to, which never shows a secret, a value that nobody asked for, or a colour.
    pub(crate) fn said(&self, output: Output) -> Said {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        let tokens = self.tokens.lock().unwrap();
        let halves = tokens.iter().map(|token| &token[token.len() / 2..]);
        for secret in [PASSWORD, KEY].into_iter().chain(halves) {
            assert!(!out.contains(secret) && !err.contains(secret), "{secret} is in {out:?} {err:?}");
        }
        assert!(!out.contains('\u{1b}') && !err.contains('\u{1b}'), "{out:?} {err:?}");
        Said { code: output.status.code().expect("it was not killed"), out, err }
    }

    /// The ids of a user's sessions.
    pub(crate) fn ids(&self, owner: &str) -> Vec<String> {
        let list = self.json(&["list", "--owner", owner]);
        list["sessions"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    }
}

/// The id of a visitor's session, which the token begins with.
pub(crate) fn id_of(browser: &Browser) -> String {
    use base64::Engine as _;
    let token = browser.cookie("__Host-session").unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token).unwrap();
    bytes[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}
