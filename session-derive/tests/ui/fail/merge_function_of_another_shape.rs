use actix_typed_session::Session;

#[derive(Session)]
struct Cart {
    #[session(merge = "two")]
    items: u8,
    #[session(merge = "of_strings")]
    coupon: u8,
}

fn two(mine: u8, _: u8) -> u8 {
    mine
}

fn of_strings(_: Option<&String>, mine: String, _: String) -> String {
    mine
}

#[derive(Session)]
#[session(merge = "two")]
struct Unit {
    items: u8,
}

fn main() {}
