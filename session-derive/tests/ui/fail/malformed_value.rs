use actix_typed_session::Session;

#[derive(Session)]
#[session(key, default = "Cart::new", merge, crate = "not a path")]
struct Cart {
    #[session(rename = x, alias = 5, default = 5, skip = true, with = "1", owner = "yes", rotate = "no", merge = last)]
    items: u8,
    #[session(rename = b"bytes", alias, with, merge)]
    coupon: u8,
    #[session(default = "", rename = "suffix"x)]
    path: u8,
}

fn main() {}
