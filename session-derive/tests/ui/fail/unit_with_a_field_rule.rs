use actix_typed_session::Session;

#[derive(Session)]
#[session(merge = "add")]
struct Add {
    items: u8,
}

#[derive(Session)]
#[session(merge = "union")]
struct Union {
    items: u8,
}

#[derive(Session)]
#[session(merge = "no rule")]
struct NoRule {
    items: u8,
}

fn main() {}
