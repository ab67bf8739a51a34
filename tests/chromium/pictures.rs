//! The pictures of the guide `examples`: taken again where `SESSION_SCREENSHOTS` is set.

use std::{env, fs, path::Path};

use actix_typed_session_tests::support::{example::Example, webdriver::Chromium};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{at, browser, close, trial};

pub(crate) fn trials(trials: &mut Vec<libtest_mimic::Trial>) {
    // else nothing of the repository is written by a test
    if env::var_os("SESSION_SCREENSHOTS").is_some() {
        trials.push(trial("pictures_of_the_examples_are_taken", pictures_of_the_examples_are_taken));
    }
}

async fn pictures_of_the_examples_are_taken() {
    let browser = browser().await;
    let shop = Example::start("shop", &[]);
    browser.go(&at(&shop, "/")).await;
    browser.click("form:has([value=jar]) button").await;
    browser.until_text("Moon jar is in the cart.").await;
    take(&browser, "shop", 745).await;
    browser.click("form[action='/tea'] button").await;
    browser.until_text("2 in the cart").await;
    browser.go(&at(&shop, "/sign-in")).await;
    browser.fill("#name", "Ada").await;
    browser.click("form[action='/sign-in'] button").await;
    browser.until_text("Welcome, Ada!").await;
    take(&browser, "cart", 500).await;

    let devices = Example::start("devices", &[]);
    let phone = crate::browser().await;
    for (browser, label) in [(&phone, "Phone"), (&browser, "Laptop")] {
        browser.go(&at(&devices, "/")).await;
        browser.fill("#name", "Ada").await;
        browser.fill("#device", label).await;
        browser.click("form[action='/sign-in'] button").await;
        browser.until_text("Your devices").await;
    }
    take(&browser, "devices", 590).await;
    close(phone).await;

    let migrate = Example::start("migrate", &[]);
    browser.go(&at(&migrate, "/v2")).await;
    browser.fill("#display_name", "Ada").await;
    browser.click("form button").await;
    browser.until("document.querySelector('#saves')?.innerText === '1'").await;
    take(&browser, "migrate", 790).await;
    close(browser).await;
}

/// A picture of as much of a page, on a phone, as says what it is about: as base64 in `session/src/docs/screenshots`.
async fn take(browser: &Chromium, name: &str, height: u32) {
    browser.phone(390, height).await;
    browser.prefers("light").await;
    let picture = browser.picture().await;
    assert!(picture.len() < 40_960, "{name} has {} bytes", picture.len());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("session").join("src/docs/screenshots");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("{name}.base64")), STANDARD.encode(picture)).unwrap();
}
