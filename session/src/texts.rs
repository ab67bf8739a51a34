//! [`Texts`]: the fields of a typed session as JSON.

use crate::data::{EncodeError, SessionData};

/// The JSON texts of a value's fields, in one piece.
pub(crate) struct Texts {
    text: Vec<u8>,
    /// Where each field's text ends, or why it has none.
    ends: Vec<Result<usize, EncodeError>>,
}

impl Texts {
    /// The texts of a value, for which about so many bytes will be needed.
    pub(crate) fn of<T: SessionData>(value: &T, room: usize) -> Self {
        let schema = T::schema();
        let mut texts = Self { text: Vec::with_capacity(room + ROOM), ends: Vec::with_capacity(schema.fields.len()) };
        for index in 0..schema.fields.len() {
            let start = texts.text.len();
            let end = match value.encode(index, &mut texts.text) {
                Ok(()) => Ok(texts.text.len()),
                Err(error) => {
                    texts.text.truncate(start);
                    Err(error)
                }
            };
            texts.ends.push(end);
        }
        texts
    }

    /// How long all texts are together.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// The text of the field at `index` of the schema, or why it has none.
    pub(crate) fn get(&self, index: usize) -> Result<&str, EncodeError> {
        let end = self.ends.get(index).copied().unwrap_or(Ok(0))?;
        let start = self.ends.iter().take(index).rev().find_map(|end| end.ok()).unwrap_or(0);
        let text = self.text.get(start..end).unwrap_or_default();
        std::str::from_utf8(text).map_err(|_| EncodeError { reason: "it is not UTF-8" })
    }
}

/// Room for what a change adds.
const ROOM: usize = 64;
