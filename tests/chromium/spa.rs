//! Spa: a script that has the token, scripts that don't, and forms of other pages.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
};

use actix_typed_session_tests::support::{example::Example, webdriver::Chromium};

use crate::{at, browser, close, trials};

trials![
    a_script_with_the_token_changes_the_list,
    a_request_without_the_token_is_refused,
    a_form_of_another_origin_is_refused,
    a_page_that_was_signed_out_elsewhere_says_so,
];

async fn a_script_with_the_token_changes_the_list() {
    let spa = Example::start("spa", &[]);
    let browser = browser().await;
    sign_in(&browser, &at(&spa, "/")).await;
    add(&browser, "<b>Bread</b>").await;
    add(&browser, "Apples").await;
    assert!(browser.text_of("#things").await.contains("<b>Bread</b>"), "as a text");
    browser.click("button[aria-label='Remove Apples']").await;
    browser.until("document.querySelectorAll('#things li').length === 1").await;
    browser.go(&at(&spa, "/")).await;
    browser.until("document.querySelectorAll('#things li').length === 1").await;
    browser.click("#sign-out button").await;
    browser.until("document.querySelector('#list').hidden && !document.querySelector('#sign-in').hidden").await;
    close(browser).await;
}

async fn a_request_without_the_token_is_refused() {
    let spa = Example::start("spa", &[]);
    let browser = browser().await;
    sign_in(&browser, &at(&spa, "/")).await;
    let call = async |headers: &str| {
        let options = format!("{{ method: 'POST', headers: {headers}, body: '{{\"thing\": \"Bread\"}}' }}");
        browser.script(&format!("return fetch('/api/things', {options}).then(answer => answer.status)")).await
    };
    let token = browser.text("fetch('/api/session').then(answer => answer.json()).then(state => state.csrf)").await;
    assert_eq!(call("{ 'Content-Type': 'application/json' }").await, 403);
    assert_eq!(call("{ 'Content-Type': 'application/json', 'X-CSRF-Token': 'guessed' }").await, 403);
    let with_token = format!("{{ 'Content-Type': 'application/json', 'X-CSRF-Token': '{token}' }}");
    assert_eq!(call(&with_token).await, 200);
    close(browser).await;
}

/// The page at `localhost` is of another site: the browser sends no cookie with its form. The one at another port is of
/// another origin of the same site: the cookie comes along, as the form with a token shows, and only the token stops it.
async fn a_form_of_another_origin_is_refused() {
    let spa = Example::start("spa", &[]);
    let browser = browser().await;
    sign_in(&browser, &at(&spa, "/")).await;
    let port = pages_of_somebody_else();
    let token = browser.text("fetch('/api/session').then(answer => answer.json()).then(state => state.csrf)").await;
    let forge = async |host: &str, token: &str| {
        browser.go(&format!("http://{host}:{port}/")).await;
        let form = format!(
            "const form = document.createElement('form'); form.method = 'post'; form.action = '{}'; \
             form.innerHTML = '<input name=csrf_token value=\"{token}\">'; document.body.append(form); form.submit()",
            at(&spa, "/api/sign-out")
        );
        browser.script(&form).await;
        browser
            .until(&format!("location.port === '{}' && document.readyState === 'complete'", spa.address.port()))
            .await;
        let answer = browser.text_of("body").await;
        browser.go(&at(&spa, "/")).await;
        browser.until("document.querySelector('#list').hidden !== document.querySelector('#sign-in').hidden").await;
        (answer, browser.script("return !document.querySelector('#list').hidden").await == true)
    };
    for host in ["127.0.0.1", "localhost"] {
        let (answer, is_signed_in) = forge(host, "guessed").await;
        assert!(answer.contains("This page is out of date"), "{host}: {answer}");
        assert!(is_signed_in, "{host}");
    }
    let (_, is_signed_in) = forge("localhost", &token).await;
    assert!(is_signed_in, "a token is of no use where the cookie is not sent");
    let (answer, is_signed_in) = forge("127.0.0.1", &token).await;
    assert!(answer.contains("\"name\":null") && !is_signed_in, "else this test would show nothing: {answer}");
    close(browser).await;
}

async fn a_page_that_was_signed_out_elsewhere_says_so() {
    let spa = Example::start("spa", &[]);
    let browser = browser().await;
    sign_in(&browser, &at(&spa, "/")).await;
    let first = browser.tab().await;
    browser.new_tab().await;
    browser.go(&at(&spa, "/")).await;
    browser.until("!document.querySelector('#list').hidden").await;
    browser.click("#sign-out button").await;
    browser.until("document.querySelector('#list').hidden").await;
    browser.switch_to(&first).await;
    browser.fill("#thing", "Bread").await;
    browser.click("#add button").await;
    browser.until_text("You signed in or out in another window.").await;
    browser.until("document.querySelector('#list').hidden").await;
    close(browser).await;
}

async fn sign_in(browser: &Chromium, url: &str) {
    browser.go(url).await;
    browser.until("!document.querySelector('#sign-in').hidden").await;
    browser.fill("#name", "ada").await;
    browser.click("#sign-in button").await;
    browser.until("!document.querySelector('#list').hidden").await;
}

async fn add(browser: &Chromium, thing: &str) {
    let before = browser.script("return document.querySelectorAll('#things li').length").await;
    browser.fill("#thing", thing).await;
    browser.press("\u{e007}").await;
    browser.until(&format!("document.querySelectorAll('#things li').length > {before}")).await;
}

/// The port of a server that answers every request with an empty page.
fn pages_of_somebody_else() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // one each, for a browser opens connections that it may not use
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 8192]);
                let head =
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 28\r\nConnection: close\r\n\r\n";
                let _ = stream.write_all(format!("{head}<!doctype html><body></body>").as_bytes());
            });
        }
    });
    port
}
