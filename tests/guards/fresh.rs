//! A fresh proof of who the visitor is.

use crate::site::Site;

#[tokio::test]
async fn a_visitor_who_is_not_signed_in_gets_401_and_not_403() {
    let site = Site::new();
    let response = site.get("/fresh").await;
    assert_eq!((response.status, response.body.as_str()), (401, ""));
    assert_eq!(site.ok("/why").await, "absent");
}

#[tokio::test]
async fn a_sign_in_is_fresh_for_so_long_and_no_longer() {
    let site = Site::signed_in().await;
    assert_eq!(site.ok("/fresh").await, "ada");
    site.pass(200);
    assert_eq!(site.ok("/fresh").await, "ada");
    site.pass(101);
    let response = site.get("/fresh").await;
    assert_eq!((response.status, response.body.as_str()), (403, ""));
    assert_eq!(response.header("vary"), Some("Cookie"));
    assert_eq!(site.ok("/me").await, "ada ", "the visitor is signed in still");
}

#[tokio::test]
async fn a_handler_can_tell_how_long_ago_it_was() {
    let site = Site::signed_in().await;
    assert_eq!((site.ok("/why").await, site.ok("/maybe").await), ("fresh".into(), "true".into()));
    site.pass(3600);
    let why = site.ok("/why").await;
    assert!(why.starts_with("300s Some(36"), "{why}");
    assert_eq!(site.ok("/maybe").await, "false");
}

#[tokio::test]
async fn what_is_changed_through_the_guard_is_saved() {
    let site = Site::signed_in().await;
    site.ok("/email/a@example.com").await;
    assert_eq!(site.ok("/me").await, "ada a@example.com");
    site.ok("/email-saved/b@example.com").await;
    assert_eq!(site.ok("/me").await, "ada b@example.com");
    site.pass(301);
    assert_eq!(site.get("/email/c@example.com").await.status, 403);
    assert_eq!(site.ok("/me").await, "ada b@example.com");
}

#[tokio::test]
async fn signing_in_again_is_fresh_again_as_the_same_user_too() {
    let site = Site::signed_in().await;
    for name in ["ada", "ada", "grace"] {
        site.pass(301);
        assert_eq!(site.get("/fresh").await.status, 403);
        site.ok(&format!("/login/{name}")).await;
        assert_eq!(site.ok("/fresh").await, name);
    }
}

#[tokio::test]
async fn another_owner_is_fresh_and_the_same_one_is_not() {
    let site = Site::signed_in().await;
    site.pass(301);
    site.ok("/rename/ada").await;
    assert_eq!(site.get("/fresh").await.status, 403);
    site.ok("/rename/grace").await;
    assert_eq!(site.ok("/fresh").await, "grace");
}

#[tokio::test]
async fn a_mark_is_fresh_again_and_kills_the_token_of_before() {
    let site = Site::signed_in().await;
    site.pass(301);
    let before = site.cookie();
    site.ok("/confirm").await;
    assert_eq!(site.ok("/fresh").await, "ada");
    assert_eq!((site.me_with(&site.cookie()).await, site.me_with(&before).await), (200, 401));
    site.pass(301);
    assert_eq!(site.get("/fresh").await.status, 403, "and that is over too");
}

#[tokio::test]
async fn neither_a_new_token_nor_a_change_is_a_proof() {
    let site = Site::signed_in().await;
    site.ok("/item/1").await;
    site.pass(301);
    for path in ["/rotate", "/item/2", "/me", "/confirm-and-forget", "/token-after/admin", "/become-admin"] {
        site.ok(path).await;
        assert_eq!(site.get("/fresh").await.status, 403, "{path}");
    }
    assert_eq!(site.ok("/cart").await, "[1, 2]");
}

#[tokio::test]
async fn the_time_is_that_of_the_last_proof() {
    let site = Site::new();
    assert_eq!(site.at().await, None);
    for path in ["/item/1", "/login/ada", "/confirm", "/rename/grace", "/login/grace", "/confirm-and-add"] {
        site.pass(10);
        let before = site.clock.now();
        site.ok(path).await;
        let after = site.clock.now();
        site.pass(10);
        let at = site.at().await;
        match path {
            "/item/1" => assert_eq!(at, None),
            _ => assert!(at.is_some_and(|at| (before..=after).contains(&at)), "{path}"),
        }
    }
}

#[tokio::test]
async fn whoever_signed_out_is_not_authenticated() {
    let site = Site::signed_in().await;
    site.ok("/item/1").await;
    site.ok("/logout").await;
    assert_eq!((site.at().await, site.ok("/cart").await.as_str()), (None, "[1]"));
    assert_eq!(site.get("/fresh").await.status, 401);
    for path in ["/confirm-and-log-out", "/confirm-and-clear"] {
        site.ok("/login/ada").await;
        assert_eq!(site.ok(path).await, "none", "{path}");
        assert_eq!(site.at().await, None, "{path}");
        site.ok("/item/2").await;
    }
    site.ok("/login/ada").await;
    site.ok("/destroy").await;
    assert_eq!(site.at().await, None);
}

#[tokio::test]
async fn a_mark_without_a_session_or_an_owner_notes_nothing() {
    let site = Site::new();
    assert_eq!(site.trips("/confirm").await, [""; 0]);
    assert!(site.browser.cookies().is_empty());
    site.ok("/item/1").await;
    site.ok("/confirm").await;
    assert_eq!(site.at().await, None);
    assert_eq!(site.get("/fresh-cart").await.status, 403, "nobody is authenticated, however fresh the session is");
}

#[tokio::test]
async fn what_this_request_proves_counts_before_it_is_saved() {
    let site = Site::new();
    for path in ["/login-and-see/ada", "/confirm-and-see", "/login-and-see/ada"] {
        let before = site.clock.now();
        let body = site.ok(path).await;
        let (name, at) = body.split_once(' ').unwrap();
        assert_eq!(name, "ada", "{path}");
        assert!((before..=site.clock.now()).contains(&at.parse().unwrap()), "{path}");
        site.pass(301);
    }
}

#[tokio::test]
async fn a_mark_and_a_change_of_another_request_both_survive() {
    let site = Site::signed_in().await;
    site.pass(301);
    assert_eq!(site.meanwhile("/confirm-and-add", "/item/1").await.status, 200);
    assert_eq!(site.ok("/cart").await, "[1, 9]");
    assert_eq!(site.ok("/fresh").await, "ada");
}

#[tokio::test]
async fn a_mark_during_a_save_of_the_same_request_counts_and_is_kept() {
    let site = Site::signed_in().await;
    site.pass(301);
    let before = site.clock.now();
    let at: u64 = site.meanwhile("/confirm-while-saving", "/me").await.body.parse().unwrap();
    assert!(at >= before, "as of now, and not of the sign-in");
    assert_eq!(site.ok("/fresh").await, "ada");
}

#[tokio::test]
async fn a_mark_with_a_token_that_was_rotated_away_is_a_conflict() {
    let site = Site::signed_in().await;
    site.pass(301);
    assert_eq!(site.meanwhile("/confirm", "/rotate").await.status, 409);
    assert_eq!(site.get("/fresh").await.status, 403);
    assert_eq!(site.meanwhile("/confirm", "/login/grace").await.status, 409, "the proof was not of the new user");
}

#[tokio::test]
async fn freshness_costs_no_call_to_the_store() {
    let site = Site::new();
    // the user's record is loaded and written before the session
    assert_eq!(site.trips("/login/ada").await, ["load", "create", "create"]);
    assert_eq!(site.trips("/fresh").await, ["load"]);
    assert_eq!(site.trips("/at").await, ["load"]);
    assert_eq!(site.trips("/email/a").await, ["load", "update"]);
    assert_eq!(site.trips("/confirm").await, ["load", "update"]);
    assert_eq!(site.trips("/login/ada").await, ["load", "update"]);
}
