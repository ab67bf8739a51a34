//! The derive macro of `actix-typed-session`, which re-exports it: depend on that crate, not on this one.

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

mod attr;
mod check;
mod ctxt;
mod decode;
mod expand;
mod input;
mod item;

#[doc = include_str!("session.md")]
#[proc_macro_derive(Session, attributes(session))]
pub fn derive_session(tokens: TokenStream) -> TokenStream {
    let ast = parse_macro_input!(tokens as DeriveInput);
    let read = ctxt::collect(|ctxt| {
        let input = input::Input::read(ctxt, &ast);
        check::check(ctxt, &input);
        input
    });
    match read {
        (input, None) => expand::implementation(&input),
        (input, Some(errors)) => expand::fallback(&input, &errors),
    }
    .into()
}
