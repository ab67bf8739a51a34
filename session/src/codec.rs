//! [`Codec`]: how one field's values become JSON text and come back.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};

use crate::{
    data::{Decoder, EncodeError, Missing},
    json,
};

/// How the values of a field are written and read.
///
/// The bounds on the field's type are asked for once, where the codec is made: a type that lacks one is one error, at
/// the type.
pub struct Codec<T> {
    encode: fn(&T, &mut Vec<u8>) -> Result<(), EncodeError>,
    parse: fn(&str) -> Option<T>,
    get: fn(&Decoder<'_>, &'static str, &[&str]) -> Option<T>,
    absent: fn(&Decoder<'_>, &'static str) -> Result<T, Missing>,
    /// Whether a JSON text decodes as the field's type.
    pub decodes: fn(&str) -> bool,
}

/// The codec of a type that serde knows.
#[must_use]
pub const fn codec<T: Serialize + DeserializeOwned>() -> Codec<T> {
    Codec {
        encode: json::encode::<T>,
        parse: |text| serde_json::from_str(text).ok(),
        get: |fields, name, aliases| fields.get(name, aliases),
        absent: |fields, name| fields.absent(name),
        decodes: |text| serde_json::from_str::<T>(text).is_ok(),
    }
}

/// The codec of a field with `with = "module"`, which has no value where it is absent.
#[must_use]
pub const fn codec_with<W: With>() -> Codec<W::Value> {
    Codec {
        encode: |value, out| json::encode(&Write::<W>(value), out),
        parse: |text| serde_json::from_str(text).ok().map(|Read::<W>(value)| value),
        get: |fields, name, aliases| fields.get(name, aliases).map(|Read::<W>(value)| value),
        absent: |fields, name| Err(fields.missing(name)),
        decodes: |text| serde_json::from_str::<Read<W>>(text).is_ok(),
    }
}

impl<T> Codec<T> {
    /// Appends the JSON text of a value.
    pub fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        (self.encode)(value, out)
    }

    /// The value of a JSON text, if it is one of this type.
    #[must_use]
    pub fn parse(&self, text: &str) -> Option<T> {
        (self.parse)(text)
    }

    /// The stored value; none if it is absent or does not decode.
    #[must_use]
    pub fn get(&self, fields: &Decoder<'_>, name: &'static str, aliases: &[&str]) -> Option<T> {
        (self.get)(fields, name, aliases)
    }

    /// The value that the type itself has when it is absent.
    pub fn absent(&self, fields: &Decoder<'_>, name: &'static str) -> Result<T, Missing> {
        (self.absent)(fields, name)
    }
}

impl<T> fmt::Debug for Codec<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codec").finish_non_exhaustive()
    }
}

/// A module that `with` names.
pub trait With {
    /// The field's type.
    type Value;

    /// The module's `serialize`.
    fn serialize<S: Serializer>(value: &Self::Value, serializer: S) -> Result<S::Ok, S::Error>;

    /// The module's `deserialize`.
    fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self::Value, D::Error>;
}

struct Write<'a, W: With>(&'a W::Value);

impl<W: With> Serialize for Write<'_, W> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        W::serialize(self.0, serializer)
    }
}

struct Read<W: With>(W::Value);

impl<'de, W: With> Deserialize<'de> for Read<W> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        W::deserialize(deserializer).map(Self)
    }
}
