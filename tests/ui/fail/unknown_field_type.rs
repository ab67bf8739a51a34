use actix_typed_session::Session;

#[derive(Session)]
struct Cart {
    #[session(default, merge = "add")]
    items: Vec<NoSuchType>,
}

fn main() {}
