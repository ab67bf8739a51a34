//! CSRF tokens.

use actix_typed_session::testing::{Fault, Operation};

use crate::site::Site;

#[tokio::test]
async fn a_token_is_good_as_often_as_it_is_sent_and_each_is_another_text() {
    let site = Site::signed_in().await;
    let tokens = site.ok("/tokens").await;
    let (one, two) = tokens.split_once(' ').unwrap();
    assert_ne!(one, two);
    for token in [one, two, one, &site.ok("/token").await] {
        assert_eq!(site.check(token).await, 200);
    }
}

#[tokio::test]
async fn a_visitor_without_a_session_gets_one_for_the_login_form() {
    let site = Site::new();
    assert_eq!(site.trips("/token").await, ["create"]);
    let cookie = site.cookie();
    let token = site.ok("/token").await;
    assert_eq!((site.check(&token).await, site.cookie()), (200, cookie), "and no other after that");
    site.ok("/login/ada").await;
    assert_eq!(site.check(&token).await, 403, "what a visitor knew before is not good for the user");
}

#[tokio::test]
async fn another_visitors_token_is_refused() {
    let site = Site::signed_in().await;
    let token = site.browser.other().get("/token").await.body;
    assert_eq!(token.len(), 64);
    assert_eq!(site.check(&token).await, 403);
}

#[tokio::test]
async fn a_text_that_is_no_token_is_refused() {
    let site = Site::signed_in().await;
    let cookie = site.cookie();
    let token = site.ok("/token").await;
    for text in ["", "null", &cookie, &token[1..], &token.to_lowercase(), &format!("{token}{token}"), &"A".repeat(64)] {
        assert_eq!(site.check(text).await, 403, "{text}");
    }
}

#[tokio::test]
async fn without_a_session_every_token_is_refused() {
    let site = Site::signed_in().await;
    let token = site.ok("/token").await;
    let cookie = site.cookie();
    site.browser.forget_cookies();
    assert_eq!(site.check_trips(&token).await, (403, vec![]));
    site.browser.set_cookie("/", &format!("__Host-session={cookie}; Path=/; Secure"));
    site.ok("/destroy").await;
    site.browser.set_cookie("/", &format!("__Host-session={cookie}; Path=/; Secure"));
    assert_eq!(site.check_trips(&token).await, (403, vec!["load"]), "it ended with its session");
}

#[tokio::test]
async fn a_token_of_before_a_rotation_is_refused_after_it() {
    for path in ["/rotate", "/confirm", "/login/ada", "/login/grace", "/rename/grace", "/logout"] {
        let site = Site::signed_in().await;
        let token = site.ok("/token").await;
        site.ok("/item/1").await;
        assert_eq!(site.check(&token).await, 200, "a change does nothing to it");
        site.ok(path).await;
        assert_eq!(site.check(&token).await, 403, "{path}");
        let token = site.ok("/token").await;
        assert_eq!(site.check(&token).await, 200, "{path}");
    }
}

#[tokio::test]
async fn a_token_is_of_the_session_that_the_visitor_has_after_the_response() {
    for signed_in in [false, true] {
        for change in ["login", "logout", "rotate", "confirm", "clear", "destroy", "set", "admin"] {
            let site = if signed_in { Site::signed_in().await } else { Site::new() };
            let token = site.ok(&format!("/token-after/{change}")).await;
            assert_eq!(site.check(&token).await, 200, "after {change}, signed in {signed_in}");
        }
    }
}

#[tokio::test]
async fn a_token_waits_for_a_save_of_the_same_request() {
    let site = Site::new();
    let token = site.ok("/token-while-saving").await;
    assert_eq!(site.check(&token).await, 200);
    let token = site.meanwhile("/token-while-saving", "/me").await.body;
    assert_eq!(site.check(&token).await, 200, "it is of the token that the save brings");
}

#[tokio::test]
async fn what_saves_first_saves_once() {
    let site = Site::new();
    // the user's record is loaded and written before the session
    assert_eq!(site.trips("/token-after/login").await, ["load", "create", "create"]);
    assert_eq!(site.trips("/token").await, ["load"]);
    assert_eq!(site.trips("/token-after/login").await, ["load", "update"]);
    assert_eq!(site.trips("/token-after/rotate").await, ["load", "update"]);
    assert_eq!(site.trips("/token-after/set").await, ["load", "update"]);
    site.pass(120);
    assert_eq!(site.trips("/token-after/destroy").await, ["load", "delete", "create"]);
    let token = site.ok("/token").await;
    assert_eq!(site.check_trips(&token).await, (200, vec!["load"]));
}

#[tokio::test]
async fn where_the_session_ends_meanwhile_the_token_is_of_a_new_one() {
    let site = Site::signed_in().await;
    let response = site.meanwhile("/token-after/rotate", "/destroy").await;
    assert_eq!(response.status, 200);
    assert_eq!(site.check(&response.body).await, 200);
    assert_eq!(site.get("/me").await.status, 401, "which is not the old one");
}

#[tokio::test]
async fn after_the_response_began_a_token_is_only_of_a_session_that_is_there() {
    let site = Site::signed_in().await;
    let token = site.ok("/token-late").await;
    assert_eq!(site.check(&token).await, 200);
    site.browser.forget_cookies();
    assert!(site.ok("/token-late").await.contains("can't begin after the response did"));
}

#[tokio::test]
async fn where_the_store_fails_there_is_neither_a_token_nor_a_verdict() {
    let site = Site::signed_in().await;
    let token = site.ok("/token").await;
    site.fault.always(Operation::Load, Fault::Unavailable);
    assert_eq!(site.get("/token").await.status, 503);
    assert_eq!(site.check(&token).await, 503);
    site.fault.clear();
    site.browser.forget_cookies();
    site.fault.always(Operation::Create, Fault::Unavailable);
    let response = site.get("/token").await;
    assert_eq!((response.status, response.header("set-cookie")), (503, None));
}
