//! The table: how it is made, and whether it is the one that the store needs.

use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableDescription, TableStatus,
    TimeToLiveSpecification, TimeToLiveStatus,
};
use tokio::time::{Instant, sleep};

use super::{
    DynamodbStore,
    call::{Effect, Refused},
    layout,
};
use crate::store::{StoreError, StoreErrorKind};

/// How long a table may take to be made. By what Amazon says, it is seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a table's TTL goes by.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ttl {
    On,
    /// It is being turned off, and can't be turned on until that is done.
    Ending,
    Off,
    Other(String),
}

/// What makes the table, for the command line of AWS.
pub(super) fn commands(table: &str) -> String {
    let (id, ttl) = (layout::ID, layout::TTL);
    format!(
        "aws dynamodb create-table --table-name {table} --billing-mode PAY_PER_REQUEST \
         --attribute-definitions AttributeName={id},AttributeType=S --key-schema AttributeName={id},KeyType=HASH\n\
         aws dynamodb wait table-exists --table-name {table}\n\
         aws dynamodb update-time-to-live --table-name {table} \
         --time-to-live-specification Enabled=true,AttributeName={ttl}\n"
    )
}

impl DynamodbStore {
    pub(super) async fn make_table(&self) -> Result<(), StoreError> {
        let until = Instant::now() + PATIENCE.max(self.timeout);
        let mut found = self.described().await?;
        if found.is_none() {
            self.create_table().await?;
        }
        let mut pause = Duration::from_millis(20);
        let table = loop {
            match found {
                Some(table) if table.table_status == Some(TableStatus::Active) => break table,
                // its items can be read and written meanwhile
                Some(table) if table.table_status == Some(TableStatus::Updating) => break table,
                _ => {}
            }
            self.wait(&mut pause, until, "the table is not there").await?;
            found = self.described().await?;
        };
        if !has_shape(&table) {
            return Err(self.unusable(
                "its partition key has to be `id`, a string, without a sort key: it is another table, and is left as it is",
            ));
        }
        loop {
            match self.ttl().await? {
                Ttl::On => return Ok(()),
                Ttl::Other(attribute) => {
                    return Err(self.unusable(&format!(
                        "its TTL goes by the attribute `{}`, and has to go by `{}`",
                        attribute.escape_debug(),
                        layout::TTL
                    )));
                }
                Ttl::Off => self.turn_ttl_on().await?,
                Ttl::Ending => {}
            }
            self.wait(&mut pause, until, "its TTL is not on").await?;
        }
    }

    /// What the table's TTL goes by.
    pub(super) async fn ttl(&self) -> Result<Ttl, StoreError> {
        let call = self.call(Effect::Read, self.deadline()).await?;
        let request = call.client.describe_time_to_live().table_name(&*self.table);
        let answer = call.answer(request.customize().interceptor(call.sent()).send()).await?;
        let Some(ttl) = answer.time_to_live_description else { return Err(call.nonsense()) };
        Ok(match (ttl.time_to_live_status, ttl.attribute_name) {
            (Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling), Some(by)) if by == layout::TTL => Ttl::On,
            (Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling), by) => Ttl::Other(by.unwrap_or_default()),
            (Some(TimeToLiveStatus::Disabling), _) => Ttl::Ending,
            _ => Ttl::Off,
        })
    }

    async fn described(&self) -> Result<Option<TableDescription>, StoreError> {
        let call = self.call(Effect::Read, self.deadline()).await?;
        let request = call.client.describe_table().table_name(&*self.table);
        match call.answer(request.customize().interceptor(call.sent()).send()).await {
            Ok(answer) => answer.table.map(Some).ok_or_else(|| call.nonsense()),
            Err(Refused::Missing(_)) => Ok(None),
            Err(refused) => Err(refused.into()),
        }
    }

    async fn create_table(&self) -> Result<(), StoreError> {
        let call = self.call(Effect::Write, self.deadline()).await?;
        let id = AttributeDefinition::builder().attribute_name(layout::ID).attribute_type(ScalarAttributeType::S);
        let key = KeySchemaElement::builder().attribute_name(layout::ID).key_type(KeyType::Hash);
        // both are whole
        let (Ok(id), Ok(key)) = (id.build(), key.build()) else { return Err(call.nonsense()) };
        let request = call
            .client
            .create_table()
            .table_name(&*self.table)
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(id)
            .key_schema(key);
        match call.answer(request.customize().interceptor(call.sent()).send()).await {
            // somebody else makes it at this moment
            Ok(_) | Err(Refused::Busy(_)) => Ok(()),
            Err(refused) => Err(refused.into()),
        }
    }

    async fn turn_ttl_on(&self) -> Result<(), StoreError> {
        let call = self.call(Effect::Write, self.deadline()).await?;
        let ttl = TimeToLiveSpecification::builder().enabled(true).attribute_name(layout::TTL);
        // it is whole
        let Ok(ttl) = ttl.build() else { return Err(call.nonsense()) };
        let request = call.client.update_time_to_live().table_name(&*self.table).time_to_live_specification(ttl);
        match call.answer(request.customize().interceptor(call.sent()).send()).await {
            Ok(_) | Err(Refused::Busy(_)) => Ok(()),
            Err(refused) => match self.ttl().await {
                // somebody else turned it on meanwhile
                Ok(Ttl::On) => Ok(()),
                _ => Err(refused.into()),
            },
        }
    }

    async fn wait(&self, pause: &mut Duration, until: Instant, what: &str) -> Result<(), StoreError> {
        if Instant::now() + *pause > until {
            return Err(self.unusable(&format!("{what} after {PATIENCE:?}; try again later")));
        }
        sleep(*pause).await;
        *pause = pause.saturating_mul(2).min(Duration::from_secs(2));
        Ok(())
    }

    fn unusable(&self, why: &str) -> StoreError {
        let Self { handle, table, .. } = self;
        StoreError::new(
            StoreErrorKind::Unavailable,
            format!("{handle} has a table `{table}` that can't be used: {why}"),
        )
    }
}

fn has_shape(table: &TableDescription) -> bool {
    let [key] = table.key_schema() else { return false };
    let is_string = |definition: &AttributeDefinition| {
        definition.attribute_name == layout::ID && definition.attribute_type == ScalarAttributeType::S
    };
    key.attribute_name == layout::ID
        && key.key_type == KeyType::Hash
        && table.attribute_definitions().iter().any(is_string)
}
