//! Other attributes and several `#[session]` on one thing don't matter, nor do a trailing comma and empty parentheses.
use actix_typed_session::{Session, SessionData};
use serde::{Deserialize, Serialize};

/// Docs.
#[derive(Clone, Debug, Default, PartialEq, Session, Serialize, Deserialize)]
#[session(key = "cart",)]
#[session()]
#[session(default)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
#[repr(C)]
#[must_use]
pub struct Cart
where
    String: Clone,
{
    /// Docs.
    #[serde(rename = "x", default)]
    #[session(rename = "things")]
    #[session(alias = "items", alias = "goods")]
    #[cfg(all())]
    #[session(merge = "append",)]
    pub items: Vec<u8>,
    #[cfg(any())]
    #[session(nonsense)]
    gone: NoSuchType,
    #[session(owner, rotate)]
    pub user: Option<u8>,
}

fn main() {
    let names: Vec<_> = Cart::schema().fields.iter().map(|field| field.name).collect();
    assert_eq!(names, ["cart.things", "cart.user"]);
}
