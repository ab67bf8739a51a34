//! H4: what caches are told.

use actix_typed_session::testing::{Fault, Operation};
use actix_typed_session_tests::support::browser::Response;

use crate::site::Site;

fn vary(response: &Response) -> Vec<&str> {
    response.all("vary").flat_map(|line| line.split(',')).map(str::trim).collect()
}

/// H4: any access, of which kind ever.
#[tokio::test]
async fn a_response_that_looked_at_the_session_varies_by_cookie() {
    let paths = ["/read", "/push/1", "/option", "/result-user", "/handle", "/option-handle", "/is-new", "/get/note"];
    for site in [Site::new().await, Site::begun().await] {
        for path in paths.into_iter().chain(["/rotate", "/set/a/b", "/login/ada", "/err/404", "/err/500", "/destroy"]) {
            assert_eq!(vary(&site.get(path).await), ["Cookie"], "{path}");
        }
    }
}

/// H4: what never looked does not vary.
#[tokio::test]
async fn a_response_that_did_not_look_at_the_session_does_not_vary() {
    let site = Site::begun().await;
    for path in ["/none", "/no-such-path", "/inner/none"] {
        let response = site.get(path).await;
        assert!(vary(&response).is_empty() && response.header("cache-control").is_none(), "{path}: {response:?}");
    }
}

/// H4: on 401 too.
#[tokio::test]
async fn a_guard_s_refusal_varies_by_cookie() {
    for site in [Site::new().await, Site::begun().await] {
        let response = site.get("/user").await;
        assert_eq!((response.status, response.body.as_str()), (401, ""));
        assert_eq!(vary(&response), ["Cookie"]);
        assert!(response.set_cookies().is_empty());
    }
}

/// H4: on 503, 409 and 500 too, at the load and at the commit.
#[tokio::test]
async fn a_failure_varies_by_cookie() {
    let site = Site::begun().await;
    for (operation, path) in [(Operation::Load, "/read"), (Operation::Load, "/option"), (Operation::Update, "/push/2")]
    {
        site.faults.next(operation, 1, Fault::Unavailable);
        let response = site.get(path).await;
        assert_eq!((response.status, vary(&response)), (503, vec!["Cookie"]), "{path}");
    }
    let response = site.get("/nan").await;
    assert_eq!((response.status, vary(&response)), (500, vec!["Cookie"]));
}

/// H4: the app's own `Vary` stays.
#[tokio::test]
async fn the_app_s_own_vary_stays() {
    let site = Site::begun().await;
    assert_eq!(vary(&site.get("/headers-read").await), ["Accept", "Origin", "Cookie"]);
    for (own, all) in [
        ("Accept", vec!["Accept", "Cookie"]),
        ("cookie", vec!["cookie"]),
        ("Accept, Cookie", vec!["Accept", "Cookie"]),
        ("*", vec!["*"]),
        ("X-Cookie", vec!["X-Cookie", "Cookie"]),
    ] {
        assert_eq!(vary(&site.get(&format!("/vary/{}", own.replace(' ', "%20"))).await), all);
    }
}

/// H4: a response that sets the cookie is stored nowhere, whatever the app said.
#[tokio::test]
async fn a_response_that_sets_the_cookie_is_no_store_whatever_the_app_said() {
    let site = Site::new().await;
    let response = site.get("/headers").await;
    assert_eq!(response.set_cookies().len(), 1);
    assert_eq!(response.all("cache-control").collect::<Vec<_>>(), ["no-store"]);
    assert_eq!((response.body.as_str(), vary(&response)), ("told", vec!["Accept", "Origin", "Cookie"]));
    for path in ["/rotate", "/login/ada", "/destroy"] {
        let response = site.get(path).await;
        assert_eq!(response.set_cookies().len(), 1, "{path}");
        assert_eq!(response.all("cache-control").collect::<Vec<_>>(), ["no-store"], "{path}");
    }
}

/// H4: a response that sets no cookie is cached as the app says.
#[tokio::test]
async fn a_response_without_the_cookie_is_cached_as_the_app_says() {
    let site = Site::begun().await;
    for path in ["/headers", "/headers-read"] {
        let response = site.get(path).await;
        assert!(response.set_cookies().is_empty());
        assert_eq!(response.all("cache-control").collect::<Vec<_>>(), ["public", "max-age=3600"], "{path}");
    }
    assert_eq!(site.get("/read").await.header("cache-control"), None);
}
