//! The index behind the alias: whether it is there and is what the requests count on, and how it is made.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{
    ElasticsearchStore,
    http::{Effect, Patience, Request},
};
use crate::store::{StoreError, StoreErrorKind};

/// How long making the index may take.
const PATIENCE: Duration = Duration::from_secs(30);

impl ElasticsearchStore {
    /// An error if the alias or its index is not there, or is for something else.
    pub(super) async fn look(&self, patience: Patience) -> Result<(), StoreError> {
        let request =
            Request { method: Method::GET, path: format!("/{}", self.index), body: None, effect: Effect::Read };
        let answer = self.cluster.send(&request, patience).await?;
        match answer.status {
            200 => {}
            404 if answer.error() == Some("index_not_found_exception") => return Err(self.missing()),
            _ => return Err(self.cluster.refused(&answer, Effect::Read)),
        }
        match unfit(&answer.body, &self.index) {
            None => Ok(()),
            Some(what) => {
                let text = format!(
                    "{} has a `{}` that is not for sessions: {what}; `typed-session migrate --print` says what it needs",
                    self.cluster, self.index
                );
                Err(StoreError::new(StoreErrorKind::Unavailable, text))
            }
        }
    }

    /// The error of an alias that is not there.
    pub(super) fn missing(&self) -> StoreError {
        let text =
            format!("{} has no alias `{}`: `typed-session migrate` makes it, and its index", self.cluster, self.index);
        StoreError::new(StoreErrorKind::Unavailable, text)
    }

    /// Makes the index with its alias, where there is none.
    pub(super) async fn make_index(&self) -> Result<(), StoreError> {
        let timeout = PATIENCE.max(self.timeout);
        let patience = Patience { deadline: Instant::now() + timeout, timeout };
        // a client that it opens is as patient
        let patient = Self { cluster: self.cluster.another().into(), ..self.clone() };
        let request = Request {
            method: Method::PUT,
            path: format!("/{}", made(&self.index)),
            body: Some(definition(&self.index).to_string()),
            effect: Effect::Write,
        };
        let answer = patient.cluster.send(&request, patience).await?;
        let refused = match (answer.status, answer.error()) {
            (200, _) | (400, Some("resource_already_exists_exception")) => None,
            _ => Some(patient.cluster.refused(&answer, Effect::Write)),
        };
        loop {
            match (patient.look(patience).await, &refused) {
                (Ok(()), _) => return Ok(()),
                // somebody else makes it at this moment, and not every node has heard of that yet
                (Err(error), None) if Instant::now() + Duration::from_secs(5) > patience.deadline => return Err(error),
                (Err(_), None) => {
                    let left = patience.deadline - Instant::now();
                    // what is another one stays another one
                    if left < timeout - Duration::from_secs(2) {
                        return patient.look(patience).await;
                    }
                    sleep(Duration::from_millis(100)).await;
                }
                // whoever may not make it may still use one that somebody else made
                (Err(_), Some(_)) => return refused.map_or(Ok(()), Err),
            }
        }
    }

    /// What makes the same from Kibana's or the Dashboards' console.
    pub(super) fn text(&self) -> String {
        let body = serde_json::to_string_pretty(&definition(&self.index)).unwrap_or_default();
        format!("PUT /{}\n{body}", made(&self.index))
    }
}

/// The index that `migrate` makes for an alias.
fn made(alias: &str) -> String {
    format!("{alias}-000001")
}

fn definition(alias: &str) -> Value {
    json!({
        "settings": { "index": { "number_of_shards": 1, "translog": { "durability": "request" } } },
        "mappings": {
            "dynamic": "strict",
            "properties": {
                "v": { "type": "keyword", "index": false, "doc_values": false },
                "e": { "type": "date", "format": "epoch_millis" },
                "d": { "type": "binary", "doc_values": false },
            },
        },
        "aliases": { alias: {} },
    })
}

/// What is wrong with what a name stands for.
fn unfit(answer: &Value, alias: &str) -> Option<String> {
    let indexes = answer.as_object()?;
    let (Some((name, index)), 1) = (indexes.iter().next(), indexes.len()) else {
        return Some("it stands for several indexes".to_owned());
    };
    if name == alias {
        // a request that names an index makes it where it is not there, and one that asks for an alias does not
        return Some("it is an index, and has to be the alias of one".to_owned());
    }
    let known = index.get("aliases").and_then(|aliases| aliases.get(alias));
    if known.is_some_and(|known| known.get("filter").is_some() || known.get("routing").is_some()) {
        return Some("it is an alias with a filter or a routing".to_owned());
    }
    let setting = |path: &str| index.pointer(&format!("/settings/index/{path}")).and_then(Value::as_str);
    if setting("translog/durability").is_some_and(|durability| !durability.eq_ignore_ascii_case("request")) {
        return Some(
            "its `translog.durability` is `async`, so that a crash takes back what was acknowledged".to_owned(),
        );
    }
    if setting("replication/type").is_some_and(|kind| !kind.eq_ignore_ascii_case("document")) {
        return Some("its `replication.type` is `SEGMENT`, so that a copy answers with what was before".to_owned());
    }
    for pipeline in ["default_pipeline", "final_pipeline"] {
        if setting(pipeline).is_some_and(|pipeline| pipeline != "_none") {
            return Some(format!("its `{pipeline}` changes what is written"));
        }
    }
    let mappings = index.get("mappings")?;
    let source = mappings.get("_source");
    if source.is_some_and(|source| source.as_object().is_some_and(|source| !source.is_empty())) {
        return Some("its `_source` is not kept as it was written".to_owned());
    }
    if mappings.get("dynamic").is_none_or(|dynamic| dynamic != "strict") {
        return Some("its mapping is not `strict`".to_owned());
    }
    for (name, accepted) in [("v", "keyword"), ("e", "date"), ("d", "binary")] {
        let field = mappings.get("properties").and_then(|fields| fields.get(name));
        let Some(found) = field.and_then(|field| field.get("type")).and_then(Value::as_str) else {
            return Some(format!("it lacks the field `{name}`"));
        };
        if found != accepted {
            return Some(format!("the field `{name}` is `{}`", found.escape_debug()));
        }
        let is_indexed = field.and_then(|field| field.get("index")).is_none_or(|index| index != false);
        let format = field.and_then(|field| field.get("format")).and_then(Value::as_str);
        if name == "e" && (!is_indexed || format.is_some_and(|format| !format.contains("epoch_millis"))) {
            return Some("the field `e` is no indexed date in milliseconds".to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

    use super::*;

    /// What a server says of the index that is made.
    fn answer() -> Value {
        let mut index = definition("sessions");
        index["settings"]["index"]["number_of_replicas"] = json!("1");
        json!({ "sessions-000001": index })
    }

    #[test]
    fn an_index_is_fit_whatever_it_has_besides() {
        assert_eq!(unfit(&answer(), "sessions"), None);
        let mut more = answer();
        more["sessions-000001"]["mappings"]["properties"]["note"] = json!({ "type": "keyword" });
        more["sessions-000001"]["aliases"]["other"] = json!({});
        more["sessions-000001"]["settings"]["index"]["final_pipeline"] = json!("_none");
        more["sessions-000001"]["settings"]["index"]["replication"] = json!({ "type": "DOCUMENT" });
        assert_eq!(unfit(&more, "sessions"), None);
    }

    #[test]
    fn an_index_of_another_shape_is_told_by_what_is_wrong() {
        for (path, value, says) in [
            ("/settings/index/translog/durability", json!("async"), "durability"),
            ("/settings/index/replication", json!({ "type": "SEGMENT" }), "SEGMENT"),
            ("/settings/index/default_pipeline", json!("dates"), "default_pipeline"),
            ("/settings/index/final_pipeline", json!("dates"), "final_pipeline"),
            ("/mappings/_source", json!({ "enabled": false }), "_source"),
            ("/mappings/_source", json!({ "excludes": ["d"] }), "_source"),
            ("/mappings/dynamic", json!("true"), "strict"),
            ("/mappings/properties/v", Value::Null, "lacks the field `v`"),
            ("/mappings/properties/d/type", json!("text"), "the field `d` is `text`"),
            ("/mappings/properties/e/index", json!(false), "no indexed date"),
            ("/mappings/properties/e/format", json!("yyyy"), "no indexed date"),
            ("/aliases/sessions", json!({ "filter": { "term": { "v": "x" } } }), "filter"),
        ] {
            let mut other = answer();
            let (parent, name) = path.rsplit_once('/').unwrap();
            other["sessions-000001"].pointer_mut(parent).unwrap()[name] = value;
            let what = unfit(&other, "sessions").unwrap_or_default();
            assert!(what.contains(says), "{path}: {what}");
        }
        // one that a write made by itself, one of Flask-Session2, and several
        let plain = json!({ "sessions": { "aliases": {}, "mappings": {}, "settings": {} } });
        assert!(unfit(&plain, "sessions").unwrap().contains("is an index"));
        let mut two = answer();
        two["sessions-000002"] = json!({});
        assert!(unfit(&two, "sessions").unwrap().contains("several"));
    }
}
