//! [`Writes`]: which writes made a record, so that one is found that others wrote over before it was answered.

use std::iter;

use crate::store::Version;

/// How many writes before the latest a record tells of.
const KEPT: usize = 7;

/// The writes of a record, the latest and a few before it.
///
/// A node that passes a write on sends it once more when another copy becomes the primary. If the first one was done, the
/// second is refused as if somebody else had been first, and others may have written over it by then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Writes {
    pub(super) latest: Version,
    /// The latest of them first.
    before: Vec<Version>,
}

impl Writes {
    /// That of a new record.
    pub(super) fn first(version: Version) -> Self {
        Self { latest: version, before: Vec::new() }
    }

    /// These, and another one over them.
    pub(super) fn then(&self, version: Version) -> Self {
        Self { latest: version, before: self.all().take(KEPT).collect() }
    }

    /// Whether this write was done, and others over it.
    pub(super) fn are_over(&self, version: Version) -> bool {
        self.before.contains(&version)
    }

    /// Whether this write was done, with or without others over it.
    pub(super) fn contain(&self, version: Version) -> bool {
        self.latest == version || self.are_over(version)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.all().flat_map(|version| *version.as_bytes()).collect()
    }

    /// What was stored as these bytes, where they are such.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (versions, []) = bytes.as_chunks() else { return None };
        let mut versions = versions.iter().copied().map(Version::from_bytes);
        Some(Self { latest: versions.next()?, before: versions.take(KEPT).collect() })
    }

    fn all(&self) -> impl Iterator<Item = Version> {
        iter::once(self.latest).chain(self.before.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn the_latest_writes_are_known_and_no_older_ones() {
        let versions: Vec<_> = (0..10).map(|n| Version::from_bytes([n; 16])).collect();
        let writes = versions.iter().skip(1).fold(Writes::first(versions[0]), |writes, version| writes.then(*version));
        assert_eq!(writes.latest, versions[9]);
        let known: Vec<_> = versions.iter().map(|version| writes.contain(*version)).collect();
        assert_eq!(known, [false, false, true, true, true, true, true, true, true, true]);
        assert!(writes.are_over(versions[8]) && !writes.are_over(versions[9]));
        assert_eq!(Writes::from_bytes(&writes.to_bytes()).unwrap(), writes);
    }

    #[test]
    fn what_is_no_list_of_versions_is_none() {
        assert!([0, 1, 15, 17].into_iter().all(|length| Writes::from_bytes(&vec![1; length]).is_none()));
        assert!(Writes::from_bytes(&[1; 16]).is_some());
    }
}
