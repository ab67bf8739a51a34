//! Two middlewares around one handler (section 3), and scopes of one app.

use actix_typed_session::{
    SessionConfig, SessionHandle, SessionMiddleware,
    store::MemoryStore,
    testing::{ReferenceStore, SpyStore},
};
use actix_web::{
    Error, HttpMessage as _,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::{Next, from_fn},
    web::{ServiceConfig, scope},
};

use crate::{
    events::{all, listen},
    routes::routes,
    site::{Bare, key, split},
};

struct Two {
    bare: Bare,
    outer: SpyStore,
    inner: SpyStore,
}

fn sessions(name: &str) -> (SpyStore, SessionMiddleware) {
    let spy = SpyStore::new(ReferenceStore::default());
    let config = SessionConfig::new().cookie_name(name);
    (spy.clone(), SessionMiddleware::with_config(spy, config).unwrap())
}

impl Two {
    async fn new(outer_name: &str, inner_name: &str) -> Self {
        let (outer, outer_sessions) = sessions(outer_name);
        let (inner, inner_sessions) = sessions(inner_name);
        let bare = Bare::start(move |app: &mut ServiceConfig| {
            let inner = scope("/in").wrap(inner_sessions.clone()).wrap(from_fn(between)).configure(routes);
            app.service(scope("").wrap(outer_sessions.clone()).service(inner).configure(routes));
        });
        Self { bare: bare.await, outer, inner }
    }

    fn logs(&self) -> [Vec<&'static str>; 2] {
        [self.outer.take(), self.inner.take()]
    }
}

/// Between the two, and so of the outer session: before and after the inner one was there.
async fn between(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let marked = request.headers().contains_key("x-mark");
    if marked {
        let session = request.extract::<SessionHandle>().await?;
        session.set("before", "outer")?;
    }
    let response = next.call(request).await?;
    if marked {
        let session = extract(response.request()).await?;
        session.set("after", "outer")?;
    }
    assert!(response.request().extensions().get::<u8>().is_none());
    Ok(response)
}

async fn extract(request: &actix_web::HttpRequest) -> Result<SessionHandle, Error> {
    use actix_web::FromRequest as _;
    Ok(SessionHandle::extract(request).await?)
}

/// Section 3: with another name the inner one hides the outer, and keeps its own record.
#[tokio::test]
async fn an_inner_middleware_of_another_name_has_its_own_session() {
    let two = Two::new("outer", "inner").await;
    let response = two.bare.browser.get("/in/push/1").await;
    let names: Vec<_> = response.set_cookies().into_iter().map(|line| split(line).0).collect();
    assert_eq!(names, ["__Host-inner"]);
    assert_eq!(two.logs(), [vec![], vec!["create"]]);
    two.bare.browser.get("/push/2").await;
    assert_eq!(two.logs(), [vec!["create"], vec![]]);
    assert_eq!(two.bare.browser.get("/in/read").await.body, "[1]");
    assert_eq!(two.bare.browser.get("/read").await.body, "[2]");
    two.bare.browser.get("/in/destroy").await;
    assert_eq!(two.bare.browser.get("/in/read").await.body, "[]");
    assert_eq!(two.bare.browser.get("/read").await.body, "[2]");
}

/// Section 3: the outer one is there again on the way out, and each commits its own.
#[tokio::test]
async fn the_outer_session_is_back_on_the_way_out_and_each_commits_its_own() {
    let two = Two::new("outer", "inner").await;
    let response = two.bare.browser.send("GET", "/in/push/1", &[("x-mark", "yes")], "").await;
    let mut names: Vec<_> = response.set_cookies().into_iter().map(|line| split(line).0).collect();
    names.sort_unstable();
    assert_eq!((response.status, names), (200, vec!["__Host-inner", "__Host-outer"]));
    // H4: once for both
    assert_eq!(response.all("vary").collect::<Vec<_>>(), ["Cookie"]);
    assert_eq!(response.all("cache-control").collect::<Vec<_>>(), ["no-store"]);
    assert_eq!(two.logs(), [vec!["create"], vec!["create"]]);
    for (path, value) in [("/get/before", "outer"), ("/get/after", "outer"), ("/in/get/before", "absent")] {
        assert_eq!(two.bare.browser.get(path).await.body, value, "{path}");
    }
    assert_eq!(two.bare.browser.get("/read").await.body, "[]");
}

/// Section 3: with the same name the inner one is transparent, whatever its store.
#[tokio::test]
async fn an_inner_middleware_of_the_same_name_is_transparent() {
    let two = Two::new("session", "session").await;
    let response = two.bare.browser.send("GET", "/in/push/1", &[("x-mark", "yes")], "").await;
    assert_eq!((response.status, response.set_cookies().len()), (200, 1));
    assert_eq!(two.logs(), [vec!["create"], vec![]]);
    for (path, value) in [("/read", "[1]"), ("/in/read", "[1]"), ("/get/before", "outer"), ("/get/after", "outer")] {
        assert_eq!(two.bare.browser.get(path).await.body, value, "{path}");
    }
    let response = two.bare.browser.get("/in/rotate").await;
    assert_eq!(response.set_cookies().len(), 1);
    assert_eq!(two.inner.take(), [""; 0]);
}

/// H1: `__Host-session` and `session` with the prefix spelled out are one name.
#[tokio::test]
async fn names_are_compared_with_their_prefixes() {
    let two = Two::new("session", "__Host-session").await;
    two.bare.browser.get("/in/push/1").await;
    assert_eq!(two.logs(), [vec!["create"], vec![]]);
}

/// H6: a failure inside drops the changes of both; each `destroy` happens.
#[tokio::test]
async fn a_failure_drops_the_changes_of_both() {
    let two = Two::new("outer", "inner").await;
    let response = two.bare.browser.send("GET", "/in/status/500", &[("x-mark", "yes")], "").await;
    assert_eq!((response.status, response.set_cookies().len()), (500, 0));
    let response = two.bare.browser.send("GET", "/in/inner/push/1", &[("x-code", "418")], "").await;
    assert_eq!((response.status, response.set_cookies().len()), (418, 0));
    assert_eq!(two.logs(), [vec![""; 0], vec![]]);
    two.bare.browser.get("/in/push/1").await;
    let token = two.bare.browser.cookie("__Host-inner").unwrap();
    assert!(two.bare.browser.get("/in/inner/destroy").await.set_cookies()[0].starts_with("__Host-inner=; "));
    assert!(key(&token).starts_with("session:"));
    assert!(two.logs()[1].contains(&"delete"));
}

#[test]
fn a_second_memory_store_for_one_cookie_is_told_and_a_clone_of_the_first_is_not() {
    listen();
    let told = || all().iter().filter(|line| line.text.contains("__Host-second-store")).count();
    let sessions = || {
        let config = SessionConfig::new().cookie_name("second-store");
        SessionMiddleware::with_config(MemoryStore::default(), config).unwrap()
    };
    let first = sessions();
    let clone = first.clone();
    assert_eq!(told(), 0);
    let second = sessions();
    assert_eq!(told(), 1);
    drop((first, clone, second));
    // one after the other is how tests and restarts do it
    let _third = sessions();
    assert_eq!(told(), 1);
}
