use actix_typed_session::Session;

#[derive(Session)]
#[session(crate = "crate::nowhere")]
struct Cart {
    #[session(merge = "add", default)]
    items: u8,
    coupon: Option<u8>,
}

fn main() {}
