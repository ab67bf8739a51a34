//! The shop: one cart in several tabs, a sign-in that keeps it, and the cookie as the browser has it.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Barrier},
};

use actix_typed_session_tests::support::{example::Example, webdriver::Chromium};
use serde_json::Value;

use crate::{at, browser, close, on_files, trials};

trials![
    two_tabs_that_add_to_one_cart_at_the_same_moment_lose_nothing,
    what_two_tabs_buy_at_the_same_moment_is_bought_once,
    a_sign_in_keeps_the_cart_and_changes_the_token,
    a_sign_out_in_one_window_is_seen_in_another,
    the_browser_reports_the_cookie_as_it_was_meant,
    no_script_can_read_the_cookie,
    a_message_is_shown_once,
    a_visitor_without_a_mouse_signs_in_and_buys,
];

/// Two tabs whose pages are loaded send a form each, and both arrive at the same moment. That they meet at the store is seen, and not
/// believed: the shop counts the writes that met another's.
async fn two_tabs_that_add_to_one_cart_at_the_same_moment_lose_nothing() {
    let (shop, _folder) = on_files("shop");
    let browser = browser().await;
    let door = door(&shop, "POST /");
    let first = browser.tab().await;
    let second = browser.new_tab().await;
    let add = |pot: &str| format!("document.querySelector('form:has([value={pot}])')");
    let tea = "document.querySelector('form[action=\"/tea\"]')".to_owned();

    let pots = [("bowl", "vase"), ("cup", "jar"), ("plate", "bottle")].map(|(mine, theirs)| (add(mine), add(theirs)));
    let mut sent = 0;
    for (mine, theirs) in &pots {
        send_both(&browser, &format!("{door}/"), [(&first, mine), (&second, theirs)]).await;
        sent += 2;
    }
    // until they have met often enough to lose something
    while sent < 16 || conflicts(&shop).await < 3 {
        assert!(sent < 100, "the two tabs never meet");
        send_both(&browser, &format!("{door}/"), [(&first, &tea), (&second, &tea)]).await;
        sent += 2;
    }
    browser.go(&at(&shop, "/cart")).await;
    assert_eq!(browser.text_of("#things").await, format!("{sent} in the cart"));
    assert!(browser.text_of("main").await.contains(&format!("Bags: {}", sent - 6)));
    close(browser).await;
}

async fn what_two_tabs_buy_at_the_same_moment_is_bought_once() {
    let (shop, _folder) = on_files("shop");
    let browser = browser().await;
    let first = browser.tab().await;
    sign_in(&browser, &shop, "ada").await;
    let second = browser.new_tab().await;
    let door = door(&shop, "POST /buy ");
    for orders in 1..=3 {
        browser.go(&at(&shop, "/")).await;
        browser.click("form[action='/tea'] button").await;
        browser.until_text("1 in the cart").await;
        let buy = "document.querySelector('form[action=\"/buy\"]')".to_owned();
        send_both(&browser, &format!("{door}/cart"), [(&first, &buy), (&second, &buy)]).await;
        browser.go(&at(&shop, "/cart")).await;
        assert_eq!(browser.text_of("#things").await, "0 in the cart");
        assert!(browser.text_of("main").await.contains(&format!("Orders so far: {orders}")));
    }
    close(browser).await;
}

async fn a_sign_in_keeps_the_cart_and_changes_the_token() {
    let shop = Example::start("shop", &[]);
    let browser = browser().await;
    browser.go(&at(&shop, "/")).await;
    browser.click("form[action='/tea'] button").await;
    browser.until_text("1 in the cart").await;
    let before = token(&browser).await;
    sign_in(&browser, &shop, "<ada>").await;
    assert_eq!(browser.text_of("#things").await, "1 in the cart");
    assert!(browser.text_of(".account").await.contains("<ada>"), "as a text");
    assert_ne!(token(&browser).await, before);
    close(browser).await;
}

async fn a_sign_out_in_one_window_is_seen_in_another() {
    let shop = Example::start("shop", &[]);
    let browser = browser().await;
    sign_in(&browser, &shop, "ada").await;
    let first = browser.tab().await;
    browser.new_tab().await;
    browser.go(&at(&shop, "/")).await;
    browser.click("form[action='/sign-out'] button").await;
    browser.until_text("Sign in").await;
    browser.switch_to(&first).await;
    assert!(browser.text_of(".account").await.contains("ada"), "it is the page of before");
    browser.go(&at(&shop, "/")).await;
    browser.click("form[action='/tea'] button").await;
    browser.until_text("1 in the cart").await;
    assert!(!browser.text_of(".account").await.contains("ada"));

    // and a page of before does nothing: it says so
    sign_in(&browser, &shop, "ada").await;
    browser.go(&at(&shop, "/")).await;
    let second = browser.new_tab().await;
    browser.go(&at(&shop, "/")).await;
    browser.click("form[action='/sign-out'] button").await;
    browser.until_text("0 in the cart").await;
    browser.switch_to(&first).await;
    browser.click("form[action='/tea'] button").await;
    browser.until_text("This page is out of date").await;
    browser.switch_to(&second).await;
    browser.go(&at(&shop, "/")).await;
    assert!(browser.text_of("#things").await.starts_with("0"));
    close(browser).await;
}

async fn the_browser_reports_the_cookie_as_it_was_meant() {
    let shop = Example::start("shop", &[]);
    let browser = browser().await;
    browser.go(&at(&shop, "/")).await;
    let cookies = browser.cookies().await;
    assert_eq!(cookies.len(), 1, "{cookies:?}");
    let cookie = &cookies[0];
    assert_eq!(cookie["name"], "__Host-session");
    assert_eq!(cookie["httpOnly"], true);
    assert_eq!(cookie["secure"], true);
    assert_eq!(cookie["sameSite"], "Lax");
    assert_eq!(cookie["path"], "/");
    assert_eq!(cookie["domain"], "127.0.0.1", "of this host alone, without a dot before it");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let days = (cookie["expiry"].as_u64().unwrap() - now) as f64 / 86_400.0;
    assert!((89.9..=90.0).contains(&days), "the absolute lifetime: {days}");
    close(browser).await;
}

async fn no_script_can_read_the_cookie() {
    let shop = Example::start("shop", &[]);
    let browser = browser().await;
    browser.go(&at(&shop, "/")).await;
    assert!(browser.cookie("__Host-session").await.is_some());
    assert_eq!(browser.script("return document.cookie").await, "");
    assert_eq!(browser.script("document.cookie = '__Host-session=; Secure; Path=/; Max-Age=0'").await, Value::Null);
    assert!(browser.cookie("__Host-session").await.is_some(), "nor end it");
    close(browser).await;
}

async fn a_message_is_shown_once() {
    let shop = Example::start("shop", &[]);
    let browser = browser().await;
    browser.go(&at(&shop, "/")).await;
    browser.click("form:has([value=bowl]) button").await;
    browser.until("document.querySelector('[aria-live=polite]').innerText === 'Blue bowl is in the cart.'").await;
    browser.go(&at(&shop, "/")).await;
    assert_eq!(browser.text_of("[aria-live=polite]").await, "");
    close(browser).await;
}

async fn a_visitor_without_a_mouse_signs_in_and_buys() {
    const TAB: &str = "\u{e004}";
    const ENTER: &str = "\u{e007}";
    let shop = Example::start("shop", &[]);
    let browser = browser().await;
    browser.go(&at(&shop, "/")).await;
    browser.press(TAB).await;
    assert_eq!(browser.text("document.activeElement.className").await, "skip", "first of all, to the content");
    browser.press(ENTER).await;
    browser.tab_to("form:has([value=bowl]) button").await;
    let outline = browser.text("getComputedStyle(document.activeElement).outlineStyle").await;
    assert_eq!(outline, "solid", "the focus is seen");
    browser.press(ENTER).await;
    browser.until_text("Blue bowl is in the cart.").await;
    browser.tab_to("nav a[href='/cart']").await;
    browser.press(ENTER).await;
    browser.until_text("Together € 24.00").await;
    browser.tab_to("main a[href='/sign-in']").await;
    browser.press(ENTER).await;
    browser.until("document.querySelector('#name')").await;
    browser.tab_to("#name").await;
    browser.press(&format!("ada{ENTER}")).await;
    browser.until_text("Welcome, ada!").await;
    browser.tab_to("form[action='/buy'] button").await;
    browser.press(ENTER).await;
    browser.until_text("Thank you, ada! You bought for € 24.00.").await;
    close(browser).await;
}

type Sender<'a> = (&'a actix_typed_session_tests::support::webdriver::Tab, &'a String);

/// Loads a page in two tabs, then has each send a form of it, on one word that both wait for.
async fn send_both(browser: &Chromium, url: &str, senders: [Sender<'_>; 2]) {
    for (tab, form) in senders {
        browser.switch_to(tab).await;
        browser.go(url).await;
        let wait = format!(
            "const form = {form}; if (!form) throw Error('no form'); \
             window.before = true; window.word = new BroadcastChannel('word'); window.word.onmessage = () => form.requestSubmit()"
        );
        browser.script(&wait).await;
    }
    // to this tab's own listener, too
    browser.script("new BroadcastChannel('word').postMessage('go')").await;
    for (tab, _) in senders {
        browser.switch_to(tab).await;
        browser.until("!window.before && document.readyState === 'complete'").await;
    }
}

/// A way to the shop that lets requests which begin so pass two at a time, however long one tab takes: what leads there.
fn door(shop: &Example, begin: &'static str) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let door = format!("http://{}", listener.local_addr().unwrap());
    let (address, both) = (shop.address, Arc::new(Barrier::new(2)));
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let both = both.clone();
            std::thread::spawn(move || pass(client, address, begin, &both));
        }
    });
    door
}

/// Passes each request on by a connection of its own, for the shop closes one that is idle, and the browser would send what
/// was lost with it again.
fn pass(mut client: TcpStream, shop: SocketAddr, begin: &str, both: &Barrier) {
    let mut piece = [0; 16 * 1024];
    let mut server = None;
    while let Ok(length @ 1..) = client.read(&mut piece) {
        if piece.starts_with(begin.as_bytes()) {
            both.wait();
        }
        if piece.starts_with(b"GET ") || piece.starts_with(b"POST ") {
            // a shop that has ended has no more visitors
            let Ok(new) = TcpStream::connect(shop) else { return };
            let (mut answers, mut to_client) = (new.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut answers, &mut to_client));
            server = Some(new);
        }
        if server.as_mut().is_none_or(|server| server.write_all(&piece[..length]).is_err()) {
            return;
        }
    }
}

async fn sign_in(browser: &Chromium, shop: &Example, name: &str) {
    browser.go(&at(shop, "/sign-in")).await;
    browser.fill("#name", name).await;
    browser.click("form[action='/sign-in'] button").await;
    browser.until_text("Welcome, ").await;
}

async fn token(browser: &Chromium) -> String {
    browser.cookie("__Host-session").await.unwrap()["value"].as_str().unwrap().to_owned()
}

/// How many writes met another's, as the shop tells Prometheus.
async fn conflicts(shop: &Example) -> u64 {
    let metrics = reqwest::get(at(shop, "/metrics")).await.unwrap().text().await.unwrap();
    let line =
        metrics.lines().find(|line| line.starts_with("session_events_total{event=\"conflict\",reason=\"overtaken\"}"));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
}
