//! [`DatastoreStore`].

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use gcloud_sdk::{
    google::datastore::v1::{
        AggregationQuery, CommitRequest, Entity, EntityResult, Filter, Key, KindExpression, LookupRequest, Mutation,
        PartitionId, PropertyFilter, PropertyMask, PropertyOrder, PropertyReference, Query, RunAggregationQueryRequest,
        RunQueryRequest, Value,
        aggregation_query::{self, Aggregation, aggregation},
        commit_request::Mode,
        datastore_client::DatastoreClient,
        filter::FilterType,
        key::{PathElement, path_element::IdType},
        mutation::{ConflictDetectionStrategy, ConflictResolutionStrategy, Operation},
        property_filter::Operator,
        query_result_batch::MoreResultsType,
        run_aggregation_query_request::QueryType as CountOf,
        run_query_request::QueryType,
        value::ValueType,
    },
    tonic::{Code, Request, transport::Channel},
};

use super::google::{self, Address, Call, Documents, Failure, Item, Page, Place, Rules, Service, session_store};
use crate::{
    clock::Clock,
    error::ConfigError,
    store::{Created, Record, SessionStore, StoreError, Swept, Updated, Version, async_trait},
};

/// Sessions in entities of a kind in Google's Datastore, which is Firestore in its Datastore mode.
///
#[doc = include_str!("datastore/datastore.md")]
#[derive(Clone)]
pub struct DatastoreStore {
    rules: Rules,
}

impl DatastoreStore {
    /// A store at `datastore://[project][/kind][?database=name][&emulator=host:port]`, which connects when it is first used,
    /// on the tokio runtime that uses it.
    ///
    /// The project is by default that of the platform (`GOOGLE_CLOUD_PROJECT`, the credentials' own, the metadata server),
    /// the kind `sessions`, and the database the default one. Who asks is found where all tools of Google look for it.
    /// Without `emulator`, the variable `DATASTORE_EMULATOR_HOST` names one, as for all of them; an emulator is asked
    /// without credentials and without TLS.
    ///
    /// # Errors
    ///
    /// If the URL is no such one, or the variable is no `host:port`.
    ///
    /// ```
    /// use actix_typed_session::store::DatastoreStore;
    ///
    /// # fn main() -> Result<(), actix_typed_session::ConfigError> {
    /// // asks nobody yet: the app starts while the service can't be reached
    /// let store = DatastoreStore::new("datastore://my-app-1234/web_sessions")?;
    /// # let _ = store;
    /// assert_eq!(DatastoreStore::new("https://datastore").unwrap_err().key(), "SESSION_DATASTORE");
    /// # Ok(()) }
    /// ```
    pub fn new(url: &str) -> Result<Self, ConfigError> {
        Ok(Self::at(Address::parse(Service::Datastore, url)?))
    }

    /// The kind of the entities. `sessions` by default.
    ///
    /// # Errors
    ///
    /// If it is not made of 1 to 100 ASCII letters, digits, underscores and hyphens, or begins with two underscores.
    ///
    /// ```
    /// # fn main() -> Result<(), actix_typed_session::ConfigError> {
    /// # use actix_typed_session::store::DatastoreStore;
    /// let store = DatastoreStore::new("datastore://my-app-1234")?.kind("web_sessions")?;
    /// assert!(store.kind("web/sessions").is_err());
    /// # Ok(()) }
    /// ```
    pub fn kind(self, name: &str) -> Result<Self, ConfigError> {
        let mut checked = Ok(());
        let rules = self.rules.changed(|address| checked = address.within(name));
        checked.map(|()| Self { rules })
    }

    /// How long a call may take, from the credentials to the answer. 2 s by default, an hour at most.
    ///
    /// ```
    /// # fn main() -> Result<(), actix_typed_session::ConfigError> {
    /// # use actix_typed_session::store::DatastoreStore;
    /// # use std::time::Duration;
    /// let store = DatastoreStore::new("datastore://my-app-1234")?.timeout(Duration::from_millis(500));
    /// # let _ = store;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.rules = self.rules.changed(|_| {});
        self.rules.timeout = timeout.min(Duration::from_secs(60 * 60));
        self
    }

    /// The clock that expiry goes by. Default: the system's, which all machines of an app have to agree about.
    ///
    /// ```
    /// # fn main() -> Result<(), actix_typed_session::ConfigError> {
    /// # use actix_typed_session::store::DatastoreStore;
    /// let store = DatastoreStore::new("datastore://my-app-1234")?.clock(actix_typed_session::Clock::manual());
    /// # let _ = store;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.rules.clock = clock;
        self
    }

    pub(crate) fn at(address: Address) -> Self {
        Self { rules: Rules::new(address) }
    }
}

session_store!(DatastoreStore, Words, "datastore");

/// What Datastore calls it.
struct Words;

#[async_trait]
impl Documents for Words {
    /// The entity's version, which each write makes greater.
    type Base = i64;

    async fn find(call: &Call<'_>, id: &str) -> Result<Option<(Item, i64)>, Failure> {
        let key = key(call, id);
        let message = LookupRequest {
            project_id: call.project.to_owned(),
            database_id: call.address().database.clone(),
            keys: vec![key.clone()],
            ..LookupRequest::default()
        };
        let answer = call.answer(async { client(call).lookup(request(call, message)).await }).await?.into_inner();
        let is_asked = |entity: &Option<Entity>| {
            entity.as_ref().and_then(|entity| entity.key.as_ref()).is_some_and(|found| found.path == key.path)
        };
        match (answer.found.into_iter().next(), answer.missing.first()) {
            (Some(found), None) if is_asked(&found.entity) => {
                let entity = found.entity.ok_or_else(|| call.nonsense())?;
                Ok(Some((item(entity), found.version)))
            }
            (None, Some(missing)) if is_asked(&missing.entity) => Ok(None),
            _ => Err(call.nonsense()),
        }
    }

    async fn put(call: &Call<'_>, id: &str, item: Item, over: Option<&i64>) -> Result<bool, Failure> {
        let entity = Entity { key: Some(key(call, id)), properties: properties(item) };
        match over {
            None => commit(call, Operation::Insert(entity), None, None).await,
            Some(at) => commit(call, Operation::Update(entity), None, Some(*at)).await,
        }
    }

    async fn extend(call: &Call<'_>, id: &str, expires: i64, at: &i64) -> Result<bool, Failure> {
        let properties = properties(Item { expires: Some(expires), ..Item::default() });
        let mask = PropertyMask { paths: vec![google::EXPIRES.to_owned(), google::TTL.to_owned()] };
        let entity = Entity { key: Some(key(call, id)), properties };
        commit(call, Operation::Update(entity), Some(mask), Some(*at)).await
    }

    async fn remove(call: &Call<'_>, id: &str, at: Option<&i64>) -> Result<bool, Failure> {
        commit(call, Operation::Delete(key(call, id)), None, at.copied()).await
    }

    async fn expired(call: &Call<'_>, now: i64, most: i32, from: Option<Place>) -> Result<Page<i64>, Failure> {
        let expires = PropertyReference { name: google::EXPIRES.to_owned() };
        let query = Query {
            order: vec![PropertyOrder { property: Some(expires), direction: 1 }],
            start_cursor: from.unwrap_or_default(),
            limit: Some(most),
            ..expired_query(call, now)
        };
        let message = RunQueryRequest {
            project_id: call.project.to_owned(),
            database_id: call.address().database.clone(),
            partition_id: Some(partition(call)),
            property_mask: Some(PropertyMask { paths: vec![google::VERSION.to_owned()] }),
            query_type: Some(QueryType::Query(query)),
            ..RunQueryRequest::default()
        };
        let answer = call.answer(async { client(call).run_query(request(call, message)).await }).await?.into_inner();
        let batch = answer.batch.ok_or_else(|| call.nonsense())?;
        let is_full = i32::try_from(batch.entity_results.len()).is_ok_and(|count| count >= most);
        let is_part = batch.more_results() == MoreResultsType::NotFinished;
        let next = (is_full || is_part).then_some(batch.end_cursor).filter(|place| !place.is_empty());
        let record = |found: EntityResult| {
            let entity = found.entity?;
            let Some(IdType::Name(id)) = entity.key.as_ref()?.path.first()?.id_type.clone() else { return None };
            item(entity).version.map(|_| (id, found.version))
        };
        Ok(Page { records: batch.entity_results.into_iter().filter_map(record).collect(), next })
    }

    async fn count(call: &Call<'_>, now: i64) -> Result<u64, Failure> {
        const COUNT: &str = "count";
        let counted = Aggregation {
            alias: COUNT.to_owned(),
            operator: Some(aggregation::Operator::Count(aggregation::Count { up_to: None })),
        };
        let query = AggregationQuery {
            aggregations: vec![counted],
            query_type: Some(aggregation_query::QueryType::NestedQuery(expired_query(call, now))),
        };
        let message = RunAggregationQueryRequest {
            project_id: call.project.to_owned(),
            database_id: call.address().database.clone(),
            partition_id: Some(partition(call)),
            query_type: Some(CountOf::AggregationQuery(query)),
            ..RunAggregationQueryRequest::default()
        };
        let answer = call.answer(async { client(call).run_aggregation_query(request(call, message)).await }).await?;
        let results = answer.into_inner().batch.map(|batch| batch.aggregation_results).unwrap_or_default();
        let counted = results.first().and_then(|result| result.aggregate_properties.get(COUNT));
        match counted.and_then(|value| value.value_type.as_ref()) {
            Some(ValueType::IntegerValue(count)) => Ok(u64::try_from(*count).unwrap_or(0)),
            _ => Err(call.nonsense()),
        }
    }
}

/// Makes one mutation; whether its condition held.
async fn commit(
    call: &Call<'_>,
    operation: Operation,
    property_mask: Option<PropertyMask>,
    base: Option<i64>,
) -> Result<bool, Failure> {
    let is_conditional = base.is_some() || matches!(operation, Operation::Insert(_));
    let mutation = Mutation {
        property_mask,
        operation: Some(operation),
        conflict_detection_strategy: base.map(ConflictDetectionStrategy::BaseVersion),
        // else a conflict is an answer like any other, with a mark in it
        conflict_resolution_strategy: base
            .map_or(ConflictResolutionStrategy::StrategyUnspecified, |_| ConflictResolutionStrategy::Fail)
            .into(),
        ..Mutation::default()
    };
    let message = CommitRequest {
        project_id: call.project.to_owned(),
        database_id: call.address().database.clone(),
        mode: Mode::NonTransactional.into(),
        mutations: vec![mutation],
        ..CommitRequest::default()
    };
    match call.answer(async { client(call).commit(request(call, message)).await }).await {
        Ok(answer) => match answer.get_ref().mutation_results.as_slice() {
            [result] => Ok(!result.conflict_detected),
            _ => Err(call.nonsense()),
        },
        // what is there is another one, or nothing, or was written at the same moment: nothing was done
        Err(failure)
            if is_conditional
                && matches!(
                    failure.code,
                    Some(Code::AlreadyExists | Code::FailedPrecondition | Code::NotFound | Code::Aborted)
                ) =>
        {
            Ok(false)
        }
        Err(failure) => Err(failure),
    }
}

fn client(call: &Call<'_>) -> DatastoreClient<Channel> {
    DatastoreClient::new(call.channel())
}

fn request<T>(call: &Call<'_>, message: T) -> Request<T> {
    let place = format!("project_id={}&database_id={}", call.project, call.address().database);
    call.request(message, "x-goog-request-params", &place)
}

fn partition(call: &Call<'_>) -> PartitionId {
    PartitionId {
        project_id: call.project.to_owned(),
        database_id: call.address().database.clone(),
        ..PartitionId::default()
    }
}

fn key(call: &Call<'_>, id: &str) -> Key {
    let kind = call.address().collection.clone();
    let element = PathElement { kind, id_type: Some(IdType::Name(id.to_owned())) };
    Key { partition_id: Some(partition(call)), path: vec![element] }
}

fn expired_query(call: &Call<'_>, now: i64) -> Query {
    let is_over = PropertyFilter {
        property: Some(PropertyReference { name: google::EXPIRES.to_owned() }),
        op: Operator::LessThanOrEqual.into(),
        value: Some(value(ValueType::IntegerValue(now), true)),
    };
    Query {
        kind: vec![KindExpression { name: call.address().collection.clone() }],
        filter: Some(Filter { filter_type: Some(FilterType::PropertyFilter(is_over)) }),
        ..Query::default()
    }
}

fn item(mut entity: Entity) -> Item {
    let mut property = |name| entity.properties.remove(name).and_then(|value| value.value_type);
    let bytes = |value| match value {
        Some(ValueType::BlobValue(bytes)) => Some(bytes),
        _ => None,
    };
    let expires = match property(google::EXPIRES) {
        Some(ValueType::IntegerValue(millis)) => Some(millis),
        _ => None,
    };
    Item { version: bytes(property(google::VERSION)), expires, data: bytes(property(google::DATA)) }
}

/// Only what a sweep looks for is indexed.
fn properties(item: Item) -> HashMap<String, Value> {
    let bytes = |bytes: Option<Vec<u8>>| bytes.map(ValueType::BlobValue);
    [
        (google::VERSION, bytes(item.version)),
        (google::EXPIRES, item.expires.map(ValueType::IntegerValue)),
        (google::TTL, item.expires.map(|millis| ValueType::TimestampValue(google::timestamp(millis)))),
        (google::DATA, bytes(item.data)),
    ]
    .into_iter()
    .filter_map(|(name, found)| Some((name.to_owned(), value(found?, name == google::EXPIRES))))
    .collect()
}

fn value(value_type: ValueType, is_indexed: bool) -> Value {
    Value { exclude_from_indexes: !is_indexed, value_type: Some(value_type), ..Value::default() }
}
