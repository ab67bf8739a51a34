use actix_typed_session::Session;

#[derive(Session)]
union Cart {
    items: u8,
    coupon: i8,
}

fn main() {}
