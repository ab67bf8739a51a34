//! The collection: whether it is there and is what the commands count on, and how it is made.

use std::time::Duration;

use ::mongodb::bson::{Bson, Document};
use tokio::time::Instant;

use super::{
    Deployment, MongodbStore, commands,
    failure::{Effect, Failure, code, number},
};
use crate::store::{StoreError, StoreErrorKind};

/// How long making the index may take.
const PATIENCE: Duration = Duration::from_secs(30);

impl MongodbStore {
    /// What kind of deployment it is; an error if the collection is not there, or is another one.
    ///
    /// Not each command would show that by itself: a server makes a collection that is not there, without the index, and
    /// another unique index or a collation that takes two keys for one would have keys be taken that are not.
    pub(super) async fn look(&self, deadline: Instant) -> Result<Deployment, Failure> {
        let ask = |command: fn(&super::Names) -> Document| {
            self.connection.run(move || command(&self.names), Effect::Read, self.call(deadline))
        };
        let hello = ask(|_| commands::hello()).await?;
        let answer = ask(commands::indexes).await?;
        let indexes = super::batch(answer).ok_or_else(|| self.connection.nonsense(&self.names, Effect::Read));
        match unfit(&indexes.map_err(|error| Failure { code: None, error })?) {
            None => Ok(deployment(&hello)),
            Some(what) => {
                let super::Names { database, collection } = &*self.names;
                let text = format!(
                    "{} has a collection `{database}.{collection}` that is not for sessions: {what}; \
                     `typed-session migrate --print` says what it needs",
                    self.connection
                );
                Err(Failure { code: None, error: StoreError::new(StoreErrorKind::Unavailable, text) })
            }
        }
    }

    /// Makes the collection and its index, where there are none.
    pub(super) async fn make_index(&self) -> Result<(), StoreError> {
        let patience = PATIENCE.max(self.timeout);
        let deadline = Instant::now() + patience;
        // a client that it opens is as patient
        let connection = self.connection.another().unwrap_or_else(|| self.connection.clone());
        let patient = Self { connection, timeout: patience, ..self.clone() };
        let make = |expires: bool| {
            let call = patient.call(deadline);
            patient.connection.run(move || commands::make_index(&self.names, expires), Effect::Write, call)
        };
        let made = match make(true).await {
            Err(failure) if failure.code == Some(code::NOT_IMPLEMENTED) => {
                let made = make(false).await;
                if made.is_ok() {
                    crate::events::store_unswept("mongodb");
                }
                made
            }
            made => made,
        };
        let looked = patient.look(deadline).await.map(drop);
        match made {
            Ok(_) => Ok(looked?),
            // whoever may not make an index may still use one that somebody else made, and so with another of the kind
            Err(failure)
                if matches!(
                    failure.code,
                    Some(code::UNAUTHORIZED | code::INDEX_OPTIONS_CONFLICT | code::INDEX_KEY_CONFLICT)
                ) =>
            {
                looked.map_err(|_| failure.error)
            }
            Err(failure) => Err(failure.error),
        }
    }
}

/// What the server says of itself: only a member of a replica set, or a router before some, knows read concerns.
fn deployment(hello: &Document) -> Deployment {
    let is_router = hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid");
    if is_router || hello.contains_key("setName") { Deployment::Replicated } else { Deployment::Single }
}

/// What is wrong with a collection of these indexes.
fn unfit(indexes: &[Bson]) -> Option<String> {
    let indexes: Vec<&Document> = indexes.iter().filter_map(Bson::as_document).collect();
    let key = |index: &Document| {
        let (name, direction) = index.get_document("key").ok()?.iter().next()?;
        Some((name.clone(), direction.clone()))
    };
    let is_of = |index: &Document, field: &str| {
        key(index).is_some_and(|(name, _)| name == field) && index.get_document("key").is_ok_and(|key| key.len() == 1)
    };
    let Some(id) = indexes.iter().find(|index| is_of(index, "_id")) else {
        return Some("it lacks the index of `_id`".to_owned());
    };
    if id.contains_key("collation") {
        return Some("it has a collation, which takes keys for equal that are not".to_owned());
    }
    for index in &indexes {
        if index.get_bool("unique").unwrap_or_default() && !is_of(index, "_id") {
            let name = index.get_str("name").unwrap_or_default();
            return Some(format!("its index `{}` is unique", name.escape_debug()));
        }
    }
    let is_expiry = |index: &&&Document| {
        is_of(index, "e")
            && !index.contains_key("partialFilterExpression")
            && number::<i64>(index, "expireAfterSeconds").is_none_or(|seconds| seconds >= 0)
            && key(index).is_some_and(|(_, direction)| !matches!(direction, Bson::String(_)))
    };
    if indexes.iter().find(is_expiry).is_none() {
        return Some("it lacks the index of `e`".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use ::mongodb::bson::doc;

    use super::*;

    fn told(indexes: &[Document]) -> Option<String> {
        unfit(&indexes.iter().cloned().map(Bson::Document).collect::<Vec<_>>())
    }

    fn id() -> Document {
        doc! { "v": 2, "key": { "_id": 1 }, "name": "_id_" }
    }

    fn expiry() -> Document {
        doc! { "v": 2, "key": { "e": 1 }, "name": "e_1", "expireAfterSeconds": 0 }
    }

    #[test]
    fn a_collection_is_fit_with_the_index_of_expiries_whatever_it_has_besides() {
        assert_eq!(told(&[id(), expiry()]), None);
        assert_eq!(told(&[id(), doc! { "key": { "e": 1.0 }, "name": "by_hand" }]), None);
        assert_eq!(told(&[id(), doc! { "key": { "note": 1 }, "name": "note" }, expiry()]), None);
    }

    #[test]
    fn a_collection_of_another_shape_is_told_by_what_is_wrong() {
        let unique = doc! { "key": { "id": 1 }, "name": "id_1", "unique": true };
        let mut collated = id();
        collated.insert("collation", doc! { "locale": "en", "strength": 1 });
        let partial = doc! { "key": { "e": 1 }, "partialFilterExpression": { "e": { "$gt": 5 } } };
        for (indexes, says) in [
            (vec![id()], "lacks the index of `e`"),
            (vec![id(), partial], "lacks the index of `e`"),
            (vec![id(), doc! { "key": { "e": "hashed" } }], "lacks the index of `e`"),
            (vec![id(), doc! { "key": { "e": 1, "v": 1 } }], "lacks the index of `e`"),
            // one of Flask-Session, and one of cachelib
            (vec![id(), doc! { "key": { "expiration": 1 }, "expireAfterSeconds": 0 }], "lacks the index of `e`"),
            (vec![id(), unique, expiry()], "`id_1` is unique"),
            (vec![collated, expiry()], "collation"),
            (vec![expiry()], "lacks the index of `_id`"),
        ] {
            let what = told(&indexes).unwrap_or_default();
            assert!(what.contains(says), "{what}");
        }
    }

    #[test]
    fn a_replica_set_and_a_router_are_told_from_a_single_server() {
        assert_eq!(deployment(&doc! { "ok": 1, "setName": "rs0" }), Deployment::Replicated);
        assert_eq!(deployment(&doc! { "ok": 1, "msg": "isdbgrid" }), Deployment::Replicated);
        assert_eq!(deployment(&doc! { "ok": 1, "isWritablePrimary": true }), Deployment::Single);
    }
}
