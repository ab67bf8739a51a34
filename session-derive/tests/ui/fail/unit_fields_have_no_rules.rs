use actix_typed_session::Session;

#[derive(Session)]
#[session(merge = "last")]
struct Address {
    #[session(merge = "last")]
    street: String,
    #[session(owner)]
    user: u8,
    #[session(rotate, merge = "max")]
    level: u8,
}

fn main() {}
