//! A crate may also forbid lints, which nothing inside can allow again.
#![forbid(unsafe_code, unused, missing_docs, deprecated, unused_qualifications, nonstandard_style)]

use actix_typed_session::Session;

#[derive(Session)]
struct Cart {
    items: Vec<u8>,
    #[session(with = "module")]
    price: u8,
}

mod module {
    pub(super) use serde::{Deserialize, Serialize};

    pub(super) fn serialize<S: serde::Serializer>(value: &u8, serializer: S) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
        u8::deserialize(deserializer)
    }
}

fn main() {
    let cart = Cart { items: Vec::new(), price: 1 };
    println!("{:?} {}", cart.items, cart.price);
}
