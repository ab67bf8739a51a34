//! Devices: two browsers of one user, of which one ends the other.

use actix_typed_session_tests::support::{example::Example, webdriver::Chromium};

use crate::{at, browser, close, trials};

trials![
    one_browser_signs_another_out,
    all_others_are_signed_out_and_then_all,
    an_empty_label_is_what_the_browser_says_of_itself,
];

async fn one_browser_signs_another_out() {
    let devices = Example::start("devices", &[]);
    let (laptop, phone) = (browser().await, browser().await);
    sign_in(&laptop, &devices, "Laptop").await;
    sign_in(&phone, &devices, "<b>Phone</b>").await;
    laptop.go(&at(&devices, "/")).await;
    let list = laptop.text_of("ul.cards").await;
    assert!(list.contains("Laptop this one") && list.contains("<b>Phone</b>"), "{list}");
    assert!(list.contains("30 minutes") && list.contains("12 hours"), "{list}");
    laptop.click("li:not(:has(.badge)) button").await;
    laptop.until_text("That device is signed out.").await;
    assert!(!laptop.text_of("ul.cards").await.contains("Phone"));
    phone.go(&at(&devices, "/")).await;
    assert_eq!(phone.text_of("h1").await, "Sign in");
    laptop.go(&at(&devices, "/")).await;
    assert_eq!(laptop.text_of("h1").await, "Your devices");
    close(laptop).await;
    close(phone).await;
}

async fn all_others_are_signed_out_and_then_all() {
    let devices = Example::start("devices", &[]);
    let (laptop, phone) = (browser().await, browser().await);
    sign_in(&laptop, &devices, "Laptop").await;
    sign_in(&phone, &devices, "Phone").await;
    phone.click("form[action='/sign-out-others'] button").await;
    phone.until_text("One other device is signed out.").await;
    laptop.go(&at(&devices, "/")).await;
    assert_eq!(laptop.text_of("h1").await, "Sign in");

    sign_in(&laptop, &devices, "Laptop").await;
    phone.go(&at(&devices, "/")).await;
    phone.click("form[action='/sign-out-all'] button").await;
    phone.until("document.querySelector('h1')?.innerText === 'Sign in'").await;
    laptop.go(&at(&devices, "/")).await;
    assert_eq!(laptop.text_of("h1").await, "Sign in");
    close(laptop).await;
    close(phone).await;
}

async fn an_empty_label_is_what_the_browser_says_of_itself() {
    let devices = Example::start("devices", &[]);
    let browser = browser().await;
    sign_in(&browser, &devices, "").await;
    assert!(browser.text_of("ul.cards").await.starts_with("Chrome on Linux this one"));
    close(browser).await;
}

async fn sign_in(browser: &Chromium, devices: &Example, label: &str) {
    browser.go(&at(devices, "/")).await;
    browser.fill("#name", "ada").await;
    browser.fill("#device", label).await;
    browser.click("form[action='/sign-in'] button").await;
    browser.until("document.querySelector('h1')?.innerText === 'Your devices'").await;
}
