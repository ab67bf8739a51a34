use actix_typed_session::Session;

#[derive(Session)]
#[session(rename = "basket", owner)]
struct Cart {
    #[session(key = "things", crate = "x")]
    items: u8,
}

fn main() {}
