//! [`Deadlines`]: when the records of a shard expire, and which of them first.

/// The deadline of no record.
pub(super) const NEVER: u64 = u64::MAX;

/// Deadlines by the positions of their records, and the first of them at a glance.
///
/// Most changes are neither to the first of all nor to the first of a block, and write one number. The others look at
/// one block and at the firsts of all blocks: some sixty numbers that lie side by side, where a shard has a thousand.
pub(super) struct Deadlines {
    all: Vec<u64>,
    /// The first of each block.
    firsts: Vec<u64>,
    /// The first of all.
    first: u64,
}

/// How many deadlines a block has.
const BLOCK: usize = 32;

impl Default for Deadlines {
    fn default() -> Self {
        Self { all: Vec::new(), firsts: Vec::new(), first: NEVER }
    }
}

impl Deadlines {
    /// The deadline at a position; 0, which is over, where there is none.
    pub(super) fn get(&self, position: usize) -> u64 {
        self.all.get(position).copied().unwrap_or(0)
    }

    /// Puts another deadline at a position, and says which was there.
    pub(super) fn set(&mut self, position: usize, deadline: u64) -> u64 {
        let Some(place) = self.all.get_mut(position) else { return NEVER };
        let old = std::mem::replace(place, deadline);
        let block = position / BLOCK;
        let Some(first) = self.firsts.get_mut(block) else { return old };
        if old == *first || deadline < *first {
            let block = self.all.chunks(BLOCK).nth(block).unwrap_or_default();
            *first = block.iter().copied().min().unwrap_or(NEVER);
            self.first = self.firsts.iter().copied().min().unwrap_or(NEVER);
        }
        old
    }

    /// Adds a deadline at the end.
    pub(super) fn push(&mut self, deadline: u64) {
        if self.all.len().is_multiple_of(BLOCK) {
            self.firsts.push(NEVER);
        }
        self.all.push(NEVER);
        self.set(self.all.len() - 1, deadline);
    }

    /// Removes the deadline at a position, which the last one takes.
    pub(super) fn swap_remove(&mut self, position: usize) {
        let Some(last) = self.all.len().checked_sub(1) else { return };
        let deadline = self.set(last, NEVER);
        if position < last {
            self.set(position, deadline);
        }
        self.all.pop();
        if last.is_multiple_of(BLOCK) {
            self.firsts.pop();
        }
    }

    /// The first of all; [`NEVER`] if there is none.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Where the first of all is.
    pub(super) fn position_of_first(&self) -> Option<usize> {
        let block = self.firsts.iter().position(|first| *first == self.first)?;
        let within = self.all.chunks(BLOCK).nth(block)?.iter().position(|deadline| *deadline == self.first)?;
        Some(block * BLOCK + within)
    }

    /// Gives back what a crowd needed.
    pub(super) fn shrink_to(&mut self, capacity: usize) {
        self.all.shrink_to(capacity);
        self.firsts.shrink_to(capacity.div_ceil(BLOCK));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

    use proptest::{collection::vec, prelude::*};

    use super::{Deadlines, NEVER};

    proptest! {
        #[test]
        fn the_first_is_known_whatever_was_added_moved_and_removed(
            changes in vec((0..3_u8, any::<prop::sample::Index>(), 0..50_u64), 0..400),
        ) {
            let mut deadlines = Deadlines::default();
            let mut plain: Vec<u64> = Vec::new();
            for (change, index, deadline) in changes {
                if change == 0 || plain.is_empty() {
                    deadlines.push(deadline);
                    plain.push(deadline);
                    continue;
                }
                let position = index.index(plain.len());
                if change == 1 {
                    prop_assert_eq!(deadlines.set(position, deadline), plain[position]);
                    plain[position] = deadline;
                } else {
                    deadlines.swap_remove(position);
                    plain.swap_remove(position);
                }
                prop_assert_eq!(deadlines.first(), plain.iter().copied().min().unwrap_or(NEVER));
                prop_assert_eq!(deadlines.firsts.len(), plain.len().div_ceil(super::BLOCK));
                let first = deadlines.position_of_first().map(|position| plain[position]);
                prop_assert_eq!(first, plain.iter().copied().min());
            }
            for (position, deadline) in plain.iter().enumerate() {
                prop_assert_eq!(deadlines.get(position), *deadline);
            }
        }
    }
}
