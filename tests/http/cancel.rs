//! L8: what a client that hangs up, or a handler that panics, leaves behind.

use std::{sync::Arc, time::Duration};

use actix_typed_session::{
    Session, SessionHandle, SessionMiddleware,
    testing::{FaultStore, Operation, ReferenceStore, SpyStore},
};
use actix_web::{
    Error, HttpResponse,
    body::BodyStream,
    web::{Bytes, Data, ServiceConfig, get, scope},
};
use futures_util::{FutureExt as _, stream};
use tokio::{sync::Semaphore, time::timeout};

use crate::{
    routes::{Cart, routes},
    site::{Bare, NAME},
};

struct Case {
    faults: FaultStore,
    spy: SpyStore,
    steps: Steps,
    bare: Bare,
}

/// How many handlers of `/wait` came in, and how many were dropped there.
#[derive(Clone)]
struct Steps {
    entered: Arc<Semaphore>,
    left: Arc<Semaphore>,
}

/// Tells that a handler's future is gone.
struct Leaving(Arc<Semaphore>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

impl Steps {
    /// Waits for ever, in a handler.
    async fn stay(&self) {
        let _leaving = Leaving(self.left.clone());
        self.entered.add_permits(1);
        std::future::pending::<()>().await;
    }

    /// A response that tells when it is dropped.
    fn body(&self) -> HttpResponse {
        let leaving = Leaving(self.left.clone());
        HttpResponse::Ok().body(BodyStream::new(stream::once(async move {
            drop(leaving);
            Ok::<_, Error>(Bytes::new())
        })))
    }
}

async fn reached(step: &Semaphore) {
    let permit = timeout(Duration::from_secs(30), step.acquire()).await;
    permit.expect("in time").expect("never closed").forget();
}

fn waiting(app: &mut ServiceConfig) {
    app.route(
        "/wait",
        get().to(async |mut cart: Session<Cart>, steps: Data<Steps>| {
            cart.items.push(2);
            steps.stay().await;
            "never"
        }),
    )
    .route(
        "/wait-destroy",
        get().to(async |session: SessionHandle, steps: Data<Steps>| {
            session.destroy();
            steps.stay().await;
            "never"
        }),
    )
    .route(
        "/leave-save",
        get().to(async |session: SessionHandle, steps: Data<Steps>| {
            session.rotate();
            assert!(session.save().now_or_never().is_none(), "the test holds it");
            steps.entered.add_permits(1);
            session.set("big", &"x".repeat(300 << 10)).map(|()| "set")
        }),
    )
    .route(
        "/leave-save-nan",
        get().to(async |session: SessionHandle, mut cart: Session<Cart>, steps: Data<Steps>| {
            session.rotate();
            assert!(session.save().now_or_never().is_none(), "the test holds it");
            steps.entered.add_permits(1);
            cart.ratio = f64::NAN;
            "written"
        }),
    )
    // the answer is gone when its body is
    .route(
        "/leaving/push",
        get().to(async |mut cart: Session<Cart>, steps: Data<Steps>| {
            cart.items.push(2);
            steps.body()
        }),
    )
    .route(
        "/leaving/destroy",
        get().to(async |session: SessionHandle, steps: Data<Steps>| {
            session.destroy();
            steps.body()
        }),
    )
    .route(
        "/leaving/rotate",
        get().to(async |session: SessionHandle, steps: Data<Steps>| {
            session.rotate();
            steps.body()
        }),
    )
    .route(
        "/leaving/save",
        get().to(async |mut cart: Session<Cart>, steps: Data<Steps>| {
            let _leaving = Leaving(steps.left.clone());
            cart.items.push(2);
            let saved = cart.save().await;
            cart.items.push(3);
            saved.map(|()| "never")
        }),
    )
    .route(
        "/panic",
        get().to(async |mut cart: Session<Cart>, session: SessionHandle| -> &'static str {
            cart.items.push(2);
            session.rotate();
            panic!("as the test wants it")
        }),
    );
}

impl Case {
    /// With a session that holds the item 1.
    async fn begun() -> Self {
        let faults = FaultStore::new(ReferenceStore::default());
        let spy = SpyStore::new(faults.clone());
        let sessions = SessionMiddleware::new(spy.clone());
        let none = || Arc::new(Semaphore::new(0));
        let steps = Steps { entered: none(), left: none() };
        let data = Data::new(steps.clone());
        let bare = Bare::start(move |app: &mut ServiceConfig| {
            let inside = scope("").wrap(sessions.clone()).configure(routes).configure(waiting);
            app.app_data(data.clone()).service(inside);
        });
        let case = Self { faults, spy, steps, bare: bare.await };
        case.bare.browser.get("/push/1").await;
        let _ = case.spy.take();
        case
    }
}

/// L8: while the handler runs.
#[tokio::test]
async fn a_client_that_hangs_up_while_the_handler_runs_leaves_the_record() {
    for path in ["/wait", "/wait-destroy"] {
        let case = Case::begun().await;
        let request = case.bare.browser.begin("GET", path, &[], "").await;
        reached(&case.steps.entered).await;
        drop(request);
        reached(&case.steps.left).await;
        let read = case.bare.browser.get("/read").await;
        assert_eq!((read.body.as_str(), read.set_cookies().len()), ("[1]", 0), "{path}");
        let asked = case.spy.take();
        assert!(asked.iter().all(|asked| *asked == "load"), "{path}: {asked:?}");
    }
}

/// L8: once the handler has answered or began to save, that is done by itself, and no more than that.
#[tokio::test]
async fn a_commit_goes_on_when_the_client_hangs_up() {
    let cases = [
        (Operation::Update, "/leaving/push", "[1, 2]"),
        (Operation::Update, "/leaving/save", "[1, 2]"),
        (Operation::Update, "/leaving/rotate", "[]"),
        (Operation::Delete, "/leaving/destroy", "[]"),
    ];
    for (operation, path, after) in cases {
        let case = Case::begun().await;
        let gate = case.faults.hold(operation);
        let request = case.bare.browser.begin("GET", path, &[], "").await;
        gate.arrived(1).await;
        drop(request);
        reached(&case.steps.left).await;
        gate.open();
        let mut body = String::new();
        for _ in 0..500 {
            body = case.bare.browser.get("/read").await.body;
            if body == after {
                break;
            }
        }
        assert_eq!(body, after, "{path}");
    }
}

/// L8: a load that another request's disappearance interrupts is nobody else's failure.
#[tokio::test]
async fn a_client_that_hangs_up_while_its_session_is_loaded_harms_nobody() {
    let case = Case::begun().await;
    let gate = case.faults.hold(Operation::Load);
    let request = case.bare.browser.begin("GET", "/push/2", &[], "").await;
    gate.arrived(1).await;
    drop(request);
    assert_eq!(case.bare.browser.get("/read").await.body, "[1]");
    gate.open();
    assert_eq!(case.bare.browser.get("/push/3").await.status, 200);
    assert_eq!(case.bare.browser.get("/read").await.body, "[1, 3]");
}

/// L8: a panic is no answer.
#[tokio::test]
async fn a_handler_that_panics_leaves_the_record() {
    let case = Case::begun().await;
    let request = case.bare.browser.begin("GET", "/panic", &[], "").await;
    assert!(request.finish().await.is_err());
    assert_eq!(case.bare.browser.get("/read").await.body, "[1]");
    let asked = case.spy.take();
    assert!(asked.iter().all(|asked| *asked == "load"), "{asked:?}");
}

/// L8, H5: a save that its handler did not wait for is done all the same, and the visitor needs the token that came of it.
#[tokio::test]
async fn the_token_of_a_save_that_was_left_is_sent_though_the_rest_fails() {
    for path in ["/leave-save", "/leave-save-nan"] {
        let case = Case::begun().await;
        let old = case.bare.browser.cookie(NAME);
        let gate = case.faults.hold(Operation::Update);
        let request = case.bare.browser.begin("GET", path, &[], "").await;
        reached(&case.steps.entered).await;
        gate.open();
        let response = request.finish().await.unwrap();
        assert_eq!((response.status, response.set_cookies().len()), (500, 1), "{path}");
        assert_ne!(case.bare.browser.cookie(NAME), old, "{path}");
        assert_eq!(case.bare.browser.get("/read").await.body, "[1]", "{path}");
    }
}
