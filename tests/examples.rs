//! The examples, as a newcomer runs them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test panics")]

use actix_typed_session_tests::support::{
    browser::Browser,
    example::{Example, complaint},
};

/// What `counter` answers to so many requests that are sent at once.
async fn at_once(browser: &Browser, requests: usize) {
    let requests = (0..requests).map(|_| {
        let browser = browser.clone();
        tokio::spawn(async move { browser.get("/count").await.status })
    });
    for request in requests.collect::<Vec<_>>() {
        assert_eq!(request.await.unwrap(), 200);
    }
}

#[tokio::test]
async fn the_counter_goes_up_by_one_a_request_exactly_also_at_once() {
    let counter = Example::start("counter", &[]);
    let browser = Browser::new(counter.address);
    assert_eq!(browser.get("/count").await.body, "1");
    assert!(browser.get("/").await.body.contains("<strong>2</strong>"));
    at_once(&browser, 64).await;
    assert_eq!(browser.get("/count").await.body, "67");
    assert_eq!(browser.other().get("/count").await.body, "1", "another visitor has another count");
}

#[tokio::test]
async fn the_counter_goes_on_after_a_restart_on_files() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("SESSION_TYPE", "filesystem"), ("SESSION_FILE_DIR", folder.path().to_str().unwrap())];
    let counter = Example::start("counter", &settings);
    let browser = Browser::new(counter.address);
    assert_eq!(browser.get("/count").await.body, "1");
    at_once(&browser, 64).await;
    drop(counter);
    let counter = Example::start("counter", &settings);
    assert_eq!(browser.at(counter.address).get("/count").await.body, "66");
}

#[tokio::test]
async fn the_login_lets_in_and_out() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("SESSION_TYPE", "filesystem"), ("SESSION_FILE_DIR", folder.path().to_str().unwrap())];
    let login = Example::start("login", &settings);
    let browser = Browser::new(login.address);
    assert_eq!(browser.get("/me").await.status, 401);
    assert!(browser.cookies().is_empty());
    assert_eq!(browser.post_form("/login", &[("name", "<ada>")]).await.status, 303);
    let token = browser.cookie("__Host-session").unwrap();
    drop(login);

    let login = Example::start("login", &settings);
    let browser = browser.at(login.address);
    assert_eq!(browser.get("/me").await.body, "<ada>");
    assert!(browser.get("/").await.body.contains("Welcome, &lt;ada&gt;!"));
    assert!(!browser.get("/").await.body.contains("Welcome"), "a message is shown once");
    assert_eq!(browser.post_form("/login", &[("name", "grace")]).await.status, 303);
    let thief = browser.other();
    thief.set_cookie("/", &format!("__Host-session={token}; Path=/; Secure"));
    assert_eq!(thief.get("/me").await.status, 401, "the token of before is dead");
    assert_eq!(browser.post("/logout").await.status, 303);
    assert!(browser.cookies().is_empty());
    assert_eq!(browser.get("/me").await.status, 401);
}

#[tokio::test]
async fn the_devices_of_a_user_are_shown_and_signed_out_one_by_one_or_all_others() {
    let devices = Example::start("devices", &[]);
    let site = Browser::new(devices.address);
    let post = async |browser: &Browser, path: &str, fields: &[(&str, &str)]| {
        let page = browser.get("/").await.body;
        let token = page.split("name=\"csrf_token\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        browser.post_form(path, &[fields, &[("csrf_token", token)]].concat()).await.status
    };
    let sign_in = async |name: &str, device: &str| {
        let browser = site.other();
        assert_eq!(post(&browser, "/sign-in", &[("name", name), ("device", device)]).await, 303);
        browser
    };
    let (phone, laptop, tablet) =
        (sign_in("ada", "phone").await, sign_in("ada", "<laptop>").await, sign_in("ada", "tablet").await);
    let other = sign_in("grace", "desk").await;
    let is_signed_out = async |browser: &Browser| browser.get("/").await.body.contains("action=\"/sign-in\"");

    let list = laptop.get("/").await.body;
    assert!(list.contains("<h2>&lt;laptop&gt; <span class=\"badge\">this one</span></h2>"), "{list}");
    assert!(list.contains("<h2>phone</h2>"), "{list}");
    assert!(!list.contains("desk"), "another user's");
    let phones = list
        .split("action=\"")
        .find(|rest| rest.starts_with("/devices/"))
        .and_then(|rest| rest.split('"').next())
        .unwrap();
    assert_eq!(laptop.post(phones).await.status, 403, "a form of another site");
    assert_eq!(post(&other, phones, &[]).await, 303);
    assert!(!is_signed_out(&phone).await, "it is not hers");
    assert_eq!(post(&laptop, phones, &[]).await, 303);
    assert!(is_signed_out(&phone).await);
    assert!(!is_signed_out(&tablet).await);

    assert_eq!(post(&laptop, "/sign-out-others", &[]).await, 303);
    assert!(is_signed_out(&tablet).await);
    let list = laptop.get("/").await.body;
    assert_eq!(list.matches("<li class=\"card\">").count(), 1, "{list}");
    assert!(!is_signed_out(&other).await);
    assert_eq!(post(&site, "/sign-out-others", &[]).await, 401);
    assert_eq!(post(&laptop, "/sign-out-all", &[]).await, 303);
    assert!(is_signed_out(&laptop).await);
}

#[tokio::test]
async fn the_shop_counts_what_happens_to_its_sessions_for_prometheus() {
    let shop = Example::start("shop", &[]);
    let browser = Browser::new(shop.address);
    browser.get("/").await; // begins a session, for its forms
    let metrics = browser.get("/metrics").await.body;
    assert!(metrics.lines().any(|line| line == "session_events_total{event=\"created\"} 1"), "{metrics}");
    let calls = "session_store_call_duration_seconds_count{store=\"memory\",operation=\"create\",outcome=\"ok\"} 1";
    assert!(metrics.lines().any(|line| line == calls), "{metrics}");
}

#[tokio::test]
async fn the_step_up_refuses_forged_requests_and_lets_a_fresh_visitor_change_the_email() {
    let step_up = Example::start("step_up", &[]);
    let browser = Browser::new(step_up.address);
    let token = async |path: &str| {
        let page = browser.get(path).await.body;
        page.split("value=").nth(1).and_then(|rest| rest.split('>').next()).unwrap().to_owned()
    };
    let planted = token("/").await;
    let login = [("name", "ada"), ("password", "secret"), ("csrf_token", planted.as_str())];
    assert_eq!(browser.post_form("/login", &login[..2]).await.status, 403, "a form of another site");
    let wrong = [("name", "ada"), ("password", "guess"), ("csrf_token", planted.as_str())];
    assert_eq!(browser.post_form("/login", &wrong).await.status, 403);
    assert_eq!(browser.post_form("/login", &login).await.status, 303);

    let email = |token| [("email", "ada@example.com"), ("csrf_token", token)];
    assert_eq!(browser.post_form("/email", &email(&planted)).await.status, 403, "it was of before the sign-in");
    assert_eq!(browser.post_form("/email", &email(&token("/").await)).await.header("location"), Some("/"));
    assert!(browser.get("/").await.body.contains("ada, ada@example.com"));

    let old = browser.cookie("__Host-session").unwrap();
    let header = ("x-csrf-token", &*token("/confirm").await);
    let form = ("content-type", "application/x-www-form-urlencoded");
    assert_eq!(browser.send("POST", "/confirm", &[header, form], "password=guess").await.status, 403);
    assert_eq!(browser.send("POST", "/confirm", &[header, form], "password=secret").await.status, 303);
    assert_ne!(browser.cookie("__Host-session").unwrap(), old);
    assert_eq!(browser.other().post("/email").await.status, 403);
}

#[tokio::test]
async fn the_custom_store_counts_too() {
    let counter = Example::start("custom_store", &[]);
    let browser = Browser::new(counter.address);
    browser.get("/count").await;
    assert_eq!(browser.get("/count").await.body, "2");
}

#[test]
fn a_setting_that_can_not_be_honoured_ends_an_example_at_start() {
    let said = complaint("counter", &[("SESSION_TYPE", "memory"), ("SESSION_COOKIE_SAMESITE", "sometimes")]);
    assert_eq!(said, "Error: `SESSION_COOKIE_SAMESITE` is `sometimes`: accepted are `Strict`, `Lax` and `None`");
    let said = complaint("login", &[("SESSION_TYPE", "postgres")]);
    assert!(said.contains("`SESSION_TYPE` is `postgres`"), "{said}");
}
