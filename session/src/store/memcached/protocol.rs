//! The meta commands, as bytes, and what the server says to them.
//!
//! Each command carries a number, its opaque, that its answer repeats: an answer to another command is never taken for it.

use std::io::Write;

use bytes::{Buf, Bytes, BytesMut};

/// The longest line that a server says: the longest key, with some flags.
const LINE_MAX: usize = 1024;
/// The largest item that a server can be told to take.
const VALUE_MAX: usize = 1 << 30;

/// A command up to the opaque that ends its line, and the data after that.
pub(super) struct Command {
    pub(super) line: String,
    pub(super) data: Option<Vec<u8>>,
}

impl Command {
    /// Reads an item with all that is known of it: its contents, its compare-and-swap number, the seconds that are left.
    pub(super) fn get(key: &str) -> Self {
        Self { line: format!("mg {key} v c t"), data: None }
    }

    /// Stores an item under a key that has none.
    pub(super) fn add(key: &str, ttl: u64, data: Vec<u8>) -> Self {
        Self { line: format!("ms {key} {} ME T{ttl} c", data.len()), data: Some(data) }
    }

    /// Replaces the item that has this compare-and-swap number.
    pub(super) fn swap(key: &str, cas: u64, ttl: u64, data: Vec<u8>) -> Self {
        Self { line: format!("ms {key} {} C{cas} T{ttl} c", data.len()), data: Some(data) }
    }

    pub(super) fn delete(key: &str) -> Self {
        Self { line: format!("md {key}"), data: None }
    }

    /// Nothing, to get an answer.
    pub(super) fn noop() -> Self {
        Self { line: "mn".to_owned(), data: None }
    }

    pub(super) fn is_noop(&self) -> bool {
        self.line == "mn"
    }

    pub(super) fn write(&self, opaque: u64, to: &mut Vec<u8>) {
        // to a `Vec` it can't fail; a server ignores what follows `mn`
        let _ = write!(to, "{} O{opaque}\r\n", self.line);
        if let Some(data) = &self.data {
            to.extend_from_slice(data);
            to.extend_from_slice(b"\r\n");
        }
    }
}

/// What a server says to a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// `HD`: it is done; with the number that the item has now, where there is one.
    Done { cas: Option<u64> },
    /// `VA`: an item. `left` is none where it never expires.
    Item { value: Bytes, cas: u64, left: Option<u64> },
    /// `EN` and `NF`: there is no item.
    Missing,
    /// `EX`: the item has another compare-and-swap number.
    Exists,
    /// `NS`: there is an item.
    NotStored,
    /// `MN`
    Noop,
    /// The text of an error.
    Refused(String),
}

impl Reply {
    /// Whether more lines may follow that belong to the same command.
    pub(super) fn ends_connection(&self) -> bool {
        matches!(self, Self::Refused(text) if !text.starts_with("SERVER_ERROR"))
    }
}

/// Bytes that are no answer of the meta protocol.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Nonsense;

/// Takes an answer with its opaque off the front of what was read; none if there is no whole one yet.
///
/// The opaque is none where the server does not repeat it: after an error, and after `mn`.
pub(super) fn take(read: &mut BytesMut) -> Result<Option<(Reply, Option<u64>)>, Nonsense> {
    let Some(line) = peek_line(read)? else { return Ok(None) };
    let length = line.len() + 2;
    let line = str::from_utf8(line).map_err(|_| Nonsense)?;
    let mut words = line.split(' ');
    let code = words.next().unwrap_or_default();
    let is_item = code == "VA";
    let size: Option<usize> = if is_item { words.next().and_then(|size| size.parse().ok()) } else { None };
    let flags = Flags::read(words);
    let reply = match code {
        "HD" => Reply::Done { cas: flags.cas },
        "EN" | "NF" => Reply::Missing,
        "EX" => Reply::Exists,
        "NS" => Reply::NotStored,
        "MN" => Reply::Noop,
        "ERROR" | "CLIENT_ERROR" | "SERVER_ERROR" => Reply::Refused(line.to_owned()),
        "VA" => {
            let (Some(size @ 0..=VALUE_MAX), Some(cas)) = (size, flags.cas) else { return Err(Nonsense) };
            let whole = length + size + 2;
            if read.len() < whole {
                // no more at a time than what a server says on the way would fill anyway
                read.reserve((whole - read.len()).min(1 << 20));
                return Ok(None);
            }
            read.advance(length);
            let value = read.split_to(size).freeze();
            if !read.starts_with(b"\r\n") {
                return Err(Nonsense);
            }
            read.advance(2);
            return Ok(Some((Reply::Item { value, cas, left: flags.left }, flags.opaque)));
        }
        _ => return Err(Nonsense),
    };
    let opaque = if matches!(reply, Reply::Refused(_) | Reply::Noop) { None } else { flags.opaque };
    read.advance(length);
    Ok(Some((reply, opaque)))
}

/// Takes a line off the front of what was read; none if there is no whole one yet.
pub(super) fn take_line(read: &mut BytesMut) -> Result<Option<String>, Nonsense> {
    let Some(line) = peek_line(read)? else { return Ok(None) };
    let length = line.len() + 2;
    let line = str::from_utf8(line).map_err(|_| Nonsense)?.to_owned();
    read.advance(length);
    Ok(Some(line))
}

fn peek_line(read: &[u8]) -> Result<Option<&[u8]>, Nonsense> {
    match read.iter().take(LINE_MAX).position(|byte| *byte == b'\n') {
        Some(end) => read.get(..end).and_then(|line| line.strip_suffix(b"\r")).map(Some).ok_or(Nonsense),
        None if read.len() >= LINE_MAX => Err(Nonsense),
        None => Ok(None),
    }
}

/// What follows the code of an answer.
#[derive(Default)]
struct Flags {
    cas: Option<u64>,
    left: Option<u64>,
    opaque: Option<u64>,
}

impl Flags {
    fn read<'a>(words: impl Iterator<Item = &'a str>) -> Self {
        let mut flags = Self::default();
        for word in words {
            let Some((name, value)) = word.split_at_checked(1) else { continue };
            // what lives for ever has `-1` left, which is no number here
            let value: Option<u64> = value.parse().ok();
            match name {
                // 0 is none: to ask for it would be to ask for nothing
                "c" => flags.cas = value.filter(|cas| *cas != 0),
                "t" => flags.left = value,
                "O" => flags.opaque = value,
                _ => {}
            }
        }
        flags
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn taken(text: &str) -> (Reply, Option<u64>) {
        let mut read = BytesMut::from(text);
        let reply = take(&mut read).unwrap().unwrap();
        assert!(read.is_empty(), "{text}");
        reply
    }

    #[test]
    fn each_answer_is_read_with_its_number() {
        assert_eq!(taken("HD O7\r\n"), (Reply::Done { cas: None }, Some(7)));
        assert_eq!(taken("HD c12 O7\r\n"), (Reply::Done { cas: Some(12) }, Some(7)));
        assert_eq!(taken("EN O7\r\n"), (Reply::Missing, Some(7)));
        assert_eq!(taken("NF O7\r\n"), (Reply::Missing, Some(7)));
        assert_eq!(taken("EX O7\r\n"), (Reply::Exists, Some(7)));
        assert_eq!(taken("NS O7\r\n"), (Reply::NotStored, Some(7)));
        assert_eq!(taken("MN\r\n"), (Reply::Noop, None));
        let item = |value: &'static str, left| Reply::Item { value: value.into(), cas: 3, left };
        assert_eq!(taken("VA 5 c3 t60 O7\r\n\r\n\r\nx\r\n"), (item("\r\n\r\nx", Some(60)), Some(7)));
        assert_eq!(taken("VA 0 c3 t-1 O7\r\n\r\n"), (item("", None), Some(7)));
        let refused = "SERVER_ERROR out of memory storing object";
        assert_eq!(taken(&format!("{refused}\r\n")), (Reply::Refused(refused.to_owned()), None));
    }

    #[test]
    fn an_answer_may_come_in_pieces() {
        let whole = "VA 5 c3 t60 O7\r\n12345\r\nHD O8\r\n";
        for end in 0..whole.len() {
            let mut read = BytesMut::from(whole.get(..end).unwrap());
            let first = take(&mut read).unwrap();
            assert_eq!(first.is_some(), end >= 23, "{end}");
            read.extend_from_slice(whole.get(end..).unwrap().as_bytes());
            let second = take(&mut read).unwrap();
            assert_eq!(first.or(second).unwrap().1, Some(7));
        }
    }

    #[test]
    fn what_is_no_answer_is_nonsense() {
        let long = "x".repeat(LINE_MAX);
        for text in [
            "HTTP/1.1 400 Bad Request\r\n",
            "\r\n",
            "HD\n",
            "VA\r\n",
            "VA x c1\r\n",
            "VA 0 c0\r\n\r\n",
            "VA -1 c1\r\n",
            "VA 5 t3\r\n12345\r\n",
            "VA 1073741825 c1\r\n",
            "VA 5 c1\r\n123456\r\n",
            "+PONG\r\n",
            "\u{fffd}\r\n",
            &long,
        ] {
            assert_eq!(take(&mut BytesMut::from(text)), Err(Nonsense), "{text}");
        }
        assert_eq!(take(&mut BytesMut::from(&b"HD \xff\r\n"[..])), Err(Nonsense));
    }

    #[test]
    fn a_command_ends_with_its_number_and_the_data_follows() {
        let written = |command: &Command| {
            let mut to = Vec::new();
            command.write(7, &mut to);
            String::from_utf8(to).unwrap()
        };
        assert_eq!(written(&Command::get("k")), "mg k v c t O7\r\n");
        assert_eq!(written(&Command::add("k", 61, b"abc".to_vec())), "ms k 3 ME T61 c O7\r\nabc\r\n");
        assert_eq!(written(&Command::swap("k", 5, 61, b"abc".to_vec())), "ms k 3 C5 T61 c O7\r\nabc\r\n");
        assert_eq!(written(&Command::delete("k")), "md k O7\r\n");
    }
}
