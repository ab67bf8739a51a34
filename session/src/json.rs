//! JSON as fields hold it: compact text, in which a number that is not finite is an error, not `null`.

use serde::{Serialize, Serializer, ser::Error as _};
use serde_json::{error::Category, ser::Formatter};

use crate::data::EncodeError;

/// Appends the JSON text of a value.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let mut nulls = Nulls(false);
    let mut serializer = serde_json::Serializer::with_formatter(&mut *out, &mut nulls);
    value
        .serialize(&mut serializer)
        .map_err(|_| EncodeError { reason: "its `Serialize` failed, or a map key is no string" })?;
    // serde_json writes `null` for NaN; only a text with a `null` in it can hide one
    if nulls.0 {
        value.serialize(Finite).map_err(|_| EncodeError { reason: "it holds a number that is not finite" })?;
    }
    Ok(())
}

/// The JSON text of a value.
pub(crate) fn to_string<T: Serialize + ?Sized>(value: &T) -> Result<String, EncodeError> {
    let mut out = Vec::new();
    encode(value, &mut out)?;
    text(out)
}

/// What was encoded, as text.
pub(crate) fn text(out: Vec<u8>) -> Result<String, EncodeError> {
    String::from_utf8(out).map_err(|_| EncodeError { reason: "it is not UTF-8" })
}

/// What is wrong with a text, in words that hold nothing of it.
pub(crate) fn reason(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        Category::Data => "its JSON is of another shape",
        Category::Syntax | Category::Eof | Category::Io => "it is no JSON",
    }
}

/// Compact JSON that notices a `null`.
struct Nulls(bool);

impl Formatter for &mut Nulls {
    fn write_null<W: std::io::Write + ?Sized>(&mut self, writer: &mut W) -> std::io::Result<()> {
        self.0 = true;
        writer.write_all(b"null")
    }
}

/// Accepts any value without a number that is not finite, and writes nothing.
#[derive(Clone, Copy)]
struct Finite;

type Outcome = Result<(), serde::de::value::Error>;

macro_rules! accept {
    ($($method:ident($($type:ty),*);)*) => {
        $(fn $method(self, $(_: $type),*) -> Outcome { Ok(()) })*
    };
}

impl Serializer for Finite {
    type Ok = ();
    type Error = serde::de::value::Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    accept! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    fn serialize_f32(self, value: f32) -> Outcome {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Outcome {
        if value.is_finite() { Ok(()) } else { Err(Self::Error::custom("not finite")) }
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Outcome {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Outcome {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Outcome {
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Self::Error> {
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Self::Error> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Self::Error> {
        Ok(self)
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Self, Self::Error> {
        Ok(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, Self::Error> {
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Self::Error> {
        Ok(self)
    }

    fn serialize_struct_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Self, Self::Error> {
        Ok(self)
    }

    fn collect_str<T: std::fmt::Display + ?Sized>(self, _: &T) -> Outcome {
        Ok(())
    }
}

macro_rules! accept_parts {
    ($($compound:ident::$method:ident($($name:ty)?);)*) => {
        $(impl serde::ser::$compound for Finite {
            type Ok = ();
            type Error = serde::de::value::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, $(_: $name,)? value: &T) -> Outcome {
                value.serialize(*self)
            }

            fn end(self) -> Outcome {
                Ok(())
            }
        })*
    };
}

accept_parts! {
    SerializeSeq::serialize_element();
    SerializeTuple::serialize_element();
    SerializeTupleStruct::serialize_field();
    SerializeTupleVariant::serialize_field();
    SerializeStruct::serialize_field(&'static str);
    SerializeStructVariant::serialize_field(&'static str);
}

impl serde::ser::SerializeMap for Finite {
    type Ok = ();
    type Error = serde::de::value::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Outcome {
        key.serialize(*self)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Outcome {
        value.serialize(*self)
    }

    fn end(self) -> Outcome {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::Serialize;

    use super::to_string;

    #[derive(Serialize)]
    enum Shape {
        Unit,
        New(f32),
        Tuple(Option<u8>, f64),
        Struct { x: f64 },
    }

    #[test]
    fn a_number_that_is_not_finite_is_an_error_wherever_it_stands() {
        assert!(to_string(&f64::NAN).is_err());
        assert!(to_string(&Some(f32::INFINITY)).is_err());
        assert!(to_string(&vec![(1, f64::NEG_INFINITY)]).is_err());
        assert!(to_string(&HashMap::from([("x", f64::NAN)])).is_err());
        assert!(to_string(&Shape::New(f32::NAN)).is_err());
        assert!(to_string(&Shape::Tuple(None, f64::NAN)).is_err());
        assert!(to_string(&Shape::Struct { x: f64::NAN }).is_err());
    }

    #[test]
    fn a_null_that_is_meant_is_none() {
        assert_eq!(
            to_string(&(None::<u8>, (), 1.5, Shape::Unit, Shape::Tuple(None, 0.5))).unwrap_or_default(),
            r#"[null,null,1.5,"Unit",{"Tuple":[null,0.5]}]"#
        );
    }
}
