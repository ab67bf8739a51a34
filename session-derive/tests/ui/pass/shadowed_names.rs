//! Names of the prelude and of primitive types may mean something else where the struct is.
#![no_implicit_prelude]
#![allow(non_camel_case_types, dead_code)]

use ::actix_typed_session::Session;

struct Result;
struct Option;
struct Some;
struct None;
struct Ok;
struct Err;
struct Vec;
struct String;
struct Default;
struct Self_;
struct usize;
struct u8;
struct str;
mod std {}
mod core {}
mod serde {}
mod actix_typed_session {}

#[derive(::serde::Serialize, ::serde::Deserialize)]
struct S(::core::primitive::bool);

type D = S;

mod module {
    pub(super) fn serialize<S: ::serde::Serializer>(
        value: &super::D,
        serializer: S,
    ) -> ::core::result::Result<S::Ok, S::Error> {
        ::serde::Serialize::serialize(value, serializer)
    }

    pub(super) fn deserialize<'de, D: ::serde::Deserializer<'de>>(
        deserializer: D,
    ) -> ::core::result::Result<super::S, D::Error> {
        ::serde::Deserialize::deserialize(deserializer)
    }
}

#[derive(Session)]
struct Cart {
    s: S,
    #[session(with = "module", merge = "choose")]
    d: D,
    #[session(skip)]
    skipped: ::std::vec::Vec<::core::primitive::u8>,
    #[session(default, alias = "x")]
    defaulted: ::std::string::String,
}

fn choose(_: ::core::option::Option<&S>, mine: S, _: S) -> S {
    mine
}

#[derive(Session)]
#[session(default, merge = "last")]
struct Unit {
    number: ::core::primitive::i32,
    #[session(skip, default)]
    skipped: ::core::primitive::i32,
}

impl ::core::default::Default for Unit {
    fn default() -> Self {
        Self { number: 1, skipped: 1 }
    }
}

fn main() {}
