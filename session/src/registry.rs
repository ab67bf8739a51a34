//! The typed sessions that this program has used: no two of them may mean different things by one field.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{LazyLock, OnceLock, PoisonError, RwLock},
};

use crate::{
    data::{Decoder, Field, Guard, Schema, SessionData},
    error::SessionError,
};

/// Whether a type clashes with another, and whether it guards something: found at its first use and remembered.
#[derive(Debug, Default)]
pub struct Registration {
    outcome: OnceLock<Result<(), String>>,
    guards: OnceLock<bool>,
}

impl Registration {
    /// Not used yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { outcome: OnceLock::new(), guards: OnceLock::new() }
    }
}

/// Notes that a type is used; an error if it and another type mean different things by one name.
pub(crate) fn register(schema: &'static Schema) -> Result<(), SessionError> {
    let outcome = schema.registration.outcome.get_or_init(|| {
        let mut registry = REGISTRY.write().unwrap_or_else(PoisonError::into_inner);
        registry.add(schema)
    });
    outcome.clone().map_err(|message| SessionError::Usage(Cow::Owned(message)))
}

/// Whether something depends on who has a session of this type: it has a field that is marked `owner` or `rotate`, or one
/// that must be there.
pub(crate) fn guards<T: SessionData>() -> bool {
    let schema = T::schema();
    *schema.registration.guards.get_or_init(|| {
        let is_marked = schema.fields.iter().any(|field| field.guard != Guard::None);
        is_marked || T::decode(&Decoder::new(&|_| None)).is_err()
    })
}

/// What a change of this field does, by the types that this program has used.
pub(crate) fn guard(name: &str) -> Guard {
    field(name).map_or(Guard::None, |field| field.guard)
}

/// The field of this name or alias, of the types that this program has used.
pub(crate) fn field(name: &str) -> Option<&'static Field> {
    let registry = REGISTRY.read().unwrap_or_else(PoisonError::into_inner);
    registry.fields.get(name).map(|(_, field)| *field)
}

static REGISTRY: LazyLock<RwLock<Registry>> = LazyLock::new(RwLock::default);

#[derive(Default)]
struct Registry {
    keys: HashMap<&'static str, &'static Schema>,
    fields: HashMap<&'static str, (&'static Schema, &'static Field)>,
}

impl Registry {
    fn add(&mut self, schema: &'static Schema) -> Result<(), String> {
        let shared = |other: &Schema| other.key == schema.key && other.explicit_key && schema.explicit_key;
        if let Some(other) = self.keys.get(schema.key).filter(|other| !shared(other)) {
            return Err(format!(
                "`{}` and `{}` have the same key `{}`: give one of them another by `#[session(key = \"…\")]`, or write \
                 the key on both if they mean to share their fields",
                other.type_name, schema.type_name, schema.key
            ));
        }
        let names = || {
            schema.fields.iter().flat_map(|field| {
                [field.name].into_iter().chain(field.aliases.iter().copied()).map(move |name| (name, field))
            })
        };
        for (name, field) in names() {
            match self.fields.get(name) {
                Some((other, _)) if !shared(other) => {
                    return Err(format!(
                        "`{}` and `{}` both store a field `{name}`",
                        other.type_name, schema.type_name
                    ));
                }
                Some((other, theirs)) if theirs.guard != field.guard => {
                    return Err(format!(
                        "field `{name}` is marked `owner` or `rotate` in one of `{}` and `{}`, and not in the other",
                        other.type_name, schema.type_name
                    ));
                }
                _ => {}
            }
        }
        self.keys.entry(schema.key).or_insert(schema);
        for (name, field) in names() {
            self.fields.insert(name, (schema, field));
        }
        Ok(())
    }
}
