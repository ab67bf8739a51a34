//! A site under load while something breaks, and what its visitors were told held against what there is.
//!
//! It knows nothing of a store but how to ask through it: [`under_load`] takes the store and a function that breaks and
//! mends what is behind it.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use actix_typed_session::{SessionConfig, SessionMiddleware, store::SessionStore};
use actix_typed_session_tests::support::{browser::Browser, server::Server};
use tokio::time::sleep;

pub(crate) use self::book::Findings;
use self::book::{Dead, Death};

mod book;
mod site;
mod visitor;

/// `SESSION_STORE_TIMEOUT`, which the store gets too, unless it has a longer one.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(400);
/// Where this does not suffice, something hangs.
const PATIENCE: Duration = Duration::from_secs(60);
const VISITORS: usize = 8;

/// How often a fault happens: `SESSION_FAULT_ROUNDS`, or so often.
fn rounds(usual: u64) -> u64 {
    let asked = std::env::var("SESSION_FAULT_ROUNDS").ok();
    asked.map_or(usual, |rounds| rounds.parse().expect("`SESSION_FAULT_ROUNDS` is a number"))
}

/// Lets visitors change sessions in this store all the time, while `strike` breaks it and mends it again and again, and
/// holds what they were answered against what is there in the end. Panics where that does not agree.
///
/// `strike` gets the number of the round. When it returns, all has to be mended.
pub(crate) async fn under_load(fault: &str, store: impl SessionStore, strike: impl AsyncFnMut(&Load, u64)) {
    let is_s3 = store.name() == "opendal";
    let mut measured = measured(fault, store, 2, strike).await;
    if is_s3 {
        // versitygw deletes an object while it replaces it on a condition, each as if the other were not there
        (measured.during.revived, measured.after.revived) = (0, 0);
    }
    measured.assert_nothing_wrong();
}

/// What was found wrong.
pub(crate) struct Measured {
    summary: String,
    /// While faults happened.
    pub(crate) during: Findings,
    /// When all was well again.
    pub(crate) after: Findings,
}

impl Measured {
    pub(crate) fn assert_nothing_wrong(&self) {
        for findings in [&self.during, &self.after] {
            let wrong = &findings.wrong[..findings.wrong.len().min(10)];
            assert!(*findings == Findings::default(), "{}: {wrong:?}", self.summary);
        }
    }

    /// Asserts what no failover may do, whatever it loses: do a change twice, show a visitor another's session, or hang.
    pub(crate) fn assert_kept(&self) {
        for findings in [&self.during, &self.after] {
            let of_another = |wrong: &&String| wrong.contains("sees what is of");
            assert_eq!((findings.twice, findings.late), (0, 0), "{:?}", findings.wrong);
            assert_eq!(findings.wrong.iter().find(of_another), None);
        }
    }
}

/// The same where what was acknowledged may be lost by what the server promises: says what was.
pub(crate) async fn measured(
    fault: &str,
    store: impl SessionStore,
    usual_rounds: u64,
    mut strike: impl AsyncFnMut(&Load, u64),
) -> Measured {
    // what guards is read from what is kept, too, where anything is: else nothing would be
    let timeout = store.timeout().unwrap_or_default().max(TIMEOUT);
    let config = SessionConfig::new().store_timeout(timeout).cache_guarded(true);
    let server = Server::start(SessionMiddleware::with_config(store, config).unwrap(), 2, site::routes);
    let load = Arc::new(Load::new(server.address, timeout));
    let visitors: Vec<_> =
        (0..VISITORS).map(|visitor| tokio::spawn(visitor::visit(Arc::clone(&load), visitor))).collect();
    let idler = tokio::spawn(visitor::idle(Arc::clone(&load)));
    let mut recoveries = Vec::new();
    let began = Instant::now();
    load.all_served(began).await;
    for round in 0..rounds(usual_rounds) {
        strike(&load, round).await;
        let mended = Instant::now();
        load.all_served(mended).await;
        recoveries.push(load.recovery(mended));
    }
    load.is_over.store(true, Ordering::SeqCst);
    let mut left = Vec::new();
    for visitor in visitors {
        left.push(visitor.await.unwrap());
    }
    let during = load.log().findings.clone();
    let mut unseen = 0;
    for left in left {
        unseen += left.hold_against(&load).await;
    }
    idler.abort();
    load.count_late();
    let summary = load.summary(fault, unseen, &recoveries);
    println!("{summary}");
    let after = load.log().findings.since(&during);
    Measured { summary, during, after }
}

/// What the visitors were answered so far.
pub(crate) struct Load {
    address: SocketAddr,
    timeout: Duration,
    log: Mutex<Log>,
    next_number: AtomicU64,
    is_over: AtomicBool,
}

#[derive(Default)]
struct Log {
    answered: Vec<Answered>,
    findings: Findings,
    /// The longest that a request took that did not touch a session: what the machine adds to each step of another.
    idle: Duration,
}

/// That a request was answered.
#[derive(Clone, Copy)]
pub(crate) struct Answered {
    visitor: usize,
    pub(crate) status: u16,
    /// Whether it was to change something in a session.
    pub(crate) is_change: bool,
    began: Instant,
    ended: Instant,
}

/// An answer.
struct Answer {
    status: u16,
    body: String,
    /// The cookie's value, if one was set.
    token: Option<String>,
}

impl Load {
    fn new(address: SocketAddr, timeout: Duration) -> Self {
        let (next_number, is_over) = (AtomicU64::new(1), AtomicBool::new(false));
        Self { address, timeout, log: Mutex::default(), next_number, is_over }
    }

    /// How long a call to the store may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The answers to requests that began after this instant.
    pub(crate) fn since(&self, instant: Instant) -> Vec<Answered> {
        self.log().answered.iter().filter(|answered| answered.began > instant).copied().collect()
    }

    /// Waits until each visitor has an answer, whichever, to a request that began after this instant.
    pub(crate) async fn all_answered(&self, instant: Instant) {
        self.all("answered", instant, |_| true).await;
    }

    /// Waits until there are so many more answers.
    pub(crate) async fn answers(&self, more: usize) {
        let enough = self.log().answered.len() + more;
        self.until("so many answers", || self.log().answered.len() >= enough).await;
    }

    /// Waits until each visitor has an answer to a request that began after this instant, and asserts that all of
    /// those were 503.
    pub(crate) async fn all_refused(&self, instant: Instant) {
        self.all_answered(instant).await;
        let other = self.since(instant).iter().find(|answered| answered.status != 503).map(|answered| answered.status);
        assert_eq!(other, None, "an answer without a store");
    }

    /// Waits until each visitor has seen a change succeed whose request began after this instant.
    pub(crate) async fn all_served(&self, instant: Instant) {
        self.all("served", instant, |answered| answered.is_change && answered.status == 200).await;
    }

    async fn all(&self, what: &str, instant: Instant, suits: impl Fn(&Answered) -> bool) {
        let what = format!("every visitor is {what}");
        self.until(&what, || {
            let answers = self.since(instant);
            (0..VISITORS).all(|visitor| answers.iter().any(|answered| answered.visitor == visitor && suits(answered)))
        })
        .await;
    }

    /// Waits for a condition; how long it takes decides nothing, unless it is for ever.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}; {}", self.summary("so far", 0, &[]));
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// How long after this instant the first change succeeded, and the first of the last visitor.
    fn recovery(&self, mended: Instant) -> (Duration, Duration) {
        let mut first = BTreeMap::new();
        for answered in &self.log().answered {
            if answered.is_change && answered.status == 200 && answered.ended > mended {
                let ended: &mut Instant = first.entry(answered.visitor).or_insert(answered.ended);
                *ended = answered.ended.min(*ended);
            }
        }
        let after = |ended: Option<&Instant>| ended.map_or(Duration::ZERO, |ended| *ended - mended);
        (after(first.values().min()), after(first.values().max()))
    }

    fn note_idle(&self, took: Duration) {
        let mut log = self.log();
        log.idle = log.idle.max(took);
    }

    /// Counts the answers that took longer than they may on a machine as busy as this one was.
    fn count_late(&self) {
        let mut log = self.log();
        // a commit's budget, and a second for all else
        let most = 2 * self.timeout + Duration::from_secs(1) + 4 * log.idle;
        log.findings.late =
            log.answered.iter().filter(|answered| answered.ended - answered.began > most).count() as u64;
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap()
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// A number that was never used.
    fn number(&self) -> u64 {
        self.next_number.fetch_add(1, Ordering::SeqCst)
    }

    fn wrong(&self, what: String) {
        self.log().findings.wrong.push(what);
    }

    /// Sends a request and notes how it was answered.
    async fn ask(&self, visitor: usize, method: &str, path: &str, token: Option<&str>) -> Answer {
        let browser = Browser::new(self.address);
        let cookie = token.map(|token| ("cookie", token));
        let began = Instant::now();
        let response = browser.begin(method, path, cookie.as_slice(), "").await.finish().await;
        let ended = Instant::now();
        let mut log = self.log();
        let Ok(response) = response else {
            log.findings.wrong.push(format!("no answer to {path}"));
            return Answer { status: 0, body: String::new(), token: None };
        };
        let status = response.status;
        log.answered.push(Answered { visitor, status, is_change: path.starts_with("/add/"), began, ended });
        let set = response.header("set-cookie").and_then(|line| line.split(';').next());
        let is_retry = response.header("retry-after").is_some();
        if ![200, 401, 409, 503].contains(&status) {
            log.findings.wrong.push(format!("{path} was answered {status}"));
        }
        if status == 503 && (set.is_some() || !is_retry || !response.body.is_empty()) {
            log.findings.wrong.push(format!("{path} was answered 503 with a cookie, a body or no `Retry-After`"));
        }
        drop(log);
        // the token alone, as the cookie goes back; a cookie that is removed holds none
        let token = set.filter(|cookie| !cookie.ends_with('=')).map(str::to_owned);
        Answer { status, body: response.body, token }
    }

    /// Notes it if a token that must be dead is taken; whether it was a 503, which says nothing.
    async fn try_dead(&self, visitor: usize, dead: &Dead) -> bool {
        let status = self.ask(visitor, "GET", "/cart", Some(&dead.token)).await.status;
        let findings = &mut self.log().findings;
        match (status, dead.by) {
            (200, Death::Logout) => findings.revived += 1,
            (200, Death::Rotation) => findings.old_tokens += 1,
            (401 | 503, _) => {}
            (status, _) => findings.wrong.push(format!("a dead token was answered {status}")),
        }
        status == 503
    }

    fn summary(&self, fault: &str, unseen: u64, recoveries: &[(Duration, Duration)]) -> String {
        let log = self.log();
        let mut statuses = BTreeMap::<u16, u64>::new();
        log.answered.iter().for_each(|answered| *statuses.entry(answered.status).or_default() += 1);
        let is_done = |answered: &&Answered| answered.is_change && answered.status == 200;
        let acknowledged = log.answered.iter().filter(is_done).count();
        let slowest = log.answered.iter().map(|answered| answered.ended - answered.began).max().unwrap_or_default();
        let Findings { missing, twice, revived, old_tokens, late, wrong } = &log.findings;
        let mut line = format!("{fault}, {} times: answered", recoveries.len());
        for (status, count) in statuses {
            let _ = write!(line, " {status}×{count}");
        }
        let _ = write!(
            line,
            "; of {acknowledged} acknowledged changes missing {missing}, twice {twice}; revived {revived}, old tokens \
             {old_tokens}, wrong {}, late {late} (slowest {} ms); sessions lost from sight {unseen}; recovered in {} ms, \
             all visitors in {} ms",
            wrong.len(),
            slowest.as_millis(),
            median_and_worst(recoveries.iter().map(|(first, _)| *first)),
            median_and_worst(recoveries.iter().map(|(_, last)| *last)),
        );
        line
    }
}

/// `5 (12 at worst)`, in milliseconds.
fn median_and_worst(times: impl Iterator<Item = Duration>) -> String {
    let mut times: Vec<_> = times.map(|time| time.as_millis()).collect();
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    format!("{median} ({} at worst)", times.last().copied().unwrap_or_default())
}
