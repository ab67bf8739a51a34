//! What is to be measured, as the arguments say it.

use std::str::FromStr;

use crate::Outcome;

/// The arguments.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) mode: Mode,
    /// How often everything is measured; a figure is the median.
    pub(crate) rounds: usize,
    /// How long each measurement takes.
    pub(crate) seconds: u64,
    pub(crate) connections: usize,
    pub(crate) workers: usize,
    /// The size of the stored session; the usual one if none.
    pub(crate) bytes: Option<usize>,
    /// Name and program of each contestant.
    pub(crate) servers: Vec<(String, String)>,
    /// With which of them all others are compared.
    pub(crate) base: Vec<String>,
    pub(crate) paths: Vec<String>,
    /// Whether the tables go to the README.
    pub(crate) write: bool,
    /// Whether the counts of instructions are stored.
    pub(crate) update: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Peers,
    Growth,
    Memory,
    Staleness,
    Stores,
    Scale,
    Counts,
}

impl Mode {
    pub(crate) const ALL: [Self; 7] =
        [Self::Peers, Self::Growth, Self::Memory, Self::Staleness, Self::Stores, Self::Scale, Self::Counts];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Peers => "peers",
            Self::Growth => "growth",
            Self::Memory => "memory",
            Self::Staleness => "staleness",
            Self::Stores => "stores",
            Self::Scale => "scale",
            Self::Counts => "counts",
        }
    }
}

impl Options {
    pub(crate) fn of_arguments(arguments: impl Iterator<Item = String>) -> Outcome<Self> {
        let mut arguments = arguments.peekable();
        let mode = arguments.next_if(|first| !first.starts_with("--"));
        let mode = match mode.as_deref() {
            None => Mode::Peers,
            Some(name) => {
                let found = Mode::ALL.into_iter().find(|mode| mode.name() == name);
                found.ok_or_else(|| format!("`{name}`: expected one of {}", Mode::ALL.map(Mode::name).join(", ")))?
            }
        };
        let mut options = Self::of_mode(mode);
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("`{name}` needs a value"));
            match name.as_str() {
                "--rounds" => options.rounds = number(&name, &value()?)?,
                "--seconds" => options.seconds = number(&name, &value()?)?,
                "--connections" => options.connections = number(&name, &value()?)?,
                "--workers" => options.workers = number(&name, &value()?)?,
                "--bytes" => options.bytes = Some(number(&name, &value()?)?),
                "--servers" => options.servers = servers(&value()?),
                "--base" => options.base = list(&value()?),
                "--paths" => options.paths = list(&value()?),
                "--write" => options.write = true,
                "--update" if mode == Mode::Counts => options.update = true,
                _ => {
                    let known =
                        "--rounds, --seconds, --connections, --workers, --bytes, --servers, --base, --paths, --write";
                    return Err(format!("`{name}`: expected one of {known}").into());
                }
            }
        }
        if options.rounds == 0 || options.seconds == 0 || options.servers.is_empty() || options.paths.is_empty() {
            return Err("nothing is to be measured".into());
        }
        Ok(options)
    }

    fn of_mode(mode: Mode) -> Self {
        let (rounds, seconds, names) = match mode {
            Mode::Peers => (
                7,
                2,
                "ours,ours-one,ours-cached=CLIENT_CACHE=16777216 ours,bare,bare again=bare,hand,actix-session,tower-sessions",
            ),
            _ => (3, 1, "ours,bare,hand,actix-session,tower-sessions"),
        };
        Self {
            mode,
            rounds,
            seconds,
            connections: 32,
            workers: 1,
            bytes: None,
            servers: servers(names),
            base: list("bare,hand"),
            paths: list("none,read,write,login"),
            write: false,
            update: false,
        }
    }
}

fn number<T: FromStr>(name: &str, text: &str) -> Outcome<T> {
    text.parse().map_err(|_| format!("`{name}` is `{text}`: expected a whole number").into())
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
}

/// `name` stands for the program of that name in this program's folder, and `name=program` for another.
fn servers(text: &str) -> Vec<(String, String)> {
    let pair = |word: String| match word.split_once('=') {
        Some((name, program)) => (name.to_owned(), program.to_owned()),
        None => (word.clone(), word),
    };
    list(text).into_iter().map(pair).collect()
}
