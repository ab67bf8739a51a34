//! A record as a document: `{ "v": writes, "e": expiry, "d": contents }`, and its key.
//!
//! Writes and contents are in base64, which is what the type `binary` takes, and the expiry is a date in milliseconds.

use std::{borrow::Cow, fmt::Write as _, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::writes::Writes;
use crate::{
    clock::millis,
    store::{Record, StoreError, StoreErrorKind},
};

/// The largest record: in base64 it is below the 100 MB that a server takes unless it is told otherwise.
const RECORD_MAX: usize = 64 * 1024 * 1024;

/// The longest key that is the document's `_id` as it is.
const KEY_MAX: usize = 400;

/// A key as a document's `_id` and as a part of a path: as it is if it is short and plain, else its hash, marked so that no
/// plain one meets it.
pub(super) fn id(key: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    if key.len() <= KEY_MAX
        && key.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && key.bytes().all(is_plain)
    {
        return Cow::Borrowed(key);
    }
    let mut hashed = String::with_capacity(65);
    hashed.push('~');
    for byte in Sha256::digest(key.as_bytes()) {
        // to a `String` it can't fail
        let _ = write!(hashed, "{byte:02x}");
    }
    Cow::Owned(hashed)
}

/// An error if a record is larger than the store takes.
pub(super) fn check_size(record: &Record) -> Result<(), StoreError> {
    if record.bytes.len() > RECORD_MAX { Err(too_large()) } else { Ok(()) }
}

pub(super) fn too_large() -> StoreError {
    StoreError::new(
        StoreErrorKind::TooLarge,
        format!("the record is larger than {RECORD_MAX} bytes, or than `http.max_content_length` of the server"),
    )
}

/// The document of a record that these writes have made.
pub(super) fn document(record: &Record, writes: &Writes, expires: u64) -> String {
    let mut text = String::with_capacity(record.bytes.len() * 4 / 3 + 240);
    text.push_str(r#"{"v":""#);
    STANDARD.encode_string(writes.to_bytes(), &mut text);
    let _ = write!(text, r#"","e":{expires},"d":""#);
    STANDARD.encode_string(&record.bytes, &mut text);
    text.push_str(r#""}"#);
    text
}

/// What a touch changes of it.
pub(super) fn touch(expires: u64) -> String {
    json!({ "doc": { "e": expires } }).to_string()
}

/// What finds the documents whose time is over.
pub(super) fn expired(now: u64) -> String {
    json!({ "query": { "range": { "e": { "lte": now } } } }).to_string()
}

/// The end of a life that begins now, in milliseconds since 1970; at most in the year 9999.
pub(super) fn expiry(expires_in: Duration, now: u64) -> u64 {
    const LAST: u64 = 253_402_300_799_999;
    // one millisecond more: `now` was rounded down
    now.saturating_add(millis(expires_in)).saturating_add(1).min(LAST)
}

/// What a document holds: what wrote it, when it ends, and the record, whose time may be over.
pub(super) struct Item {
    pub(super) writes: Writes,
    pub(super) expires: u64,
    pub(super) record: Record,
}

/// Reads a document; none if it is something else.
pub(super) fn read(source: &Value, now: u64) -> Option<Item> {
    let bytes = |name: &str| STANDARD.decode(source.get(name)?.as_str()?).ok();
    let expires = source.get("e")?.as_u64()?;
    let writes = Writes::from_bytes(&bytes("v")?)?;
    let expires_in = Duration::from_millis(expires.saturating_sub(now));
    let record = Record { version: writes.latest, bytes: bytes("d")?.into(), expires_in };
    Some(Item { writes, expires, record })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

    use super::*;
    use crate::store::Version;

    const NOW: u64 = 1_800_000_000_000;

    #[test]
    fn a_record_comes_back_from_its_document() {
        for bytes in [Vec::new(), vec![0], (0..=255).collect(), vec![7; 100_000]] {
            let record = Record::new(bytes, Duration::from_secs(60));
            let writes = Writes::first(Version::random()).then(record.version);
            let text = document(&record, &writes, expiry(record.expires_in, NOW));
            let item = read(&serde_json::from_str(&text).unwrap(), NOW + 1).unwrap();
            assert_eq!((item.record, item.writes), (record, writes));
        }
    }

    /// What is written today has to be read by every later version.
    #[test]
    fn a_document_is_writes_date_and_contents() {
        let record = Record::new("contents", Duration::from_secs(60));
        let (expires, first) = (expiry(record.expires_in, NOW), Writes::first(Version::from_bytes([1; 16])));
        let text = document(&record, &first, expires);
        assert_eq!(text, r#"{"v":"AQEBAQEBAQEBAQEBAQEBAQ==","e":1800000060001,"d":"Y29udGVudHM="}"#);
        let text = document(&record, &first.then(Version::from_bytes([2; 16])), expires);
        assert_eq!(
            text,
            r#"{"v":"AgICAgICAgICAgICAgICAgEBAQEBAQEBAQEBAQEBAQE=","e":1800000060001,"d":"Y29udGVudHM="}"#
        );
    }

    #[test]
    fn what_is_no_record_is_none() {
        let whole = json!({ "v": "AQEBAQEBAQEBAQEBAQEBAQ==", "e": 5, "d": "" });
        assert!(read(&whole, NOW).is_some_and(|item| item.record.expires_in.is_zero()));
        for (name, value) in
            [("v", json!("AQEB")), ("v", json!(1)), ("e", json!("5")), ("e", json!(-1)), ("d", json!("*"))]
        {
            let mut other = whole.clone();
            other[name] = value;
            assert!(read(&other, NOW).is_none(), "{name}");
        }
        assert!(read(&json!({ "id": "session:1", "val": {}, "expiration": "2026" }), NOW).is_none());
    }

    #[test]
    fn a_plain_key_is_the_id_and_any_other_is_hashed() {
        assert_eq!(id("session:Zm9v-_"), "session:Zm9v-_");
        let long = "x".repeat(401);
        let odd = ["", ".", "..", "_id", "~x", "a b", "a/b", "a%2fb", "a?b", "späß", "\u{1F980}", &long];
        let mut ids: Vec<_> = odd.iter().map(|odd| id(odd).into_owned()).collect();
        assert!(ids.iter().all(|id| id.len() == 65 && id.starts_with('~')));
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), odd.len());
    }

    #[test]
    fn what_is_larger_than_a_message_is_too_large() {
        let of = |length| Record::new(vec![0; length], Duration::from_secs(60));
        assert!(check_size(&of(64 * 1024 * 1024)).is_ok());
        assert_eq!(check_size(&of(64 * 1024 * 1024 + 1)).unwrap_err().kind(), StoreErrorKind::TooLarge);
    }
}
