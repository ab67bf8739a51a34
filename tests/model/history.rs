//! A history as data: made of a number, printed, and made smaller while it still fails.

use std::time::Duration;

use actix_typed_session::testing::{Fault, Operation};

/// The settings of a site, and what is done to it.
#[derive(Clone)]
pub(crate) struct History {
    pub(crate) setup: Setup,
    pub(crate) moves: Vec<Move>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) limit: Option<usize>,
    pub(crate) refuse: bool,
    pub(crate) idle: Duration,
    pub(crate) absolute: Option<Duration>,
}

#[derive(Clone)]
pub(crate) enum Move {
    /// A visitor sends a request with these steps.
    Send { number: usize, visitor: usize, steps: String },
    /// An administrator calls.
    Call { number: usize, call: Call },
    /// The store fails the next calls of a kind.
    Fail(Operation, usize, Fault),
    /// One of those under way goes on, up to the next thing that it waits for.
    Go(Whom),
    /// Nobody waits for one of those under way any more.
    Drop(Whom),
    /// Some time for those that wait before they try again.
    Pause,
    /// The clock goes on amid all this.
    Tick(u64),
    /// All goes on to its end, then what holds is looked at, token by token if `probe`, and so many seconds pass.
    Rest { seconds: u64, probe: bool },
}

/// One of those under way.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Whom {
    Any(usize),
    Number(usize),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    /// Of this user the session that this visitor has.
    Revoke(u64, usize),
    RevokeOwner(u64),
    Of(u64),
}

pub(crate) const VISITORS: usize = 3;
pub(crate) const USERS: u64 = 3;

impl History {
    /// The history of a number.
    pub(crate) fn of(seed: u64) -> Self {
        let mut random = Random(seed);
        let setup = Setup {
            limit: random.of(&[None, Some(1), Some(2), Some(3)]),
            refuse: random.below(3) == 0,
            // half seconds, so that no sum of what passes is a border
            idle: Duration::from_millis(random.of(&[60_500, 60_500, 1_800_500])),
            absolute: random.of(&[None, Some(150_500), Some(7_200_500)]).map(Duration::from_millis),
        };
        // few users meet more often
        let users = random.of(&[1, 2, USERS]);
        let mut moves = Vec::new();
        let mut next = 0;
        for number in 0..16 {
            moves.push(match random.below(16) {
                0 => Move::Rest { seconds: random.of(&[0, 25, 50, 70, 100, 2000]), probe: random.below(3) == 0 },
                1 => Move::Tick(random.of(&[5, 11, 20])),
                2 | 3 => Move::Call { number, call: random.call(users) },
                _ => Move::Send { number, visitor: random.below(VISITORS), steps: random.steps(&mut next, users) },
            });
            if random.below(5) == 0 {
                let operation = random.of(&[
                    Operation::Load,
                    Operation::Load,
                    Operation::Create,
                    Operation::Create,
                    Operation::Update,
                    Operation::Update,
                    Operation::Update,
                    Operation::Delete,
                    Operation::Touch,
                ]);
                let fault = if random.below(2) == 0 { Fault::LostAnswer } else { Fault::Unavailable };
                moves.push(Move::Fail(operation, 1 + random.below(2), fault));
            }
            for _ in 0..random.of(&[0, 2, 5, 9, 14]) {
                moves.push(match random.below(100) {
                    0 => Move::Drop(Whom::Any(random.below(60))),
                    1..5 => Move::Pause,
                    _ => Move::Go(Whom::Any(random.below(60))),
                });
            }
        }
        for _ in 0..30 {
            moves.push(Move::Go(Whom::Any(random.below(60))));
        }
        Self { setup, moves }
    }

    /// A smaller history that fails too: `fails` says of one whether it does.
    pub(crate) fn shrunk(mut self, mut fails: impl FnMut(&Self) -> bool) -> Self {
        let mut tries = 4000;
        let mut still = |candidate: &Self| {
            tries -= 1;
            // what a random wait decides may not show at once
            tries > 0 && (0..3).any(|_| fails(candidate))
        };
        loop {
            let before = self.size();
            let mut chunk = self.moves.len().div_ceil(2);
            while chunk > 0 {
                let mut at = 0;
                while at < self.moves.len() {
                    let mut less = self.clone();
                    less.moves.drain(at..(at + chunk).min(self.moves.len()));
                    if still(&less) {
                        self = less;
                    } else {
                        at += chunk;
                    }
                }
                chunk /= 2;
            }
            for at in 0..self.moves.len() {
                for simpler in self.moves[at].simpler() {
                    let mut less = self.clone();
                    less.moves[at] = simpler;
                    if still(&less) {
                        self = less;
                        break;
                    }
                }
            }
            if self.size() >= before {
                return self;
            }
        }
    }

    fn size(&self) -> usize {
        self.moves.iter().map(Move::size).sum()
    }
}

impl Move {
    fn size(&self) -> usize {
        match self {
            Self::Send { steps, .. } => 1 + steps.split('.').filter(|step| *step != "v").count(),
            Self::Fail(_, calls, _) => *calls,
            _ => 1,
        }
    }

    fn simpler(&self) -> Vec<Self> {
        match self {
            Self::Send { number, visitor, steps } if steps != "v" => {
                let all: Vec<&str> = steps.split('.').collect();
                let without = |at: usize| {
                    let mut steps = all.clone();
                    steps.remove(at);
                    let steps = if steps.is_empty() { "v".to_owned() } else { steps.join(".") };
                    Self::Send { number: *number, visitor: *visitor, steps }
                };
                (0..all.len()).map(without).collect()
            }
            Self::Fail(operation, 2, fault) => vec![Self::Fail(*operation, 1, fault.clone())],
            _ => Vec::new(),
        }
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

    fn user(&mut self, users: u64) -> u64 {
        1 + self.below(users as usize) as u64
    }

    fn call(&mut self, users: u64) -> Call {
        let user = self.user(users);
        match self.below(5) {
            0 | 1 => Call::Revoke(user, self.below(VISITORS)),
            2 | 3 => Call::RevokeOwner(user),
            _ => Call::Of(user),
        }
    }

    /// The steps of a request.
    fn steps(&mut self, next: &mut u32, users: u64) -> String {
        let mut steps: Vec<String> = Vec::new();
        let is_sign_in = match self.below(24) {
            0..7 => {
                if self.below(6) == 0 {
                    steps.push("d".to_owned());
                }
                steps.push(format!("i{}", self.user(users)));
                true
            }
            7 | 8 => {
                steps.push("o".to_owned());
                true
            }
            9 | 10 => {
                steps.push("d".to_owned());
                false
            }
            11 => return "O".to_owned(),
            _ => false,
        };
        for _ in 0..self.below(4) {
            // what is changed beside a change of the owner is kept, and that of the former owner in it too
            let kind = self.of(if is_sign_in {
                &["s", "r", "l", "k", "m"]
            } else {
                &["v", "c", "c", "c", "C", "C", "s", "S", "X", "P", "r", "n", "n", "j", "l", "k", "m"]
            });
            if !"cCXPjnl".contains(kind) {
                steps.push(kind.to_owned());
            } else if *next < 60 {
                let n = if "nl".contains(kind) { u64::from(*next) } else { 1 << *next };
                steps.push(format!("{kind}{n}"));
                *next += 1;
            }
        }
        if self.below(16) == 0 {
            steps.push("d".to_owned());
        }
        if steps.is_empty() { "v".to_owned() } else { steps.join(".") }
    }
}
