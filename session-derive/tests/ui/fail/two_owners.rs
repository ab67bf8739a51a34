use actix_typed_session::Session;

#[derive(Session)]
struct User {
    #[session(owner)]
    id: u64,
    #[session(owner)]
    name: String,
    #[session(owner)]
    mail: String,
}

fn main() {}
