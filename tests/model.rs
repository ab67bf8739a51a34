//! Random requests of two visitors, interleaved at every store call, against what must hold whatever happens: nothing
//! acknowledged is lost, nothing is done twice, what ended stays ended, and nobody sees what is another's.
//!
//! `SESSION_MODEL_HISTORIES` says how many histories, `SESSION_MODEL_SEED` where they begin.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test tells what it did not expect by a panic"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    future::poll_fn,
    rc::Rc,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use actix_typed_session::{
    Session, SessionError, SessionHandle, SessionMiddleware,
    store::{Created, MemoryStore, Record, SessionStore, StoreError, Updated, Version},
    testing::{Fault, FaultStore, Operation},
};
use actix_web::{
    App, FromRequest, HttpRequest,
    http::header,
    test,
    web::{Path, get},
};
use async_trait::async_trait;
use futures_util::{
    FutureExt,
    future::{LocalBoxFuture, join},
};

#[derive(Default, Session)]
#[session(default)]
struct Cart {
    #[session(merge = "add")]
    total: u64,
    #[session(merge = "union")]
    set: BTreeSet<u64>,
    list: Vec<u64>,
    #[session(merge = "max")]
    top: u64,
}

impl Cart {
    /// Every change is by a power of two of its own, so that the sum tells what is in it.
    fn change(&mut self, n: u64) {
        self.total += n;
        self.set.insert(n);
        self.list.push(n);
        self.top = self.top.max(n);
    }
}

#[derive(Session)]
struct User {
    #[session(owner)]
    name: u64,
}

type Answer = Result<String, SessionError>;

/// Does the steps that the path spells, each a letter and a number.
async fn run(session: SessionHandle, request: HttpRequest, steps: Path<String>) -> Answer {
    let mut own: Option<Session<Cart>> = None;
    for step in steps.split('.') {
        let (kind, n) = step.split_at(1);
        let n = n.parse().unwrap_or(0);
        if own.is_none() && "CSXP".contains(kind) {
            own = Some(Session::extract(&request).await?);
        }
        match (kind, &mut own) {
            ("c", _) => Session::<Cart>::extract(&request).await?.change(n),
            ("C", Some(own)) => own.change(n),
            ("s", _) => session.save().await?,
            ("S", Some(own)) => own.save().await?,
            // saved, and not waited for
            ("X", Some(own)) => {
                own.change(n);
                own.save().now_or_never().unwrap_or(Ok(()))?;
            }
            // changed twice, while one of the changes is being saved
            ("P", Some(own)) => {
                let mut other: Session<Cart> = Session::extract(&request).await?;
                other.change(n);
                let (one, two) = join(own.save(), other.save()).await;
                one.and(two)?;
            }
            ("r", _) => session.rotate(),
            ("i", _) => session.insert(User { name: n })?,
            ("o", _) => session.remove::<User>()?,
            ("d", _) => session.destroy(),
            _ => {}
        }
    }
    drop(own);
    let is_new = session.is_new().await?;
    let user = Option::<Session<User>>::extract(&request).await.unwrap_or_default().map_or(0, |user| user.name);
    let cart = Session::<Cart>::extract(&request).await?;
    let seen = (is_new, user, cart.total, &cart.set, &cart.list, cart.top);
    Ok(serde_json::to_string(&seen).unwrap_or_default())
}

type Seen = (bool, u64, u64, BTreeSet<u64>, Vec<u64>, u64);

/// What is known of one token.
#[derive(Default)]
struct Token {
    parent: Option<String>,
    owner: u64,
    /// Whether it began without what its parent had.
    is_fresh: bool,
    /// The changes that came with it and were acknowledged, and those of which nobody knows.
    done: BTreeSet<u64>,
    unknown: BTreeSet<u64>,
    /// Whether it was replaced, and whether it may have been.
    is_dead: bool,
    is_doubtful: bool,
}

#[derive(Default)]
struct Model {
    tokens: BTreeMap<String, Token>,
    ended: BTreeSet<String>,
    maybe_ended: BTreeSet<String>,
}

/// The id that a token begins with: what is the same in all tokens of a session.
fn id(token: &str) -> String {
    token[..21].to_owned()
}

struct Request {
    visitor: usize,
    token: Option<String>,
    steps: String,
    future: LocalBoxFuture<'static, Response>,
}

struct Response {
    status: u16,
    /// The new token; empty where the cookie is removed.
    cookie: Option<String>,
    body: String,
}

impl Request {
    fn has(&self, kinds: &str) -> bool {
        self.steps.split('.').any(|step| step.starts_with(|kind| kinds.contains(kind)))
    }

    /// What `insert` named last, or what was there before.
    fn owner(&self, before: u64) -> u64 {
        self.steps.split('.').fold(before, |owner, step| match step.split_at(1) {
            ("i", name) => name.parse().unwrap(),
            ("o", _) => 0,
            _ => owner,
        })
    }
}

impl Model {
    /// Takes an answer; none where nobody waited for it.
    fn answered(&mut self, request: &Request, response: Option<&Response>) {
        let is_done = response.is_some_and(|response| response.status == 200);
        let cookie = response.and_then(|response| response.cookie.as_deref());
        let old = request.token.as_ref();
        let is_same = old.zip(cookie).is_some_and(|(old, new)| !new.is_empty() && id(old) == id(new));
        let new = cookie.filter(|cookie| !cookie.is_empty());
        if let Some(new) = new {
            let before = old.filter(|_| is_same).map_or(0, |old| self.tokens[old].owner);
            let owner = request.owner(before);
            let token = self.tokens.entry(new.to_owned()).or_default();
            (token.owner, token.is_fresh) = (owner, before != 0 && owner != 0 && before != owner);
            token.parent = old.filter(|_| is_same).cloned();
            token.is_doubtful = !is_done;
        }
        if let (Some(old), true) = (old, is_same) {
            self.tokens.get_mut(old).unwrap().is_dead = true;
        }
        // else it may be a session that the request itself had begun
        if let (Some(old), Some(""), false) = (old, cookie, request.has("sSXP")) {
            self.ended.insert(id(old));
        }
        // without a cookie or with one of the same session, the changes came with the old token
        let Some(token) = new.filter(|_| !is_same).or(old.map(String::as_str)) else { return };
        let token = self.tokens.get_mut(token).unwrap();
        let changes = request.steps.split('.').filter(|step| step.starts_with(['c', 'C', 'X', 'P']));
        let changes = changes.map(|step| step[1..].parse::<u64>().unwrap());
        let nothing = response.is_some_and(|response| response.status == 409) && !request.has("sSXP");
        // what was saved before the session ended, in a request that then began another
        let is_split = old.is_some() && new.is_some() && !is_same && request.has("sSXP");
        match () {
            () if nothing => {}
            // what a `destroy` made void, in a session that was not there, is acknowledged and not done
            () if is_done && !is_split && !request.steps.ends_with('d') => token.done.extend(changes),
            () => token.unknown.extend(changes),
        }
        if let Some(old) = old {
            let told = is_done || nothing || new.is_some();
            self.tokens.get_mut(old).unwrap().is_doubtful |= request.has("rio") && !told;
            self.maybe_ended.extend(request.has("d").then(|| id(old)));
        }
    }

    fn check(&self, token: &str, seen: &Seen) {
        let known = &self.tokens[token];
        let (is_new, owner, total, set, list, top) = seen;
        if known.is_dead || self.ended.contains(&id(token)) {
            assert_eq!((is_new, owner, *total), (&true, &0, 0), "{token} is dead");
            return;
        }
        if *is_new {
            assert!(known.is_doubtful || self.maybe_ended.contains(&id(token)), "{token} is lost");
            return;
        }
        let done: BTreeSet<u64> = self.chain(token).flat_map(|known| known.done.iter().copied()).collect();
        let unknown = self.chain(token).flat_map(|known| known.unknown.iter().copied());
        let most: BTreeSet<u64> = done.iter().copied().chain(unknown).collect();
        assert!(done.is_subset(set) && set.is_subset(&most), "{token} set: {done:?} {set:?} {most:?}");
        assert_eq!(*total, set.iter().sum::<u64>(), "{token}: {set:?}");
        // a list has no rule for what a failed save took back, so there the later wins
        let items: BTreeSet<u64> = list.iter().copied().collect();
        assert!(items.len() == list.len() && done.is_subset(&items), "{token} list: {done:?} {list:?}");
        assert!(items.is_subset(&most), "{token} list: {list:?} {most:?}");
        assert_eq!(*top, set.last().copied().unwrap_or(0), "{token}");
        assert!(known.is_doubtful || *owner == known.owner, "{token}: owner {owner}, not {}", known.owner);
    }

    /// What is known of a token and of those before it whose changes it has.
    fn chain(&self, token: &str) -> impl Iterator<Item = &Token> {
        let before =
            |known: &&Token| known.parent.as_ref().filter(|_| !known.is_fresh).map(|parent| &self.tokens[parent]);
        std::iter::successors(self.tokens.get(token), before)
    }
}

/// Lets others run before and after every call.
struct Slow(FaultStore);

async fn apart<T>(call: impl Future<Output = T>) -> T {
    tokio::task::yield_now().await;
    let answer = call.await;
    tokio::task::yield_now().await;
    answer
}

#[async_trait]
impl SessionStore for Slow {
    async fn load(&self, key: &str) -> Result<Option<Record>, StoreError> {
        apart(self.0.load(key)).await
    }
    async fn create(&self, key: &str, record: &Record) -> Result<Created, StoreError> {
        apart(self.0.create(key, record)).await
    }
    async fn update(&self, key: &str, record: &Record, expected: &Version) -> Result<Updated, StoreError> {
        apart(self.0.update(key, record, expected)).await
    }
    async fn touch(&self, key: &str, expires_in: Duration) -> Result<bool, StoreError> {
        apart(self.0.touch(key, expires_in)).await
    }
    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        apart(self.0.delete(key)).await
    }
    async fn delete_expired(&self, limit: u64) -> Result<u64, StoreError> {
        self.0.delete_expired(limit).await
    }
    async fn ping(&self) -> Result<(), StoreError> {
        self.0.ping().await
    }
    fn for_worker(&self) -> Option<Arc<dyn SessionStore>> {
        None
    }
    fn name(&self) -> &'static str {
        "slow"
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) as usize % end
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// The steps of a request.
    fn steps(&mut self, next: &mut u32) -> String {
        let mut steps = Vec::new();
        let is_sign_in = self.below(5) == 0;
        if is_sign_in {
            // what is changed beside a change of the owner is kept, and that of the former owner in it too
            steps.push(if self.below(3) == 0 { "o".to_owned() } else { format!("i{}", 1 + self.below(3)) });
        } else if self.below(12) == 0 {
            steps.push("d".to_owned());
        }
        for _ in 0..self.below(4) {
            let kind =
                self.of(if is_sign_in { &["s", "r"] } else { &["v", "c", "c", "C", "C", "s", "S", "X", "P", "r"] });
            if "cCXP".contains(kind) && *next < 60 {
                steps.push(format!("{kind}{}", 1_u64 << *next));
                *next += 1;
            } else if !"cCXP".contains(kind) {
                steps.push(kind.to_owned());
            }
        }
        if self.below(12) == 0 {
            steps.push("d".to_owned());
        }
        if steps.is_empty() { "v".to_owned() } else { steps.join(".") }
    }
}

async fn history(seed: u64) {
    let mut random = Random(seed);
    let fault = FaultStore::new(MemoryStore::default());
    let sessions = SessionMiddleware::new(Slow(fault.clone()));
    let app = Rc::new(test::init_service(App::new().wrap(sessions).route("/{steps}", get().to(run))).await);
    let send = |token: Option<&String>, steps: &str| {
        let mut request = test::TestRequest::get().uri(&format!("/{steps}"));
        if let Some(token) = token {
            request = request.insert_header((header::COOKIE, format!("__Host-session={token}")));
        }
        let (app, request) = (app.clone(), request.to_request());
        let response = async move {
            let response = test::call_service(&*app, request).await;
            let cookie = response.headers().get(header::SET_COOKIE).map(|line| line.to_str().unwrap());
            let cookie = cookie.map(|line| line.split([';', '=']).nth(1).unwrap().to_owned());
            let status = response.status().as_u16();
            let body = test::read_body(response).await;
            Response { status, cookie, body: String::from_utf8_lossy(&body).into_owned() }
        };
        response.boxed_local()
    };
    let (mut model, mut jars, mut next) = (Model::default(), [None, None], 0);
    let mut flying: Vec<Request> = Vec::new();
    let mut left = 14;
    while left > 0 || !flying.is_empty() {
        if left > 0 && (flying.is_empty() || flying.len() < 4 && random.below(3) == 0) {
            left -= 1;
            let visitor = random.below(2);
            let (token, steps): (Option<String>, _) = (jars[visitor].clone(), random.steps(&mut next));
            if random.below(4) == 0 {
                let operation = random.of(&[Operation::Load, Operation::Create, Operation::Update, Operation::Delete]);
                let failure = random.of(&[Fault::LostAnswer, Fault::Unavailable].each_ref()).clone();
                println!("{operation:?}: {failure:?}");
                fault.next(operation, 1 + random.below(2), failure);
            }
            println!("visitor {visitor} sends {steps} with {token:?}");
            let future = send(token.as_ref(), &steps);
            flying.push(Request { visitor, token, steps, future });
            continue;
        }
        let at = random.below(flying.len());
        if random.below(100) == 0 {
            let request = flying.swap_remove(at);
            println!("visitor {} hangs up on {}", request.visitor, request.steps);
            model.answered(&request, None);
            continue;
        }
        let polled = poll_fn(|cx| Poll::Ready(flying[at].future.poll_unpin(cx))).await;
        if let Poll::Ready(response) = polled {
            let request = flying.swap_remove(at);
            let Response { status, cookie, body } = &response;
            println!("visitor {} gets {status} {cookie:?} {body} for {}", request.visitor, request.steps);
            model.answered(&request, Some(&response));
            if let Some(cookie) = response.cookie {
                jars[request.visitor] = Some(cookie).filter(|cookie| !cookie.is_empty());
            }
        }
        // spawned commits run, and those that wait a while before they try again
        tokio::task::yield_now().await;
        if random.below(20) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    fault.clear();
    tokio::time::sleep(Duration::from_secs(60)).await;
    for token in model.tokens.keys() {
        let response = send(Some(token), "v").await;
        println!("{token}: {} {}", response.status, response.body);
        model.check(token, &serde_json::from_str(&response.body).unwrap());
    }
}

#[actix_web::test]
async fn whatever_two_visitors_do_nothing_is_lost_done_twice_or_revived() {
    tokio::time::pause();
    let number = |name: &str| env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let first = number("SESSION_MODEL_SEED").unwrap_or(0);
    for seed in first..first + number("SESSION_MODEL_HISTORIES").unwrap_or(400) {
        println!("\nSESSION_MODEL_SEED={seed}");
        history(seed).await;
    }
}
