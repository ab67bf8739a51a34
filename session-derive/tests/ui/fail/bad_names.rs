use actix_typed_session::Session;

#[derive(Session)]
#[session(key = "my.cart")]
struct Cart {
    #[session(rename = "my.items", alias = "old.items", alias = "")]
    items: u8,
    #[session(rename = "")]
    coupon: u8,
}

fn main() {}
