//! Plays a history: one move after the other, and what must hold after each.

use std::{collections::BTreeMap, collections::BTreeSet, future::poll_fn, task::Poll, time::Duration};

use actix_typed_session::{
    Clock, SessionConfig, SessionError, SessionId, SessionInfo, SessionMiddleware, Sessions,
    store::MemoryStore,
    testing::{FaultStore, Operation},
};
use futures_util::{FutureExt, future::LocalBoxFuture};

use super::{
    check::{Model, Request, id},
    history::{Call, History, Move, Setup, USERS, VISITORS, Whom},
    site::{self, Response, Send},
    slow::Slow,
    told,
};

/// What is under way.
enum Work {
    Request(Request),
    Call { call: Call, id: Option<String>, ending: Option<usize>, begun: usize },
}

enum Answer {
    Response(Response),
    Ended(Result<bool, SessionError>),
    All(Result<u64, SessionError>),
    List(Result<Vec<SessionInfo>, SessionError>),
}

struct Flying {
    number: usize,
    name: String,
    work: Work,
    future: LocalBoxFuture<'static, Answer>,
}

struct Player {
    model: Model,
    clock: Clock,
    faults: FaultStore,
    sessions: Sessions,
    send: Send,
    jars: [Option<String>; VISITORS],
    flying: Vec<Flying>,
    /// How long the clock went on amid all this; what is on its way must arrive while tombstones stay.
    ticked: u64,
}

/// Plays a history; panics where something does not hold. Notes the moves as they came, so that each says whom it means.
pub(crate) async fn play(history: &History, made: &mut Vec<Move>) {
    told::begin();
    made.clear();
    let mut player = Player::new(history.setup).await;
    for one in &history.moves {
        made.extend(player.named(one));
        player.make(one).await;
    }
    player.rest(true).await;
}

impl Player {
    async fn new(setup: Setup) -> Self {
        let clock = Clock::manual();
        let faults = FaultStore::new(MemoryStore::default().clock(clock.clone()));
        let mut config = SessionConfig::new().idle_timeout(setup.idle).absolute_lifetime(setup.absolute);
        config = config.refuse_over_limit(setup.refuse).clock(clock.clone());
        if let Some(limit) = setup.limit {
            config = config.limit_per_owner(limit);
        }
        let middleware = SessionMiddleware::with_config(Slow(faults.clone()), config).unwrap();
        let sessions = middleware.sessions().unwrap();
        Self {
            model: Model::new(setup, clock.clone()),
            clock,
            faults,
            sessions,
            send: site::start(middleware).await,
            jars: Default::default(),
            flying: Vec::new(),
            ticked: 0,
        }
    }

    /// Whom a move means, by its place among those under way.
    fn find(&self, whom: Whom) -> Option<usize> {
        match whom {
            Whom::Any(_) if self.flying.is_empty() => None,
            Whom::Any(at) => Some(at % self.flying.len()),
            Whom::Number(number) => self.flying.iter().position(|flying| flying.number == number),
        }
    }

    /// A move that means the same when others are left out; none if it does nothing.
    fn named(&self, one: &Move) -> Option<Move> {
        let number = |whom: Whom| self.find(whom).map(|at| Whom::Number(self.flying[at].number));
        match one {
            Move::Go(whom) => number(*whom).map(Move::Go),
            Move::Drop(whom) => number(*whom).map(Move::Drop),
            one => Some(one.clone()),
        }
    }

    async fn make(&mut self, one: &Move) {
        match one {
            Move::Send { number, visitor, steps } => self.sends(*number, *visitor, steps.clone()),
            Move::Call { number, call } => self.calls(*number, *call),
            Move::Fail(operation, calls, fault) => {
                told::tell(format!("the store fails {calls} times to {operation:?}: {fault:?}"));
                self.model.is_touch_faulty |= *operation == Operation::Touch;
                self.faults.next(*operation, *calls, fault.clone());
            }
            Move::Go(whom) => {
                if let Some(at) = self.find(*whom) {
                    self.go(at).await;
                }
            }
            Move::Drop(whom) => {
                let Some(at) = self.find(*whom) else { return };
                let Flying { name, work, .. } = self.flying.swap_remove(at);
                told::tell(format!("{name} is dropped"));
                match work {
                    Work::Request(request) => self.model.answered(&request, None),
                    Work::Call { ending, .. } => self.over(ending),
                }
            }
            Move::Pause => tokio::time::sleep(Duration::from_millis(1)).await,
            Move::Tick(seconds) if self.ticked + seconds <= 50 => {
                told::tell(format!("{seconds} s pass"));
                self.ticked += seconds;
                self.clock.advance(Duration::from_secs(*seconds));
            }
            Move::Tick(_) => {}
            Move::Rest { seconds, probe } => {
                self.rest(*probe).await;
                told::tell(format!("{seconds} s pass"));
                self.clock.advance(Duration::from_secs(*seconds));
            }
        }
    }

    fn sends(&mut self, number: usize, visitor: usize, steps: String) {
        let token = self.jars[visitor].clone();
        let name = format!("#{number} visitor {visitor}'s {steps}");
        told::tell(format!("{name} is sent with {}", told::token(token.as_deref())));
        let future = (self.send)(token.as_deref(), &steps).map(Answer::Response).boxed_local();
        let work = Work::Request(self.model.sends(visitor, token, steps));
        self.flying.push(Flying { number, name, work, future });
    }

    fn calls(&mut self, number: usize, call: Call) {
        let sessions = self.sessions.clone();
        let begun = self.model.tick();
        let mut name = format!("#{number} {call:?}");
        let (mut of, mut ending) = (None, None);
        let future = match call {
            Call::Revoke(user, visitor) => {
                let Some(token) = &self.jars[visitor] else { return };
                name = format!("#{number} revoke of {} for {user}", told::session(&id(token)));
                of = Some(id(token));
                ending = Some(self.model.ending(Some(user), of.clone(), None, false));
                let session: SessionId = id(token).parse().unwrap();
                async move { Answer::Ended(sessions.revoke(&user, session).await) }.boxed_local()
            }
            Call::RevokeOwner(user) => {
                ending = Some(self.model.ending(Some(user), None, None, false));
                async move { Answer::All(sessions.revoke_owner(&user).await) }.boxed_local()
            }
            Call::Of(user) => async move { Answer::List(sessions.of(&user).await) }.boxed_local(),
        };
        told::tell(format!("{name} begins"));
        self.flying.push(Flying { number, name, work: Work::Call { call, id: of, ending, begun }, future });
    }

    /// Lets one of those under way go on.
    async fn go(&mut self, at: usize) {
        told::acts(&self.flying[at].name);
        let polled = poll_fn(|cx| Poll::Ready(self.flying[at].future.poll_unpin(cx))).await;
        told::acts("left behind");
        if let Poll::Ready(answer) = polled {
            let Flying { name, work, .. } = self.flying.swap_remove(at);
            match (work, answer) {
                (Work::Request(request), Answer::Response(response)) => self.responds(&name, &request, response),
                (Work::Call { call, id, ending, begun }, answer) => {
                    self.over(ending);
                    self.called(&name, call, id, begun, &answer);
                }
                _ => unreachable!(),
            }
        }
        // what is left behind goes on
        tokio::task::yield_now().await;
    }

    fn responds(&mut self, name: &str, request: &Request, response: Response) {
        let cookie = response.cookie.as_ref().map(|token| format!(" and the token {}", told::token(Some(token))));
        let seen =
            response.seen.as_ref().map(|seen| format!(", as user {}, new: {}, {:?}", seen.user, seen.is_new, seen.set));
        told::tell(format!(
            "{name} gets {}{}{}",
            response.status,
            cookie.unwrap_or_default(),
            seen.unwrap_or_default()
        ));
        self.model.answered(request, Some(&response));
        if let (true, 200, Some(seen)) = (request.has("O"), response.status, &response.seen)
            && seen.user != 0
        {
            let own = request.token.as_deref().map(id);
            self.model.revoked(seen.user, None, own.as_deref(), request.begun());
        }
        if let Some(cookie) = response.cookie {
            self.jars[request.visitor] = Some(cookie).filter(|cookie| !cookie.is_empty());
        }
    }

    fn over(&mut self, ending: Option<usize>) {
        let now = self.model.tick();
        ending.into_iter().for_each(|at| self.model.endings[at].ended = now);
    }

    fn called(&mut self, name: &str, call: Call, id: Option<String>, begun: usize, answer: &Answer) {
        match (call, answer) {
            (Call::Revoke(user, _), Answer::Ended(Ok(is_ended))) => {
                told::tell(format!("{name} says {is_ended}"));
                self.model.revoked(user, id.as_deref(), None, begun);
                id.into_iter().filter(|_| *is_ended).for_each(|id| self.model.ended(id));
            }
            (Call::RevokeOwner(user), Answer::All(Ok(count))) => {
                told::tell(format!("{name} says {count}"));
                self.model.revoked(user, None, None, begun);
            }
            (Call::Of(_), Answer::List(Ok(list))) => {
                let ids: Vec<String> = list.iter().map(|one| one.id.to_string()).collect();
                let names: Vec<String> = ids.iter().map(|id| told::session(id)).collect();
                told::tell(format!("{name} says {names:?}"));
                let ended = ids.iter().find(|id| self.model.had_ended(id, begun));
                assert!(ended.is_none(), "{name} lists what had ended");
            }
            _ => told::tell(format!("{name} fails")),
        }
    }

    /// Brings all to its end, and looks at what is there.
    async fn rest(&mut self, probe: bool) {
        while !self.flying.is_empty() {
            for at in (0..self.flying.len()).rev() {
                if at < self.flying.len() {
                    self.go(at).await;
                }
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // longer than a commit may take
        tokio::time::sleep(Duration::from_secs(10)).await;
        self.faults.clear();
        self.model.rests();
        self.ticked = 0;
        told::tell("all rests");
        told::acts("a look");
        let lists = self.lists().await;
        if probe {
            self.probe(&lists).await;
        }
    }

    async fn lists(&mut self) -> BTreeMap<u64, Vec<SessionInfo>> {
        let mut lists = BTreeMap::new();
        for user in 1..=USERS {
            let list = self.sessions.of(&user).await.unwrap();
            let ids: BTreeSet<String> = list.iter().map(|one| one.id.to_string()).collect();
            let names: Vec<String> = ids.iter().map(|id| told::session(id)).collect();
            told::tell(format!("the sessions of user {user}: {names:?}"));
            assert_eq!(ids.len(), list.len(), "a session is listed twice: {names:?}");
            let most = self.model.setup.limit.unwrap_or(100);
            assert!(list.len() <= most, "user {user} has {names:?}, and the limit is {most}");
            for id in &ids {
                assert!(!self.model.had_ended(id, usize::MAX), "{} is listed, and it ended", told::session(id));
            }
            lists.insert(user, list);
        }
        lists
    }

    /// Asks with every token there ever was.
    async fn probe(&mut self, lists: &BTreeMap<u64, Vec<SessionInfo>>) {
        let tokens: Vec<String> = self.model.tokens.keys().cloned().collect();
        for token in tokens {
            let name = told::token(Some(&token));
            let response = (self.send)(Some(&token), "v").await;
            let user = self.model.check(&token, response.seen.as_ref().unwrap());
            told::tell(format!("{name} is {}", user.map_or("dead".to_owned(), |user| format!("user {user}'s"))));
            let Some(user) = user else { continue };
            for (owner, list) in lists {
                let listed = list.iter().find(|one| one.id.to_string() == id(&token));
                assert_eq!(listed.is_some(), *owner == user, "{name} is {user}'s: in the list of {owner}?");
                let label = listed.and_then(|one| one.label.as_ref()).map(|label| label.parse().unwrap());
                assert!(
                    label.is_none_or(|label| self.model.may_have_label(&token, label)),
                    "{name} has label {label:?}"
                );
            }
        }
    }
}
