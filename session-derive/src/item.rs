//! Splits `#[session(…)]` into its items, each of which is right or wrong on its own.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::{
    Attribute, Error, Expr, ExprLit, Lit, LitStr, Meta, Token,
    ext::IdentExt,
    parse::{Parse, ParseStream, Result},
};

use crate::ctxt::Ctxt;

/// One of the things in the parentheses: `name` or `name = value`.
pub(crate) struct Item {
    pub(crate) name: Ident,
    value: Option<Expr>,
}

/// The items of all `#[session(…)]` among the attributes.
pub(crate) fn items(ctxt: &mut Ctxt, attributes: &[Attribute]) -> Vec<Item> {
    let mut items = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("session")) {
        let Meta::List(list) = &attribute.meta else {
            ctxt.error(&attribute.meta, "attributes belong in parentheses: `#[session(…)]`");
            continue;
        };
        for part in split_at_commas(list.tokens.clone()) {
            match syn::parse2(part) {
                Ok(item) => items.push(item),
                Err(error) => ctxt.push(error),
            }
        }
    }
    items
}

impl Item {
    /// The word alone, for an attribute without a value.
    pub(crate) fn word(self, ctxt: &mut Ctxt) -> Option<Ident> {
        match self.value {
            None => Some(self.name),
            Some(value) => {
                ctxt.error(value, format_args!("`{}` takes no value", self.name));
                None
            }
        }
    }

    /// The value, for an attribute whose value is a string; `example` stands for it in the message.
    pub(crate) fn string(self, ctxt: &mut Ctxt, example: &str) -> Option<LitStr> {
        let name = &self.name;
        match self.value.map(ungroup) {
            None => ctxt.error(name, format_args!("`{name}` takes a string: `{name} = \"{example}\"`")),
            Some(Expr::Lit(ExprLit { lit: Lit::Str(string), .. })) if string.suffix().is_empty() => {
                return Some(string);
            }
            Some(other) => ctxt.error(other, format_args!("`{name}` takes a string: `{name} = \"{example}\"`")),
        }
        None
    }

    /// Whether there is a value, be it right or wrong.
    pub(crate) fn has_value(&self) -> bool {
        self.value.is_some()
    }
}

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let name =
            input.call(Ident::parse_any).map_err(|error| Error::new(error.span(), "expected an attribute's name"))?;
        let value = if input.is_empty() {
            None
        } else if input.peek(Token![=]) {
            let equals: Token![=] = input.parse()?;
            if input.is_empty() {
                return Err(Error::new_spanned(equals, format_args!("expected a value after `{name} =`")));
            }
            Some(input.parse()?)
        } else {
            return Err(input.error(format_args!("expected `,` or `=` after `{name}`")));
        };
        Ok(Self { name, value })
    }
}

/// The parts between the commas; each is parsed by itself, so that a mistake in one does not hide the others.
fn split_at_commas(tokens: TokenStream) -> Vec<TokenStream> {
    let mut parts = Vec::new();
    let mut part = Vec::new();
    for token in tokens {
        match &token {
            // a comma after nothing stays, for the parser to complain about
            TokenTree::Punct(punct) if punct.as_char() == ',' && !part.is_empty() => {
                parts.push(part.drain(..).collect());
            }
            _ => part.push(token),
        }
    }
    if !part.is_empty() {
        parts.push(part.into_iter().collect());
    }
    parts
}

/// The expression that a macro's `$value:literal` wraps in invisible parentheses.
fn ungroup(expression: Expr) -> Expr {
    match expression {
        Expr::Group(group) => ungroup(*group.expr),
        other => other,
    }
}
