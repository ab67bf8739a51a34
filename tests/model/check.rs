//! What is known of sessions and tokens by the answers alone, and what must hold of the next answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    iter::successors,
};

use actix_typed_session::Clock;

use super::{
    history::Setup,
    site::{Response, Seen},
    told,
};

mod ends;
mod request;

use self::request::{Changes, ROTATES, SAVES, has};
pub(crate) use self::{ends::Ending, request::Request};

type Set = BTreeSet<u64>;

/// What is known of one token.
#[derive(Default)]
pub(crate) struct Token {
    parent: Option<String>,
    /// 0 for nobody; none where nobody knows.
    pub(crate) owner: Option<u64>,
    /// Whether it began without what its parent had.
    is_fresh: bool,
    /// Whether nobody knows that.
    is_perhaps_fresh: bool,
    /// Whether it came of a request that left the owner as it was.
    keeps_owner: bool,
    /// The changes that came with it and were acknowledged, and those of which nobody knows.
    done: Changes,
    unknown: Changes,
    /// What was seen of the user's own notes, and whether they began anew with this token.
    notes: Set,
    is_noteless: bool,
    labels: Set,
    /// Whether it was replaced, and whether it may have been.
    is_dead: bool,
    is_doubtful: bool,
    is_revoked: bool,
    /// When its request was sent, when the last sign-in's was, and when it was answered.
    sent: usize,
    signed: usize,
    answered: usize,
    /// When the session's absolute lifetime began, at the earliest and at the latest, by the clock.
    root: (u64, u64),
    /// When it was last seen alive.
    used: u64,
}

pub(crate) struct Model {
    pub(crate) setup: Setup,
    clock: Clock,
    now: usize,
    pub(crate) tokens: BTreeMap<String, Token>,
    /// Sessions that ended for sure, and when that was known.
    ended: BTreeMap<String, usize>,
    maybe_ended: BTreeSet<String>,
    pub(crate) endings: Vec<Ending>,
    /// As whom requests tried to sign in on a session.
    tried: BTreeMap<String, Set>,
    /// When a session was last used at the latest, and what is under way on it.
    used: BTreeMap<String, u64>,
    under_way: Vec<(usize, String, String)>,
    /// Those under way that nobody waits for any more.
    left: Vec<usize>,
    /// Whether a refresh may have failed without a word.
    pub(crate) is_touch_faulty: bool,
}

/// The id that a token begins with: what is the same in all tokens of a session.
pub(crate) fn id(token: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
    bytes[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Model {
    pub(crate) fn new(setup: Setup, clock: Clock) -> Self {
        Self {
            setup,
            clock,
            now: 0,
            tokens: BTreeMap::new(),
            ended: BTreeMap::new(),
            maybe_ended: BTreeSet::new(),
            endings: Vec::new(),
            tried: BTreeMap::new(),
            used: BTreeMap::new(),
            under_way: Vec::new(),
            left: Vec::new(),
            is_touch_faulty: false,
        }
    }

    /// The number of what happens now.
    pub(crate) fn tick(&mut self) -> usize {
        self.now += 1;
        self.now
    }

    /// A visitor sends a request.
    pub(crate) fn sends(&mut self, visitor: usize, token: Option<String>, steps: String) -> Request {
        let sent = self.tick();
        let mut request = Request {
            visitor,
            steps,
            sent,
            clock: self.clock.now(),
            dead: token.as_deref().and_then(|token| self.death(token)),
            known: token.as_deref().map(|token| self.done(token)).unwrap_or_default(),
            notes: token.as_deref().map(|token| self.notes(token)).unwrap_or_default(),
            endings: Vec::new(),
            token,
        };
        let own = request.token.as_deref().map(id);
        for user in request.numbers("i") {
            self.tried.entry(own.clone().unwrap_or_default()).or_default().insert(user);
            if self.setup.limit.is_some() && !self.setup.refuse {
                // with a token that was replaced meanwhile it begins another session, whose sign-in may end this one
                request.endings.push(self.ending(Some(user), None, None, true));
            }
        }
        if request.has("O") {
            let owner = request.token.as_ref().and_then(|token| self.tokens[token].owner);
            request.endings.push(self.ending(owner, None, own.clone(), false));
        }
        self.under_way.push((sent, request.token.clone().unwrap_or_default(), request.steps.clone()));
        request
    }

    /// Takes an answer; none where nobody waited for it.
    pub(crate) fn answered(&mut self, request: &Request, response: Option<&Response>) {
        let (now, clock) = (self.tick(), self.clock.now());
        if response.is_some() {
            self.under_way.retain(|(sent, ..)| *sent != request.sent);
            request.endings.iter().for_each(|at| self.endings[*at].ended = now);
        } else {
            self.left.push(request.sent);
        }
        let is_done = response.is_some_and(|response| response.status == 200);
        let cookie = response.and_then(|response| response.cookie.as_deref());
        let old = request.token.as_ref();
        let is_same = old.zip(cookie).is_some_and(|(old, new)| !new.is_empty() && id(old) == id(new));
        let new = cookie.filter(|cookie| !cookie.is_empty());
        if let Some(response) = response.filter(|_| is_done) {
            self.look(request, response.seen.as_ref().unwrap());
        }
        for token in old.map(String::as_str).into_iter().chain(new) {
            self.used.insert(id(token), clock);
        }
        if let Some(new) = new {
            let parent = old.filter(|_| is_same);
            let mut token = Token { sent: request.sent, answered: now, used: request.clock, ..Token::default() };
            let before = parent.map_or(Some(0), |old| self.tokens[old].owner);
            token.owner = request.owner(before).filter(|_| is_done);
            if !is_same && request.has(SAVES) {
                // what was saved may have ended before another session began
                let seen = response.and_then(|response| response.seen.as_ref()).map(|seen| seen.user);
                // and where nobody waited for it, the request did not see that yet
                token.owner = seen.filter(|user| *user == 0 || !request.has("X"));
                // or it ended as that of a user who was signed in and saved, which the request then saw
                self.tried.entry(id(new)).or_default().extend(request.numbers("i"));
            }
            token.is_fresh =
                matches!((before, token.owner), (Some(old), Some(new)) if old != 0 && new != 0 && old != new);
            token.is_perhaps_fresh = request.has("i") && (before.is_none() || token.owner.is_none());
            token.keeps_owner = before.is_some() && !request.has("od") && request.owner(before) == before;
            (token.signed, token.root) = match parent.map(|parent| &self.tokens[parent]) {
                Some(parent) if token.keeps_owner => (parent.signed, parent.root),
                Some(parent) => (request.sent, (parent.root.0, clock)),
                None => (request.sent, (request.clock, clock)),
            };
            for at in request.endings.iter().filter(|_| request.has("i")) {
                self.endings[*at].except = Some(id(new));
            }
            token.is_noteless = request.has("iod");
            token.is_doubtful = !is_done;
            token.parent = parent.cloned();
            let known = self.tokens.insert(new.to_owned(), token);
            assert!(known.is_none(), "{} was given twice", told::token(Some(new)));
        }
        if let (Some(old), true) = (old, is_same) {
            self.tokens.get_mut(old).unwrap().is_dead = true;
        }
        // else it may be a session that the request itself had begun
        if let (Some(old), Some(""), false) = (old, cookie, request.has(SAVES)) {
            self.ended.insert(id(old), now);
        }
        if let (Some(old), true) = (old, is_done && (request.steps.starts_with('d') || request.steps.ends_with('d'))) {
            self.tokens.get_mut(old).unwrap().is_dead = true;
        }
        self.note(request, response, new, is_same);
    }

    /// Notes which changes came with which token.
    fn note(&mut self, request: &Request, response: Option<&Response>, new: Option<&str>, is_same: bool) {
        let is_done = response.is_some_and(|response| response.status == 200);
        let old = request.token.as_ref();
        // without a cookie or with one of the same session, the changes came with the old token
        let Some(token) = new.filter(|_| !is_same).or(old.map(String::as_str)) else { return };
        for token in [Some(token), new].into_iter().flatten() {
            self.tokens.get_mut(token).unwrap().labels.extend(request.numbers("l"));
        }
        let seen = response.and_then(|response| response.seen.as_ref());
        if let Some((_, notes)) = seen.filter(|_| is_done && !request.has("iod")).and_then(|seen| seen.private.clone())
        {
            let mine = notes.iter().copied().filter(|note| request.numbers("n").contains(&(note / 10)));
            self.tokens.get_mut(token).unwrap().notes.extend(mine);
        }
        let token = self.tokens.get_mut(token).unwrap();
        let changes = request.changes();
        let nothing = response.is_some_and(|response| response.status == 409) && !request.has(SAVES);
        // what was saved before the session ended, in a request that then began another
        let is_split = old.is_some() && new.is_some() && !is_same && request.has(SAVES);
        match () {
            () if nothing => {}
            // what a `destroy` made void, in a session that was not there, is acknowledged and not done
            () if is_done && !is_split && !request.steps.ends_with('d') => token.done.extend(changes),
            () => token.unknown.extend(changes),
        }
        if let Some(old) = old {
            let told = is_done || nothing || new.is_some();
            self.tokens.get_mut(old).unwrap().is_doubtful |= request.has(ROTATES) && !told;
            self.maybe_ended.extend(request.has("d").then(|| id(old)));
        }
    }

    /// What an answer says of how the request saw the session.
    fn look(&mut self, request: &Request, seen: &Seen) {
        let name = told::token(request.token.as_deref());
        if let Some((of, notes)) = &seen.private {
            assert_eq!(*of, seen.user, "{name}: one user's private field is seen by another");
            assert!(notes.iter().all(|note| note % 10 == *of), "{name}: {notes:?} in a session of user {of}");
        }
        let Some(token) = request.token.as_deref() else { return };
        if let Some(reason) = request.dead {
            let own = request.changes();
            assert!(seen.user == 0 || request.has("i"), "{name} is user {}, and {reason}", seen.user);
            assert!(seen.set.is_subset(&own.cart), "{name} has {:?}, and {reason}", seen.set);
            assert!(seen.taken.iter().all(|n| own.seat.contains(n)), "{name} has {:?}, and {reason}", seen.taken);
            let notes = seen.private.as_ref().map_or(0, |(_, notes)| notes.len());
            assert!(notes <= request.numbers("n").len(), "{name} has {notes} notes, and {reason}");
            return;
        }
        if request.has("dio") || request.has(SAVES) {
            return;
        }
        if seen.is_new {
            let now = self.tokens[token].is_dead || self.is_replaced(token, request.sent);
            assert!(now || self.may_be_lost(token), "{name} is lost");
            return;
        }
        assert!(request.known.cart.is_subset(&seen.set), "{name}: of {:?} there is {:?}", request.known.cart, seen.set);
        let seat = seen.taken.iter().copied().collect();
        assert!(request.known.seat.is_subset(&seat), "{name}: of {:?} there is {seat:?}", request.known.seat);
        let notes = seen.private.as_ref().map(|(_, notes)| notes.clone()).unwrap_or_default();
        assert!(request.notes.is_subset(&notes), "{name}: of {:?} there is {notes:?}", request.notes);
        let (clock, owner) = (request.clock, self.tokens[token].owner);
        assert!(owner.is_none_or(|owner| owner == seen.user), "{name}: user {}, not {owner:?}", seen.user);
        // a refresh that came when the session had expired did nothing
        let is_in_time = !self.may_have_expired(&self.tokens[token]);
        let token = self.tokens.get_mut(token).unwrap();
        token.used = if is_in_time { token.used.max(clock) } else { token.used };
    }

    /// What must hold of a token when nothing is under way; says whether it is alive, and whose.
    pub(crate) fn check(&mut self, token: &str, seen: &Seen) -> Option<u64> {
        let name = told::token(Some(token));
        if let Some(reason) = self.death(token) {
            assert!(
                seen.is_new && seen.user == 0 && seen.total == 0 && seen.private.is_none(),
                "{name} is alive, and {reason}"
            );
            return None;
        }
        let known = &self.tokens[token];
        if seen.is_new {
            assert!(self.may_be_lost(token), "{name} is lost");
            return None;
        }
        assert!(known.is_doubtful || known.owner.is_none_or(|owner| owner == seen.user), "{name}: user {}", seen.user);
        match &seen.private {
            Some((of, notes)) => {
                assert_eq!(*of, seen.user, "{name}: one user's private field is seen by another");
                assert!(notes.iter().all(|note| note % 10 == *of), "{name}: {notes:?} in a session of user {of}");
                let wanted = self.notes(token);
                assert!(wanted.is_subset(notes), "{name}: of {wanted:?} there is {notes:?}");
            }
            None => assert_eq!(seen.user, 0, "{name}: a user's private field is lost"),
        }
        let done = self.done(token);
        let mut most = done.clone();
        for known in self.chain(token) {
            most.extend(known.done.clone());
            most.extend(known.unknown.clone());
        }
        let (done, most, seat) = (&done.cart, &most.cart, (&done.seat, &most.seat));
        let set = &seen.set;
        assert!(done.is_subset(set) && set.is_subset(most), "{name} set: {done:?} {set:?} {most:?}");
        assert_eq!(seen.total, set.iter().sum::<u64>(), "{name}: {set:?}");
        assert_eq!(seen.bits, seen.total, "{name}: by a path");
        assert_eq!(seen.top, set.last().copied().unwrap_or(0), "{name}");
        assert_eq!(seen.low, set.first().copied(), "{name}");
        assert!(seen.last == 0 && set.is_empty() || most.contains(&seen.last), "{name}: {} of {most:?}", seen.last);
        // a list has no rule for what a failed save took back, so there the later wins
        let lists =
            [("list", &seen.list, (done, most)), ("queue", &seen.queue, (done, most)), ("seat", &seen.taken, seat)];
        for (field, list, (done, most)) in lists {
            let items: Set = list.iter().copied().collect();
            assert!(items.len() == list.len() && done.is_subset(&items), "{name} {field}: {done:?} {list:?}");
            assert!(items.is_subset(most), "{name} {field}: {list:?} {most:?}");
        }
        let clock = self.clock.now();
        self.used.insert(id(token), clock);
        self.tokens.get_mut(token).unwrap().used = clock;
        Some(seen.user)
    }

    /// Whether a session may be called so in a list.
    pub(crate) fn may_have_label(&self, token: &str, label: u64) -> bool {
        self.chain(token).any(|known| known.labels.contains(&label))
    }

    /// What came with a token, or with those before it whose changes it has, and was acknowledged.
    fn done(&self, token: &str) -> Changes {
        let mut done = Changes::default();
        let sure = self.back(token, |known| !known.is_fresh && !known.is_perhaps_fresh);
        sure.for_each(|known| done.extend(known.done.clone()));
        done
    }

    /// What is known of a token and of those before it whose changes it has.
    fn chain(&self, token: &str) -> impl Iterator<Item = &Token> {
        self.back(token, |known| !known.is_fresh)
    }

    fn notes(&self, token: &str) -> Set {
        self.back(token, |known| !known.is_noteless).flat_map(|known| known.notes.clone()).collect()
    }

    fn back(&self, token: &str, goes_on: impl Fn(&Token) -> bool) -> impl Iterator<Item = &Token> {
        let before =
            move |known: &&Token| known.parent.as_ref().filter(|_| goes_on(known)).map(|parent| &self.tokens[parent]);
        successors(self.tokens.get(token), before)
    }
}
