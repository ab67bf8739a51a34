//! [`Book`]: one session as its visitor knows it, by what was answered and nothing else.

use std::collections::BTreeSet;

use super::site::Seen;

/// What must be in a session, and what may.
#[derive(Clone)]
pub(crate) struct Book {
    pub(crate) name: u64,
    pub(crate) token: String,
    /// The changes that were answered with success.
    pub(crate) acknowledged: BTreeSet<u64>,
    /// These, and those of which nobody knows whether they happened.
    pub(crate) tried: BTreeSet<u64>,
    /// Whether a rotation or a logout was answered 503, so that the token may be dead.
    pub(crate) is_in_doubt: bool,
}

/// A token that must be dead, and why.
pub(crate) struct Dead {
    pub(crate) token: String,
    pub(crate) by: Death,
}

#[derive(Clone, Copy)]
pub(crate) enum Death {
    Logout,
    Rotation,
}

/// What was wrong, in numbers that all have to be 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Changes that were acknowledged and are not there.
    pub(crate) missing: u64,
    /// Changes that are there twice.
    pub(crate) twice: u64,
    /// Sessions that live after a logout that was acknowledged.
    pub(crate) revived: u64,
    /// Tokens that live after a rotation that was acknowledged.
    pub(crate) old_tokens: u64,
    /// Requests that took longer than their time.
    pub(crate) late: u64,
    /// Answers that are none to be given, and other things that can't be.
    pub(crate) wrong: Vec<String>,
}

impl Findings {
    /// What was found since there were these.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            missing: self.missing - before.missing,
            twice: self.twice - before.twice,
            revived: self.revived - before.revived,
            old_tokens: self.old_tokens - before.old_tokens,
            late: self.late - before.late,
            wrong: self.wrong[before.wrong.len()..].to_vec(),
        }
    }
}

impl Book {
    pub(crate) fn new(name: u64, token: String) -> Self {
        Self { name, token, acknowledged: BTreeSet::new(), tried: BTreeSet::new(), is_in_doubt: false }
    }

    /// Holds what is seen against what was known before it was asked for; the book itself is as of now.
    pub(crate) fn hold_against(&self, seen: &Seen, known_before: &BTreeSet<u64>, findings: &mut Findings) {
        findings.missing += known_before.difference(&seen.numbers).count() as u64;
        findings.twice += seen.count.abs_diff(seen.numbers.len() as u64);
        if seen.name != self.name || !seen.numbers.is_subset(&self.tried) {
            findings.wrong.push(format!("visitor {} sees what is of visitor {}", self.name, seen.name));
        }
    }

    /// Notes that the session is not there.
    pub(crate) fn is_gone(&self, findings: &mut Findings) {
        if !self.is_in_doubt {
            findings.missing += self.acknowledged.len() as u64;
            findings.wrong.push(format!("the session of visitor {} is gone", self.name));
        }
    }
}
