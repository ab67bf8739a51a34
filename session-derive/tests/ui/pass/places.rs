//! A struct may stand in a function, in a module, in a block, and be as visible as it likes.
#![allow(dead_code)]

use actix_typed_session::{Session, SessionData};

pub mod inner {
    pub(crate) mod deeper {
        use actix_typed_session::Session;

        #[derive(Session)]
        pub(in crate::inner) struct Restricted {
            pub(super) field: super::super::Local,
            pub(self) rest: u8,
        }
    }

    #[derive(actix_typed_session::Session)]
    pub struct Public {
        pub field: Private,
    }

    #[derive(serde::Deserialize, serde::Serialize)]
    #[allow(private_interfaces)]
    pub struct Private;
}

#[derive(serde::Deserialize, serde::Serialize)]
struct Local(u8);

fn main() {
    #[derive(serde::Deserialize, serde::Serialize)]
    struct Inner;

    #[derive(Session)]
    #[session(default)]
    #[derive(Default)]
    struct InFunction {
        #[session(default = "local", skip)]
        field: u8,
        inner: Option<Inner>,
    }

    fn local() -> u8 {
        1
    }

    let closure = || {
        #[derive(Session)]
        struct InClosure {
            field: u8,
        }
        InClosure::schema().key
    };
    assert_eq!(closure(), "in_closure");
    assert_eq!(InFunction::schema().key, "in_function");
}
