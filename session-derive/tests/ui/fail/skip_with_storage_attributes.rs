use actix_typed_session::Session;

#[derive(Session)]
struct Cart {
    items: u8,
    #[session(skip, rename = "x", alias = "y", with = "module", owner, rotate)]
    cache: u8,
    #[session(skip, merge = "last")]
    more: u8,
}

fn main() {}
