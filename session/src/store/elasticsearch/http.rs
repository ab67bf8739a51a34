//! [`Cluster`]: the way of a request to one of the nodes, and what its failure means.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use reqwest::{
    Client, Method, Response,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue},
    redirect, retry,
};
use serde_json::Value;
use tokio::{
    runtime::{Handle, Id},
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use super::{address::Address, layout};
use crate::store::{StoreError, StoreErrorKind};

/// How many requests of a worker are under way at most; others wait.
const AT_ONCE: usize = 64;

/// The largest answer that is read.
const ANSWER_MAX: usize = 100 * 1024 * 1024;

/// What a request would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing.
    Read,
    /// Something, so that it matters whether it was sent.
    Write,
}

impl Effect {
    fn unanswered(self) -> StoreErrorKind {
        match self {
            Self::Read => StoreErrorKind::Unavailable,
            Self::Write => StoreErrorKind::OutcomeUnknown,
        }
    }
}

/// A request: what it asks for by its path with the parameters, and with which body.
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Option<String>,
    pub(super) effect: Effect,
}

/// What a node answered.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Answer {
    /// The type of the error that it is.
    pub(super) fn error(&self) -> Option<&str> {
        self.body.get("error")?.get("type")?.as_str()
    }
}

/// What a call may take.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    pub(super) deadline: Instant,
    pub(super) timeout: Duration,
}

/// The nodes, one of which is asked as long as it answers.
pub(super) struct Cluster {
    address: Arc<Address>,
    current: AtomicUsize,
    opened: Mutex<Option<(Id, Client)>>,
    room: Semaphore,
}

impl Cluster {
    pub(super) fn new(address: Arc<Address>) -> Self {
        Self { address, current: AtomicUsize::new(0), opened: Mutex::default(), room: Semaphore::new(AT_ONCE) }
    }

    /// The same for another runtime, with connections of its own.
    pub(super) fn another(&self) -> Self {
        Self::new(Arc::clone(&self.address))
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Sends a request, and gives whatever is an answer of such a server.
    ///
    /// Another node is asked only where no connection could be made, so that nothing can have been sent; what does nothing
    /// is sent once more if the connection was lost, as it may have been closed while it lay idle.
    pub(super) async fn send(&self, request: &Request, patience: Patience) -> Result<Answer, StoreError> {
        let Ok(Ok(_room)) = timeout_at(patience.deadline, self.room.acquire()).await else {
            return Err(self.unreached("too many requests are under way"));
        };
        match timeout_at(patience.deadline, self.attempts(request, patience)).await {
            Ok(ended) => ended,
            Err(_) => {
                self.leave(self.current.load(Ordering::Relaxed));
                let text = format!("{self} did not answer within {:?}", patience.timeout);
                Err(StoreError::new(request.effect.unanswered(), text))
            }
        }
    }

    /// The error of an answer that refuses what was asked. Its own words are not told: they may quote a value.
    pub(super) fn refused(&self, answer: &Answer, effect: Effect) -> StoreError {
        let kind = answer.error().unwrap_or_default();
        let kind: String = kind.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(60).collect();
        let status = answer.status;
        let is_blocked = kind == "cluster_block_exception";
        // what a node did not look at, or refused as it is; a node that is busy or ends may have passed it on
        let is_undone = is_blocked || matches!(status, 400 | 401 | 403 | 404 | 405 | 406 | 409 | 415);
        let known = if is_undone { StoreErrorKind::Unavailable } else { effect.unanswered() };
        match status {
            413 => layout::too_large(),
            _ if is_blocked => StoreError::new(known, format!("{self} takes no writes ({status} {kind})")),
            401 => StoreError::new(known, format!("{self} does not take the user, the password or the API key (401)")),
            403 => StoreError::new(known, format!("{self} denies the user what was asked (403 {kind})")),
            200..300 => self.nonsense(effect),
            _ if kind.is_empty() => {
                StoreError::new(known, format!("{self} answered {status}, not as Elasticsearch or OpenSearch does"))
            }
            _ => StoreError::new(known, format!("{self} refused the request ({status} {kind}); its log says why")),
        }
    }

    /// The error of an answer that is none to the question.
    pub(super) fn nonsense(&self, effect: Effect) -> StoreError {
        let kind = match effect {
            Effect::Read => StoreErrorKind::Protocol,
            Effect::Write => StoreErrorKind::OutcomeUnknown,
        };
        StoreError::new(kind, format!("{self} gave an answer that makes no sense"))
    }

    async fn attempts(&self, request: &Request, patience: Patience) -> Result<Answer, StoreError> {
        let client = self.client(patience.timeout)?;
        let count = self.address.nodes.len();
        let (mut tried, mut lost) = (0, false);
        loop {
            let index = self.current.load(Ordering::Relaxed) % count.max(1);
            let Some(node) = self.address.nodes.get(index) else { return Err(self.unreached("there is no node")) };
            match self.attempt(&client, node, request).await {
                Ok(answer) => {
                    if matches!(answer.status, 502..=504) {
                        self.leave(index);
                    }
                    return Ok(answer);
                }
                Err(Failed::Driver(error)) if error.is_connect() => {
                    self.leave(index);
                    tried += 1;
                    if tried >= count {
                        return Err(self.unreached("no connection can be made").with_source(words(&error)));
                    }
                }
                Err(Failed::Driver(_)) if request.effect == Effect::Read && !lost => lost = true,
                Err(Failed::Driver(error)) => {
                    self.leave(index);
                    let text = format!("the connection to {self} was lost");
                    return Err(StoreError::new(request.effect.unanswered(), text).with_source(words(&error)));
                }
                Err(Failed::Nonsense) => return Err(self.nonsense(request.effect)),
            }
        }
    }

    async fn attempt(&self, client: &Client, node: &str, request: &Request) -> Result<Answer, Failed> {
        let mut asked = client.request(request.method.clone(), format!("{node}{}", request.path));
        if let Some(body) = &request.body {
            asked = asked.header(CONTENT_TYPE, HeaderValue::from_static("application/json")).body(body.clone());
        }
        let response = asked.send().await.map_err(Failed::Driver)?;
        let status = response.status().as_u16();
        let bytes = whole(response).await?;
        match serde_json::from_slice(&bytes) {
            Ok(body @ Value::Object(_)) => Ok(Answer { status, body }),
            // what is before the nodes may refuse in its own words
            _ if status >= 400 => Ok(Answer { status, body: Value::Null }),
            _ => Err(Failed::Nonsense),
        }
    }

    /// The next request goes to another node, if it would go to this one.
    fn leave(&self, index: usize) {
        let next = (index + 1) % self.address.nodes.len().max(1);
        let _ = self.current.compare_exchange(index, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The client of this runtime: connections belong to the one that opened them.
    fn client(&self, timeout: Duration) -> Result<Client, StoreError> {
        let runtime = Handle::try_current().map_err(|_| self.unreached("there is no tokio runtime"))?.id();
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((owner, client)) = &*opened
            && *owner == runtime
        {
            return Ok(client.clone());
        }
        let mut headers = HeaderMap::new();
        if let Some(login) = &self.address.login {
            headers.insert(AUTHORIZATION, login.clone());
        }
        // before the call's own time is over, so that it shows that nothing was sent
        let nodes = u32::try_from(self.address.nodes.len().max(1)).unwrap_or(1);
        let client = Client::builder()
            .default_headers(headers)
            .connect_timeout(timeout * 7 / 8 / nodes)
            .http1_only()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .pool_max_idle_per_host(AT_ONCE)
            .pool_idle_timeout(Duration::from_secs(30))
            .tcp_nodelay(true)
            .build()
            .map_err(|error| self.unreached("the client can't be made").with_source(words(&error)))?;
        *opened = Some((runtime, client.clone()));
        Ok(client)
    }

    fn unreached(&self, why: &str) -> StoreError {
        StoreError::new(StoreErrorKind::Unavailable, format!("can't reach {self}: {why}"))
    }
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

enum Failed {
    Driver(reqwest::Error),
    Nonsense,
}

async fn whole(mut response: Response) -> Result<Vec<u8>, Failed> {
    let mut bytes = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(Failed::Driver)? {
        if bytes.len() + piece.len() > ANSWER_MAX {
            return Err(Failed::Nonsense);
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// An error of the client's in words, without the URL.
fn words(error: &reqwest::Error) -> String {
    let mut causes = String::new();
    let mut cause = std::error::Error::source(error);
    while let Some(found) = cause {
        if !causes.is_empty() {
            causes.push_str(": ");
        }
        causes.push_str(&found.to_string());
        cause = found.source();
    }
    causes
}
