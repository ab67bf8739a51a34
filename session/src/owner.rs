//! A user's record: which sessions were signed in as this user. It may name too much, never too little.

use std::time::Duration;

use futures_util::future::try_join_all;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    changes::OWNER,
    error::{SessionError, StoreError},
    fields::Fields,
    id::SessionId,
    json,
    live::Live,
    merge,
    record::{self, Contents, NEVER},
    store::{Record, Version},
    worker::{Budget, Worker},
    write::{self, Swapped},
};

/// A user, as sessions name their owner, and where the user's record is.
pub(crate) struct Owner {
    text: String,
    /// One for each encryption key, newest first: the first is written, all are read.
    keys: Vec<String>,
    lane: SessionId,
}

/// What a user's record says.
#[derive(Default)]
pub(crate) struct List {
    /// The sign-ins, in their order.
    pub(crate) entries: Vec<Entry>,
    /// The record that is to be written over.
    written: Option<Version>,
    /// How long the entries would still be kept, under whichever key.
    remaining: Duration,
}

/// A sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) id: SessionId,
    /// When it was, in milliseconds since the epoch.
    pub(crate) at: u64,
    /// What the hash of the session's secret began with before; none if the session began with the sign-in. A sign-in
    /// changes the secret, and is not written over another one than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<u64>,
}

impl Entry {
    /// The sign-in that begins a session.
    pub(crate) fn new(id: SessionId, at: u64) -> Self {
        Self { id, at, before: None }
    }

    /// The sign-in of a session that is there.
    pub(crate) fn over(live: &Live, at: u64) -> Self {
        Self { id: live.token.id(), at, before: Some(start(&live.contents)) }
    }

    /// Whether the sign-in can still be written where this is stored, or nothing is, and no tombstone either.
    pub(crate) fn may_follow(&self, stored: Option<&Contents>) -> bool {
        self.before == stored.map(start)
    }
}

impl Owner {
    /// The user whose JSON text this is.
    pub(crate) fn new(worker: &Worker, text: &str) -> Self {
        let config = &worker.core.config;
        let text = merge::canonical(text);
        let mut digests: Vec<[u8; 32]> = Vec::new();
        for key in &config.encryption_keys {
            let mac =
                Hmac::<Sha256>::new_from_slice(&key.0).map(|mac| mac.chain_update("owner\0").chain_update(&*text));
            digests.extend(mac.map(|mac| <[u8; 32]>::from(mac.finalize().into_bytes())));
        }
        if digests.is_empty() {
            digests.push(Sha256::digest(&*text).into());
        }
        let lane = digests.first().and_then(|digest| digest.first_chunk()).copied().unwrap_or_default();
        let keys = digests.iter().map(|digest| format!("{}owner:{}", config.key_prefix, Hex(digest))).collect();
        Self { text: text.into_owned(), keys, lane: SessionId::from_bytes(lane) }
    }

    /// The user whom a field marked `owner` names by this value.
    pub(crate) fn of<T: Serialize + ?Sized>(worker: &Worker, value: &T) -> Result<Self, SessionError> {
        let text = json::to_string(value);
        let text = text.map_err(|error| SessionError::Encode { field: OWNER.to_owned(), reason: error.reason })?;
        Ok(Self::new(worker, &text))
    }

    /// Whether a session is this user's.
    pub(crate) fn owns(&self, contents: &Contents) -> bool {
        contents.fields.get(OWNER).is_some_and(|owner| merge::same(owner, &self.text))
    }

    /// Where writers of this user's record wait for each other.
    pub(crate) fn lane(&self) -> SessionId {
        self.lane
    }

    /// What the record says now. One that can't be read says nothing.
    pub(crate) async fn list(&self, worker: &Worker, budget: Budget) -> Result<List, StoreError> {
        let records = try_join_all(self.keys.iter().map(|key| worker.load(key, budget))).await?;
        let mut list = List::default();
        for (index, (key, record)) in self.keys.iter().zip(records).enumerate() {
            let Some(record) = record else { continue };
            if index == 0 {
                list.written = Some(record.version);
            }
            list.remaining = list.remaining.max(record.expires_in);
            for entry in worker.open(key, record.bytes).iter().flat_map(read) {
                if !list.entries.contains(&entry) {
                    list.entries.push(entry);
                }
            }
        }
        // one record has them in the order in which they were written, which no clock can disturb
        if self.keys.len() > 1 {
            list.entries.sort_by_key(|entry| entry.at);
        }
        Ok(list)
    }

    /// Writes what the record is to say, for at least as long as it would have lived; false if others wrote meanwhile.
    pub(crate) async fn write(
        &self,
        worker: &Worker,
        list: &List,
        expires_in: Duration,
        budget: Budget,
    ) -> Result<bool, SessionError> {
        let Some(key) = self.keys.first() else { return Ok(false) };
        let record = encode(worker, key, &list.entries, list.remaining.max(expires_in));
        let record = record.ok_or(SessionError::Usage("the user's record can't be written".into()))?;
        match list.written {
            None => write::create(worker, key, &record, budget).await,
            Some(version) => {
                let swapped = write::swap(worker, key, &record, &version, budget).await?;
                // to write it again is to write it once, so that a doubt is a conflict
                Ok(matches!(swapped, Swapped::Done))
            }
        }
    }
}

fn start(contents: &Contents) -> u64 {
    contents.secret_hash.first_chunk().copied().map(u64::from_be_bytes).unwrap_or_default()
}

const SESSIONS: &str = "sessions";

fn encode(worker: &Worker, key: &str, entries: &[Entry], expires_in: Duration) -> Option<Record> {
    let json = json::to_string(entries).ok()?;
    // no secret has this hash, so that the record is nobody's session
    let fields = Fields::default().edited(&vec![(SESSIONS, Some(&*json))]);
    let bytes = record::encode(&Contents { secret_hash: [0; 32], created: 0, deadline: NEVER, fields })?;
    worker.record(key, bytes.into(), expires_in)
}

fn read(contents: &Contents) -> Vec<Entry> {
    let entries = contents.fields.get(SESSIONS).and_then(|json| serde_json::from_str(json).ok());
    entries.unwrap_or_default()
}

struct Hex<'a>(&'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
