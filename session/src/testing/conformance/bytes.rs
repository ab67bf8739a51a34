//! What goes in comes out, under its own key: S8, S10.

use bytes::Bytes;

use super::subject::{HOUR, Subject};
use crate::store::{Record, StoreErrorKind, Updated};

/// S8: bytes come back exactly, whatever they are, up to the store's stated limit. Over it: `TooLarge`, with nothing
/// written.
pub async fn s08_bytes_come_back_exactly(subject: &Subject) {
    let key = subject.key("bytes");
    let mut version = subject.new_record(&key, "start", HOUR).await.version;
    for bytes in contents(subject.max_bytes.unwrap_or(1024 * 1024)) {
        let what = format!("{} bytes that begin with {:?}", bytes.len(), bytes.slice(..bytes.len().min(12)));

        let record = Record::new(bytes.clone(), HOUR);
        assert_eq!(subject.update(&key, &record, &version).await, Updated::Done, "S8: update to {what}");
        version = record.version;
        assert!(subject.live("S8", &key).await.bytes == bytes, "S8: update changed {what}");
        let Updated::Conflict(shown) = subject.update(&key, &record, &crate::store::Version::random()).await else {
            panic!("S8: an update at an unknown version was no `Conflict`")
        };
        assert!(shown.bytes == bytes, "S8: `Conflict` changed {what}");

        let fresh = subject.key("fresh");
        subject.new_record(&fresh, bytes.clone(), HOUR).await;
        assert!(subject.live("S8", &fresh).await.bytes == bytes, "S8: create changed {what}");
        subject.touch(&fresh, 2 * HOUR).await;
        assert!(subject.live("S8", &fresh).await.bytes == bytes, "S8: touch changed {what}");
        subject.delete(&fresh).await;
    }
    if let Some(limit) = subject.max_bytes {
        too_large(subject, limit).await;
    }
}

/// S10: two prefixes never see each other, and a prefix may hold `*`, `%`, `{`, quotes, unicode.
pub async fn s10_keys_never_see_each_other(subject: &Subject) {
    let id = format!("{:016x}", rand::random::<u64>());
    let keys: Vec<String> = PREFIXES.iter().map(|prefix| format!("{prefix}{id}")).collect();
    let mut records = Vec::new();
    for key in &keys {
        assert_eq!(subject.load(key).await, None, "S10: {key:?} sees a record of another key");
        records.push(subject.new_record(key, format!("of {key}"), HOUR).await);
    }
    assert_each_its_own(subject, &keys, &records).await;

    for (key, record) in keys.iter().zip(&mut records) {
        let next = Record::new(format!("next of {key}"), HOUR);
        assert_eq!(subject.update(key, &next, &record.version).await, Updated::Done, "S10: update of {key:?}");
        *record = next;
        assert!(subject.touch(key, 2 * HOUR).await, "S10: touch of {key:?}");
    }
    assert_each_its_own(subject, &keys, &records).await;

    subject.delete_expired(1000).await;
    assert_each_its_own(subject, &keys, &records).await;

    let (mut keys, mut records) = (keys.as_slice(), records.as_slice());
    while let ([first, others @ ..], [_, of_others @ ..]) = (keys, records) {
        subject.delete(first).await;
        assert_eq!(subject.load(first).await, None, "S10: {first:?} after its delete");
        assert_each_its_own(subject, others, of_others).await;
        (keys, records) = (others, of_others);
    }
}

/// Prefixes that patterns, quoting, case folding, collations, normal forms and paths could take for one another.
const PREFIXES: &[&str] = &[
    "s10:",
    "s10::",
    "S10:",
    "s1:",
    "s10",
    "*",
    "s10:*",
    "?",
    "[a-z]",
    "%",
    "s10:%",
    "%25",
    "_",
    "s10_",
    "s10-",
    "{s10}:",
    "{",
    "}",
    "{}",
    "'",
    "\"",
    "`",
    "''",
    "\\",
    "\\\\",
    "\\'",
    "'; drop --",
    "$",
    "$(s10)",
    "/",
    "s10/",
    "../s10:",
    "..",
    ".",
    "~",
    " ",
    "  ",
    "s10 :",
    "#",
    "&",
    "+",
    "=",
    "a b",
    "é",
    "e\u{301}",
    "É",
    "ß",
    "ss",
    "ſ",
    "ı",
    "i",
    "I",
    "中文:",
    "🍪",
    "\u{200b}",
];

async fn assert_each_its_own(subject: &Subject, keys: &[String], records: &[Record]) {
    for (key, record) in keys.iter().zip(records) {
        let found = subject.load(key).await.map(|found| (found.bytes, found.version));
        let expected = Some((record.bytes.clone(), record.version));
        assert_eq!(found, expected, "S10: what was stored under {key:?}, after work on other keys");
    }
}

/// Bytes of all kinds: every value, text that some formats would change, and lengths about the usual borders.
fn contents(limit: usize) -> Vec<Bytes> {
    let every: Vec<u8> = (0..=u8::MAX).collect();
    let texts: &[&[u8]] = &[
        b"",
        b"\0",
        b"\0\0\0",
        b"text\0text",
        b"\xff\xfe",
        b"\xc3\x28",
        b"\xed\xa0\x80",
        b"\r\n",
        b"\n",
        b"a\r\nb\r\n",
        b" ",
        b"  x  ",
        b"null",
        b"0",
        b"-1",
        b"1e400",
        b"\"",
        b"\\",
        b"'",
        b"{\"a\": [1, 2]}",
        b"$5\r\nhello\r\n",
        b"\x1f\x8b\x08",
        b"\xef\xbb\xbfbom",
        b"%00%0a",
        "e\u{301} \u{1f36a}".as_bytes(),
    ];
    let lengths = [1, 2, 63, 64, 255, 256, 4095, 4096, 4097, 65_535, 65_536, 65_537, limit.saturating_sub(1), limit];
    let long = lengths.into_iter().filter(|length| *length <= limit);
    let long = long.map(|length| every.iter().rev().cycle().copied().take(length).collect::<Vec<u8>>().into());
    let short = texts.iter().copied().map(Bytes::from_static).chain([Bytes::from(every.clone())]);
    short.filter(|bytes| bytes.len() <= limit).chain(long).collect()
}

async fn too_large(subject: &Subject, limit: usize) {
    let key = subject.key("large");
    let over = Record::new(vec![b'x'; limit + 1], HOUR);
    let kind = subject.store().create(&key, &over).await.expect_err("S8: a create over the limit").kind();
    assert_eq!(kind, StoreErrorKind::TooLarge, "S8: a create over the limit");
    assert_eq!(subject.load(&key).await, None, "S8: a create over the limit wrote something");

    let small = subject.new_record(&key, "small", HOUR).await;
    let kind =
        subject.store().update(&key, &over, &small.version).await.expect_err("S8: an update over the limit").kind();
    assert_eq!(kind, StoreErrorKind::TooLarge, "S8: an update over the limit");
    let found = subject.live("S8", &key).await;
    assert_eq!(
        (found.bytes, found.version),
        (small.bytes, small.version),
        "S8: an update over the limit wrote something"
    );
}
