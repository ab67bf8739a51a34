use actix_typed_session::SessionData;

struct Cart {
    items: u8,
}

fn needs<T: SessionData>() {}

fn main() {
    needs::<Cart>();
}
