//! `migrate`: the tables and indexes that the store needs.

use serde_json::json;

use super::{failure::Failure, out::Out};
use crate::SessionConfig;

pub(super) async fn migrate(config: &SessionConfig, print: bool, out: &mut Out) -> Result<(), Failure> {
    let store = config.store()?;
    let name = store.name();
    let text = store.migration();
    if print {
        return out.say(&json!({ "store": name, "migration": text }), |to| match &text {
            Some(text) => writeln!(to, "{}", text.trim_end()),
            None => Ok(()),
        });
    }
    store.migrate().await?;
    out.say(&json!({ "store": name, "migrated": true }), |to| writeln!(to, "the store `{name}` has all that it needs"))
}
