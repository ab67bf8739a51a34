use actix_typed_session::Session;

#[derive(Session)]
enum Cart {
    Empty,
    Full { items: u8 },
}

fn main() {}
