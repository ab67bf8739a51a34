//! What may end sessions, and what has.

use std::time::Duration;

use super::{Model, ROTATES, Token, has, id};

/// Something that may end sessions.
pub(crate) struct Ending {
    /// Whose; none for anybody's.
    pub(crate) owner: Option<u64>,
    pub(crate) id: Option<String>,
    pub(crate) except: Option<String>,
    /// Whether it ends a session only to make room.
    pub(crate) for_room: bool,
    /// After this it ends nothing more.
    pub(crate) ended: usize,
}

/// For the time that the test itself takes.
const SLACK: u64 = 4000;

impl Model {
    pub(crate) fn ending(
        &mut self,
        owner: Option<u64>,
        id: Option<String>,
        except: Option<String>,
        for_room: bool,
    ) -> usize {
        let ended = usize::MAX;
        self.endings.push(Ending { owner, id, except, for_room, ended });
        self.endings.len() - 1
    }

    /// Whether another request that is under way may end the session or give it another token.
    pub(super) fn is_replaced(&self, token: &str, sent: usize) -> bool {
        self.under_way.iter().any(|(at, other, steps)| {
            *at != sent
                && !other.is_empty()
                && (other == token && has(steps, ROTATES) || id(other) == id(token) && has(steps, "d"))
        })
    }

    /// All that was under way is over.
    pub(crate) fn rests(&mut self) {
        let (now, clock) = (self.tick(), self.clock.now());
        for ending in &mut self.endings {
            ending.ended = ending.ended.min(now);
        }
        for (_, token, _) in self.under_way.extract_if(.., |(sent, ..)| self.left.contains(sent)) {
            if !token.is_empty() {
                self.used.insert(id(&token), clock);
            }
        }
        assert!(self.under_way.is_empty());
        self.left.clear();
    }

    /// A call is done that ends all sessions that were an owner's before it began.
    pub(crate) fn revoked(&mut self, owner: u64, only: Option<&str>, except: Option<&str>, begun: usize) {
        for (token, known) in &mut self.tokens {
            let is_meant = only.is_none_or(|only| only == id(token)) && except.is_none_or(|except| except != id(token));
            if is_meant && known.owner == Some(owner) && known.answered < begun {
                known.is_revoked = true;
            }
        }
    }

    /// A session ended for sure.
    pub(crate) fn ended(&mut self, id: String) {
        let now = self.tick();
        self.ended.insert(id, now);
    }

    /// Whether a session had ended for sure at some time.
    pub(crate) fn had_ended(&self, id: &str, begun: usize) -> bool {
        self.ended.get(id).is_some_and(|ended| *ended < begun)
    }

    /// Why a token is dead, if it is for sure.
    pub(crate) fn death(&self, token: &str) -> Option<&'static str> {
        let (known, clock) = (&self.tokens[token], self.clock.now());
        let session = id(token);
        let is_busy = self.under_way.iter().any(|(_, other, _)| !other.is_empty() && id(other) == session);
        let until = |from: u64, length: Duration| from + length.as_millis() as u64 + SLACK;
        if known.is_dead {
            Some("it was replaced or ended")
        } else if self.ended.contains_key(&session) {
            Some("its session ended")
        } else if self.is_revoked(known) {
            Some("its session was revoked")
        } else if !is_busy && clock > until(self.used[&session], self.setup.idle) {
            Some("its session was not used for long")
        } else if self.setup.absolute.is_some_and(|absolute| clock > until(known.root.1, absolute)) {
            Some("its session is too old")
        } else {
            None
        }
    }

    fn is_revoked(&self, known: &Token) -> bool {
        // a token that came of a revoked one meanwhile has the same session
        known.is_revoked
            || known.keeps_owner && known.parent.as_ref().is_some_and(|parent| self.is_revoked(&self.tokens[parent]))
    }

    /// Whether a session may have ended that nothing says for sure has.
    pub(super) fn may_be_lost(&self, token: &str) -> bool {
        let (known, session) = (&self.tokens[token], id(token));
        let tried = self.tried.get(&session);
        let is_meant = |ending: &&Ending| {
            let is_owner = |owner| {
                known.owner.is_none_or(|known| known == owner) || tried.is_some_and(|tried| tried.contains(&owner))
            };
            ending.owner.is_none_or(is_owner)
                && ending.id.as_ref().is_none_or(|id| *id == session)
                && ending.except.as_ref() != Some(&session)
        };
        let (for_room, revokes): (Vec<_>, Vec<_>) =
            self.endings.iter().filter(is_meant).partition(|ending| ending.for_room);
        // a sign-in may try twice
        let others = for_room.iter().filter(|ending| ending.ended >= known.signed).count() * 2;
        let makes_room = others >= self.setup.limit.unwrap_or(usize::MAX)
            && for_room.iter().any(|ending| ending.ended >= known.sent);
        known.is_doubtful
            || self.maybe_ended.contains(&session)
            || revokes.iter().any(|ending| ending.ended >= known.sent)
            || makes_room
            || self.is_touch_faulty
            || self.may_have_expired(known)
    }

    pub(super) fn may_have_expired(&self, known: &Token) -> bool {
        let clock = self.clock.now();
        let before = |from: u64, length: Duration| clock + SLACK > from + length.as_millis() as u64;
        before(known.used, self.setup.idle * 9 / 10)
            || self.setup.absolute.is_some_and(|absolute| before(known.root.0, absolute))
    }
}
