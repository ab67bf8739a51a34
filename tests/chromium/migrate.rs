//! Migrate: one session, in turns at an old and at a new version.

use actix_typed_session_tests::support::example::Example;

use crate::{at, browser, close, trials};

trials![what_each_version_saves_the_other_reads_and_keeps];

async fn what_each_version_saves_the_other_reads_and_keeps() {
    let migrate = Example::start("migrate", &[]);
    let browser = browser().await;
    let stored = async |field: &str| {
        let cell = format!("[...document.querySelectorAll('tr')].find(row => row.innerText.startsWith('{field}'))");
        browser.text(&format!("{cell}.querySelector('td').innerText")).await
    };
    browser.go(&at(&migrate, "/v1")).await;
    browser.fill("#name", "ada").await;
    browser.click("[name=newsletter]").await;
    browser.click("form button").await;
    browser.until("document.querySelector('#saves')?.innerText === '1'").await;
    assert_eq!(stored("profile.name").await, "\"ada\"");
    assert_eq!(stored("profile.language").await, "–");

    browser.go(&at(&migrate, "/v2")).await;
    assert_eq!(browser.text("document.querySelector('#display_name').value").await, "ada");
    assert_eq!(browser.text("document.querySelector('#letters').value").await, "weekly", "what it was called yes");
    browser.fill("#display_name", "Ada L.").await;
    browser.script("document.querySelector('#letters').value = 'monthly'; document.querySelector('#language').value = 'german'").await;
    browser.click("form button").await;
    browser.until("document.querySelector('#saves')?.innerText === '2'").await;

    browser.go(&at(&migrate, "/v1")).await;
    assert_eq!(browser.text("document.querySelector('#name').value").await, "Ada L.");
    assert_eq!(browser.script("return document.querySelector('[name=newsletter]').checked").await, true);
    browser.fill("#name", "Countess").await;
    browser.click("form button").await;
    browser.until("document.querySelector('#saves')?.innerText === '3'").await;
    assert_eq!(stored("profile.language").await, "\"german\"", "it is kept by the version that does not know it");

    browser.go(&at(&migrate, "/v2")).await;
    assert_eq!(browser.text("document.querySelector('#display_name').value").await, "Countess");
    assert_eq!(browser.text("document.querySelector('#letters').value").await, "monthly");
    assert_eq!(browser.text("document.querySelector('#language').value").await, "german");
    close(browser).await;
}
