use actix_typed_session::Session;

mod empty {}

mod of_strings {
    pub(super) fn serialize<S: serde::Serializer>(value: &String, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(value)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(_: D) -> Result<String, D::Error> {
        Ok(String::new())
    }
}

#[derive(Session)]
struct Cart {
    #[session(with = "empty")]
    items: u8,
    #[session(with = "of_strings")]
    coupon: u8,
}

fn main() {}
