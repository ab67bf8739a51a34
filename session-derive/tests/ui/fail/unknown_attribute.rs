use actix_typed_session::Session;

#[derive(Session)]
#[session(keys = "cart")]
struct Cart {
    #[session(flatten)]
    items: u8,
    #[session(skip_serializing_if = "Option::is_none")]
    coupon: Option<u8>,
}

fn main() {}
