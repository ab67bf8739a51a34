//! Deprecated fields and types are a matter between the struct and who uses it.
#![deny(warnings)]

use actix_typed_session::Session;
use serde::{Deserialize, Serialize};

#[deprecated]
#[derive(Default, Deserialize, Serialize)]
struct Old;

#[derive(Default, Session)]
#[session(default)]
#[allow(deprecated)]
struct Cart {
    #[deprecated]
    items: u8,
    old: Old,
}

#[deprecated]
#[derive(Session)]
struct OldCart {
    items: u8,
}

#[allow(deprecated)]
fn main() {
    let _ = (Cart::default().items, OldCart { items: 1 }.items);
}
