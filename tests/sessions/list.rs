//! What `Sessions::of` shows.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_typed_session::SessionConfig;

use super::site::{DAY, Site, id, ok, who};

#[tokio::test]
async fn a_users_sessions_are_listed_in_the_order_of_their_sign_ins_and_nobody_elses() {
    let site = Site::new();
    let (one, two) = (site.signed_in("ada").await, site.signed_in("ada").await);
    site.signed_in("eve").await;
    assert_eq!(site.ids("ada").await, [id(&one), id(&two)]);
    assert_eq!(site.ids("nobody").await, [""; 0]);
}

#[tokio::test]
async fn a_session_has_a_label_and_its_times() {
    let site = Site::with(SessionConfig::new().idle_timeout(10 * DAY));
    let browser = site.browser();
    ok(&browser.get("/item/1").await);
    let began = Duration::from_millis(site.clock.now()).as_secs_f64();
    site.clock.advance(DAY / 2);
    ok(&browser.get("/login/ada").await);
    site.clock.advance(2 * DAY);
    ok(&browser.get("/items").await);
    site.clock.advance(DAY / 4);
    let all = site.of("ada").await;
    let one = all.first().unwrap();
    assert_eq!((all.len(), one.label.as_deref()), (1, Some("ada's")));
    let is_about = |time: SystemTime, days: f64| {
        let wanted = began + days * DAY.as_secs_f64();
        let time = time.duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        assert!((time - wanted).abs() < 60.0, "{time} and not {wanted}");
    };
    is_about(one.created, 0.0);
    is_about(one.authenticated, 0.5);
    is_about(one.last_used, 2.5);
}

#[tokio::test]
async fn a_session_is_current_in_its_own_requests_only() {
    let site = Site::new();
    let (one, two) = (site.signed_in("ada").await, site.signed_in("ada").await);
    assert_eq!(one.get("/current").await.body, "[true, false]");
    assert_eq!(two.get("/current").await.body, "[false, true]");
}

#[tokio::test]
async fn an_anonymous_session_is_in_no_list() {
    let site = Site::new();
    let browser = site.browser();
    ok(&browser.get("/item/1").await);
    assert_eq!(site.spy.take(), ["create"]);
    ok(&browser.get("/login/ada").await);
    ok(&browser.get("/out").await);
    assert!(site.of("ada").await.is_empty());
    assert_eq!(browser.get("/items").await.body, "[1]");
}

#[tokio::test]
async fn what_ended_is_not_listed() {
    let site = Site::with(SessionConfig::new().idle_timeout(DAY));
    let (one, two) = (site.signed_in("ada").await, site.signed_in("ada").await);
    ok(&one.get("/destroy").await);
    assert_eq!(site.ids("ada").await, [id(&two)]);
    site.clock.advance(DAY + Duration::from_secs(1));
    assert!(site.of("ada").await.is_empty());
}

#[tokio::test]
async fn what_has_ended_by_the_settings_of_today_is_not_listed_though_its_record_is_there() {
    let site = Site::with(SessionConfig::new().absolute_lifetime(10 * DAY));
    site.signed_in("ada").await;
    let today = site.beside(SessionConfig::new().absolute_lifetime(Duration::from_secs(60)));
    assert_eq!(today.ids("ada").await.len(), 1);
    site.clock.advance(Duration::from_secs(60));
    assert_eq!((site.ids("ada").await.len(), today.ids("ada").await.len()), (1, 0));
}

#[tokio::test]
async fn a_session_that_another_user_takes_over_moves_to_that_users_list_without_its_label() {
    let site = Site::new();
    let browser = site.signed_in("ada").await;
    site.clock.advance(DAY);
    ok(&browser.get("/login-unlabelled/eve").await);
    assert!(site.of("ada").await.is_empty());
    let all = site.of("eve").await;
    let one = all.first().unwrap();
    assert_eq!((all.len(), one.id.to_string(), one.label.clone()), (1, id(&browser), None));
    assert!(site.clock.now() / 1000 - one.created.duration_since(UNIX_EPOCH).unwrap().as_secs() < 60);
    // by a change in place as by an insert
    ok(&browser.get("/rename/grace").await);
    assert_eq!((site.of("eve").await.len(), site.ids("grace").await), (0, vec![id(&browser)]));
}

#[tokio::test]
async fn signing_in_again_as_the_same_user_lists_the_session_once() {
    let site = Site::new();
    let (one, two) = (site.signed_in("ada").await, site.signed_in("ada").await);
    ok(&one.get("/login/ada").await);
    assert_eq!(site.ids("ada").await, [id(&one), id(&two)]);
    // after a sign-out it is a new sign-in, the last
    ok(&one.get("/out").await);
    ok(&one.get("/login/ada").await);
    assert_eq!(site.ids("ada").await, [id(&two), id(&one)]);
    assert_eq!(who(&one).await.as_deref(), Some("ada"));
}

#[tokio::test]
async fn a_label_is_cut_at_256_bytes() {
    let site = Site::new();
    let name = "x".repeat(300);
    site.signed_in(&name).await;
    assert_eq!(site.of(&name).await[0].label.as_deref(), Some("x".repeat(256).as_str()));
}
