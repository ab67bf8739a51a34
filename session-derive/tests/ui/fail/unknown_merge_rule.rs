use actix_typed_session::Session;

#[derive(Session)]
struct Cart {
    #[session(merge = "keep last")]
    phrase: u8,
    #[session(merge = "")]
    empty: u8,
    #[session(merge = "|b, m, t| m")]
    closure: u8,
}

fn main() {}
