//! The fields of a session: names and JSON texts, found without reading the JSON.

use bytestring::ByteString;

/// Field names and their JSON texts, in the order of the names, over one shared text.
#[derive(Clone, Default)]
pub(crate) struct Fields {
    text: ByteString,
    entries: Vec<Entry>,
}

/// Where in the text a name begins, where its value begins (and the name ends), and where that ends.
#[derive(Clone, Copy)]
struct Entry {
    name: usize,
    value: usize,
    end: usize,
}

/// What a write changes, in the order of the names: the new text of a field, or none where it is removed.
pub(crate) type Edits<'a> = Vec<(&'a str, Option<&'a str>)>;

impl Fields {
    /// Fields over a text that holds names and values in turn, with the lengths of each; none if the two do not fit, or
    /// the names are not in order.
    pub(crate) fn new(text: ByteString, lengths: impl ExactSizeIterator<Item = (usize, usize)>) -> Option<Self> {
        let mut entries = Vec::with_capacity(lengths.len());
        let (mut rest, mut name, mut last) = (&*text, 0, None);
        for (name_len, value_len) in lengths {
            let (this, after) = rest.split_at_checked(name_len)?;
            (_, rest) = after.split_at_checked(value_len)?;
            if last >= Some(this) {
                return None;
            }
            last = Some(this);
            let (value, end) = (name + name_len, name + name_len + value_len);
            entries.push(Entry { name, value, end });
            name = end;
        }
        rest.is_empty().then_some(Self { text, entries })
    }

    /// How long all names and values are together.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// The JSON text of a field.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let index = self.entries.binary_search_by(|entry| self.slice(entry.name, entry.value).cmp(name)).ok()?;
        self.entries.get(index).map(|entry| self.slice(entry.value, entry.end))
    }

    /// All fields, in the order of their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|entry| (self.slice(entry.name, entry.value), self.slice(entry.value, entry.end)))
    }

    /// The fields as they are after these edits.
    pub(crate) fn edited(&self, edits: &Edits<'_>) -> Self {
        let new: usize = edits.iter().map(|(name, text)| name.len() + text.map_or(0, str::len)).sum();
        let mut all = Builder::with_capacity(self.entries.len() + edits.len(), self.len() + new);
        let mut edits = edits.iter().copied().peekable();
        for (name, text) in self.iter() {
            let mut text = Some(text);
            while let Some((edited, new)) = edits.next_if(|(edited, _)| *edited <= name) {
                if edited == name {
                    text = new;
                } else {
                    all.push(edited, new);
                }
            }
            all.push(name, text);
        }
        edits.for_each(|(name, text)| all.push(name, text));
        Self { text: all.text.into(), entries: all.entries }
    }

    /// The lengths of each name and value.
    pub(crate) fn lengths(&self) -> impl ExactSizeIterator<Item = (usize, usize)> {
        self.entries.iter().map(|entry| (entry.value - entry.name, entry.end - entry.value))
    }

    /// All names and values in turn.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    fn slice(&self, from: usize, to: usize) -> &str {
        self.text.get(from..to).unwrap_or_default()
    }
}

/// Fields that are put together, in the order of their names.
struct Builder {
    text: String,
    entries: Vec<Entry>,
}

impl Builder {
    fn with_capacity(fields: usize, text: usize) -> Self {
        Self { text: String::with_capacity(text), entries: Vec::with_capacity(fields) }
    }

    fn push(&mut self, name: &str, value: Option<&str>) {
        let Some(value) = value else { return };
        let at = self.text.len();
        self.text.push_str(name);
        self.text.push_str(value);
        self.entries.push(Entry { name: at, value: at + name.len(), end: self.text.len() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(entries: &[(&str, &str)]) -> Option<Fields> {
        let text: String = entries.iter().flat_map(|(name, text)| [*name, *text]).collect();
        let lengths: Vec<_> = entries.iter().map(|(name, text)| (name.len(), text.len())).collect();
        Fields::new(text.into(), lengths.into_iter())
    }

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let fields = fields(&[("a", "1"), ("ab", "2"), ("b", "\"ä\"")]);
        let get = |name| fields.as_ref().and_then(|fields| fields.get(name));
        assert_eq!([get("a"), get("ab"), get("b")], [Some("1"), Some("2"), Some("\"ä\"")]);
        assert_eq!([get(""), get("abc"), get("B")], [None; 3]);
    }

    #[test]
    fn names_out_of_order_or_twice_are_no_fields() {
        assert!(fields(&[("b", "1"), ("a", "2")]).is_none());
        assert!(fields(&[("a", "1"), ("a", "2")]).is_none());
    }

    #[test]
    fn lengths_that_do_not_fit_the_text_are_no_fields() {
        for lengths in [(1, 1), (1, 4), (2, 1), (9, 0)] {
            assert!(Fields::new("äbc".into(), [lengths].into_iter()).is_none(), "{lengths:?}");
        }
    }

    #[test]
    fn edits_replace_add_and_remove() {
        let Some(fields) = fields(&[("b", "1"), ("d", "2"), ("f", "3")]) else { panic!() };
        let edits = vec![("a", Some("0")), ("d", None), ("e", None), ("f", Some("9")), ("g", Some("4"))];
        let edited = fields.edited(&edits);
        let all: Vec<_> = edited.iter().collect();
        assert_eq!(all, [("a", "0"), ("b", "1"), ("f", "9"), ("g", "4")]);
        let read = Fields::new(edited.text().into(), edited.lengths());
        assert!(read.is_some_and(|read| read.iter().eq(all)), "what is put together is what would be read");
    }
}
