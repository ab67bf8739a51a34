//! L8, at every stage of every kind of request: a client that is gone leaves what was there, or a whole save.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test tells what it did not expect by a panic"
)]

use std::{
    collections::BTreeMap,
    future::poll_fn,
    rc::Rc,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use actix_typed_session::{
    Clock, Session, SessionConfig, SessionError, SessionHandle, SessionMiddleware, Sessions,
    store::{Created, Record, SessionStore, StoreError, Swept, Updated, Version},
    testing::{Fault, FaultStore, Gate, Operation, ReferenceStore, SpyStore},
};
use actix_web::{
    App, FromRequest, HttpRequest,
    http::header,
    test,
    web::{Data, Path, get},
};
use async_trait::async_trait;
use futures_util::{
    FutureExt,
    future::{Either, LocalBoxFuture, select},
};
use tokio::{task::yield_now, time::timeout};

/// A kind of request: what the handler does, a letter a step, and the store calls of a whole one.
struct Kind {
    name: &'static str,
    visitor: Visitor,
    steps: &'static str,
    calls: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Visitor {
    New,
    Known,
    /// With a refresh due.
    Idle,
    /// With a cookie that an old key signed.
    Stale,
}

const KINDS: [Kind; 25] = [
    kind("a read", Visitor::Known, "v", "load"),
    kind("a read with a refresh due", Visitor::Idle, "v", "load touch"),
    kind("a read whose cookie is to be signed again", Visitor::Stale, "v", "load"),
    kind("a change", Visitor::Known, "c", "load update"),
    kind("a change in an extractor that is held", Visitor::Known, "Cv", "load update"),
    kind("a change with a refresh due", Visitor::Idle, "c", "load update"),
    kind("a change whose cookie is to be signed again", Visitor::Stale, "c", "load update"),
    kind("a change over another's", Visitor::Known, "cm", "load update update"),
    kind("a first change", Visitor::New, "c", "create"),
    kind("a rotation", Visitor::Known, "r", "load update"),
    kind("a rotation over another's change", Visitor::Known, "cmr", "load update update"),
    kind("a login", Visitor::Known, "i", "load update"),
    kind("a login of a new visitor", Visitor::New, "i", "create"),
    kind("a logout", Visitor::Known, "o", "load update"),
    kind("an end", Visitor::Known, "d", "load delete"),
    kind("an end, and a login after it", Visitor::Known, "di", "load delete create"),
    kind("a save, and more", Visitor::Known, "csc", "load update update"),
    kind("a save of a new session, and more", Visitor::New, "cscr", "create update"),
    kind("a login that is saved, and more", Visitor::Known, "isc", "load update update"),
    kind("a save, and an end", Visitor::Known, "csd", "load update delete"),
    kind("an end that is saved, and a login", Visitor::Known, "dsi", "load delete create"),
    kind("a sign-in of a user", Visitor::Known, "u", "load load create update"),
    kind("a sign-in of a user who is a new visitor", Visitor::New, "u", "load create create"),
    kind("a sign-in of a user that is saved, and an end", Visitor::Known, "usd", "load load create update delete"),
    kind("a save that is not waited for, and one that is", Visitor::Known, "cxcsc", "load update update update"),
];

const fn kind(name: &'static str, visitor: Visitor, steps: &'static str, calls: &'static str) -> Kind {
    Kind { name, visitor, steps, calls }
}

#[derive(Default, Session)]
#[session(default)]
struct Cart {
    #[session(merge = "add")]
    total: u64,
    items: Vec<u64>,
}

impl Cart {
    fn change(&mut self) {
        self.total += 1;
        self.items.push(self.total);
    }
}

#[derive(Session)]
struct Member {
    #[session(rotate)]
    name: String,
}

#[derive(Session)]
struct User {
    #[session(owner)]
    name: String,
}

/// A session in the store, as far as it is the same in every run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Stored {
    is_of_before: bool,
    has_token_of_before: bool,
    fields: String,
    /// When it was created, when it ends whatever its use, and when it expires: in hours since the test began.
    times: [u64; 3],
}

/// What the handlers and the test share.
#[derive(Default)]
struct World {
    clock: Clock,
    store: ReferenceStore,
    /// All that was ever created.
    keys: Mutex<Vec<String>>,
    before: Mutex<BTreeMap<String, Record>>,
    began: u64,
    /// How many saves the handler began, and whether it has answered.
    saves: AtomicUsize,
    answered: AtomicBool,
}

impl World {
    async fn records(&self) -> BTreeMap<String, Record> {
        let keys = self.keys.lock().unwrap().clone();
        let mut records = BTreeMap::new();
        for key in keys {
            if let Some(record) = self.store.load(&key).await.unwrap() {
                records.insert(key, record);
            }
        }
        records
    }

    async fn stored(&self) -> Vec<Stored> {
        let (records, before) = (self.records().await, self.before.lock().unwrap());
        let mut stored: Vec<_> = records.iter().map(|(key, record)| self.one(record, before.get(key))).collect();
        stored.sort();
        stored
    }

    /// See `session/src/record.rs` for the bytes.
    fn one(&self, record: &Record, before: Option<&Record>) -> Stored {
        let bytes = &record.bytes[..record.bytes.len() - 4];
        let time = |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap());
        let expires = self.clock.now() + u64::try_from(record.expires_in.as_millis()).unwrap();
        let hour = 60 * 60 * 1000;
        Stored {
            is_of_before: before.is_some(),
            has_token_of_before: before.is_some_and(|before| before.bytes[1..33] == bytes[1..33]),
            fields: without_times(&String::from_utf8_lossy(&bytes[49..])),
            times: [time(33), time(41), expires].map(|time| (time - self.began + hour / 2) / hour),
        }
    }
}

/// A text without the times in it, which are another in each run.
fn without_times(text: &str) -> String {
    let is_time = |run: &&str| run.len() > 12 && run.bytes().all(|byte| byte.is_ascii_digit());
    let mut runs: Vec<_> = text.split_inclusive(|c: char| !c.is_ascii_digit()).collect();
    runs.retain(|run| !is_time(&run.trim_end_matches(|c: char| !c.is_ascii_digit())));
    runs.concat()
}

/// Does the steps, with a pause after each in which the client may hang up.
async fn run(steps: Path<String>, request: HttpRequest, world: Data<World>) -> Result<String, SessionError> {
    let session = SessionHandle::extract(&request).await?;
    let mut held: Option<Session<Cart>> = None;
    for step in steps.chars() {
        match step {
            'v' => assert!(Session::<Cart>::extract(&request).await?.total < 9),
            'c' => Session::<Cart>::extract(&request).await?.change(),
            'C' => held.insert(Session::extract(&request).await?).change(),
            's' => {
                world.saves.fetch_add(1, Relaxed);
                session.save().await?;
            }
            'x' => {
                world.saves.fetch_add(1, Relaxed);
                session.save().now_or_never().unwrap_or(Ok(()))?;
            }
            'r' => session.rotate(),
            'i' => session.insert(Member { name: "ada".into() })?,
            'u' => session.insert(User { name: "ada".into() })?,
            'o' => session.remove::<Member>()?,
            'd' => session.destroy(),
            // another request writes
            'm' => {
                for (key, record) in world.records().await {
                    let again = Record::new(record.bytes, record.expires_in);
                    assert_eq!(world.store.update(&key, &again, &record.version).await.unwrap(), Updated::Done);
                }
            }
            _ => unreachable!(),
        }
        yield_now().await;
    }
    drop(held);
    world.answered.store(true, Relaxed);
    Ok("done".into())
}

type Send = Box<dyn Fn(Option<&str>, &str) -> LocalBoxFuture<'static, (u16, Option<String>)>>;

async fn app(sessions: SessionMiddleware, world: Data<World>) -> Send {
    let app = App::new().app_data(world).wrap(sessions).route("/{steps}", get().to(run));
    let app = Rc::new(test::init_service(app).await);
    Box::new(move |cookie, steps| {
        let mut request = test::TestRequest::get().uri(&format!("/{steps}"));
        if let Some(cookie) = cookie {
            request = request.insert_header((header::COOKIE, format!("__Host-session={cookie}")));
        }
        let (app, request) = (app.clone(), request.to_request());
        let answer = async move {
            let response = test::call_service(&*app, request).await;
            let line = response.headers().get(header::SET_COOKIE).map(|line| line.to_str().unwrap());
            let cookie = line.map(|line| line.split([';', '=']).nth(1).unwrap().to_owned());
            (response.status().as_u16(), cookie)
        };
        answer.boxed_local()
    })
}

/// A visitor who is about to send a request.
struct Case {
    world: Data<World>,
    faults: FaultStore,
    spy: SpyStore,
    cookie: Option<String>,
    steps: &'static str,
    send: Send,
    sessions: Sessions,
}

impl Case {
    async fn new(kind: &Kind) -> Self {
        let clock = Clock::manual();
        let store = ReferenceStore::new(clock.clone());
        let world = Data::new(World { began: clock.now(), clock, store, ..World::default() });
        let faults = FaultStore::new(world.store.clone());
        let spy = SpyStore::new(Watched { inner: faults.clone(), world: world.clone() });
        let sessions = |keys: &[[u8; 32]]| {
            // nothing that is held runs out of time
            let config = SessionConfig::new().clock(world.clock.clone()).store_timeout(Duration::from_secs(3600));
            let config = if keys.is_empty() { config } else { config.signing_keys(keys.iter().copied()) };
            SessionMiddleware::with_config(spy.clone(), config).unwrap()
        };
        let rings: [&[[u8; 32]]; 2] =
            if kind.visitor == Visitor::Stale { [&[[1; 32]], &[[2; 32], [1; 32]]] } else { [&[], &[]] };
        let mut cookie = None;
        if kind.visitor != Visitor::New {
            let begin = app(sessions(rings[0]), world.clone()).await;
            cookie = begin(None, "ic").await.1;
        }
        if kind.visitor == Visitor::Idle {
            world.clock.advance(Duration::from_secs(5 * 24 * 60 * 60));
        }
        let before = world.records().await;
        *world.before.lock().unwrap() = before;
        world.answered.store(false, Relaxed);
        let _ = spy.take();
        let middleware = sessions(rings[1]);
        let sessions = middleware.sessions().unwrap();
        let send = app(middleware, world.clone()).await;
        Self { world, faults, spy, cookie, steps: kind.steps, send, sessions }
    }

    fn request(&self) -> LocalBoxFuture<'static, (u16, Option<String>)> {
        (self.send)(self.cookie.as_deref(), self.steps)
    }

    /// What must be there when the client is gone: what the last save that began left, or all, once the handler answered.
    fn expected<'a>(&self, states: &'a [Vec<Stored>]) -> &'a Vec<Stored> {
        let saves = self.world.saves.load(Relaxed);
        &states[if self.world.answered.load(Relaxed) { states.len() - 1 } else { saves }]
    }

    /// The client is gone, and what goes on without it comes to its end.
    async fn check(self, states: &[Vec<Stored>], stage: &str) {
        for _ in 0..200 {
            yield_now().await;
        }
        assert_eq!(self.world.stored().await, *self.expected(states), "{stage}: {:?}", self.spy.log());
        self.faults.clear();
        let signed_in = self.world.stored().await.iter().filter(|one| one.fields.contains("owner")).count();
        assert_eq!(self.sessions.of("ada").await.unwrap().len(), signed_in, "{stage}: who is signed in is listed");
        assert_eq!((self.send)(self.cookie.as_deref(), "c").await.0, 200, "{stage}");
    }
}

/// Notes what is created, and lets the client hang up before and after every call.
struct Watched {
    inner: FaultStore,
    world: Data<World>,
}

async fn apart<T>(call: impl Future<Output = T>) -> T {
    yield_now().await;
    let answer = call.await;
    yield_now().await;
    answer
}

#[async_trait]
impl SessionStore for Watched {
    async fn load(&self, key: &str) -> Result<Option<Record>, StoreError> {
        apart(self.inner.load(key)).await
    }
    async fn create(&self, key: &str, record: &Record) -> Result<Created, StoreError> {
        // a user's record is no session
        if !key.contains("owner:") {
            self.world.keys.lock().unwrap().push(key.to_owned());
        }
        apart(self.inner.create(key, record)).await
    }
    async fn update(&self, key: &str, record: &Record, expected: &Version) -> Result<Updated, StoreError> {
        apart(self.inner.update(key, record, expected)).await
    }
    async fn touch(&self, key: &str, expires_in: Duration) -> Result<bool, StoreError> {
        apart(self.inner.touch(key, expires_in)).await
    }
    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        apart(self.inner.delete(key)).await
    }
    async fn delete_expired(&self, limit: u64) -> Result<Swept, StoreError> {
        self.inner.delete_expired(limit).await
    }
    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }
    fn name(&self) -> &'static str {
        "watched"
    }
}

/// What is stored before a request, after each save of its handler, and after its answer.
async fn states(kind: &Kind) -> Vec<Vec<Stored>> {
    let mut states = vec![Case::new(kind).await.world.stored().await];
    for (at, _) in kind.steps.match_indices(['s', 'x']) {
        // a request that does no more than that
        let case = Case { steps: &kind.steps[..=at], ..Case::new(kind).await };
        assert_eq!(case.request().await.0, 200, "{}", kind.name);
        states.push(case.world.stored().await);
    }
    let case = Case::new(kind).await;
    assert_eq!(case.request().await.0, 200, "{}", kind.name);
    assert_eq!(case.spy.log().join(" "), kind.calls, "{}", kind.name);
    states.push(case.world.stored().await);
    states
}

/// L8: dropped when it was polled once, twice, and so on, until it is over.
#[actix_web::test]
async fn a_request_that_is_dropped_after_any_poll_leaves_a_whole_save_or_none() {
    for kind in &KINDS {
        let states = states(kind).await;
        let mut done = false;
        let mut polls = 0;
        while !done {
            let case = Case::new(kind).await;
            let mut request = case.request();
            for _ in 0..polls {
                done = poll_fn(|cx| Poll::Ready(request.poll_unpin(cx).is_ready())).await;
                yield_now().await;
            }
            drop(request);
            case.check(&states, &format!("{}, dropped after {polls} polls", kind.name)).await;
            polls += 1;
        }
        assert!(polls > kind.steps.len() + kind.calls.split(' ').count(), "{}: {polls} polls", kind.name);
    }
}

/// L8: dropped while a call of its is on its way to the store, and while the answer is on its way back.
#[actix_web::test]
async fn a_request_that_is_dropped_during_any_store_call_leaves_a_whole_save_or_none() {
    for kind in &KINDS {
        let states = states(kind).await;
        let calls: Vec<_> = kind.calls.split(' ').map(operation).collect();
        for (at, call) in calls.iter().enumerate() {
            for held in [Fault::Held, Fault::AnswerHeld] {
                let case = Case::new(kind).await;
                let (gate, open) = (Gate::new(), Gate::new());
                open.open();
                let earlier = calls[..at].iter().filter(|other| *other == call).count();
                case.faults.next(*call, earlier, Fault::Held(open.clone()));
                case.faults.next(*call, 1, held(gate.clone()));
                let when = if matches!(held(open.clone()), Fault::Held(_)) { "before" } else { "after" };
                let stage = format!("{}, dropped {when} call {at}, {call:?}", kind.name);
                reach(&gate, case.request(), &stage).await;
                gate.open();
                case.check(&states, &stage).await;
            }
        }
    }
}

/// Runs a request until a call of its stands at the gate, and drops it there.
async fn reach(gate: &Gate, request: LocalBoxFuture<'static, (u16, Option<String>)>, stage: &str) {
    let arrived = timeout(Duration::from_secs(30), gate.arrived(1)).boxed_local();
    match select(request, arrived).await {
        Either::Left(_) => panic!("{stage}: it is over"),
        Either::Right((arrived, request)) => {
            arrived.unwrap();
            drop(request);
        }
    }
}

fn operation(name: &str) -> Operation {
    let all = [Operation::Load, Operation::Create, Operation::Update, Operation::Touch, Operation::Delete];
    all.into_iter().find(|operation| operation.name() == name).unwrap()
}
