//! The table: made, found, of another shape, without a TTL.

use actix_typed_session::{
    Clock,
    store::{DynamodbStore, Record, SessionStore, StoreErrorKind},
    testing::conformance::{self, Subject},
};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableStatus,
    TimeToLiveSpecification, TimeToLiveStatus,
};

use super::{MINUTE, assert_works, at, record, server, store};

trials![
    migrate_makes_a_table_billed_by_request_with_its_ttl_on,
    without_a_table_each_call_says_how_to_make_one,
    a_table_with_another_key_is_an_error_that_says_which_it_needs,
    a_ttl_by_another_attribute_is_an_error_when_the_table_is_prepared,
    where_the_ttl_is_off_a_sweep_walks_over_the_table,
    where_the_ttl_is_on_a_sweep_leaves_it_to_the_server,
    a_table_made_by_the_app_is_used,
];

async fn migrate_makes_a_table_billed_by_request_with_its_ttl_on() {
    let (store, table) = store(&server()).await;
    let client = server().client();
    let made = client.describe_table().table_name(&table).send().await.unwrap().table.unwrap();
    assert_eq!(made.table_status, Some(TableStatus::Active));
    assert_eq!(made.billing_mode_summary.unwrap().billing_mode, Some(BillingMode::PayPerRequest));
    let ttl = client.describe_time_to_live().table_name(&table).send().await.unwrap().time_to_live_description.unwrap();
    assert_eq!(ttl.time_to_live_status, Some(TimeToLiveStatus::Enabled));
    assert_eq!(ttl.attribute_name.as_deref(), Some("expiration"));
    assert_works(&store).await;

    let text = store.migration().unwrap();
    for part in [&format!("--table-name {table}"), "PAY_PER_REQUEST", "AttributeName=id,KeyType=HASH", "=expiration"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

async fn without_a_table_each_call_says_how_to_make_one() {
    let store = at("nowhere", server().port());
    let found = [
        store.load("k").await.map(drop),
        store.create("k", &record("")).await.map(drop),
        store.update("k", &record(""), &record("").version).await.map(drop),
        store.touch("k", MINUTE).await.map(drop),
        store.delete("k").await,
        store.ping().await,
        store.delete_expired(1).await.map(drop),
        store.count_expired().await.map(drop),
    ];
    for error in found.map(Result::unwrap_err) {
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("`nowhere`") && error.to_string().contains("`migrate`"), "{error}");
    }
}

async fn a_table_with_another_key_is_an_error_that_says_which_it_needs() {
    let string = ScalarAttributeType::S;
    for keys in
        [&[("sid", string.clone())][..], &[("id", ScalarAttributeType::N)], &[("id", string.clone()), ("at", string)]]
    {
        let store = at(&made(keys).await, server().port());
        let found = [
            store.migrate().await,
            store.load("k").await.map(drop),
            store.create("k", &record("")).await.map(drop),
            store.ping().await,
        ];
        for error in found.map(Result::unwrap_err) {
            assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
            assert!(error.to_string().contains("partition key has to be `id`"), "{error}");
        }
    }
}

async fn a_ttl_by_another_attribute_is_an_error_when_the_table_is_prepared() {
    let table = made(&[("id", ScalarAttributeType::S)]).await;
    let ttl = TimeToLiveSpecification::builder().enabled(true).attribute_name("until").build().unwrap();
    server().client().update_time_to_live().table_name(&table).time_to_live_specification(ttl).send().await.unwrap();
    let error = at(&table, server().port()).migrate().await.unwrap_err();
    assert!(error.to_string().contains("`until`") && error.to_string().contains("`expiration`"), "{error}");
}

async fn where_the_ttl_is_off_a_sweep_walks_over_the_table() {
    let table = made(&[("id", ScalarAttributeType::S)]).await;
    let clock = Clock::manual();
    let store = at(&table, server().port()).clock(clock.clone());
    conformance::s13_a_sweep_deletes_only_expired_records(&Subject::new(store.clone()).clock(clock.clone())).await;

    let table = made(&[("id", ScalarAttributeType::S)]).await;
    let store = store.table(&table).unwrap();
    for index in 0..25 {
        let lifetime = if index % 5 == 0 { 3 * MINUTE } else { MINUTE };
        let _ = store.create(&format!("k{index}"), &Record::new("", lifetime)).await.unwrap();
    }
    assert_eq!(store.count_expired().await.unwrap(), Some(0));
    clock.advance(2 * MINUTE);
    assert_eq!(store.count_expired().await.unwrap(), Some(20));
    let mut left = 20;
    while left > 0 {
        left -= store.delete_expired(7).await.unwrap().deleted;
    }
    assert_eq!(store.count_expired().await.unwrap(), Some(0));
    assert!(store.load("k0").await.unwrap().is_some());
}

async fn where_the_ttl_is_on_a_sweep_leaves_it_to_the_server() {
    let (store, _) = store(&server()).await;
    let clock = Clock::manual();
    let store = store.clock(clock.clone());
    let _ = store.create("k", &record("")).await.unwrap();
    clock.advance(2 * MINUTE);
    assert_eq!(store.delete_expired(100).await.unwrap().deleted, 0);
    assert_eq!(store.count_expired().await.unwrap(), None);
}

async fn a_table_made_by_the_app_is_used() {
    let table = made(&[("id", ScalarAttributeType::S)]).await;
    let store = DynamodbStore::from_client(&server().client()).table(&table).unwrap();
    assert_works(&store).await;
    assert_works(&*store.for_worker().unwrap()).await;
    // and is what `migrate` would have made, but for the TTL
    store.migrate().await.unwrap();
    assert_eq!(store.count_expired().await.unwrap(), None);
}

/// A table with these keys, and no TTL.
async fn made(keys: &[(&str, ScalarAttributeType)]) -> String {
    let (table, client) = (server().table(), server().client());
    let mut request = client.create_table().table_name(&table).billing_mode(BillingMode::PayPerRequest);
    for (index, (name, kind)) in keys.iter().enumerate() {
        let role = if index == 0 { KeyType::Hash } else { KeyType::Range };
        request = request
            .attribute_definitions(
                AttributeDefinition::builder().attribute_name(*name).attribute_type(kind.clone()).build().unwrap(),
            )
            .key_schema(KeySchemaElement::builder().attribute_name(*name).key_type(role).build().unwrap());
    }
    request.send().await.unwrap();
    table
}
