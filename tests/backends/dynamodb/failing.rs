//! Servers that are down, hang, say no, or keep an answer to themselves.

use std::{net::TcpListener, time::Duration};

use actix_typed_session::{
    SessionMiddleware,
    store::{DynamodbStore, Record, SessionStore, StoreErrorKind, Version},
};
use actix_typed_session_tests::support::{
    browser::Browser,
    dynamodb::{DynamodbServer, Kind},
    server::Server,
};

use super::{MINUTE, assert_works, at, pretended::Pretended, record, server, store};

trials![
    a_write_whose_answer_is_lost_is_of_unknown_outcome_and_sent_once,
    a_server_that_says_no_is_told_by_what_it_means,
    nothing_is_sent_twice_by_a_client_of_the_app_that_would,
    a_server_that_is_down_is_unavailable_and_nothing_was_sent,
    a_server_that_hangs_leaves_the_outcome_of_writes_unknown,
    an_app_starts_while_the_server_is_down_and_recovers_by_itself,
];

const SHORT: Duration = Duration::from_millis(500);

async fn a_write_whose_answer_is_lost_is_of_unknown_outcome_and_sent_once() {
    let (patient, table) = store(&server()).await;
    let proxy = Pretended::before(server().port());
    let store = at(&table, proxy.port).timeout(Duration::from_secs(3));
    store.ping().await.unwrap();
    proxy.asked();
    proxy.mute();
    let first = record("first");
    let error = store.create("k", &first).await.unwrap_err();
    assert_eq!((error.kind(), proxy.asked()), (StoreErrorKind::OutcomeUnknown, vec!["PutItem".to_owned()]));
    assert_eq!(patient.load("k").await.unwrap().unwrap().version, first.version);
    let error = store.update("k", &record("second"), &first.version).await.unwrap_err();
    assert_eq!((error.kind(), proxy.asked()), (StoreErrorKind::OutcomeUnknown, vec!["PutItem".to_owned()]));
    assert_eq!(patient.load("k").await.unwrap().unwrap().bytes, "second");
    assert_eq!(store.load("k").await.unwrap_err().kind(), StoreErrorKind::Unavailable);
}

async fn a_server_that_says_no_is_told_by_what_it_means() {
    use StoreErrorKind::{OutcomeUnknown, Protocol, TooLarge, Unavailable};
    // status, the error, and what a write and a read are then
    for (status, json, says, write, read) in [
        (
            "400 Bad Request",
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"hunter2"}"#,
            "fewer requests",
            Unavailable,
            Unavailable,
        ),
        (
            "400 Bad Request",
            r#"{"__type":"com.amazon.coral.availability#ThrottlingException","message":"hunter2"}"#,
            "fewer requests",
            Unavailable,
            Unavailable,
        ),
        (
            "400 Bad Request",
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#RequestLimitExceeded","message":"hunter2"}"#,
            "fewer requests",
            Unavailable,
            Unavailable,
        ),
        (
            "400 Bad Request",
            r#"{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"User: hunter2 is not"}"#,
            "denies access",
            Unavailable,
            Unavailable,
        ),
        (
            "400 Bad Request",
            r#"{"__type":"com.amazon.coral.service#UnrecognizedClientException","message":"hunter2"}"#,
            "denies access",
            Unavailable,
            Unavailable,
        ),
        (
            "400 Bad Request",
            r#"{"__type":"com.amazon.coral.service#InvalidSignatureException","message":"hunter2"}"#,
            "denies access",
            Unavailable,
            Unavailable,
        ),
        (
            "400 Bad Request",
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"hunter2"}"#,
            "`migrate`",
            Unavailable,
            Unavailable,
        ),
        (
            "400 Bad Request",
            r#"{"__type":"com.amazon.coral.validate#ValidationException","message":"Item size has exceeded the maximum allowed size"}"#,
            "larger than",
            TooLarge,
            TooLarge,
        ),
        (
            "400 Bad Request",
            r#"{"__type":"com.amazon.coral.validate#ValidationException","message":"hunter2"}"#,
            "another shape",
            Unavailable,
            Unavailable,
        ),
        (
            "400 Bad Request",
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionConflictException","message":"hunter2"}"#,
            "refused",
            Unavailable,
            Unavailable,
        ),
        (
            "500 Internal Server Error",
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"hunter2"}"#,
            "failed",
            OutcomeUnknown,
            Unavailable,
        ),
        (
            "503 Service Unavailable",
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#ServiceUnavailable","message":"hunter2"}"#,
            "failed",
            OutcomeUnknown,
            Unavailable,
        ),
        ("502 Bad Gateway", "<html>hunter2</html>", "no sense", OutcomeUnknown, Protocol),
        ("200 OK", "hunter2", "no sense", OutcomeUnknown, Protocol),
    ] {
        let pretended = Pretended::answering(status, json);
        let store = at("table", pretended.port);
        for (what, kind, error) in [
            ("load", read, store.load("k").await.unwrap_err()),
            ("ping", read, store.ping().await.unwrap_err()),
            ("create", write, store.create("k", &record("")).await.unwrap_err()),
            ("update", write, store.update("k", &record(""), &Version::random()).await.unwrap_err()),
            ("touch", write, store.touch("k", MINUTE).await.unwrap_err()),
            ("delete", write, store.delete("k").await.unwrap_err()),
        ] {
            assert_eq!(error.kind(), kind, "{what}: {json}: {error}");
            assert!(error.to_string().contains(says), "{what}: {json}: {error}");
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("hunter2") && !shown.contains("testsecret"), "{shown}");
        }
        assert_eq!(pretended.asked().len(), 6, "each was sent once: {json}");
    }
}

async fn nothing_is_sent_twice_by_a_client_of_the_app_that_would() {
    let json = r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":""}"#;
    let pretended = Pretended::answering("500 Internal Server Error", json);
    let config = server().client().config().to_builder().endpoint_url(format!("http://127.0.0.1:{}", pretended.port));
    let client = aws_sdk_dynamodb::Client::from_conf(config.build());
    let _ = client.list_tables().send().await.unwrap_err();
    assert!(pretended.asked().len() > 1, "the client of an app tries again");
    let store = DynamodbStore::from_client(&client);
    let error = store.create("k", &record("")).await.unwrap_err();
    assert_eq!((error.kind(), pretended.asked().len()), (StoreErrorKind::OutcomeUnknown, 1));
}

async fn a_server_that_is_down_is_unavailable_and_nothing_was_sent() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let store = at("table", closed).timeout(SHORT);
    for error in [store.load("k").await.unwrap_err(), store.create("k", &record("")).await.unwrap_err()] {
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
        assert_eq!(error.to_string(), format!("can't connect to dynamodb at http://127.0.0.1:{closed}"));
    }
    // a network that swallows what is sent
    let url = "dynamodb://a:hunter2@eu-central-1/table?endpoint=http%3A%2F%2F192.0.2.1%3A8000";
    let store = DynamodbStore::new(url).unwrap().timeout(SHORT);
    let error = store.create("k", &record("")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    let url = "dynamodb://a:hunter2@eu-central-1/table?endpoint=http%3A%2F%2Fno.such.host.invalid";
    let error = DynamodbStore::new(url).unwrap().create("k", &record("")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
}

async fn a_server_that_hangs_leaves_the_outcome_of_writes_unknown() {
    let server = DynamodbServer::start(Kind::Local);
    let (store, _) = store(&server).await;
    let first = record("first");
    let _ = store.create("k", &first).await.unwrap();
    server.pause();
    let store = store.timeout(SHORT);
    assert_eq!(store.load("k").await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    let secret = Record::new("hunter2", MINUTE);
    let error = store.update("k", &secret, &first.version).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::OutcomeUnknown);
    assert!(error.to_string().contains("did not answer within 500ms"), "{error}");
    assert!(!format!("{error:?}").contains("hunter2"));
    server.resume();
    assert_works(&store.timeout(super::PATIENT)).await;
}

async fn an_app_starts_while_the_server_is_down_and_recovers_by_itself() {
    let mut dynamodb = DynamodbServer::start(Kind::Local);
    let table = dynamodb.table();
    dynamodb.stop();
    let site = Server::start(SessionMiddleware::new(at(&table, dynamodb.port())), 1, |app| {
        app.route(
            "/",
            actix_web::web::get()
                .to(async |session: actix_typed_session::SessionHandle| session.set("seen", &true).map(|_| "set")),
        );
    });
    let browser = Browser::new(site.address);
    assert_eq!(browser.get("/").await.status, 503);
    dynamodb.restart();
    assert_eq!(browser.get("/").await.status, 503, "there is no table yet");
    at(&table, dynamodb.port()).migrate().await.unwrap();
    assert_eq!(browser.get("/").await.status, 200);
    dynamodb.stop();
    assert_eq!(browser.get("/").await.status, 503);
}
