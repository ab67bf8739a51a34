//! [`Servers`]: two servers over one store, and requests that reach them at once.

use std::{
    collections::BTreeSet,
    iter,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use actix_typed_session::{SessionConfig, SessionError, SessionHandle, SessionMiddleware, store::SessionStore};
use actix_web::{
    App, FromRequest, HttpMessage, HttpRequest,
    http::header,
    rt::{self, System},
    test,
    web::{Data, ServiceConfig},
};
use tokio::sync::{Barrier, Semaphore, mpsc, oneshot};

use super::{
    Race,
    watched::{Notes, Watched, is_session},
};

/// Two middlewares, each over an opening of the store of its own and with two workers, which are threads.
pub(crate) struct Servers {
    workers: Vec<mpsc::UnboundedSender<Job>>,
    next: AtomicU32,
    store: Arc<dyn SessionStore>,
    /// What reached the store.
    pub(crate) notes: Arc<Notes>,
}

/// In which order the requests of a round go on. One of them is the turn that the others meet: it ends the session, say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// They are sent at once, and some may find what others have left.
    Sent,
    /// When all have loaded the session, they go on at once.
    Loaded,
    /// When all have loaded the session, the turn goes on, and the others when it is answered.
    TurnFirst,
    /// The other way about.
    TurnLast,
}

/// A request of a race.
pub(crate) struct Ask {
    path: String,
    token: String,
    is_turn: bool,
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The new token; empty where the cookie is removed.
    pub(crate) cookie: Option<String>,
    pub(crate) body: String,
}

pub(crate) const ALL_WAYS: &[When] = &[When::Sent, When::Loaded, When::TurnFirst, When::TurnLast];
pub(crate) const AT_ONCE: &[When] = &[When::Sent, When::Loaded];

/// `T`, as a handler of a race takes it: loaded, and then held until it is its turn.
pub(crate) async fn load<T: FromRequest<Error = SessionError>>(request: &HttpRequest) -> Result<T, SessionError> {
    let loaded = T::extract(request).await;
    wait(request).await;
    loaded
}

/// The handle of a session that is loaded, held until it is its turn.
pub(crate) async fn load_handle(request: &HttpRequest) -> Result<SessionHandle, SessionError> {
    let session = SessionHandle::extract(request).await?;
    let is_new = session.is_new().await;
    wait(request).await;
    is_new.map(|_| session)
}

/// Holds a request that has loaded what it needs, until it is its turn.
pub(crate) async fn wait(request: &HttpRequest) {
    let held = request.extensions().get::<Held>().cloned();
    if let Some(Held { gate, is_turn }) = held {
        gate.all.wait().await;
        gate.of(is_turn).acquire().await.unwrap().forget();
    }
}

/// Settings with time for all requests to wait for each other.
pub(crate) fn patient() -> SessionConfig {
    SessionConfig::new().store_timeout(Duration::from_secs(30))
}

/// Whether two tokens are of one session: what they begin with is its id.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    !one.is_empty() && one.get(..21) == other.get(..21)
}

impl Servers {
    /// Servers of these routes, which are [`patient`].
    pub(crate) fn of(race: &Race, routes: fn(&mut ServiceConfig)) -> Self {
        Self::with(race, [patient(), patient()], routes)
    }

    /// Servers with settings for each of the two.
    pub(crate) fn with(race: &Race, configs: [SessionConfig; 2], routes: fn(&mut ServiceConfig)) -> Self {
        let (notes, stores) = (Arc::<Notes>::default(), race.subject.stores(2));
        let store = Arc::clone(&stores[0]);
        let servers = stores.into_iter().zip(configs).map(|(store, config)| {
            let store = Watched::new(store, Arc::clone(&notes));
            SessionMiddleware::with_config(store, config).unwrap()
        });
        let servers: Vec<_> = servers.collect();
        // neighbours are of different servers
        let servers = race.workers.iter().zip(servers.iter().cycle());
        let workers = servers.map(|(worker, sessions)| worker.serve(sessions.clone(), routes)).collect();
        Self { workers, next: AtomicU32::new(0), store, notes }
    }

    /// One request by itself, to any worker.
    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        self.get_at(self.next(), path, token).await
    }

    /// The same to the first or the second server.
    pub(crate) async fn get_at(&self, server: usize, path: &str, token: &str) -> Answer {
        self.send(server, Ask::new(path, token), Start::Alone).await.expect("an answer")
    }

    /// One request by itself to the first or the second server, which goes on while others do.
    pub(crate) fn start(&self, server: usize, path: &str, token: &str) -> oneshot::Receiver<Answer> {
        self.send(server, Ask::new(path, token), Start::Alone)
    }

    /// A new session: its token. The records that [`left`](Self::left) looks for are counted from here.
    pub(crate) async fn begin(&self, path: &str) -> String {
        self.notes.take_created();
        self.get(path, "").await.token()
    }

    /// All of these at once, neighbours at different servers; the answers in their order.
    pub(crate) async fn race(&self, when: When, asks: impl IntoIterator<Item = Ask>) -> Vec<Answer> {
        let asks: Vec<_> = asks.into_iter().collect();
        let gate = Arc::new(Gate::new(asks.len()));
        let first = self.next();
        let mut sent: Vec<_> = asks
            .into_iter()
            .enumerate()
            .map(|(index, ask)| {
                let (gate, is_turn) = (Arc::clone(&gate), ask.is_turn);
                let start = if when == When::Sent { Start::Sent(gate) } else { Start::Loaded(Held { gate, is_turn }) };
                (is_turn, self.send(first + index, ask, start))
            })
            .collect();
        let mut answers: Vec<_> = sent.iter().map(|_| None).collect();
        let groups: &[&[bool]] = match when {
            When::Sent | When::Loaded => &[&[true, false]],
            When::TurnFirst => &[&[true], &[false]],
            When::TurnLast => &[&[false], &[true]],
        };
        for group in groups {
            group.iter().for_each(|is_turn| gate.open(*is_turn));
            for (answer, (is_turn, sent)) in answers.iter_mut().zip(&mut sent) {
                if group.contains(is_turn) {
                    *answer = Some(sent.await.expect("an answer"));
                }
            }
        }
        answers.into_iter().flatten().collect()
    }

    /// The keys of the sessions that were created since the last [`begin`](Self::begin) and are there still. What is left
    /// of one that ended is not one, and is gone after the two minutes that a [`patient`] server may write late.
    pub(crate) async fn left(&self) -> Vec<String> {
        let mut left = BTreeSet::new();
        for key in self.notes.take_created().into_iter().filter(|key| is_session(key)) {
            let Some(record) = self.store.load(&key).await.expect("a store that works") else { continue };
            if record.bytes.len() > 1 {
                left.insert(key);
            } else {
                assert!(record.expires_in <= Duration::from_secs(2 * 60), "{:?}", record.expires_in);
            }
        }
        left.into_iter().collect()
    }

    /// These rounds, and further ones until writes of some have met, as they do by chance where what is held until all
    /// have loaded it is not what they write. Panics where none do in a hundred more: then nothing was raced.
    pub(crate) fn until_met(&self, rounds: impl Iterator<Item = When> + Clone) -> impl Iterator<Item = When> {
        let further = rounds.clone().cycle().take(100).take_while(|_| !self.has_met());
        let end = iter::from_fn(|| {
            assert!(self.has_met(), "no write met another");
            None
        });
        rounds.chain(further).chain(end)
    }

    /// Whether a write of any round met another.
    pub(crate) fn has_met(&self) -> bool {
        self.notes.conflicts.load(Ordering::Relaxed) > 0
    }

    fn send(&self, worker: usize, ask: Ask, start: Start) -> oneshot::Receiver<Answer> {
        let (answer, answered) = oneshot::channel();
        let sent = self.workers[worker % self.workers.len()].send(Job { ask, start, answer });
        assert!(sent.is_ok(), "a worker that runs");
        answered
    }

    /// A worker: scattered, so that no kind of request always meets the same one.
    fn next(&self) -> usize {
        (self.next.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9) >> 16) as usize
    }
}

impl Ask {
    pub(crate) fn new(path: impl Into<String>, token: &str) -> Self {
        Self { path: path.into(), token: token.to_owned(), is_turn: false }
    }

    /// The request that the others meet.
    pub(crate) fn turn(self) -> Self {
        Self { is_turn: true, ..self }
    }
}

impl Answer {
    pub(crate) fn is_ok(&self) -> bool {
        self.status == 200
    }

    /// The new token that has to be there.
    pub(crate) fn token(&self) -> String {
        let token = self.cookie.clone().filter(|token| !token.is_empty());
        token.unwrap_or_else(|| panic!("no new token: {self:?}"))
    }

    /// The new token, if there is one of the same session as `token`.
    pub(crate) fn rotated<'a>(&'a self, token: &str) -> Option<&'a str> {
        self.cookie.as_deref().filter(|cookie| is_same(cookie, token))
    }
}

/// What a request waits for.
enum Start {
    Alone,
    /// All are there.
    Sent(Arc<Gate>),
    /// All have loaded, and then it is its turn.
    Loaded(Held),
}

#[derive(Clone)]
struct Held {
    gate: Arc<Gate>,
    is_turn: bool,
}

struct Gate {
    all: Barrier,
    turn: Semaphore,
    others: Semaphore,
    count: usize,
}

impl Gate {
    fn new(count: usize) -> Self {
        Self { all: Barrier::new(count), turn: Semaphore::new(0), others: Semaphore::new(0), count }
    }

    fn of(&self, is_turn: bool) -> &Semaphore {
        if is_turn { &self.turn } else { &self.others }
    }

    fn open(&self, is_turn: bool) {
        self.of(is_turn).add_permits(self.count);
    }
}

/// A thread that serves requests as a worker of an HTTP server does, all of them at once. It goes on for the whole race,
/// for a connection of the app's pool is of no use any more when the runtime that opened it has ended.
pub(crate) struct Worker {
    apps: Option<mpsc::UnboundedSender<New>>,
    thread: Option<JoinHandle<()>>,
}

struct New {
    sessions: SessionMiddleware,
    routes: fn(&mut ServiceConfig),
    jobs: mpsc::UnboundedReceiver<Job>,
}

struct Job {
    ask: Ask,
    start: Start,
    answer: oneshot::Sender<Answer>,
}

impl Worker {
    pub(crate) fn start() -> Self {
        let (apps, mut to_serve) = mpsc::unbounded_channel();
        let thread = thread::spawn(move || {
            System::new().block_on(async {
                while let Some(New { sessions, routes, jobs }) = to_serve.recv().await {
                    rt::spawn(serve(sessions, routes, jobs));
                }
            });
        });
        Self { apps: Some(apps), thread: Some(thread) }
    }

    fn serve(&self, sessions: SessionMiddleware, routes: fn(&mut ServiceConfig)) -> mpsc::UnboundedSender<Job> {
        let (to_do, jobs) = mpsc::unbounded_channel();
        let sent = self.apps.as_ref().is_some_and(|apps| apps.send(New { sessions, routes, jobs }).is_ok());
        assert!(sent, "a worker that runs");
        to_do
    }
}

async fn serve(sessions: SessionMiddleware, routes: fn(&mut ServiceConfig), mut to_do: mpsc::UnboundedReceiver<Job>) {
    let of_users = Data::new(sessions.sessions().unwrap());
    let app = App::new().app_data(of_users).wrap(sessions).configure(routes);
    let app = Rc::new(test::init_service(app).await);
    while let Some(Job { ask, start, answer }) = to_do.recv().await {
        let app = Rc::clone(&app);
        rt::spawn(async move {
            let request = test::TestRequest::get().uri(&ask.path);
            let request = request.insert_header((header::COOKIE, format!("__Host-session={}", ask.token)));
            let request = request.to_request();
            match start {
                Start::Alone => {}
                Start::Sent(gate) => _ = gate.all.wait().await,
                Start::Loaded(held) => _ = request.extensions_mut().insert(held),
            }
            let response = test::call_service(&*app, request).await;
            let cookie = response.headers().get(header::SET_COOKIE).map(|line| line.to_str().unwrap());
            let cookie = cookie.map(|line| line.split([';', '=']).nth(1).unwrap().to_owned());
            let status = response.status().as_u16();
            let body = String::from_utf8_lossy(&test::read_body(response).await).into_owned();
            let _ = answer.send(Answer { status, cookie, body });
        });
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.apps = None;
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
