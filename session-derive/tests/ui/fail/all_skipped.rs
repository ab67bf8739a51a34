use actix_typed_session::Session;

#[derive(Session)]
struct Cart {
    #[session(skip)]
    items: u8,
    #[session(skip)]
    coupon: u8,
}

fn main() {}
