//! [`Out`]: what a command says, as text or as JSON.

use std::io::{self, BufWriter, StdoutLock, Write};

use serde::Serialize;
use serde_json::value::RawValue;

use super::failure::Failure;

/// The standard output.
pub(super) struct Out {
    to: BufWriter<StdoutLock<'static>>,
    json: bool,
}

impl Out {
    pub(super) fn new(json: bool) -> Self {
        Self { to: BufWriter::new(io::stdout().lock()), json }
    }

    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// Says something: this as JSON, or else what `text` writes.
    pub(super) fn say(
        &mut self,
        json: &impl Serialize,
        text: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        if self.json {
            serde_json::to_writer(&mut self.to, json).map_err(io::Error::from)?;
            return Ok(writeln!(self.to)?);
        }
        Ok(text(&mut self.to)?)
    }

    /// What is a format of its own.
    pub(super) fn raw(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(self.to.write_all(bytes)?)
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// A text that a visitor or an app has made, without what a terminal would take for a command.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        // the marks of direction, too, that make a line look like another
        if c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            plain.extend(c.escape_unicode());
        } else {
            plain.push(c);
        }
    }
    plain
}

/// The user that an argument names: JSON, or a text where it is none.
pub(super) fn owner(text: &str) -> Result<Box<RawValue>, Failure> {
    let owner = match serde_json::from_str::<Box<RawValue>>(text) {
        Ok(json) => Ok(json),
        Err(_) => serde_json::value::to_raw_value(text),
    };
    match owner {
        Ok(owner) if !matches!(owner.get(), "null" | "\"\"") => Ok(owner),
        _ => Err(Failure::usage("`--owner` names nobody: an empty text and `null` are no user")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn an_owner_is_json_or_else_a_text() {
        for (text, json) in [
            ("42", "42"),
            ("ada", "\"ada\""),
            ("\"42\"", "\"42\""),
            (" 42 ", "42"),
            ("340282366920938463463374607431768211455", "340282366920938463463374607431768211455"),
            ("{\"id\":7}", "{\"id\":7}"),
            ("true", "true"),
            ("it's \"x\"", "\"it's \\\"x\\\"\""),
        ] {
            assert_eq!(owner(text).map(|owner| owner.get().to_owned()).ok().unwrap(), json, "{text}");
        }
        for nobody in ["", "null", "\"\""] {
            assert_eq!(owner(nobody).map(drop).unwrap_err().code(), 2);
        }
    }

    #[test]
    fn nothing_that_a_visitor_has_written_commands_the_terminal() {
        assert_eq!(plain("Zoë's phone"), "Zoë's phone");
        assert_eq!(plain("\x1b[2Ja\r\nb\u{202e}c\u{9b}"), "\\u{1b}[2Ja\\u{d}\\u{a}b\\u{202e}c\\u{9b}");
    }
}
