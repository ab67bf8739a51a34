//! The impl is there in spite of the mistake.
use actix_typed_session::{Session, SessionData};

#[derive(Session)]
struct Cart {
    #[session(renam = "x")]
    items: u8,
}

#[derive(Session)]
enum Choice {
    One,
}

#[derive(Session)]
struct Borrowed<'a> {
    items: &'a str,
}

fn needs<T: SessionData>() {}

fn main() {
    needs::<Cart>();
    needs::<Choice>();
    needs::<Borrowed<'static>>();
    let _ = Cart::schema();
}
