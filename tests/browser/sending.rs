//! What an app is sent, and what comes back.

use actix_typed_session::{
    Clock, SessionConfig,
    testing::{Browser, Site},
};
use actix_typed_session_tests::support::server::Server;
use actix_web::{http::header::COOKIE, test::TestRequest};

use crate::shop::{Login, complaint, is, open, routes, sessions};

/// The lines of the request as the app saw it, but for the address and what says how long the connection is kept.
async fn seen(browser: &Browser<impl Site>, request: TestRequest) -> Vec<String> {
    let seen = browser.send(request).await.body;
    let lines = seen.lines().filter(|line| !line.starts_with("connection") && !line.starts_with("host"));
    lines.map(str::to_owned).collect()
}

#[actix_web::test]
async fn an_app_sees_the_same_request_as_a_server() {
    let (app, _) = open().await;
    let server = Server::start(sessions(SessionConfig::new(), &Clock::manual()), 1, routes);
    let at_server = Browser::at(server.address);
    let requests = || {
        [
            TestRequest::get().uri("/echo?a=1%20b"),
            TestRequest::put().uri("/echo").insert_header(("x-more", "1")).set_payload("text"),
            TestRequest::post().uri("/echo").set_form([("a", "b c")]),
            TestRequest::post().uri("/echo").set_json([1, 2]),
            TestRequest::delete().uri("/echo").append_header((COOKIE, "b=2")).append_header((COOKIE, "c=3")),
        ]
    };
    app.set_cookie("a=1; Path=/");
    at_server.set_cookie("a=1; Path=/");
    for (request, again) in requests().into_iter().zip(requests()) {
        let mut seen_by_app = seen(&app, request).await;
        let seen_by_server = seen(&at_server, again).await;
        if !seen_by_app.iter().any(|line| line.starts_with("content-length")) {
            seen_by_app.extend(seen_by_server.iter().filter(|line| *line == "content-length: 0").cloned());
        }
        seen_by_app[1..].sort();
        let mut seen_by_server = seen_by_server;
        seen_by_server[1..].sort();
        assert_eq!(seen_by_app, seen_by_server);
        assert!(seen_by_app.contains(&"cookie: a=1".to_owned()), "{seen_by_app:?}");
    }
}

#[actix_web::test]
async fn tabs_share_the_cookies_and_another_visitor_has_none() {
    let (browser, _) = open().await;
    let tab = browser.clone();
    browser.post_json("/cart", "tea").await;
    assert_eq!(tab.post_json("/cart", "milk").await.json::<Vec<String>>(), ["tea", "milk"]);
    assert_eq!(browser.other().post_json("/cart", "milk").await.json::<Vec<String>>(), ["milk"]);
    tab.forget_cookies();
    assert!(browser.cookies().is_empty());
}

#[actix_web::test]
async fn the_host_is_what_the_app_is_called_by() {
    let (browser, _) = open().await;
    assert!(browser.get("/echo").await.body.contains("\nhost: localhost\n"));
    let named = browser.clone().host("Shop.example.org:8443");
    assert!(named.get("/echo").await.body.contains("\nhost: Shop.example.org:8443\n"));
    named.set_cookie("a=1; Domain=example.org; Path=/");
    assert!(browser.cookie("a").is_none() && browser.host("example.org").cookie("a").is_some());
}

#[actix_web::test]
async fn an_error_of_a_middleware_is_its_response() {
    let (browser, _) = open().await;
    is(&browser.get("/refused").await, 418, "not here");
}

#[actix_web::test]
async fn a_redirect_is_followed_when_that_is_asked_for() {
    let (browser, _) = open().await;
    let response = browser.post_form("/login", &Login { name: "ada".to_owned() }).await;
    assert_eq!((response.status, response.header("Location")), (303, Some("me?new")));
    is(&browser.follow(response).await, 200, "ada");
    for place in ["/me", "//localhost/me", "http://localhost/me", "http://localhost:80/me%23top"] {
        is(&browser.follow(browser.get(&format!("/to/{place}")).await).await, 200, "ada");
    }
}

#[actix_web::test]
async fn what_is_no_redirect_or_leads_away_or_in_a_circle_is_told() {
    let (browser, _) = open().await;
    let follow = async |path: &str| complaint(browser.follow(browser.get(path).await)).await;
    assert_eq!(follow("/me").await, "the answer 401 to GET /me is no redirect");
    let said = follow("/to/https://example.org/me").await;
    assert_eq!(
        said,
        "the answer 302 to GET /to/https://example.org/me leads to another site, `https://example.org/me`"
    );
    assert_eq!(follow("/to//to/x").await, "the answer 302 to GET /to/x leads in a circle");
}

#[actix_web::test]
async fn a_body_that_is_no_such_json_is_told_without_what_it_holds() {
    let (browser, _) = open().await;
    let response = browser.post_json("/cart", "secret tea").await;
    let said = complaint(async { response.json::<Vec<u8>>() }).await;
    assert!(said.starts_with("the answer 200 to POST /cart is not a `"), "{said}");
    assert!(said.ends_with("its JSON is of another shape, at column 13 of line 1"), "{said}");
}

#[actix_web::test]
async fn a_server_that_is_not_there_is_told() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = complaint(Browser::at(port).get("/me")).await;
    assert_eq!(said, format!("no server is at {port}, which GET /me was to go to: start it before"));
    assert!(complaint(async { Browser::at("nowhere") }).await.starts_with("\"nowhere\" is no address"));
}

#[actix_web::test]
async fn a_planted_cookie_that_browsers_refuse_is_told() {
    let (browser, _) = open().await;
    let said = complaint(async { browser.set_cookie("__Host-session=value; Path=/") }).await;
    assert_eq!(
        said,
        "browsers refuse the cookie `__Host-session`: `__Host-` needs `Secure` and `Path=/`, and no `Domain`"
    );
}
