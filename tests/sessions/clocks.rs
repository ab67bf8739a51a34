//! Servers whose clocks differ.

use std::time::Duration;

use actix_typed_session::SessionConfig;

use super::site::{DAY, Site, ok, who};

#[tokio::test]
async fn a_sign_in_by_a_clock_that_was_wrong_is_fresh_again_after_the_next_one() {
    for again in ["/login/ada", "/confirm", "/login/eve"] {
        let site = Site::new();
        let wrong = site.ahead(DAY, SessionConfig::new());
        let browser = site.moved(&wrong.signed_in("ada").await);
        assert_eq!(browser.get("/fresh").await.status, 403, "{again}: nobody knows when that was");
        ok(&browser.get(again).await);
        ok(&browser.get("/fresh").await);
        site.clock.advance(Duration::from_secs(301));
        assert_eq!(browser.get("/fresh").await.status, 403, "{again}");
    }
}

#[tokio::test]
async fn a_sign_in_by_a_clock_that_is_a_little_behind_comes_after_the_one_before() {
    let site = Site::new();
    let ahead = site.ahead(Duration::from_secs(50), SessionConfig::new());
    let browser = site.moved(&ahead.signed_in("ada").await);
    ok(&browser.get("/login/eve").await);
    // the entry of ada's is over, though it is the later one by the clocks
    assert_eq!(site.sessions.revoke_owner("ada").await.unwrap(), 0);
    assert_eq!(who(&browser).await.as_deref(), Some("eve"));
    ok(&browser.get("/fresh").await);
}
