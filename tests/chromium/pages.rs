//! Every page of the examples: on a small phone, in light and in dark, for a visitor who does not see it.

use actix_typed_session_tests::support::{example::Example, webdriver::Chromium};
use serde_json::json;

use crate::{at, browser, close, trials};

trials![every_page_fits_a_phone_and_can_be_used_by_anybody, a_fault_of_a_page_is_found];

async fn every_page_fits_a_phone_and_can_be_used_by_anybody() {
    let browser = browser().await;
    browser.phone(360, 640).await;

    let shop = Example::start("shop", &[]);
    browser.go(&at(&shop, "/")).await;
    assert_fine(&browser).await;
    browser.go(&at(&shop, "/cart")).await;
    assert_fine(&browser).await;
    browser.go(&at(&shop, "/")).await;
    browser.click("form:has([value=bowl]) button").await;
    browser.until_text("Blue bowl is in the cart.").await;
    assert_fine(&browser).await;
    browser.click("form[action='/tea'] button").await;
    browser.until_text("2 in the cart").await;
    browser.go(&at(&shop, "/cart")).await;
    assert_fine(&browser).await;
    browser.go(&at(&shop, "/sign-in")).await;
    assert_fine(&browser).await;
    browser.fill("#name", LONG).await;
    browser.click("form[action='/sign-in'] button").await;
    browser.until_text("Welcome").await;
    assert_fine(&browser).await;
    browser.script("document.querySelector('[name=csrf_token]').value = ''").await;
    browser.click("form[action='/sign-out'] button").await;
    browser.until_text("This page is out of date").await;
    assert_fine(&browser).await;

    let devices = Example::start("devices", &[]);
    browser.go(&at(&devices, "/")).await;
    assert_fine(&browser).await;
    browser.fill("#name", LONG).await;
    browser.fill("#device", &LONG.repeat(2)).await;
    browser.click("form[action='/sign-in'] button").await;
    browser.until_text("Your devices").await;
    assert_fine(&browser).await;

    let migrate = Example::start("migrate", &[]);
    for version in ["/v1", "/v2"] {
        browser.go(&at(&migrate, version)).await;
        assert_fine(&browser).await;
        browser.fill("input:not([type=hidden])", LONG).await;
        browser.click("form button").await;
        browser.until(&format!("document.querySelector('td').innerText.includes('{LONG}')")).await;
        assert_fine(&browser).await;
    }

    let multi = Example::start("multi", &[]);
    for part in ["/", "/staff"] {
        browser.go(&at(&multi, part)).await;
        assert_fine(&browser).await;
        browser.fill("#name", LONG).await;
        browser.click("form[action$='/sign-in'] button").await;
        browser.until("document.querySelector('#who')").await;
        assert_fine(&browser).await;
    }

    let spa = Example::start("spa", &[]);
    browser.go(&at(&spa, "/")).await;
    browser.until("!document.querySelector('#sign-in').hidden").await;
    assert_fine(&browser).await;
    browser.fill("#name", LONG).await;
    browser.click("#sign-in button").await;
    browser.until("!document.querySelector('#list').hidden").await;
    browser.fill("#thing", LONG).await;
    browser.click("#add button").await;
    browser.until("document.querySelector('#things li')").await;
    assert_fine(&browser).await;
    close(browser).await;
}

/// So that the test before this one can fail.
async fn a_fault_of_a_page_is_found() {
    let shop = Example::start("shop", &[]);
    let browser = browser().await;
    browser.phone(360, 640).await;
    browser.go(&at(&shop, "/")).await;
    for (fault, told) in [
        ("document.documentElement.lang = ''", "the page has no language"),
        ("document.querySelector('h2').outerHTML = '<h1>Two</h1>'", "the page has 2 h1"),
        ("document.querySelector('main').insertAdjacentHTML('beforeend', '<input>')", "no label"),
        ("document.querySelector('form button').textContent = ''", "no name"),
        ("document.querySelector('header').insertAdjacentHTML('beforeend', '<a href=/>x</a>')", " × "),
        ("document.querySelector('.price').insertAdjacentHTML('beforeend', 'wide'.repeat(99))", "wide on a screen"),
    ] {
        browser.go(&at(&shop, "/")).await;
        browser.script(fault).await;
        let faults = faults(&browser).await;
        assert!(faults.iter().any(|line| line.contains(told)), "{fault}: {faults:?}");
    }
    close(browser).await;
}

/// As long as a name may be, and no place to break it.
const LONG: &str = "Wolfeschlegelsteinhausenbergerdorffwelch";

async fn assert_fine(browser: &Chromium) {
    for scheme in ["light", "dark"] {
        browser.prefers(scheme).await;
        let faults = faults(browser).await;
        let page = browser.text("location.href").await;
        assert!(faults.is_empty(), "{page} in {scheme}:\n{}", faults.join("\n"));
    }
}

async fn faults(browser: &Chromium) -> Vec<String> {
    let faults = browser.script(include_str!("checks.js")).await;
    serde_json::from_value(faults.clone()).unwrap_or_else(|_| panic!("{}", json!(faults)))
}
