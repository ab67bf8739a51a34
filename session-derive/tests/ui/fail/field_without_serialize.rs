use actix_typed_session::Session;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct NotSerialize;

#[derive(Serialize)]
struct NotDeserialize;

struct Neither;

#[derive(Session)]
struct Cart {
    one: NotSerialize,
    two: Vec<NotDeserialize>,
    #[session(default)]
    three: Option<Neither>,
    four: &'static str,
}

#[derive(Session)]
#[session(merge = "last")]
struct Unit {
    #[session(alias = "x")]
    one: NotSerialize,
}

fn main() {}
