//! How a store comes to its bucket, and what is none.

use std::{error::Error, io::Write, net::TcpListener, time::Duration};

use actix_typed_session::{
    SessionConfig, SessionMiddleware,
    store::{SessionStore, StoreError, StoreErrorKind, Version},
};
use actix_typed_session_tests::support::{browser::Browser, server::Server};

use super::{MINUTE, PATIENT, S3Server, SHORT, assert_works, open, record, store};
use crate::visits::routes;

trials![
    the_environment_names_the_bucket,
    a_bucket_that_is_not_there_is_an_error_and_no_absent_session,
    keys_that_are_wrong_are_an_error_and_never_shown,
    a_bucket_that_may_only_be_read_is_an_error_at_the_start,
    a_server_of_another_kind_is_an_error_whatever_it_says,
    a_server_that_hangs_is_an_error_in_time,
    an_app_starts_while_the_server_is_down_and_recovers_by_itself,
    an_app_without_its_bucket_answers_503,
];

/// The error of each kind of call; none of them says a secret.
async fn errors(store: &dyn SessionStore) -> Vec<StoreError> {
    let errors = vec![
        store.migrate().await.unwrap_err(),
        store.ping().await.unwrap_err(),
        store.load("k").await.unwrap_err(),
        store.create("k", &record("")).await.unwrap_err(),
        store.update("k", &record(""), &Version::random()).await.unwrap_err(),
        store.touch("k", MINUTE).await.unwrap_err(),
        store.delete("k").await.unwrap_err(),
        store.delete_expired(10).await.unwrap_err(),
    ];
    for error in &errors {
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
        let mut told = format!("{error:?}");
        let mut next: Option<&dyn Error> = Some(error);
        while let Some(error) = next {
            told += &error.to_string();
            next = error.source();
        }
        assert!(!told.contains("secret") && !told.contains("testtest"), "{told}");
    }
    errors
}

async fn assert_each_says(store: &dyn SessionStore, what: &str) {
    for error in errors(store).await {
        assert_eq!(error.to_string(), what);
    }
}

async fn the_environment_names_the_bucket() {
    let server = S3Server::start();
    let url = S3Server::url("folder", server.port());
    let set = [("SESSION_TYPE", "cache"), ("SESSION_CACHE", &url), ("SESSION_STORE_TIMEOUT", "7s")];
    let config = SessionConfig::from_vars(set).unwrap();
    assert!(!format!("{config:?}").contains("testtest"));
    let store = config.store().unwrap();
    assert_eq!(store.timeout(), Some(Duration::from_secs(14)), "of two calls");
    store.migrate().await.unwrap();
    assert_works(&*store).await;
}

async fn a_bucket_that_is_not_there_is_an_error_and_no_absent_session() {
    let server = S3Server::start();
    let url = S3Server::url("folder", server.port()).replace("//sessions/", "//nowhere/");
    assert_each_says(&open(&url, PATIENT), "the object storage does not know the bucket, or its settings are wrong")
        .await;
}

async fn keys_that_are_wrong_are_an_error_and_never_shown() {
    let server = S3Server::start();
    let url = |user, secret| S3Server::url_of("sessions", "folder", server.port(), (user, secret));
    assert_each_says(&open(&url("testtest", "another-secret"), PATIENT), "the object storage denies access").await;
    let store = open(&url("nobody", "testtest-secret"), PATIENT);
    assert_each_says(&store, "the object storage does not know the place or the user, or is none").await;
    assert!(!format!("{store:?}").contains("secret"), "{store:?}");
}

async fn a_bucket_that_may_only_be_read_is_an_error_at_the_start() {
    let server = S3Server::start_with(&["--readonly"]);
    let store = store(server.port());
    for error in [store.migrate().await.unwrap_err(), store.create("k", &record("")).await.unwrap_err()] {
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert_eq!(error.to_string(), "the object storage denies access");
    }
    assert_eq!(store.load("k").await.unwrap(), None);
}

async fn a_server_of_another_kind_is_an_error_whatever_it_says() {
    let http = |status: &str, body: &str| {
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: \"1\"\r\nLocation: /\r\n\r\n{body}", body.len())
    };
    for said in [
        http("404 Not Found", "<html>no such page, testtest-secret</html>"),
        http("200 OK", "<html>welcome</html>"),
        http("403 Forbidden", "testtest-secret"),
        http("301 Moved Permanently", ""),
        http("400 Bad Request", "testtest-secret"),
        http("500 Internal Server Error", "<Error><Code>testtest-secret</Code></Error>"),
        "-ERR unknown command 'GET'\r\n".to_owned(),
        "\x15\x03\x03\0\x02\x02\x32".to_owned(),
        String::new(),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let answer = said.clone();
        std::thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let answer = answer.clone();
                std::thread::spawn(move || {
                    let mut request = [0; 4096];
                    while std::io::Read::read(&mut client, &mut request).is_ok_and(|size| size > 0) {
                        if client.write_all(answer.as_bytes()).is_err() || !answer.starts_with("HTTP") {
                            break;
                        }
                    }
                });
            }
        });
        let store = open(&S3Server::url("folder", port), Duration::from_secs(5));
        if said.contains("welcome") {
            // to read something else than was written is what is found out before the first write
            assert!(store.migrate().await.is_err() && store.create("k", &record("")).await.is_err());
            assert!(store.delete("k").await.is_err());
            continue;
        }
        errors(&store).await;
    }
}

async fn a_server_that_hangs_is_an_error_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let store = open(&S3Server::url("folder", listener.local_addr().unwrap().port()), SHORT);
    assert_each_says(&store, "the object storage did not answer within 500ms").await;
}

async fn an_app_starts_while_the_server_is_down_and_recovers_by_itself() {
    let mut s3 = S3Server::start();
    let config = SessionConfig::new().store_timeout(PATIENT);
    s3.stop();
    let server = Server::start(SessionMiddleware::with_config(store(s3.port()), config).unwrap(), 1, routes);
    let browser = Browser::new(server.address);
    assert_eq!(browser.get("/none").await.status, 200);
    let down = browser.get("/count").await;
    assert_eq!((down.status, down.body.as_str()), (503, ""));
    s3.restart();
    assert_eq!(browser.get("/count").await.body, "1");
    s3.stop();
    assert_eq!(browser.get("/count").await.status, 503);
    s3.restart();
    assert_eq!(browser.get("/count").await.body, "2");
}

async fn an_app_without_its_bucket_answers_503() {
    let s3 = S3Server::start();
    let url = S3Server::url("folder", s3.port()).replace("//sessions/", "//nowhere/");
    let server = Server::start(SessionMiddleware::new(open(&url, PATIENT)), 1, routes);
    let browser = Browser::new(server.address);
    let refused = browser.get("/count").await;
    assert_eq!((refused.status, refused.body.as_str()), (503, ""));
    assert!(refused.set_cookies().is_empty());
}
