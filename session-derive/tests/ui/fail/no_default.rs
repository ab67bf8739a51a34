use actix_typed_session::Session;

struct NoDefault;

#[derive(Session)]
#[session(default)]
struct Cart {
    items: u8,
}

#[derive(Session)]
struct Fields {
    #[session(default)]
    items: std::num::NonZeroU8,
    #[session(skip)]
    skipped: NoDefault,
    #[session(default = "text")]
    number: u8,
    #[session(default = "nowhere")]
    nowhere: u8,
}

fn text() -> String {
    String::new()
}

fn main() {}
