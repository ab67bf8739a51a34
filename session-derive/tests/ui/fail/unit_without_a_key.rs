use actix_typed_session::Session;

#[derive(Session)]
#[session(merge = "last", key = "")]
struct Address {
    street: String,
}

fn main() {}
