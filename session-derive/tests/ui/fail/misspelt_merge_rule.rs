use actix_typed_session::Session;

#[derive(Session)]
struct Cart {
    #[session(merge = "ad")]
    items: u8,
    #[session(merge = "crate::rules::ad")]
    coupon: u8,
}

mod rules {}

fn main() {}
