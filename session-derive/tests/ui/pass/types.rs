//! Field types may be aliases, macros, `Self` in a container, arrays of a constant length, and come from macros.
use actix_typed_session::{Session, SessionData};
use serde::{Deserialize, Serialize};

type Items = Vec<u32>;

macro_rules! list_of {
    ($item:ty) => { Vec<$item> };
}

macro_rules! session {
    ($(#[$attribute:meta])* $name:ident $key:literal { $($field:ident: $ty:ty = $rename:literal),* }) => {
        $(#[$attribute])*
        #[derive(Session)]
        #[session(key = $key)]
        struct $name {
            $(#[session(rename = $rename, merge = "last")] $field: $ty,)*
        }
    };
}

#[derive(Session)]
#[allow(dead_code)]
struct Types {
    alias: Items,
    made: list_of!(u8),
    array: [u8; Self::LENGTH],
    tuple: (u8, String),
    nested: Option<Box<Vec<Items>>>,
    path: <Vec<u8> as IntoIterator>::Item,
}

impl Types {
    const LENGTH: usize = 3;
}

#[derive(Deserialize, Serialize, Session)]
#[allow(dead_code)]
struct Tree {
    children: Vec<Self>,
    #[session(merge = "Self::larger")]
    size: u8,
}

impl Tree {
    fn larger(_: Option<&u8>, mine: u8, theirs: u8) -> u8 {
        mine.max(theirs)
    }
}

session! {
    #[allow(dead_code)]
    Made "made" { items: Items = "i", option: Option<u8> = "o" }
}

fn main() {
    assert_eq!(Types::schema().fields.len(), 6);
    assert_eq!(Tree::schema().fields.len(), 2);
    assert_eq!(Made::schema().fields.iter().map(|field| field.name).collect::<Vec<_>>(), ["made.i", "made.o"]);
}
