//! The crate may be known by another name.
mod web {
    pub(crate) mod sessions {
        pub(crate) use ::actix_typed_session::*;
    }
}

mod actix_typed_session {}

#[derive(web::sessions::Session)]
#[session(crate = "crate::web::sessions")]
#[allow(dead_code)]
struct Cart {
    items: u8,
}

#[derive(web::sessions::Session)]
#[session(crate = "web::sessions", merge = "last")]
#[allow(dead_code)]
struct Unit {
    items: u8,
}

fn main() {
    use web::sessions::SessionData;
    assert_eq!(Cart::schema().key, "cart");
    assert_eq!(Unit::schema().key, "unit");
}
