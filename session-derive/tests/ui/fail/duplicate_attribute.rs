use actix_typed_session::Session;

#[derive(Session)]
#[session(key = "a", key = "b")]
#[session(default, default)]
#[derive(Default)]
struct Cart {
    #[session(rename = "x", rename = "x")]
    #[session(default)]
    #[session(default = "path")]
    #[session(owner, owner)]
    items: u8,
    #[session(merge = "last", merge = "add")]
    count: u8,
    #[session(skip, skip)]
    skipped: u8,
}

fn main() {}
