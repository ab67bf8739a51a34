use actix_typed_session::Session;

#[derive(Session)]
struct Cart {
    items: u8,
    #[session(rename = "items")]
    renamed: u8,
    #[session(alias = "items", alias = "old", alias = "old")]
    aliased: u8,
    #[session(alias = "own")]
    own: u8,
    old: u8,
    #[session(skip)]
    later: u8,
    #[session(rename = "later")]
    not_stored_twice: u8,
}

fn main() {}
