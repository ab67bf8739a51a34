//! [`Input`]: the struct as it is written, with what its attributes say.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Data, DeriveInput, ExprPath, Meta, ext::IdentExt};

use crate::{
    attr::{Container, Field as Attributes, Rule},
    ctxt::Ctxt,
};

/// A struct, or what should have been one.
pub(crate) struct Input<'a> {
    pub(crate) ast: &'a DeriveInput,
    pub(crate) attributes: Container,
    /// The named fields; none where the input is something else than a struct with named fields.
    pub(crate) fields: Vec<Field<'a>>,
}

/// A named field.
pub(crate) struct Field<'a> {
    /// Its place among all fields.
    pub(crate) index: usize,
    ast: &'a syn::Field,
    pub(crate) ident: &'a Ident,
    /// Its type, without `Self`, which items inside the impl can't name.
    pub(crate) ty: TokenStream,
    pub(crate) attributes: Attributes,
}

impl<'a> Input<'a> {
    /// Reads all attributes, also those of an input that has errors elsewhere.
    pub(crate) fn read(ctxt: &mut Ctxt, ast: &'a DeriveInput) -> Self {
        let attributes = Container::read(ctxt, &ast.attrs);
        let mut fields = Vec::new();
        if let Data::Struct(data) = &ast.data {
            for (index, field) in data.fields.iter().enumerate() {
                let attributes = Attributes::read(ctxt, &field.attrs);
                if let Some(ident) = &field.ident {
                    let ty = name_self(field.ty.to_token_stream(), &ast.ident);
                    fields.push(Field { index, ast: field, ident, ty, attributes });
                }
            }
        }
        Self { ast, attributes, fields }
    }

    /// What the fields' names begin with, before the dot; or the name of the unit.
    pub(crate) fn key(&self) -> String {
        match &self.attributes.key {
            Some(key) => key.value.value(),
            None => snake_case(&self.ast.ident.unraw().to_string()),
        }
    }

    /// What a field is called in the session, or in its unit.
    pub(crate) fn full_name(&self, name: &str) -> String {
        match (self.unit(), self.key().as_str()) {
            (Some(_), _) | (None, "") => name.to_owned(),
            (None, key) => format!("{key}.{name}"),
        }
    }

    /// The fields that are stored.
    pub(crate) fn stored(&self) -> impl Iterator<Item = &Field<'a>> {
        self.fields.iter().filter(|field| field.is_stored())
    }

    /// The rule by which the struct is merged as a whole.
    pub(crate) fn unit(&self) -> Option<&Rule> {
        self.attributes.merge.as_ref().map(|merge| &merge.value)
    }

    /// Whether the struct has deprecated fields or says that it may have deprecated types.
    pub(crate) fn knows_of_deprecation(&self) -> bool {
        let of_fields = self.fields.iter().flat_map(|field| &field.ast.attrs);
        self.ast.attrs.iter().chain(of_fields).any(|attribute| match &attribute.meta {
            Meta::List(list) if list.path.is_ident("allow") || list.path.is_ident("expect") => list
                .tokens
                .clone()
                .into_iter()
                .any(|token| matches!(token, TokenTree::Ident(lint) if lint == "deprecated")),
            meta => meta.path().is_ident("deprecated"),
        })
    }

    /// A path with `Self` spelt as the struct's name.
    pub(crate) fn name_self(&self, path: &ExprPath) -> TokenStream {
        name_self(path.to_token_stream(), &self.ast.ident)
    }
}

impl Field<'_> {
    pub(crate) fn is_stored(&self) -> bool {
        self.attributes.skip.is_none()
    }

    /// What the field is called after the struct's key.
    pub(crate) fn name(&self) -> String {
        match &self.attributes.rename {
            Some(rename) => rename.value.value(),
            None => self.ident.unraw().to_string(),
        }
    }

    pub(crate) fn aliases(&self) -> impl Iterator<Item = String> {
        self.attributes.aliases.iter().map(|alias| alias.value.value())
    }
}

/// The tokens with `Self` spelt as the struct's name.
fn name_self(tokens: TokenStream, name: &Ident) -> TokenStream {
    let named = |token| match token {
        TokenTree::Ident(ident) if ident == "Self" => {
            let mut named = name.clone();
            named.set_span(ident.span());
            TokenTree::Ident(named)
        }
        TokenTree::Group(group) => {
            let mut named = Group::new(group.delimiter(), name_self(group.stream(), name));
            named.set_span(group.span());
            TokenTree::Group(named)
        }
        other => other,
    };
    tokens.into_iter().map(named).collect()
}

/// A word begins at a capital after a small letter or a digit, and at the last capital of several before a small
/// letter.
fn snake_case(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::with_capacity(name.len() + 4);
    for (index, letter) in letters.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| letters.get(before));
        let after = letters.get(index + 1);
        let begins_a_word = letter.is_uppercase()
            && before.is_some_and(|before| {
                before.is_lowercase()
                    || before.is_numeric()
                    || before.is_uppercase() && after.is_some_and(|after| after.is_lowercase())
            });
        if begins_a_word {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::snake_case;

    #[test]
    fn a_struct_name_in_snake_case() {
        for (name, key) in [
            ("Cart", "cart"),
            ("ShoppingCart", "shopping_cart"),
            ("HTTPCart", "http_cart"),
            ("CartHTTP", "cart_http"),
            ("V2Cart", "v2_cart"),
            ("Cart2D", "cart2_d"),
            ("X", "x"),
            ("XY", "xy"),
            ("_Cart", "_cart"),
            ("Cart_Two", "cart_two"),
            ("already_snake", "already_snake"),
            ("ÉtéChaud", "été_chaud"),
        ] {
            assert_eq!(snake_case(name), key);
        }
    }
}
