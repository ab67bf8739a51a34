//! What a server is sent: a command an operation.

use std::time::Duration;

use ::mongodb::bson::{Bson, Document, doc};

use super::{address::Names, layout};
use crate::{
    clock::millis,
    store::{Record, Version},
};

/// How many expired records a command deletes at most.
pub(super) const BATCH: u64 = 500;

/// The name of the index of expiries.
pub(super) const INDEX: &str = "e_1";

/// Finds the document of a key. `concern` is that of the reads, where the server knows any.
pub(super) fn load(names: &Names, key: &str, concern: Option<&str>, timeout: Duration) -> Document {
    let mut command = doc! {
        "find": &names.collection,
        "filter": { "_id": key },
        "limit": 1_i32,
        "singleBatch": true,
    };
    if let Some(level) = concern {
        command.insert("readConcern", doc! { "level": level });
        // one that can't be confirmed would wait for as long as the partition lasts
        command.insert("maxTimeMS", wait(timeout));
    }
    command
}

/// Puts a record where there is none, or one whose time is over. Over a live one it tries to insert, and finds the key
/// taken.
pub(super) fn create(names: &Names, key: &str, record: &Record, now: u64, timeout: Duration) -> Document {
    let filter = doc! { "_id": key, "e": { "$lte": layout::moment(now) } };
    update_of(names, filter, doc! { "$set": layout::fields(record, now) }, true, timeout)
}

/// Replaces a live record at a version.
pub(super) fn update(
    names: &Names,
    key: &str,
    record: &Record,
    expected: &Version,
    now: u64,
    timeout: Duration,
) -> Document {
    let filter = doc! { "_id": key, "v": layout::version(expected), "e": { "$gt": layout::moment(now) } };
    update_of(names, filter, doc! { "$set": layout::fields(record, now) }, false, timeout)
}

/// Moves the expiry of a live record, never backwards.
pub(super) fn touch(names: &Names, key: &str, expires_in: Duration, now: u64, timeout: Duration) -> Document {
    let filter = doc! { "_id": key, "e": { "$gt": layout::moment(now) } };
    update_of(names, filter, doc! { "$max": { "e": layout::expiry(expires_in, now) } }, false, timeout)
}

pub(super) fn delete(names: &Names, key: &str, timeout: Duration) -> Document {
    delete_of(names, doc! { "_id": key }, 1, timeout)
}

/// Finds some keys whose time is over.
pub(super) fn expired(names: &Names, now: u64, most: u64) -> Document {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    doc! {
        "find": &names.collection,
        "filter": { "e": { "$lte": layout::moment(now) } },
        "projection": { "_id": 1_i32 },
        "limit": most,
        "batchSize": most,
        "singleBatch": true,
    }
}

/// Deletes those of these keys whose time is over: one may have been made anew since it was found.
pub(super) fn sweep(names: &Names, keys: Vec<Bson>, now: u64, timeout: Duration) -> Document {
    delete_of(names, doc! { "_id": { "$in": keys }, "e": { "$lte": layout::moment(now) } }, 0, timeout)
}

pub(super) fn count_expired(names: &Names, now: u64) -> Document {
    doc! { "count": &names.collection, "query": { "e": { "$lte": layout::moment(now) } } }
}

pub(super) fn hello() -> Document {
    doc! { "hello": 1_i32 }
}

pub(super) fn indexes(names: &Names) -> Document {
    doc! { "listIndexes": &names.collection }
}

/// Makes the index of expiries, by which the server deletes what has expired if that is asked for.
pub(super) fn make_index(names: &Names, expires: bool) -> Document {
    let mut index = doc! { "key": { "e": 1_i32 }, "name": INDEX };
    if expires {
        index.insert("expireAfterSeconds", 0_i32);
    }
    doc! { "createIndexes": &names.collection, "indexes": [index] }
}

/// What makes the same in `mongosh`.
pub(super) fn migration(names: &Names) -> String {
    let Names { database, collection } = names;
    format!(
        "db.getSiblingDB(\"{database}\").getCollection(\"{collection}\")\
         .createIndex({{ e: 1 }}, {{ name: \"{INDEX}\", expireAfterSeconds: 0 }});"
    )
}

fn update_of(names: &Names, filter: Document, change: Document, upsert: bool, timeout: Duration) -> Document {
    doc! {
        "update": &names.collection,
        "updates": [{ "q": filter, "u": change, "upsert": upsert, "multi": false }],
        "writeConcern": durable(timeout),
    }
}

fn delete_of(names: &Names, filter: Document, limit: i32, timeout: Duration) -> Document {
    doc! {
        "delete": &names.collection,
        "deletes": [{ "q": filter, "limit": limit }],
        "writeConcern": durable(timeout),
    }
}

/// Acknowledged once it is in the journals of a majority, so that no failover takes it back.
fn durable(timeout: Duration) -> Document {
    doc! { "w": "majority", "j": true, "wtimeout": wait(timeout) }
}

/// How long a server may wait for others: at least a millisecond, as 0 means for ever.
fn wait(timeout: Duration) -> i64 {
    i64::try_from(millis(timeout)).unwrap_or(i64::MAX).clamp(1, i64::from(i32::MAX))
}
