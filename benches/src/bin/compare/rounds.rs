//! Several rounds of measurements, each in another order.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};

use tempfile::TempDir;

use crate::{
    Outcome,
    contestant::Contestant,
    load::{Figures, measure},
    options::Options,
    redis::Redis,
};

/// The figures of all rounds, by path and contestant.
#[derive(Debug)]
pub(crate) struct Rounds {
    figures: HashMap<(String, String), Vec<Figures>>,
}

/// The median of the rounds, and between what they were.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Rounds {
    /// Starts the contestants and measures them by turns, so that what the machine does meanwhile meets them all.
    pub(crate) fn run(options: &Options) -> Outcome<Self> {
        let folder = TempDir::new()?;
        let redis = Redis::start(folder.path())?;
        let mut contestants = Vec::new();
        for (database, server) in options.servers.iter().enumerate() {
            contestants.push(Contestant::start(server, database, options, &redis, folder.path())?);
        }
        let mut figures: HashMap<_, Vec<_>> = HashMap::new();
        for round in 1..=options.rounds {
            for path in &options.paths {
                shuffle(&mut contestants);
                for contestant in &contestants {
                    let measured = measure(contestant, path, options, &redis)?;
                    eprintln!(
                        "{round}/{} /{path:<6}{:<16}{:>8.0}/s {:>6.1} us",
                        options.rounds, contestant.name, measured.rate, measured.cpu
                    );
                    figures.entry((path.clone(), contestant.name.clone())).or_default().push(measured);
                }
            }
        }
        Ok(Self { figures })
    }

    /// A figure of a contestant.
    pub(crate) fn figure(&self, path: &str, name: &str, of: impl Fn(&Figures) -> f64) -> Spread {
        Spread::of(self.of(path, name).iter().map(of).collect())
    }

    /// A figure of a contestant by that of another in the same round.
    pub(crate) fn ratio(&self, path: &str, name: &str, base: &str, of: impl Fn(&Figures) -> f64) -> Spread {
        let pairs = self.of(path, name).iter().zip(self.of(path, base));
        Spread::of(pairs.map(|(one, other)| of(one) / of(other)).collect())
    }

    fn of(&self, path: &str, name: &str) -> &[Figures] {
        self.figures.get(&(path.to_owned(), name.to_owned())).map_or(&[], Vec::as_slice)
    }
}

impl Spread {
    fn of(mut all: Vec<f64>) -> Self {
        all.sort_by(f64::total_cmp);
        let middle = all.len() / 2;
        let at = |index: usize| all.get(index).copied().unwrap_or_default();
        let median = if all.len().is_multiple_of(2) {
            f64::midpoint(at(middle.saturating_sub(1)), at(middle))
        } else {
            at(middle)
        };
        Self { median, least: at(0), most: at(all.len().saturating_sub(1)) }
    }
}

fn shuffle<T>(all: &mut [T]) {
    for end in (1..all.len()).rev() {
        // each state has keys of its own, drawn at random
        let random = RandomState::new().hash_one(end) as usize;
        all.swap(end, random % (end + 1));
    }
}
