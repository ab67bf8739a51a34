//! A crate that denies what it can gets no lint from the derive.
#![deny(
    warnings,
    absolute_paths_not_starting_with_crate,
    deprecated,
    missing_debug_implementations,
    missing_docs,
    non_ascii_idents,
    redundant_imports,
    redundant_lifetimes,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    unit_bindings,
    unnameable_types,
    unreachable_pub,
    unsafe_code,
    unused,
    unused_import_braces,
    unused_lifetimes,
    unused_qualifications,
    unused_results,
    variant_size_differences
)]

use actix_typed_session::Session;

mod bytes {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &u8, serializer: S) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
        u8::deserialize(deserializer)
    }
}

/// A documented struct.
#[derive(Debug, Default, Session)]
#[session(key = "all", default)]
pub struct All {
    /// A documented field.
    #[session(rename = "first", alias = "one", merge = "add")]
    pub one: u8,
    #[session(with = "self::bytes", merge = "crate::sum")]
    two: u8,
    #[session(skip)]
    three: u8,
    #[session(owner)]
    four: Option<String>,
    #[session(default = "self::five")]
    five: u8,
}

#[derive(Debug, Default, Session)]
#[session(merge = "self::choose", default)]
struct Unit {
    one: u8,
}

fn sum(base: Option<&u8>, mine: u8, theirs: u8) -> u8 {
    theirs + mine - base.copied().unwrap_or_default()
}

fn choose(_: Option<&Unit>, mine: Unit, _: Unit) -> Unit {
    mine
}

fn five() -> u8 {
    5
}

fn main() {
    println!("{:?} {} {:?}", All::default(), All::default().three, Unit::default());
}
