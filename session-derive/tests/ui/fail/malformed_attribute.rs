use actix_typed_session::Session;

#[derive(Session)]
#[session]
#[session = "cart"]
#[session(key: "cart", "default")]
struct Cart {
    #[session(rename("x"))]
    items: u8,
    #[session(rename =)]
    coupon: u8,
    #[session(, default)]
    comma: u8,
    #[session(default,, skip)]
    commas: u8,
    #[session(default skip)]
    no_comma: u8,
}

fn main() {}
