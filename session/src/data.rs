//! [`SessionData`]: what the derive fills in, and what it fills it in with.

use std::{cell::Cell, collections::BTreeMap, fmt};

use serde::de::{DeserializeOwned, Visitor};
use serde_json::value::RawValue;

use crate::{codec::Codec, events, json};

/// A struct that is a view of some fields of the session. Implemented by `#[derive(Session)]`.
///
/// It is the bound for code that works with any typed session. The methods are the derive's business; what they are may
/// change with any release.
///
/// ```
/// use actix_typed_session::{Session, SessionData, SessionError, SessionHandle};
/// use actix_web::{App, HttpResponse, web};
///
/// async fn forget<T: SessionData>(session: SessionHandle) -> Result<HttpResponse, SessionError> {
///     session.remove::<T>()?;
///     Ok(HttpResponse::NoContent().finish())
/// }
///
/// #[derive(Default, Session)]
/// #[session(default)]
/// struct Cart { items: Vec<String> }
///
/// let app = App::new().route("/cart", web::delete().to(forget::<Cart>));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a typed session",
    label = "this needs `#[derive(Session)]`",
    note = "add `#[derive(actix_typed_session::Session)]` to the definition of `{Self}`"
)]
pub trait SessionData: Sized + 'static {
    /// What the struct's fields are called, and the rules that they follow.
    #[doc(hidden)]
    fn schema() -> &'static Schema;

    /// The struct from the fields of a session.
    #[doc(hidden)]
    fn decode(fields: &Decoder<'_>) -> Result<Self, Missing>;

    /// Appends the JSON text of the field at `index` of the schema.
    #[doc(hidden)]
    fn encode(&self, index: usize, out: &mut Vec<u8>) -> Result<(), EncodeError>;
}

/// What is fixed about a typed session.
#[derive(Debug)]
pub struct Schema {
    /// The struct's name with its path, for messages.
    pub type_name: &'static str,
    /// The prefix of its fields; empty for none.
    pub key: &'static str,
    /// Whether `key = "…"` was written: two types that both do may share the key.
    pub explicit_key: bool,
    /// The stored fields in the order of the struct; a unit has one, named by the key alone.
    pub fields: &'static [Field],
    /// Whether the type was found to clash with another, remembered after the first use.
    pub registration: crate::registry::Registration,
}

/// What is fixed about a stored field.
#[derive(Debug)]
pub struct Field {
    /// The name in the record, such as `cart.items`.
    pub name: &'static str,
    /// Former names, read where the name is absent, removed when the field is written or removed.
    pub aliases: &'static [&'static str],
    /// What a change of it does to the session.
    pub guard: Guard,
    /// What happens when another request changed it too.
    pub merge: Merge,
    /// Whether a JSON text decodes as the field's type.
    pub decodes: fn(&str) -> bool,
}

/// What a change of a field does to the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guard {
    /// Nothing.
    None,
    /// It gives the session a new token.
    Rotate,
    /// It says whose session it is, and gives it a new token.
    Owner,
}

/// What happens to a field that another request changed meanwhile.
#[derive(Clone, Copy, Debug)]
pub enum Merge {
    /// As JSON: objects key by key, arrays that were only extended are joined, else the later wins.
    Json,
    /// The later wins.
    Last,
    /// Theirs and what mine added to the base.
    Add,
    /// The greater.
    Max,
    /// The lesser.
    Min,
    /// Theirs with what mine added, without what mine removed.
    Union,
    /// What mine took from the front is cut from theirs, what mine appended is appended.
    Append,
    /// The commit fails.
    Reject,
    /// A function over the JSON texts of base, mine and theirs.
    With(fn(Option<&str>, &str, &str) -> Result<String, EncodeError>),
}

/// A required field that the session lacks.
#[derive(Clone, Copy, Debug)]
pub struct Missing {
    /// The field's name in the record.
    pub field: &'static str,
}

/// Why a value has no JSON text; it does not hold the value.
#[derive(Clone, Copy, Debug)]
pub struct EncodeError {
    /// What is wrong.
    pub reason: &'static str,
}

/// The fields of a session, as a typed session reads them.
#[derive(Debug)]
pub struct Decoder<'a> {
    source: Source<'a>,
    /// Set where a text does not decode, for a caller that must know.
    undecodable: Option<&'a Cell<bool>>,
}

enum Source<'a> {
    Fields(&'a dyn Fn(&str) -> Option<&'a str>),
    Object { field: &'static str, entries: BTreeMap<String, &'a RawValue> },
}

impl fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fields(_) => "Fields",
            Self::Object { .. } => "Object",
        })
    }
}

impl<'a> Decoder<'a> {
    /// A decoder of what `fields` finds by name.
    #[must_use]
    pub fn new(fields: &'a dyn Fn(&str) -> Option<&'a str>) -> Self {
        Self { source: Source::Fields(fields), undecodable: None }
    }

    /// The entries of the one field that a unit is stored as; none where it is absent or no object.
    #[must_use]
    pub fn unit(&self, field: &'static str) -> Decoder<'a> {
        let entries = self.text(field).and_then(|text| match serde_json::from_str(text) {
            Ok(entries) => Some(entries),
            Err(error) => {
                self.report(field, &error);
                None
            }
        });
        Decoder {
            source: Source::Object { field, entries: entries.unwrap_or_default() },
            undecodable: self.undecodable,
        }
    }

    /// The value of a field by its name or the first alias that is there; none if it is absent or does not decode.
    #[must_use]
    pub fn get<T: DeserializeOwned>(&self, name: &'static str, aliases: &[&str]) -> Option<T> {
        let text = self.text(name).or_else(|| aliases.iter().find_map(|alias| self.text(alias)))?;
        match serde_json::from_str(text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.report(name, &error);
                None
            }
        }
    }

    /// The value that the type itself has when it is absent, as serde asks for it: that of an `Option` is `None`.
    pub fn absent<T: DeserializeOwned>(&self, name: &'static str) -> Result<T, Missing> {
        T::deserialize(AbsentField).map_err(|_| self.missing(name))
    }

    /// The error of a required field.
    #[must_use]
    pub fn missing(&self, name: &'static str) -> Missing {
        match self.source {
            Source::Fields(_) => Missing { field: name },
            Source::Object { field, .. } => Missing { field },
        }
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        match &self.source {
            Source::Fields(fields) => fields(name),
            Source::Object { entries, .. } => entries.get(name).map(|value| value.get()),
        }
    }

    fn report(&self, field: &str, error: &serde_json::Error) {
        match self.undecodable {
            Some(undecodable) => undecodable.set(true),
            None => events::field_undecodable(field, json::reason(error)),
        }
    }
}

/// Writes the object that a unit is stored as, entry by entry.
pub struct UnitEncoder<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> UnitEncoder<'a> {
    /// Begins the object.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// Begins an entry: its value is to be appended to what is returned.
    pub fn entry(&mut self, name: &str) -> Result<&mut Vec<u8>, EncodeError> {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        json::encode(name, self.out)?;
        self.out.push(b':');
        Ok(self.out)
    }

    /// Ends the object.
    pub fn end(self) {
        self.out.push(b'}');
    }
}

impl fmt::Debug for UnitEncoder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnitEncoder").finish_non_exhaustive()
    }
}

/// Merges by a function over the values; a base that does not decode counts as absent.
pub fn merge_with<T>(
    codec: &Codec<T>,
    base: Option<&str>,
    mine: &str,
    theirs: &str,
    merge: fn(Option<&T>, T, T) -> T,
) -> Result<String, EncodeError> {
    let decode = |text: &str| codec.parse(text).ok_or(UNDECODABLE);
    let base = base.and_then(|text| codec.parse(text));
    let merged = merge(base.as_ref(), decode(mine)?, decode(theirs)?);
    let mut out = Vec::new();
    codec.encode(&merged, &mut out)?;
    json::text(out)
}

/// Merges two units by a function over the structs; one that does not decode is an error, but for the base.
pub fn merge_unit<T: SessionData>(
    base: Option<&str>,
    mine: &str,
    theirs: &str,
    merge: fn(Option<&T>, T, T) -> T,
) -> Result<String, EncodeError> {
    let decode = |text: &str| decode_unit::<T>(text).ok_or(UNDECODABLE);
    let base = base.and_then(decode_unit::<T>);
    let merged = merge(base.as_ref(), decode(mine)?, decode(theirs)?);
    let mut out = Vec::new();
    merged.encode(0, &mut out)?;
    json::text(out)
}

/// Whether a JSON text decodes as the unit `T`, with all the entries that it has.
#[must_use]
pub fn unit_decodes<T: SessionData>(text: &str) -> bool {
    decode_unit::<T>(text).is_some()
}

fn decode_unit<T: SessionData>(text: &str) -> Option<T> {
    let fields = |name: &str| (name == T::schema().key).then_some(text);
    let undecodable = Cell::new(false);
    let decoder = Decoder { source: Source::Fields(&fields), undecodable: Some(&undecodable) };
    T::decode(&decoder).ok().filter(|_| !undecodable.get())
}

const UNDECODABLE: EncodeError = EncodeError { reason: "it does not decode" };

struct AbsentField;

impl<'de> serde::Deserializer<'de> for AbsentField {
    type Error = serde::de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(serde::de::Error::custom("absent"))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_none()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
