//! Sweeping where the table's TTL is off: a walk over all items, some a call.

use std::{
    collections::HashMap,
    sync::{MutexGuard, PoisonError},
};

use aws_sdk_dynamodb::types::{AttributeValue, Select};
use futures_util::future::join_all;
use tokio::time::Instant;

use super::{
    DynamodbStore,
    call::{Effect, Refused},
    layout,
    table::Ttl,
};
use crate::store::{StoreError, Swept};

/// How many items one request looks at.
const PAGE: u64 = 500;
/// How many are deleted at once.
const AT_ONCE: usize = 10;

const EXPIRED: &str = "#expires <= :now AND attribute_type(#version, :binary)";

impl DynamodbStore {
    pub(super) async fn sweep(&self, limit: u64) -> Result<Swept, StoreError> {
        if limit == 0 || self.ttl().await? == Ttl::On {
            return Ok(Swept::default());
        }
        let enough = Instant::now() + self.timeout / 2;
        let mut deleted = 0;
        loop {
            // it looks at no more items than it may delete, so that it can go on behind the last of them
            let from = self.walk().clone();
            let page = (limit - deleted).min(PAGE);
            let (ids, next) = match self.expired(from, page).await {
                Ok(found) => found,
                // what was deleted is deleted
                Err(_) if deleted > 0 => return Ok(Swept { deleted, more: true }),
                Err(error) => return Err(error),
            };
            for ids in ids.chunks(AT_ONCE) {
                for outcome in join_all(ids.iter().map(|id| self.delete_if_expired(id))).await {
                    match outcome {
                        Ok(gone) => deleted += u64::from(gone),
                        Err(_) if deleted > 0 => return Ok(Swept { deleted, more: true }),
                        Err(error) => return Err(error),
                    }
                }
            }
            let more = next.is_some();
            *self.walk() = next;
            if !more || deleted >= limit || Instant::now() >= enough {
                return Ok(Swept { deleted, more });
            }
        }
    }

    /// By looking at all items; none where the table's TTL is on, for that deletes them, and looking costs.
    pub(super) async fn count(&self) -> Result<Option<u64>, StoreError> {
        if self.ttl().await? == Ttl::On {
            return Ok(None);
        }
        let (mut count, mut from) = (0_u64, None);
        loop {
            let call = self.call(Effect::Read, self.deadline()).await?;
            let request = call
                .client
                .scan()
                .table_name(&*self.table)
                .select(Select::Count)
                .filter_expression(EXPIRED)
                .expression_attribute_names("#expires", layout::EXPIRES)
                .expression_attribute_names("#version", layout::VERSION)
                .expression_attribute_values(":now", layout::moment(self.clock.now()))
                .expression_attribute_values(":binary", AttributeValue::S("B".to_owned()))
                .set_exclusive_start_key(from);
            let answer = call.answer(request.customize().interceptor(call.sent()).send()).await?;
            count = count.saturating_add(answer.count.try_into().unwrap_or(0));
            from = answer.last_evaluated_key;
            if from.is_none() {
                return Ok(Some(count));
            }
        }
    }

    /// The expired ones of the next so many items, and behind which item the walk goes on, if it does.
    async fn expired(&self, from: Option<String>, page: u64) -> Result<(Vec<String>, Option<String>), StoreError> {
        let call = self.call(Effect::Read, self.deadline()).await?;
        let request = call
            .client
            .scan()
            .table_name(&*self.table)
            .limit(page.try_into().unwrap_or(1))
            .projection_expression("#id")
            .filter_expression(EXPIRED)
            .expression_attribute_names("#id", layout::ID)
            .expression_attribute_names("#expires", layout::EXPIRES)
            .expression_attribute_names("#version", layout::VERSION)
            .expression_attribute_values(":now", layout::moment(self.clock.now()))
            .expression_attribute_values(":binary", AttributeValue::S("B".to_owned()))
            .set_exclusive_start_key(from.map(|id| HashMap::from([(layout::ID.to_owned(), AttributeValue::S(id))])));
        let answer = call.answer(request.customize().interceptor(call.sent()).send()).await?;
        let id = |mut item: HashMap<String, AttributeValue>| match item.remove(layout::ID) {
            Some(AttributeValue::S(id)) => Some(id),
            _ => None,
        };
        let ids = answer.items.unwrap_or_default().into_iter().filter_map(id).collect();
        Ok((ids, answer.last_evaluated_key.and_then(id)))
    }

    /// Whether it was deleted: somebody may have written it meanwhile.
    async fn delete_if_expired(&self, id: &str) -> Result<bool, StoreError> {
        let call = self.call(Effect::Write, self.deadline()).await?;
        let request = call
            .client
            .delete_item()
            .table_name(&*self.table)
            .key(layout::ID, AttributeValue::S(id.to_owned()))
            .condition_expression("#expires <= :now")
            .expression_attribute_names("#expires", layout::EXPIRES)
            .expression_attribute_values(":now", layout::moment(self.clock.now()));
        match call.answer(request.customize().interceptor(call.sent()).send()).await {
            Ok(_) => Ok(true),
            Err(Refused::Condition(..)) => Ok(false),
            Err(refused) => Err(refused.into()),
        }
    }

    fn walk(&self) -> MutexGuard<'_, Option<String>> {
        // what it guards is whole whoever panicked
        self.walk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
