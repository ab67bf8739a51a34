//! What must hold between attributes that are each right on their own.

use std::collections::HashMap;

use quote::ToTokens;
use syn::{Data, Fields, LitStr};

use crate::{
    attr::{Attr, Said},
    ctxt::Ctxt,
    input::{Field, Input},
};

/// Looks at an input as a whole.
pub(crate) fn check(ctxt: &mut Ctxt, input: &Input<'_>) {
    is_a_struct_with_named_fields(ctxt, input);
    has_no_generics(ctxt, input);
    stores_something(ctxt, input);
    key_is_a_name(ctxt, input);
    field_names_are_names(ctxt, input);
    names_are_distinct(ctxt, input);
    one_owner(ctxt, input);
    guards_take_no_merge(ctxt, input);
    skipped_fields_are_not_stored(ctxt, input);
    units_have_one_rule(ctxt, input);
}

fn is_a_struct_with_named_fields(ctxt: &mut Ctxt, input: &Input<'_>) {
    let name = &input.ast.ident;
    match &input.ast.data {
        Data::Struct(data) => {
            if let Fields::Unnamed(fields) = &data.fields {
                ctxt.error(
                    fields,
                    format_args!(
                        "a typed session has named fields, for it is stored by their names; name those of `{name}`"
                    ),
                );
            }
        }
        Data::Enum(data) => ctxt.error(
            data.enum_token,
            format_args!("a typed session is a struct with named fields; make the enum `{name}` a field of one"),
        ),
        Data::Union(data) => ctxt.error(
            data.union_token,
            format_args!("a typed session is a struct with named fields, and `{name}` is a union"),
        ),
    }
}

fn has_no_generics(ctxt: &mut Ctxt, input: &Input<'_>) {
    if !input.ast.generics.params.is_empty() {
        ctxt.error(
            &input.ast.generics.params,
            "a typed session has no generic parameters or lifetimes: its fields have one name and one type in the whole \
             program",
        );
    }
}

fn stores_something(ctxt: &mut Ctxt, input: &Input<'_>) {
    let Data::Struct(data) = &input.ast.data else { return };
    let name = &input.ast.ident;
    if matches!(data.fields, Fields::Unnamed(_)) {
        return;
    }
    if data.fields.is_empty() {
        ctxt.error(name, format_args!("`{name}` has no fields; a typed session stores at least one"));
    } else if input.stored().next().is_none() {
        ctxt.error(name, format_args!("every field of `{name}` is `skip`; a typed session stores at least one"));
    }
}

fn key_is_a_name(ctxt: &mut Ctxt, input: &Input<'_>) {
    let Some(key) = &input.attributes.key else { return };
    if key.value.value().is_empty() {
        if input.unit().is_some() {
            ctxt.error(&key.value, "a struct with `merge` is stored under its key alone, so its key can't be empty");
        }
    } else {
        has_no_dot(ctxt, "key", &key.value);
    }
}

fn field_names_are_names(ctxt: &mut Ctxt, input: &Input<'_>) {
    for field in &input.fields {
        for Said { name, value } in field.attributes.rename.iter().chain(&field.attributes.aliases) {
            if value.value().is_empty() {
                ctxt.error(value, format_args!("`{name}` can't be empty"));
            } else {
                has_no_dot(ctxt, &name.to_string(), value);
            }
        }
    }
}

fn has_no_dot(ctxt: &mut Ctxt, attribute: &str, value: &LitStr) {
    if value.value().contains('.') {
        ctxt.error(
            value,
            format_args!("`{attribute}` can't hold a dot, which stands between a struct's key and a field's name"),
        );
    }
}

fn names_are_distinct(ctxt: &mut Ctxt, input: &Input<'_>) {
    let mut owners = HashMap::new();
    for field in input.stored() {
        let ident: &dyn ToTokens = match &field.attributes.rename {
            Some(rename) => &rename.value,
            None => field.ident,
        };
        let aliases = field.attributes.aliases.iter().map(|alias| (alias.value.value(), &alias.value as &dyn ToTokens));
        let names = [(field.name(), ident)].into_iter().chain(aliases);
        for (name, at) in names.filter(|(name, _)| !name.is_empty()) {
            if let Some(owner) = owners.get(&name) {
                ctxt.error(at, format_args!("`{name}` is already a name of the field `{owner}`"));
            } else {
                owners.insert(name, field.ident);
            }
        }
    }
}

fn one_owner(ctxt: &mut Ctxt, input: &Input<'_>) {
    let mut owners = input.fields.iter().filter(|field| field.attributes.owner.is_some());
    let Some(first) = owners.next() else { return };
    for second in owners {
        if let Some(owner) = &second.attributes.owner {
            ctxt.error(
                &owner.name,
                format_args!(
                    "a session belongs to one user, and the field `{}` is its owner already: take `owner` off one of them; \
                     `rotate` is there for a field whose change is to come with a new token",
                    first.ident
                ),
            );
        }
    }
}

fn guards_take_no_merge(ctxt: &mut Ctxt, input: &Input<'_>) {
    if input.unit().is_some() {
        return;
    }
    for Field { attributes, .. } in &input.fields {
        let guard = attributes.owner.as_ref().or(attributes.rotate.as_ref());
        if let (Some(guard), Some(merge)) = (guard, &attributes.merge) {
            ctxt.error(
                &merge.name,
                format_args!(
                    "`{}` takes no `merge`: a change of this field gives the session a new token, and of two such \
                     changes at once one is refused",
                    guard.name
                ),
            );
        }
    }
}

fn skipped_fields_are_not_stored(ctxt: &mut Ctxt, input: &Input<'_>) {
    for field in input.fields.iter().filter(|field| !field.is_stored()) {
        for name in storage_attributes(field) {
            ctxt.error(
                name,
                format_args!("`{name}` is for fields that are stored, and `skip` says that this one is not"),
            );
        }
    }
}

fn units_have_one_rule(ctxt: &mut Ctxt, input: &Input<'_>) {
    if input.unit().is_none() {
        return;
    }
    for Field { attributes, .. } in &input.fields {
        let names = [name(&attributes.owner), name(&attributes.rotate), name(&attributes.merge)];
        for name in names.into_iter().flatten() {
            ctxt.error(
                name,
                format_args!(
                    "`{name}` belongs on fields of a struct without `merge`; this struct is one unit, stored and merged \
                     as a whole"
                ),
            );
        }
    }
}

/// The attributes of a field that say how it is stored.
fn storage_attributes<'a>(field: &'a Field<'_>) -> impl Iterator<Item = &'a syn::Ident> {
    let attributes = &field.attributes;
    [
        name(&attributes.rename),
        name(&attributes.with),
        name(&attributes.owner),
        name(&attributes.rotate),
        name(&attributes.merge),
    ]
    .into_iter()
    .flatten()
    .chain(attributes.aliases.iter().map(|alias| &alias.name))
}

fn name<T>(attribute: &Attr<T>) -> Option<&syn::Ident> {
    attribute.as_ref().map(|said| &said.name)
}
