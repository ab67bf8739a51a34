//! [`FirestoreStore`].

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use gcloud_sdk::{
    google::firestore::v1::{
        BatchGetDocumentsRequest, CommitRequest, Cursor, Document, DocumentMask, Precondition,
        RunAggregationQueryRequest, RunQueryRequest, StructuredAggregationQuery, StructuredQuery, Value, Write,
        batch_get_documents_response::Result as Got,
        firestore_client::FirestoreClient,
        precondition::ConditionType,
        run_aggregation_query_request::QueryType as CountOf,
        run_query_request::QueryType,
        structured_aggregation_query::{self, Aggregation, aggregation},
        structured_query::{
            CollectionSelector, FieldFilter, FieldReference, Filter, Order, Projection, field_filter::Operator,
            filter::FilterType,
        },
        value::ValueType,
        write::Operation,
    },
    prost::Message,
    prost_types::Timestamp,
    tonic::{Code, Request, transport::Channel},
};

use super::google::{self, Address, Call, Documents, Failure, Item, Page, Place, Rules, Service, session_store};
use crate::{
    clock::Clock,
    error::ConfigError,
    store::{Created, Record, SessionStore, StoreError, Swept, Updated, Version, async_trait},
};

/// Sessions in a collection of Google's Firestore, in its Native mode.
///
#[doc = include_str!("firestore/firestore.md")]
#[derive(Clone)]
pub struct FirestoreStore {
    rules: Rules,
}

impl FirestoreStore {
    /// A store at `firestore://[project][/collection][?database=name][&emulator=host:port]`, which connects when it is first
    /// used, on the tokio runtime that uses it.
    ///
    /// The project is by default that of the platform (`GOOGLE_CLOUD_PROJECT`, the credentials' own, the metadata server),
    /// the collection `sessions`, and the database the default one. Who asks is found where all tools of Google look for it.
    /// Without `emulator`, the variable `FIRESTORE_EMULATOR_HOST` names one, as for all of them; an emulator is asked
    /// without credentials and without TLS.
    ///
    /// # Errors
    ///
    /// If the URL is no such one, or the variable is no `host:port`.
    ///
    /// ```
    /// use actix_typed_session::store::FirestoreStore;
    ///
    /// # fn main() -> Result<(), actix_typed_session::ConfigError> {
    /// // asks nobody yet: the app starts while the service can't be reached
    /// let store = FirestoreStore::new("firestore://my-app-1234/web_sessions")?;
    /// # let _ = store;
    /// assert_eq!(FirestoreStore::new("https://firestore").unwrap_err().key(), "SESSION_FIRESTORE");
    /// # Ok(()) }
    /// ```
    pub fn new(url: &str) -> Result<Self, ConfigError> {
        Ok(Self::at(Address::parse(Service::Firestore, url)?))
    }

    /// The collection. `sessions` by default.
    ///
    /// # Errors
    ///
    /// If it is not made of 1 to 100 ASCII letters, digits, underscores and hyphens, or begins with two underscores.
    ///
    /// ```
    /// # fn main() -> Result<(), actix_typed_session::ConfigError> {
    /// # use actix_typed_session::store::FirestoreStore;
    /// let store = FirestoreStore::new("firestore://my-app-1234")?.collection("web_sessions")?;
    /// assert!(store.collection("web/sessions").is_err());
    /// # Ok(()) }
    /// ```
    pub fn collection(self, name: &str) -> Result<Self, ConfigError> {
        let mut checked = Ok(());
        let rules = self.rules.changed(|address| checked = address.within(name));
        checked.map(|()| Self { rules })
    }

    /// How long a call may take, from the credentials to the answer. 2 s by default, an hour at most.
    ///
    /// ```
    /// # fn main() -> Result<(), actix_typed_session::ConfigError> {
    /// # use actix_typed_session::store::FirestoreStore;
    /// # use std::time::Duration;
    /// let store = FirestoreStore::new("firestore://my-app-1234")?.timeout(Duration::from_millis(500));
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
    /// # use actix_typed_session::store::FirestoreStore;
    /// let store = FirestoreStore::new("firestore://my-app-1234")?.clock(actix_typed_session::Clock::manual());
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

session_store!(FirestoreStore, Words, "firestore");

/// What Firestore calls it.
struct Words;

#[async_trait]
impl Documents for Words {
    /// The time of the last write, to the microsecond, which no two writes of a document share.
    type Base = Timestamp;

    async fn find(call: &Call<'_>, id: &str) -> Result<Option<(Item, Timestamp)>, Failure> {
        let name = name(call, id);
        // one that is missing is told from a database that is missing
        let message = BatchGetDocumentsRequest {
            database: call.database(),
            documents: vec![name.clone()],
            ..BatchGetDocumentsRequest::default()
        };
        let found = call.answer(async {
            let mut stream = client(call).batch_get_documents(request(call, message)).await?.into_inner();
            while let Some(part) = stream.message().await? {
                if part.result.is_some() {
                    return Ok(part.result);
                }
            }
            Ok(None)
        });
        match found.await? {
            Some(Got::Found(document)) if document.name == name => {
                let base = document.update_time.ok_or_else(|| call.nonsense())?;
                Ok(Some((item(document), base)))
            }
            Some(Got::Missing(missing)) if missing == name => Ok(None),
            _ => Err(call.nonsense()),
        }
    }

    async fn put(call: &Call<'_>, id: &str, item: Item, over: Option<&Timestamp>) -> Result<bool, Failure> {
        let condition = over.map_or(ConditionType::Exists(false), |at| ConditionType::UpdateTime(*at));
        let document = Document { name: name(call, id), fields: fields(item), ..Document::default() };
        commit(call, Operation::Update(document), None, Some(condition)).await
    }

    async fn extend(call: &Call<'_>, id: &str, expires: i64, at: &Timestamp) -> Result<bool, Failure> {
        let fields = fields(Item { expires: Some(expires), ..Item::default() });
        let document = Document { name: name(call, id), fields, ..Document::default() };
        let mask = DocumentMask { field_paths: vec![google::EXPIRES.to_owned(), google::TTL.to_owned()] };
        commit(call, Operation::Update(document), Some(mask), Some(ConditionType::UpdateTime(*at))).await
    }

    async fn remove(call: &Call<'_>, id: &str, at: Option<&Timestamp>) -> Result<bool, Failure> {
        let condition = at.map(|at| ConditionType::UpdateTime(*at));
        commit(call, Operation::Delete(name(call, id)), None, condition).await
    }

    async fn expired(call: &Call<'_>, now: i64, most: i32, from: Option<Place>) -> Result<Page<Timestamp>, Failure> {
        let field = |name: &str| FieldReference { field_path: name.to_owned() };
        let order = |name| Order { field: Some(field(name)), direction: 1 };
        let query = StructuredQuery {
            select: Some(Projection { fields: vec![field(google::VERSION), field(google::EXPIRES)] }),
            order_by: vec![order(google::EXPIRES), order(NAME)],
            start_at: from.and_then(|from| Cursor::decode(&*from).ok()),
            limit: Some(most),
            ..expired_query(call, now)
        };
        let message = RunQueryRequest {
            parent: format!("{}/documents", call.database()),
            query_type: Some(QueryType::StructuredQuery(query)),
            ..RunQueryRequest::default()
        };
        let found = call.answer(async {
            let mut stream = client(call).run_query(request(call, message)).await?.into_inner();
            let mut found = Vec::new();
            while let Some(part) = stream.message().await? {
                found.extend(part.document);
            }
            Ok(found)
        });
        let found = found.await?;
        let is_full = i32::try_from(found.len()).is_ok_and(|count| count >= most);
        let next = found.last().filter(|_| is_full).map(|last| behind(last).encode_to_vec());
        let record = |document: Document| {
            let id = document.name.rsplit_once('/')?.1.to_owned();
            let at = document.update_time?;
            item(document).version.map(|_| (id, at))
        };
        Ok(Page { records: found.into_iter().filter_map(record).collect(), next })
    }

    async fn count(call: &Call<'_>, now: i64) -> Result<u64, Failure> {
        const COUNT: &str = "count";
        let counted = Aggregation {
            alias: COUNT.to_owned(),
            operator: Some(aggregation::Operator::Count(aggregation::Count { up_to: None })),
        };
        let query = StructuredAggregationQuery {
            aggregations: vec![counted],
            query_type: Some(structured_aggregation_query::QueryType::StructuredQuery(expired_query(call, now))),
        };
        let message = RunAggregationQueryRequest {
            parent: format!("{}/documents", call.database()),
            query_type: Some(CountOf::StructuredAggregationQuery(query)),
            ..RunAggregationQueryRequest::default()
        };
        let counted = call.answer(async {
            let mut stream = client(call).run_aggregation_query(request(call, message)).await?.into_inner();
            while let Some(part) = stream.message().await? {
                if let Some(result) = part.result {
                    return Ok(result.aggregate_fields.get(COUNT).and_then(|count| count.value_type.clone()));
                }
            }
            Ok(None)
        });
        match counted.await? {
            Some(ValueType::IntegerValue(count)) => Ok(u64::try_from(count).unwrap_or(0)),
            _ => Err(call.nonsense()),
        }
    }
}

/// Makes one write; whether its condition held.
async fn commit(
    call: &Call<'_>,
    operation: Operation,
    update_mask: Option<DocumentMask>,
    condition: Option<ConditionType>,
) -> Result<bool, Failure> {
    let is_conditional = condition.is_some();
    let write = Write {
        update_mask,
        current_document: condition.map(|condition| Precondition { condition_type: Some(condition) }),
        operation: Some(operation),
        ..Write::default()
    };
    let message = CommitRequest { database: call.database(), writes: vec![write], ..CommitRequest::default() };
    match call.answer(async { client(call).commit(request(call, message)).await }).await {
        Ok(answer) if answer.get_ref().write_results.len() == 1 => Ok(true),
        Ok(_) => Err(call.nonsense()),
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

fn client(call: &Call<'_>) -> FirestoreClient<Channel> {
    FirestoreClient::new(call.channel())
}

fn request<T>(call: &Call<'_>, message: T) -> Request<T> {
    call.request(message, "google-cloud-resource-prefix", &call.database())
}

fn name(call: &Call<'_>, id: &str) -> String {
    format!("{}/documents/{}/{id}", call.database(), call.address().collection)
}

fn expired_query(call: &Call<'_>, now: i64) -> StructuredQuery {
    let is_over = FieldFilter {
        field: Some(FieldReference { field_path: google::EXPIRES.to_owned() }),
        op: Operator::LessThanOrEqual.into(),
        value: Some(value(ValueType::IntegerValue(now))),
    };
    StructuredQuery {
        from: vec![CollectionSelector { collection_id: call.address().collection.clone(), all_descendants: false }],
        r#where: Some(Filter { filter_type: Some(FilterType::FieldFilter(is_over)) }),
        ..StructuredQuery::default()
    }
}

/// The name of a document, by which those that expire at the same time are in order.
const NAME: &str = "__name__";

/// The place behind a document, in that order.
fn behind(document: &Document) -> Cursor {
    let expires = document.fields.get(google::EXPIRES).and_then(|expires| expires.value_type.clone());
    let name = ValueType::ReferenceValue(document.name.clone());
    let values = expires.into_iter().chain([name]).map(value).collect();
    Cursor { values, before: false }
}

fn item(mut document: Document) -> Item {
    let mut field = |name| document.fields.remove(name).and_then(|value| value.value_type);
    let bytes = |value| match value {
        Some(ValueType::BytesValue(bytes)) => Some(bytes),
        _ => None,
    };
    let expires = match field(google::EXPIRES) {
        Some(ValueType::IntegerValue(millis)) => Some(millis),
        _ => None,
    };
    Item { version: bytes(field(google::VERSION)), expires, data: bytes(field(google::DATA)) }
}

fn fields(item: Item) -> HashMap<String, Value> {
    let bytes = |bytes: Option<Vec<u8>>| bytes.map(ValueType::BytesValue);
    [
        (google::VERSION, bytes(item.version)),
        (google::EXPIRES, item.expires.map(ValueType::IntegerValue)),
        (google::TTL, item.expires.map(|millis| ValueType::TimestampValue(google::timestamp(millis)))),
        (google::DATA, bytes(item.data)),
    ]
    .into_iter()
    .filter_map(|(name, found)| Some((name.to_owned(), value(found?))))
    .collect()
}

fn value(value_type: ValueType) -> Value {
    Value { value_type: Some(value_type) }
}
