//! The derive leaves nothing behind but the impl: a name that it uses inside is free outside, as often as one likes.
#![allow(dead_code, non_snake_case, non_upper_case_globals)]

use actix_typed_session::Session;

const __FIELD_0: u8 = 0;
static SCHEMA: u8 = 0;
enum __With0 {}

mod __session {}

#[derive(Default, Session)]
#[session(default)]
struct One {
    items: u8,
}

#[derive(Session)]
struct Two {
    items: u8,
    #[session(merge = "choose")]
    __index: u8,
}

#[derive(Session)]
#[session(merge = "last")]
struct Three {
    items: u8,
}

fn choose(_: Option<&u8>, mine: u8, _: u8) -> u8 {
    mine
}

fn main() {}
