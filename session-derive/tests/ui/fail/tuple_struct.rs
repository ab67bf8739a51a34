use actix_typed_session::Session;

#[derive(Session)]
struct Cart(u8, #[session(nonsense)] u16);

fn main() {}
