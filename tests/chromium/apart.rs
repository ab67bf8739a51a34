//! Multi: two sessions in one browser, in two cookies.

use actix_typed_session_tests::support::{example::Example, webdriver::Chromium};
use serde_json::Value;

use crate::{at, browser, close, trials};

trials![two_sessions_have_two_cookies_and_the_end_of_one_leaves_the_other];

async fn two_sessions_have_two_cookies_and_the_end_of_one_leaves_the_other() {
    let multi = Example::start("multi", &[]);
    let browser = browser().await;
    sign_in(&browser, &at(&multi, "/"), "carl").await;
    sign_in(&browser, &at(&multi, "/staff"), "susan").await;

    let staff = browser.cookie("__Secure-staff").await.unwrap();
    assert_eq!((&staff["path"], &staff["sameSite"]), (&"/staff".into(), &"Strict".into()));
    let customer = browser.cookie("__Host-customer").await.unwrap();
    assert_eq!((&customer["path"], &customer["sameSite"]), (&"/".into(), &"Lax".into()));
    let expiry = |cookie: &Value| cookie["expiry"].as_u64().unwrap();
    assert!(expiry(&customer) - expiry(&staff) > 89 * 24 * 60 * 60);

    browser.go(&at(&multi, "/")).await;
    assert!(browser.cookie("__Secure-staff").await.is_none(), "it is not sent there");
    assert_eq!(browser.text_of("#who").await, "carl");
    browser.go(&at(&multi, "/staff")).await;
    browser.click("form[action='/staff/sign-out'] button").await;
    browser.until_text("Nobody is signed in here").await;
    browser.go(&at(&multi, "/")).await;
    assert_eq!(browser.text_of("#who").await, "carl");

    sign_in(&browser, &at(&multi, "/staff"), "susan").await;
    browser.go(&at(&multi, "/")).await;
    browser.click("form[action='/sign-out'] button").await;
    browser.until_text("Nobody is signed in here").await;
    browser.go(&at(&multi, "/staff")).await;
    assert_eq!(browser.text_of("#who").await, "susan");
    close(browser).await;
}

async fn sign_in(browser: &Chromium, url: &str, name: &str) {
    browser.go(url).await;
    browser.fill("#name", name).await;
    browser.click("form[action$='/sign-in'] button").await;
    browser.until("document.querySelector('#who')").await;
}
