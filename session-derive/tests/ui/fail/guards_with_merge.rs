use actix_typed_session::Session;

#[derive(Session)]
struct User {
    #[session(owner, merge = "last")]
    id: u64,
    #[session(merge = "max", rotate)]
    level: u8,
}

fn main() {}
