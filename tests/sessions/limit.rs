//! How many sessions a user may have.

use std::time::Duration;

use actix_typed_session::{
    SessionConfig,
    testing::{Fault, Gate, Operation},
};
use actix_typed_session_tests::support::browser::Browser;
use futures_util::future::join_all;

use super::site::{DAY, Site, id, ok, who};

fn limited(sessions: usize) -> Site {
    Site::with(SessionConfig::new().limit_per_owner(sessions).idle_timeout(10 * DAY))
}

fn refusing(sessions: usize) -> Site {
    Site::with(SessionConfig::new().limit_per_owner(sessions).refuse_over_limit(true).idle_timeout(10 * DAY))
}

async fn living(browsers: &[Browser]) -> Vec<bool> {
    join_all(browsers.iter().map(who)).await.iter().map(Option::is_some).collect()
}

async fn count_living(browsers: &[Browser]) -> usize {
    living(browsers).await.iter().filter(|lives| **lives).count()
}

#[tokio::test]
async fn the_oldest_sign_in_is_ended() {
    let site = limited(2);
    let browsers = [site.signed_in("ada").await, site.signed_in("ada").await, site.signed_in("ada").await];
    assert_eq!(living(&browsers).await, [false, true, true]);
    // what counts is not the last use but the order of the sign-ins
    ok(&browsers[1].get("/item/1").await);
    let fourth = site.signed_in("ada").await;
    assert_eq!(living(&browsers).await, [false, false, true]);
    assert_eq!(site.ids("ada").await, [id(&browsers[2]), id(&fourth)]);
}

#[tokio::test]
async fn the_order_of_the_sign_ins_does_not_depend_on_the_clocks_of_servers() {
    let site = limited(2);
    let ahead = site.ahead(Duration::from_secs(30), SessionConfig::new().limit_per_owner(2));
    let browsers = [ahead.signed_in("ada").await, site.signed_in("ada").await, site.signed_in("ada").await];
    assert_eq!(site.ids("ada").await, [id(&browsers[1]), id(&browsers[2])]);
}

#[tokio::test]
async fn the_session_that_signs_in_is_never_the_one_that_ends() {
    let site = limited(1);
    let browser = site.signed_in("ada").await;
    for _ in 0..3 {
        ok(&browser.get("/login/ada").await);
        ok(&browser.get("/out").await);
        ok(&browser.get("/login/ada").await);
        assert_eq!(who(&browser).await.as_deref(), Some("ada"));
    }
}

#[tokio::test]
async fn a_sign_in_that_can_not_be_written_ends_no_other() {
    for path in ["/items", "/item/1"] {
        let site = limited(1);
        let first = site.signed_in("ada").await;
        let second = site.browser();
        ok(&second.get(path).await);
        assert_eq!(second.get("/login-too-large/ada").await.status, 500, "{path}");
        assert_eq!(who(&first).await.as_deref(), Some("ada"), "{path}");
    }
}

#[tokio::test]
async fn other_users_and_anonymous_visitors_are_not_counted() {
    let site = limited(1);
    let anonymous = site.browser();
    ok(&anonymous.get("/item/1").await);
    let browsers = [site.signed_in("ada").await, site.signed_in("eve").await];
    assert_eq!(living(&browsers).await, [true, true]);
    assert_eq!(anonymous.get("/items").await.body, "[1]");
}

#[tokio::test]
async fn one_more_is_refused_where_that_is_asked_for() {
    let site = refusing(2);
    let browsers = [site.signed_in("ada").await, site.signed_in("ada").await];
    let third = site.browser();
    ok(&third.get("/item/1").await);
    let response = third.get("/login/ada").await;
    assert_eq!((response.status, response.body.as_str(), response.set_cookies().len()), (409, "", 0));
    assert_eq!((living(&browsers).await, third.get("/items").await.body), (vec![true, true], "[1]".to_owned()));
    // who is in may sign in again
    ok(&browsers[0].get("/login/ada").await);
}

#[tokio::test]
async fn a_session_that_ended_makes_room_at_once() {
    for end in ["/destroy", "/out", "/clear", "/login/eve"] {
        let site = refusing(1);
        let browser = site.signed_in("ada").await;
        ok(&browser.get(end).await);
        let again = site.signed_in("ada").await;
        assert_eq!(site.ids("ada").await, [id(&again)], "{end}");

        let site = limited(2);
        let (one, two) = (site.signed_in("ada").await, site.signed_in("ada").await);
        ok(&two.get(end).await);
        site.signed_in("ada").await;
        assert_eq!(who(&one).await.as_deref(), Some("ada"), "{end}");
    }
}

#[tokio::test]
async fn a_session_that_was_there_before_the_sign_in_makes_room_at_once_too() {
    for end in ["/destroy", "/out", "/clear", "/login/eve"] {
        let site = refusing(1);
        let browser = site.browser();
        for path in ["/item/1", "/login/ada", end] {
            ok(&browser.get(path).await);
        }
        let again = site.signed_in("ada").await;
        assert_eq!(site.ids("ada").await, [id(&again)], "{end}");
    }
}

#[tokio::test]
async fn a_session_that_was_destroyed_makes_room_at_once_where_only_refusing_is_asked_for() {
    let site = Site::with(SessionConfig::new().refuse_over_limit(true));
    let first = site.signed_in("ada").await;
    for _ in 0..110 {
        ok(&site.signed_in("ada").await.get("/destroy").await);
    }
    assert_eq!(who(&first).await.as_deref(), Some("ada"));
}

#[tokio::test]
async fn a_logout_just_after_the_sign_in_works_where_the_store_has_no_room() {
    let site = limited(2);
    let browser = site.signed_in("ada").await;
    site.faults.always(Operation::Update, Fault::Unavailable);
    ok(&browser.get("/destroy").await);
    assert_eq!(who(&browser).await, None);
}

#[tokio::test]
async fn a_session_that_expired_makes_room() {
    let site = refusing(2);
    let (one, two) = (site.signed_in("ada").await, site.signed_in("ada").await);
    site.clock.advance(6 * DAY);
    ok(&two.get("/items").await);
    site.clock.advance(6 * DAY);
    let three = site.signed_in("ada").await;
    assert_eq!((who(&one).await, site.ids("ada").await), (None, vec![id(&two), id(&three)]));
}

#[tokio::test]
async fn a_sign_in_that_failed_makes_room_once_it_can_not_arrive_any_more() {
    let site = refusing(1);
    let browser = site.browser();
    ok(&browser.get("/item/1").await);
    // the user's record is created, and the session's update fails
    site.faults.always(Operation::Update, Fault::Unavailable);
    assert_eq!(browser.get("/login/ada").await.status, 503);
    site.faults.clear();
    assert_eq!(site.browser().get("/login/ada").await.status, 409);
    // twice the time of a call, and a minute
    site.clock.advance(Duration::from_secs(50));
    assert_eq!(site.browser().get("/login/ada").await.status, 409);
    site.clock.advance(Duration::from_secs(14));
    site.signed_in("ada").await;
}

#[tokio::test]
async fn the_limit_is_exact_under_many_sign_ins_at_once() {
    for limit in [1, 3] {
        let site = limited(limit);
        let mut first = Vec::new();
        for _ in 0..limit {
            first.push(site.signed_in("ada").await);
        }
        let browsers: Vec<Browser> = (0..20).map(|_| site.browser()).collect();
        let statuses = join_all(browsers.iter().map(async |browser| browser.get("/login/ada").await.status)).await;
        assert!(statuses.iter().all(|status| [200, 409].contains(status)), "{statuses:?}");
        // who was told no has no cookie
        let browsers: Vec<Browser> =
            browsers.into_iter().filter(|browser| browser.cookie("__Host-session").is_some()).collect();
        assert_eq!((count_living(&browsers).await, living(&first).await), (limit, vec![false; limit]), "{statuses:?}");
        assert_eq!(site.ids("ada").await.len(), limit);
    }
}

#[tokio::test]
async fn of_many_sign_ins_at_once_as_many_get_in_as_there_is_room_for() {
    let site = refusing(3);
    let browsers: Vec<Browser> = (0..20).map(|_| site.browser()).collect();
    let statuses = join_all(browsers.iter().map(async |browser| browser.get("/login/ada").await.status)).await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 3, "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 409].contains(status)), "{statuses:?}");
    assert_eq!(count_living(&browsers).await, 3);
}

#[tokio::test]
async fn a_lower_limit_ends_as_many_as_are_over_it() {
    let many = limited(5);
    let mut browsers = Vec::new();
    for _ in 0..5 {
        browsers.push(many.signed_in("ada").await);
    }
    let few = many.beside(SessionConfig::new().limit_per_owner(2));
    let last = few.signed_in("ada").await;
    assert_eq!(living(&browsers).await, [false, false, false, false, true]);
    assert_eq!(many.ids("ada").await, [id(&browsers[4]), id(&last)]);
}

#[tokio::test]
async fn those_that_are_over_it_are_ended_at_once_and_not_one_by_one() {
    let many = limited(20);
    let mut browsers = Vec::new();
    for _ in 0..20 {
        browsers.push(many.signed_in("ada").await);
    }
    let few = many.beside(SessionConfig::new().limit_per_owner(1));
    let gate = Gate::new();
    few.faults.always(Operation::Update, Fault::Held(gate.clone()));
    let browser = few.browser();
    let sign_in = tokio::spawn(async move { browser.get("/login/ada").await.status });
    tokio::time::timeout(Duration::from_secs(20), gate.arrived(16)).await.unwrap();
    gate.open();
    assert_eq!((sign_in.await.unwrap(), count_living(&browsers).await), (200, 0));
}

#[tokio::test]
async fn without_a_setting_it_is_a_hundred() {
    let site = Site::new();
    let first = site.signed_in("ada").await;
    for _ in 0..99 {
        site.signed_in("ada").await;
    }
    assert_eq!(who(&first).await.as_deref(), Some("ada"));
    site.signed_in("ada").await;
    assert_eq!((who(&first).await, site.ids("ada").await.len()), (None, 100));
}
