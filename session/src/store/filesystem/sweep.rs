//! Removing records: the expired ones by a walk in steps, and those that are over the threshold.

use std::{
    ffi::OsStr,
    fs::{self, File, ReadDir},
    io::{self, ErrorKind, Read},
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use super::{
    disk::{Disk, failed, read_file},
    format,
    name::{Kind, folder},
};
use crate::{
    clock::millis,
    store::{StoreError, Swept},
};

/// Where a walk goes on.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    /// How many folders are done.
    done: usize,
    open: Option<ReadDir>,
    /// The first that could not be read or removed.
    trouble: Option<StoreError>,
}

/// How old what a crash left behind has to be: no write lasts that long.
const LEFT_BEHIND: Duration = Duration::from_secs(3600);

impl Disk {
    /// Deletes at most `limit` expired records among the next few files, and what crashes left there.
    ///
    /// What it can't read or remove is left behind for the others' sake, and told at the end of the walk.
    pub(super) fn sweep(&self, cursor: &mut Cursor, limit: u64) -> Result<Swept, StoreError> {
        self.check_root()?;
        let mut looks = limit.clamp(1, 25_000) * 4 + 1000;
        let mut deleted = 0;
        while looks > 0 && deleted < limit {
            looks -= 1;
            let Ok(number) = u8::try_from(cursor.done) else {
                return std::mem::take(cursor).trouble.map_or(Ok(Swept { deleted, more: false }), Err);
            };
            let trouble = &mut cursor.trouble;
            match cursor.open.as_mut().map(Iterator::next) {
                Some(Some(entry)) => {
                    let entry = entry.map_err(|error| failed("read", &self.folder(number), error));
                    let swept = entry.and_then(|entry| self.sweep_file(number, &entry.file_name()));
                    deleted += u64::from(unless(swept, trouble).unwrap_or_default());
                }
                Some(None) => (cursor.open, cursor.done) = (None, cursor.done + 1),
                None => {
                    cursor.open = unless(self.read_folder(number), trouble).flatten();
                    if cursor.open.is_none() {
                        cursor.done += 1;
                    }
                }
            }
        }
        Ok(Swept { deleted, more: true })
    }

    /// How many records have expired. What it can't read counts as none: a sweep tells of it.
    pub(super) fn count_expired(&self) -> Result<u64, StoreError> {
        self.check_root()?;
        let (now, mut expired) = (self.clock.now(), 0);
        self.each_record(&mut None, |expiry, _, _| expired += u64::from(expiry < now));
        Ok(expired)
    }

    /// Removes the records that expire soonest while there are more than `threshold`; how many were live.
    ///
    /// What it can't read counts as no record, and is told in the second place, as is what it can't remove.
    pub(super) fn prune(&self, threshold: u64, except: &str) -> (u64, Option<StoreError>) {
        // two who count at once would each remove what is over
        let _one = match self.try_lock_count() {
            Ok(Some(lock)) => lock,
            Ok(None) => return (0, None),
            Err(error) => return (0, Some(error)),
        };
        let (mut live, mut trouble) = (0, None);
        let mut records = self.records(&mut trouble);
        let over = records.len().saturating_sub(usize::try_from(threshold).unwrap_or(usize::MAX));
        if over == 0 {
            return (0, trouble);
        }
        records.retain(|(_, _, file)| **file != *except);
        records.sort_unstable();
        let now = self.clock.now();
        for (expiry, number, file) in records.iter().take(over) {
            let removed = unless(self.remove_at(*number, file, *expiry), &mut trouble);
            live += u64::from(removed.unwrap_or_default() && *expiry >= now);
        }
        (live, trouble)
    }

    /// Each record's expiry, folder and file.
    fn records(&self, trouble: &mut Option<StoreError>) -> Vec<(u64, u8, Box<str>)> {
        let mut records = Vec::new();
        self.each_record(trouble, |expiry, number, file| records.push((expiry, number, file.into_boxed_str())));
        records
    }

    fn each_record(&self, trouble: &mut Option<StoreError>, mut take: impl FnMut(u64, u8, String)) {
        for number in 0..=u8::MAX {
            for entry in unless(self.read_folder(number), trouble).flatten().into_iter().flatten() {
                let entry = entry.map_err(|error| failed("read", &self.folder(number), error));
                let Some(Ok(file)) = unless(entry, trouble).map(|entry| entry.file_name().into_string()) else {
                    continue;
                };
                if Kind::of(&file, number) == Kind::Record
                    && let Some(Some(expiry)) = unless(expiry_of(&self.folder(number).join(&file)), trouble)
                {
                    take(expiry, number, file);
                }
            }
        }
    }

    /// Removes a record that still expires at that time; whether it did.
    fn remove_at(&self, number: u8, file: &str, expiry: u64) -> Result<bool, StoreError> {
        let path = self.folder(number).join(file);
        // one that is being written now is in use, and so is one that was touched meanwhile
        let Some(_lock) = self.try_lock(number)? else { return Ok(false) };
        Ok(expiry_of(&path)? == Some(expiry) && remove(&path)?)
    }

    /// Removes one file, if it is an expired record or was left behind by a crash; whether it was a record.
    fn sweep_file(&self, number: u8, file: &OsStr) -> Result<bool, StoreError> {
        let Some(file) = file.to_str() else { return Ok(false) };
        let path = self.folder(number).join(file);
        let now = self.clock.now();
        let is_due = match Kind::of(file, number) {
            Kind::Record => expiry_of(&path)?.is_some_and(|expiry| expiry < now),
            Kind::Temporary => is_left_behind(&path, now),
            Kind::Foreign => false,
        };
        if !is_due {
            return Ok(false);
        }
        // whoever has the lock may be making it live: the next round sees
        let Some(_lock) = self.try_lock(number)? else { return Ok(false) };
        if Kind::of(file, number) == Kind::Temporary {
            remove(&path)?;
            return Ok(false);
        }
        match read_file(&path).map(|content| format::decode(content, None)) {
            Ok(Ok(stored)) if stored.expiry < now => remove(&path),
            Ok(Err(_)) if is_left_behind(&path, now) => remove(&path).map(|_| false),
            Ok(_) => Ok(false),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed("read", &path, error)),
        }
    }

    fn read_folder(&self, number: u8) -> Result<Option<ReadDir>, StoreError> {
        let path = self.root.join(folder(number));
        found(fs::read_dir(&path)).map_err(|error| failed("read", &path, error))
    }
}

/// The expiry of a record's file; none if it is not there, or no record at all.
fn expiry_of(path: &Path) -> Result<Option<u64>, StoreError> {
    let start = || {
        // neither a link nor a pipe is a record's file
        if !fs::symlink_metadata(path)?.is_file() {
            return Ok(Vec::new());
        }
        let mut start = Vec::with_capacity(format::START);
        File::open(path)?.take(format::START as u64).read_to_end(&mut start)?;
        Ok(start)
    };
    let start = found(start()).map_err(|error| failed("read", path, error))?;
    Ok(start.and_then(|start| format::expiry(&start)))
}

fn is_left_behind(path: &Path, now: u64) -> bool {
    let modified = fs::symlink_metadata(path).and_then(|file| match file.is_file() {
        true => file.modified(),
        false => Err(ErrorKind::InvalidInput.into()),
    });
    modified.is_ok_and(|time| {
        millis(time.duration_since(UNIX_EPOCH).unwrap_or_default()).saturating_add(millis(LEFT_BEHIND)) < now
    })
}

/// Removes a file; whether it was there.
fn remove(path: &Path) -> Result<bool, StoreError> {
    found(fs::remove_file(path)).map(|removed| removed.is_some()).map_err(|error| failed("remove", path, error))
}

/// What came of it, or none and the error kept, if it is the first.
fn unless<T>(outcome: Result<T, StoreError>, trouble: &mut Option<StoreError>) -> Option<T> {
    outcome.map_err(|error| trouble.get_or_insert(error)).ok()
}

/// What is not there is none.
fn found<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        outcome => outcome.map(Some),
    }
}
