//! The impl of `SessionData`, written with absolute paths only.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Error, ext::IdentExt, spanned::Spanned};

use crate::{
    attr::Rule,
    decode::decode,
    input::{Field, Input},
};

/// The impl of an input without errors.
pub(crate) fn implementation(input: &Input<'_>) -> TokenStream {
    let (ident, where_clause) = (&input.ast.ident, &input.ast.generics.where_clause);
    let codecs = input.stored().map(|field| declare_codec(input, field));
    let (schema, decode, encode) = (schema(input), decode(input), encode(input));
    in_const(
        input,
        &quote! {
            #(#codecs)*

            #[automatically_derived]
            impl __session::SessionData for #ident #where_clause {
                fn schema() -> &'static __session::Schema {
                    static SCHEMA: __session::Schema = #schema;
                    &SCHEMA
                }

                fn decode(
                    __fields: &__session::Decoder<'_>,
                ) -> ::core::result::Result<Self, __session::Missing> {
                    #decode
                }

                fn encode(
                    &self,
                    __index: ::core::primitive::usize,
                    __out: &mut ::std::vec::Vec<::core::primitive::u8>,
                ) -> ::core::result::Result<(), __session::EncodeError> {
                    match __index {
                        #encode
                        _ => ::core::result::Result::Err(__session::EncodeError { reason: "there is no such field" }),
                    }
                }
            }
        },
    )
}

/// The errors, and an impl without contents, so that uses of the struct are not errors as well.
pub(crate) fn fallback(input: &Input<'_>, errors: &Error) -> TokenStream {
    let ident = &input.ast.ident;
    let (impl_generics, ty_generics, where_clause) = input.ast.generics.split_for_impl();
    let predicates = where_clause.map(|clause| &clause.predicates);
    let errors = errors.to_compile_error();
    let implementation = in_const(
        input,
        &quote! {
            #[automatically_derived]
            impl #impl_generics __session::SessionData for #ident #ty_generics
            where
                Self: 'static,
                #predicates
            {
                fn schema() -> &'static __session::Schema {
                    ::core::unreachable!()
                }

                fn decode(_: &__session::Decoder<'_>) -> ::core::result::Result<Self, __session::Missing> {
                    ::core::unreachable!()
                }

                fn encode(
                    &self,
                    _: ::core::primitive::usize,
                    _: &mut ::std::vec::Vec<::core::primitive::u8>,
                ) -> ::core::result::Result<(), __session::EncodeError> {
                    ::core::unreachable!()
                }
            }
        },
    );
    quote! {
        #errors
        #implementation
    }
}

/// A scope of its own, in which `__session` is what the derive may name.
fn in_const(input: &Input<'_>, items: &TokenStream) -> TokenStream {
    let krate = match &input.attributes.krate {
        Some(krate) => krate.value.to_token_stream(),
        None => quote!(::actix_typed_session),
    };
    // only where it is needed, for a crate that forbids `deprecated` can't have it allowed again
    let allow = input.knows_of_deprecation().then(|| quote!(#[allow(deprecated)]));
    quote! {
        #allow
        const _: () = {
            use #krate::__private as __session;
            #items
        };
    }
}

/// The constant that says how a field is written and read.
pub(crate) fn codec(field: &Field<'_>) -> Ident {
    format_ident!("__FIELD_{}", field.index)
}

fn declare_codec(input: &Input<'_>, field: &Field<'_>) -> TokenStream {
    let (codec, ty) = (codec(field), &field.ty);
    let Some(with) = &field.attributes.with else {
        let made = quote_spanned!(derived_at(ty)=> __session::codec::<#ty>());
        return quote! {
            const #codec: __session::Codec<#ty> = #made;
        };
    };
    let module = input.name_self(&with.value);
    let span = derived_at(&with.value);
    let serialize = quote_spanned!(span=> #module::serialize(__value, __serializer));
    let deserialize = quote_spanned!(span=> #module::deserialize(__deserializer));
    let marker = format_ident!("__With{}", field.index);
    quote! {
        enum #marker {}

        impl __session::With for #marker {
            type Value = #ty;

            fn serialize<__S: __session::serde::Serializer>(
                __value: &Self::Value,
                __serializer: __S,
            ) -> ::core::result::Result<__S::Ok, __S::Error> {
                #serialize
            }

            fn deserialize<'de, __D: __session::serde::Deserializer<'de>>(
                __deserializer: __D,
            ) -> ::core::result::Result<Self::Value, __D::Error> {
                #deserialize
            }
        }

        const #codec: __session::Codec<#ty> = __session::codec_with::<#marker>();
    }
}

/// A span for what is the derive's, located where the user wrote the cause of it.
fn derived_at(cause: &impl Spanned) -> Span {
    Span::call_site().located_at(cause.span())
}

fn schema(input: &Input<'_>) -> TokenStream {
    let name = format!("::{}", input.ast.ident.unraw());
    let (key, explicit_key) = (input.key(), input.attributes.key.is_some());
    let fields = match input.unit() {
        Some(rule) => unit_field(input, rule),
        None => input.stored().map(|field| schema_field(input, field)).collect(),
    };
    quote! {
        __session::Schema {
            type_name: ::core::concat!(::core::module_path!(), #name),
            key: #key,
            explicit_key: #explicit_key,
            fields: &[#fields],
            registration: __session::Registration::new(),
        }
    }
}

fn schema_field(input: &Input<'_>, field: &Field<'_>) -> TokenStream {
    let (codec, name, aliases) = (codec(field), input.full_name(&field.name()), field.aliases());
    let aliases = aliases.map(|alias| input.full_name(&alias));
    let attributes = &field.attributes;
    let guard = if attributes.owner.is_some() {
        quote!(Owner)
    } else if attributes.rotate.is_some() {
        quote!(Rotate)
    } else {
        quote!(None)
    };
    let merge = match &attributes.merge {
        None => quote!(__session::Merge::Json),
        Some(said) => merge(
            input,
            &said.value,
            |function| quote!(__session::merge_with(&#codec, __base, __mine, __theirs, #function)),
        ),
    };
    quote! {
        __session::Field {
            name: #name,
            aliases: &[#(#aliases),*],
            guard: __session::Guard::#guard,
            merge: #merge,
            decodes: #codec.decodes,
        },
    }
}

fn unit_field(input: &Input<'_>, rule: &Rule) -> TokenStream {
    let (ident, key) = (&input.ast.ident, input.key());
    let merge =
        merge(input, rule, |function| quote!(__session::merge_unit::<#ident>(__base, __mine, __theirs, #function)));
    quote! {
        __session::Field {
            name: #key,
            aliases: &[],
            guard: __session::Guard::None,
            merge: #merge,
            decodes: __session::unit_decodes::<#ident>,
        }
    }
}

fn merge(input: &Input<'_>, rule: &Rule, call: impl FnOnce(TokenStream) -> TokenStream) -> TokenStream {
    match rule {
        Rule::Named(variant) => {
            let variant = format_ident!("{variant}");
            quote!(__session::Merge::#variant)
        }
        Rule::With(function) => {
            let call = call(input.name_self(function));
            quote!(__session::Merge::With(|__base, __mine, __theirs| #call))
        }
    }
}

fn encode(input: &Input<'_>) -> TokenStream {
    if input.unit().is_none() {
        return input
            .stored()
            .enumerate()
            .map(|(index, field)| {
                let (index, codec, ident) = (Literal::usize_unsuffixed(index), codec(field), field.ident);
                quote!(#index => #codec.encode(&self.#ident, __out),)
            })
            .collect();
    }
    let entries = input.stored().map(|field| {
        let (codec, ident, name) = (codec(field), field.ident, field.name());
        quote!(#codec.encode(&self.#ident, __unit.entry(#name)?)?;)
    });
    quote! {
        0 => {
            let mut __unit = __session::UnitEncoder::new(__out);
            #(#entries)*
            __unit.end();
            ::core::result::Result::Ok(())
        }
    }
}
