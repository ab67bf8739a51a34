//! All mistakes of a struct are reported at once, and its uses are no mistakes.
use actix_typed_session::{Session, SessionData};

#[derive(Session)]
#[session(key = "a.b", nonsense)]
struct Cart<T> {
    #[session(owner, merge = "last", bogus)]
    id: u64,
    #[session(owner)]
    items: Vec<T>,
    #[session(skip, rename = "")]
    cache: u8,
}

fn needs<T: SessionData>() {}

fn main() {
    needs::<Cart<u8>>();
    let _ = Cart::<u8>::schema();
}
