//! A request, and what its steps are.

use super::Set;

/// Changes by their numbers.
#[derive(Clone, Default)]
pub(crate) struct Changes {
    pub(super) cart: Set,
    pub(super) seat: Set,
}

/// A request under way.
pub(crate) struct Request {
    pub(crate) visitor: usize,
    pub(crate) token: Option<String>,
    pub(crate) steps: String,
    pub(super) sent: usize,
    pub(super) clock: u64,
    /// Why the token can't be alive when it is sent.
    pub(super) dead: Option<&'static str>,
    /// What must be there when it is sent.
    pub(super) known: Changes,
    pub(super) notes: Set,
    pub(super) endings: Vec<usize>,
}

impl Request {
    pub(crate) fn begun(&self) -> usize {
        self.sent
    }

    pub(crate) fn has(&self, kinds: &str) -> bool {
        has(&self.steps, kinds)
    }

    pub(super) fn numbers(&self, kinds: &str) -> Set {
        let steps = self.steps.split('.').filter(|step| step.starts_with(|kind| kinds.contains(kind)));
        steps.map(|step| step[1..].parse::<u64>().unwrap()).collect()
    }

    pub(super) fn changes(&self) -> Changes {
        Changes { cart: self.numbers("cCXP"), seat: self.numbers("j") }
    }

    /// What `insert` named last, or what was there before.
    pub(super) fn owner(&self, before: Option<u64>) -> Option<u64> {
        self.steps.split('.').fold(before, |owner, step| match step.split_at(1) {
            ("i", name) => name.parse().ok(),
            ("o", _) => Some(0),
            _ => owner,
        })
    }
}

/// The steps that save amid a request.
pub(super) const SAVES: &str = "sSXPk";
/// The steps that give the session another token.
pub(super) const ROTATES: &str = "riom";

pub(super) fn has(steps: &str, kinds: &str) -> bool {
    steps.split('.').any(|step| step.starts_with(|kind| kinds.contains(kind)))
}

impl Changes {
    pub(super) fn extend(&mut self, other: Self) {
        self.cart.extend(other.cart);
        self.seat.extend(other.seat);
    }
}
