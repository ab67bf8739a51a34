//! [`Ctxt`]: gathers the errors of an input, so that all of them are reported at once.

use std::fmt::Display;

use quote::ToTokens;
use syn::Error;

/// Where a step leaves the errors that it finds, to go on.
pub(crate) struct Ctxt(Option<Error>);

/// Runs `steps`; what they found wrong comes with what they made.
pub(crate) fn collect<T>(steps: impl FnOnce(&mut Ctxt) -> T) -> (T, Option<Error>) {
    let mut ctxt = Ctxt(None);
    let made = steps(&mut ctxt);
    (made, ctxt.0)
}

impl Ctxt {
    /// Something is wrong with these tokens.
    pub(crate) fn error(&mut self, at: impl ToTokens, message: impl Display) {
        self.push(Error::new_spanned(at, message));
    }

    /// An error that a parser made.
    pub(crate) fn push(&mut self, error: Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            None => self.0 = Some(error),
        }
    }
}
