//! The body of `SessionData::decode`: the struct from what is stored, and from defaults for what is not.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use crate::{
    attr::Absent,
    expand::codec,
    input::{Field, Input},
};

pub(crate) fn decode(input: &Input<'_>) -> TokenStream {
    let unit = input.unit().map(|_| {
        let key = input.key();
        quote!(let __fields = &__fields.unit(#key);)
    });
    let value = match &input.attributes.default {
        Some(default) => over_default(input, &default.name),
        None => field_by_field(input),
    };
    quote! {
        #unit
        #value
    }
}

/// An absent field has a value of its own, or there is no struct.
fn field_by_field(input: &Input<'_>) -> TokenStream {
    let values = input.fields.iter().map(|field| {
        let (ident, own) = (field.ident, own_default(input, field));
        let value = match &field.attributes.skip {
            Some(skip) => own.unwrap_or_else(|| default_at(&skip.name)),
            None => {
                let (codec, name) = (codec(field), input.full_name(&field.name()));
                let absent = own.unwrap_or_else(|| quote!(#codec.absent(__fields, #name)?));
                or_else(&stored_value(input, field), &absent)
            }
        };
        quote!(#ident: #value)
    });
    quote!(::core::result::Result::Ok(Self { #(#values),* }))
}

/// Absent fields keep what the struct's default has, which is made only if there are any.
///
/// The default is assigned to, not taken apart: the struct may implement `Drop`.
fn over_default(input: &Input<'_>, default: &Ident) -> TokenStream {
    let default = quote_spanned!(default.span()=> <Self as ::core::default::Default>::default());
    let (mut idents, mut found, mut locals) = (Vec::new(), Vec::new(), Vec::new());
    for field in &input.fields {
        let stored = field.is_stored().then(|| stored_value(input, field));
        let value = match (stored, own_default(input, field)) {
            (Some(stored), Some(own)) => {
                let value = or_else(&stored, &own);
                quote!(::core::option::Option::Some(#value))
            }
            (Some(stored), None) => stored,
            (None, Some(own)) => quote!(::core::option::Option::Some(#own)),
            (None, None) => continue,
        };
        idents.push(field.ident);
        found.push(value);
        locals.push(format_ident!("__value_{}", field.index));
    }
    let complete = (idents.len() == input.fields.len()).then(|| {
        quote! {
            (#(::core::option::Option::Some(#locals),)*) => Self { #(#idents: #locals),* },
        }
    });
    quote! {
        ::core::result::Result::Ok(match (#(#found,)*) {
            #complete
            (#(#locals,)*) => {
                let mut __default = #default;
                #(
                    if let ::core::option::Option::Some(__value) = #locals {
                        __default.#idents = __value;
                    }
                )*
                __default
            }
        })
    }
}

/// The value that is stored, an `Option`.
fn stored_value(input: &Input<'_>, field: &Field<'_>) -> TokenStream {
    let (codec, name) = (codec(field), input.full_name(&field.name()));
    let aliases = field.aliases().map(|alias| input.full_name(&alias));
    quote!(#codec.get(__fields, #name, &[#(#aliases),*]))
}

fn or_else(stored: &TokenStream, absent: &TokenStream) -> TokenStream {
    quote! {
        match #stored {
            ::core::option::Option::Some(__value) => __value,
            ::core::option::Option::None => #absent,
        }
    }
}

/// The value that the field's own `default` gives.
fn own_default(input: &Input<'_>, field: &Field<'_>) -> Option<TokenStream> {
    field.attributes.default.as_ref().map(|default| match &default.value {
        Absent::Default => default_at(&default.name),
        Absent::Call(function) => {
            let (function, span) = (input.name_self(function), function.span());
            quote_spanned!(span=> #function())
        }
    })
}

/// The default of the field's type; that it has none is an error at the attribute which asks for it.
fn default_at(attribute: &Ident) -> TokenStream {
    quote_spanned!(attribute.span()=> ::core::default::Default::default())
}
