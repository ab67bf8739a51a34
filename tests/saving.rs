//! Uses of one session that are easily got wrong: saves that overlap or fail, ends that are taken back, late changes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test tells what it did not expect by a panic")]

use std::{
    io,
    sync::{LazyLock, Mutex, Once, OnceLock},
    time::Duration,
};

use actix_typed_session::{
    Session, SessionConfig, SessionError, SessionHandle, SessionMiddleware,
    store::{MemoryStore, Record},
    testing::{Fault, FaultStore, Operation, SpyStore},
};
use actix_typed_session_tests::support::{
    browser::{Browser, Response},
    server::Server,
};
use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    web::{Path, ServiceConfig, get},
};
use futures_util::{FutureExt, future::join};
use tokio::sync::Notify;

#[derive(Default, Session)]
#[session(default)]
struct Cart {
    items: Vec<u32>,
    #[session(merge = "add")]
    total: i64,
}

#[derive(Default, Session)]
#[session(default)]
struct Scale {
    weight: f64,
}

#[derive(Default, Session)]
#[session(default)]
struct Big {
    text: String,
}

type Answer = Result<String, SessionError>;

/// What a handler waits for before it answers.
static GO_ON: LazyLock<Notify> = LazyLock::new(Notify::new);

async fn extract<T: FromRequest<Error = SessionError>>(request: &HttpRequest) -> Result<T, SessionError> {
    T::extract(request).await
}

#[derive(Default, Session)]
#[session(default)]
struct Seat {
    #[session(merge = "reject")]
    number: u32,
}

fn routes(app: &mut ServiceConfig) {
    app.route(
        "/seat/{n}",
        get().to(async |mut seat: Session<Seat>, n: Path<u32>| {
            seat.number = *n;
            "taken"
        }),
    )
    .route("/seat", get().to(async |seat: Session<Seat>| seat.number.to_string()))
    .route(
        "/told",
        get().to(async |mut seat: Session<Seat>| {
            seat.number += 1;
            match seat.save().await {
                Ok(()) => "saved",
                Err(SessionError::OutcomeUnknown(_)) => "unknown",
                Err(_) => "failed",
            }
        }),
    );
    app.route("/cart", get().to(async |cart: Session<Cart>| format!("{:?} {}", cart.items, cart.total)))
        .route(
            "/item/{n}",
            get().to(async |mut cart: Session<Cart>, n: Path<u32>| {
                cart.items.push(*n);
                ""
            }),
        )
        .route(
            "/add/{n}",
            get().to(async |mut cart: Session<Cart>, n: Path<i64>| {
                cart.total += *n;
                ""
            }),
        )
        .route(
            "/destroy",
            get().to(async |session: SessionHandle| {
                session.destroy();
                ""
            }),
        )
        .route(
            "/rotate",
            get().to(async |session: SessionHandle| {
                session.rotate();
                ""
            }),
        )
        .route(
            "/get/{name}",
            get().to(async |session: SessionHandle, name: Path<String>| {
                session.get::<serde_json::Value>(&name).await.map(|value| value.unwrap_or_default().to_string())
            }),
        )
        .route(
            "/two-saves",
            get().to(async |mut one: Session<Cart>, mut two: Session<Cart>| -> Answer {
                one.total += 1;
                one.items.push(1);
                two.total += 10;
                two.items.push(2);
                let (one, two) = join(one.save(), two.save()).await;
                one.and(two).map(|()| String::new())
            }),
        )
        .route(
            "/extract-while-saving",
            get().to(async |mut one: Session<Cart>, request: HttpRequest| -> Answer {
                one.total += 1;
                one.items.push(1);
                let later = async {
                    let mut two: Session<Cart> = extract(&request).await?;
                    two.total += 10;
                    two.items.push(2);
                    Ok::<_, SessionError>(format!("{:?} {}", two.items, two.total))
                };
                let (saved, seen) = join(one.save(), later).await;
                saved.and(seen)
            }),
        )
        .route(
            "/change-while-a-save-fails",
            get().to(async |mut one: Session<Cart>, request: HttpRequest| -> Answer {
                one.total += 1;
                let later = async {
                    let mut two: Session<Cart> = extract(&request).await?;
                    two.total += 10;
                    Ok::<_, SessionError>(())
                };
                let (saved, _) = join(one.save(), later).await;
                Ok(saved.is_err().to_string())
            }),
        )
        .route(
            "/destroy-while-a-save-fails",
            get().to(async |session: SessionHandle| -> Answer {
                session.set("text", &"x".repeat(1 << 20))?;
                let done = session.save().now_or_never().is_some();
                session.destroy();
                Ok(done.to_string())
            }),
        )
        .route(
            "/see-two-saves",
            get().to(async |session: SessionHandle| -> Answer {
                session.is_new().await?;
                session.set("one", &1)?;
                let one = session.save().now_or_never().is_some();
                session.set("two", &2)?;
                let two = session.save().now_or_never().is_some();
                let seen = (session.get::<u32>("one").await?, session.get::<u32>("two").await?);
                Ok(format!("{one} {two} {seen:?}"))
            }),
        )
        .route(
            "/destroy-during-a-save",
            get().to(async |mut cart: Session<Cart>, session: SessionHandle| -> Answer {
                cart.total += 1;
                let done = cart.save().now_or_never().is_some();
                session.destroy();
                Ok(format!("{done} {:?}", session.get::<i64>("cart.total").await?))
            }),
        )
        .route(
            "/rotate-and-fail",
            get().to(async |mut big: Session<Big>, session: SessionHandle| {
                session.rotate();
                big.text = "x".repeat(1 << 20);
                let (rotated, failed) = join(session.save(), big.save()).await;
                format!("{} {}", rotated.is_ok(), failed.is_ok())
            }),
        )
        .route(
            "/set-again",
            get().to(async |session: SessionHandle| -> Answer {
                session.set("one", &1)?;
                let failed = session.save().await.is_err();
                session.set("two", &2)?;
                Ok(failed.to_string())
            }),
        )
        .route(
            "/destroy-again",
            get().to(async |session: SessionHandle| -> Answer {
                session.destroy();
                let failed = session.save().await.is_err();
                session.destroy();
                session.save().await?;
                Ok(failed.to_string())
            }),
        )
        .route(
            "/destroy-and-fail",
            get().to(async |session: SessionHandle, request: HttpRequest| -> Answer {
                session.destroy();
                let mut scale: Session<Scale> = extract(&request).await?;
                scale.weight = f64::NAN;
                Ok(String::new())
            }),
        )
        .route(
            "/destroy-not",
            get().to(async |mut cart: Session<Cart>, session: SessionHandle| {
                cart.total += 1;
                session.destroy();
                session.discard();
                cart.total += 1;
                ""
            }),
        )
        .route(
            "/clear-and-begin",
            get().to(async |session: SessionHandle, request: HttpRequest| -> Answer {
                session.clear();
                let mut cart: Session<Cart> = extract(&request).await?;
                cart.total += 1;
                cart.items.push(7);
                Ok(String::new())
            }),
        )
        .route(
            "/push-save-push",
            get().to(async |mut cart: Session<Cart>| -> Answer {
                cart.items.push(1);
                cart.save().await?;
                cart.items.push(2);
                Ok(String::new())
            }),
        )
        .route(
            "/set-after-a-failed-load",
            get().to(async |cart: Option<Session<Cart>>, session: SessionHandle| -> Answer {
                let failed = cart.is_none() && session.save().await.is_err();
                session.set("one", &1)?;
                Ok(failed.to_string())
            }),
        )
        .route(
            "/answer-a-failed-load",
            get().to(async |cart: Option<Session<Cart>>, session: SessionHandle| {
                session.set("one", &1).map(|()| cart.is_none())?;
                Ok::<_, SessionError>(session.save().await.is_err().to_string())
            }),
        )
        .route(
            "/cancel-a-save",
            get().to(async |mut cart: Session<Cart>| {
                cart.total += 1;
                let done = cart.save().now_or_never().is_some();
                GO_ON.notified().await;
                done.to_string()
            }),
        )
        .route(
            "/save-twice",
            get().to(async |session: SessionHandle| -> Answer {
                session.is_new().await?;
                session.save().await?;
                Ok(String::new())
            }),
        )
        .route(
            "/destroy-late",
            get().to(async |session: SessionHandle| {
                let body = futures_util::stream::once(async move {
                    session.destroy();
                    Ok::<_, io::Error>(actix_web::web::Bytes::from("late"))
                });
                HttpResponse::Ok().streaming(body)
            }),
        )
        .route(
            "/big",
            get().to(async |mut big: Session<Big>| {
                big.text = "x".repeat(1000);
                ""
            }),
        )
        .route(
            "/go-on-after-the-end",
            get().to(async |mut one: Session<Cart>, session: SessionHandle, request: HttpRequest| -> Answer {
                one.items.push(1);
                one.save().await?;
                extract::<Session<Cart>>(&request).await?.items.push(2);
                session.save().await?;
                one.items.push(3);
                Ok(String::new())
            }),
        )
        .route(
            "/rotate-save-set",
            get().to(async |session: SessionHandle| -> Answer {
                session.rotate();
                session.save().await?;
                session.set("one", &1)?;
                Ok(String::new())
            }),
        )
        .route(
            "/begin-anew",
            get().to(async |session: SessionHandle, request: HttpRequest| -> Answer {
                session.destroy();
                let mut cart: Session<Cart> = extract(&request).await?;
                cart.items.push(1);
                let failed = cart.save().await.is_err();
                cart.items.push(2);
                Ok(failed.to_string())
            }),
        )
        .route("/ok", get().to(async || "ok"));
}

struct App {
    browser: Browser,
    fault: FaultStore,
    spy: SpyStore,
    clock: actix_typed_session::Clock,
    _server: Server,
}

impl App {
    fn new() -> Self {
        let clock = actix_typed_session::Clock::manual();
        let spy = SpyStore::new(MemoryStore::default().clock(clock.clone()));
        let fault = FaultStore::new(spy.clone());
        let server = start(&fault, &clock);
        Self { browser: Browser::new(server.address), fault, spy, clock, _server: server }
    }

    /// With a session that holds `[] 5`.
    async fn begun() -> Self {
        let app = Self::new();
        app.ok("/add/5").await;
        app
    }

    async fn ok(&self, path: &str) -> String {
        ok(&self.browser, path).await
    }

    fn token(&self) -> String {
        self.browser.cookie("__Host-session").unwrap()
    }

    /// Sends `slow`, and once its update stands at a gate sends `fast`; then the gate opens.
    async fn meanwhile(&self, slow: &'static str, fast: &[&str]) -> Response {
        let gate = self.fault.hold(Operation::Update);
        let slow = send(&self.browser, slow);
        gate.arrived(1).await;
        // the one worker has left the handler when it serves another
        self.ok("/ok").await;
        for path in fast {
            self.ok(path).await;
        }
        gate.open();
        slow.await.unwrap()
    }
}

fn start(fault: &FaultStore, clock: &actix_typed_session::Clock) -> Server {
    let config = SessionConfig::new().clock(clock.clone()).idle_timeout(Duration::from_secs(1000));
    Server::start(SessionMiddleware::with_config(fault.clone(), config).unwrap(), 1, routes)
}

async fn ok(browser: &Browser, path: &str) -> String {
    let response = browser.get(path).await;
    assert_eq!(response.status, 200, "{path}");
    response.body
}

fn send(browser: &Browser, path: &'static str) -> tokio::task::JoinHandle<Response> {
    let browser = browser.clone();
    tokio::spawn(async move { browser.get(path).await })
}

#[tokio::test]
async fn two_saves_at_once_lose_nothing_of_each_other() {
    let app = App::begun().await;
    assert_eq!(app.meanwhile("/two-saves", &[]).await.status, 200);
    assert_eq!(app.ok("/cart").await, "[1, 2] 16");
    assert_eq!(app.meanwhile("/two-saves", &["/item/9", "/add/100"]).await.status, 200);
    assert_eq!(app.ok("/cart").await, "[1, 2, 9, 1, 2] 127");
}

#[tokio::test]
async fn an_extraction_during_a_save_sees_what_is_being_saved() {
    let app = App::begun().await;
    assert_eq!(app.meanwhile("/extract-while-saving", &[]).await.body, "[1, 2] 16");
    assert_eq!(app.ok("/cart").await, "[1, 2] 16");
    app.meanwhile("/extract-while-saving", &["/item/9", "/add/100"]).await;
    assert_eq!(app.ok("/cart").await, "[1, 2, 9, 1, 2] 127");
}

#[tokio::test]
async fn what_two_saves_are_saving_is_seen_together() {
    let app = App::begun().await;
    assert_eq!(app.meanwhile("/see-two-saves", &[]).await.body, "false false (Some(1), Some(2))");
    assert_eq!((app.ok("/get/one").await.as_str(), app.ok("/get/two").await.as_str()), ("1", "2"));
}

#[tokio::test]
async fn nothing_is_seen_after_an_end_of_what_is_being_saved() {
    let app = App::begun().await;
    assert_eq!(app.meanwhile("/destroy-during-a-save", &[]).await.body, "false None");
    assert_eq!(app.ok("/cart").await, "[] 0");
}

#[tokio::test]
async fn a_change_made_during_a_save_that_fails_is_saved_without_it() {
    let app = App::begun().await;
    app.fault.next(Operation::Update, 1, Fault::Unavailable);
    assert_eq!(app.ok("/change-while-a-save-fails").await, "true");
    assert_eq!(app.ok("/cart").await, "[] 15");
}

#[tokio::test]
async fn a_token_that_a_save_made_reaches_the_visitor_though_a_later_save_fails() {
    let app = App::begun().await;
    let old = app.token();
    assert_eq!(app.meanwhile("/rotate-and-fail", &[]).await.body, "true false");
    assert_ne!(app.token(), old);
    assert_eq!(app.ok("/cart").await, "[] 5");
}

#[tokio::test]
async fn a_save_that_failed_does_not_make_the_visitor_another_session() {
    let app = App::begun().await;
    let token = app.token();
    app.fault.next(Operation::Update, 1, Fault::Unavailable);
    assert_eq!(app.ok("/set-again").await, "true");
    assert_eq!(app.token(), token);
    assert_eq!(app.ok("/cart").await, "[] 5");
    assert_eq!(app.ok("/get/one").await, "null");
    assert_eq!(app.ok("/get/two").await, "2");
}

#[tokio::test]
async fn an_end_happens_though_the_save_before_it_fails_which_nobody_waited_for() {
    let app = App::begun().await;
    let gate = app.fault.hold(Operation::Load);
    let ending = send(&app.browser, "/destroy-while-a-save-fails");
    gate.arrived(1).await;
    // the one worker has left the handler when it serves another
    app.ok("/ok").await;
    gate.open();
    let response = ending.await.unwrap();
    assert_eq!((response.status, response.body.as_str()), (200, "false"));
    assert!(app.browser.cookies().is_empty());
}

#[tokio::test]
async fn a_destroy_that_failed_can_be_tried_again() {
    let app = App::begun().await;
    let old = app.token();
    app.fault.next(Operation::Delete, 1, Fault::Unavailable);
    assert_eq!(app.ok("/destroy-again").await, "true");
    assert_eq!(app.browser.cookie("__Host-session"), None);
    app.browser.set_cookie("/", &format!("__Host-session={old}; Path=/; Secure"));
    assert_eq!(app.ok("/cart").await, "[] 0");
}

#[tokio::test]
async fn what_was_to_begin_after_a_destroy_that_failed_does_not_change_what_did_not_end() {
    let app = App::begun().await;
    app.ok("/item/0").await;
    app.fault.next(Operation::Delete, 1, Fault::Unavailable);
    assert_eq!(app.ok("/begin-anew").await, "true");
    assert_eq!(app.ok("/cart").await, "[0] 5");
}

#[tokio::test]
async fn a_destroy_happens_though_what_is_to_begin_after_it_fails() {
    let app = App::begun().await;
    assert_eq!(app.browser.get("/destroy-and-fail").await.status, 500);
    assert_eq!(app.ok("/cart").await, "[] 0");
}

#[tokio::test]
async fn what_was_read_from_a_session_that_has_ended_does_not_come_back_in_another() {
    let app = App::begun().await;
    app.ok("/item/0").await;
    let other = app.browser.other();
    other.set_cookie("/", &format!("__Host-session={}; Path=/; Secure", app.token()));
    let gate = app.fault.hold(Operation::Update);
    let slow = send(&app.browser, "/go-on-after-the-end");
    gate.arrived(1).await;
    ok(&other, "/destroy").await;
    gate.open();
    assert_eq!(slow.await.unwrap().status, 200);
    assert_eq!(app.ok("/cart").await, "[2] 0");
}

#[tokio::test]
async fn who_lost_a_rotation_and_then_changes_something_gets_no_other_session() {
    let app = App::begun().await;
    assert_eq!(app.meanwhile("/rotate-save-set", &["/rotate"]).await.status, 409);
    assert_eq!(app.ok("/cart").await, "[] 5");
}

#[tokio::test]
async fn a_destroy_that_is_taken_back_leaves_extractors_as_they_were() {
    let app = App::begun().await;
    app.ok("/destroy-not").await;
    assert_eq!(app.ok("/cart").await, "[] 7");
}

#[tokio::test]
async fn what_was_cleared_does_not_come_back_by_a_merge() {
    let app = App::begun().await;
    app.ok("/item/1").await;
    assert_eq!(app.meanwhile("/clear-and-begin", &["/item/2", "/add/1"]).await.status, 200);
    assert_eq!(app.ok("/cart").await, "[7] 1");
}

#[tokio::test]
async fn a_list_that_goes_on_after_a_save_keeps_what_the_save_was_merged_with() {
    let app = App::begun().await;
    app.ok("/item/0").await;
    app.meanwhile("/push-save-push", &["/item/9"]).await;
    assert_eq!(app.ok("/cart").await, "[0, 9, 1, 2] 5");
}

#[tokio::test]
async fn a_change_after_a_failed_load_is_never_dropped_without_a_word() {
    let app = App::begun().await;
    app.fault.next(Operation::Load, 1, Fault::Unavailable);
    assert_eq!(app.browser.get("/set-after-a-failed-load").await.status, 503);
    app.fault.next(Operation::Load, 1, Fault::Unavailable);
    assert_eq!(app.ok("/answer-a-failed-load").await, "true");
}

#[tokio::test]
async fn a_save_that_nobody_waits_for_any_more_goes_on_at_once() {
    let app = App::begun().await;
    let gate = app.fault.hold(Operation::Update);
    let slow = send(&app.browser, "/cancel-a-save");
    gate.arrived(1).await;
    app.ok("/ok").await;
    gate.open();
    let saved = async { while app.ok("/cart").await != "[] 6" {} };
    let saved = tokio::time::timeout(Duration::from_secs(10), saved).await;
    GO_ON.notify_one();
    assert_eq!(slow.await.unwrap().body, "false");
    assert!(saved.is_ok(), "it stood still until the handler answered");
    assert_eq!(app.ok("/cart").await, "[] 6");
}

#[tokio::test]
async fn a_refresh_by_a_save_is_not_done_again_with_the_response() {
    let app = App::begun().await;
    app.clock.advance(Duration::from_secs(500));
    let _ = app.spy.take();
    app.ok("/save-twice").await;
    assert_eq!(app.spy.take(), ["load", "touch"]);
}

/// A worker's queue knows only what that worker wrote.
#[tokio::test]
async fn requests_in_conflict_on_one_worker_do_not_hide_a_rotation_on_another() {
    let app = App::begun().await;
    let other = start(&app.fault, &app.clock);
    let elsewhere = app.browser.at(other.address);

    let [first_1, second_1] = [(); 2].map(|()| app.fault.hold(Operation::Update));
    let first = send(&app.browser, "/add/1");
    first_1.arrived(1).await;
    let second = send(&app.browser, "/add/1");
    second_1.arrived(1).await;
    ok(&elsewhere, "/add/1").await;
    // the first meets that, and tries again in a lane, in which the second waits
    let [first_2, second_2] = [(); 2].map(|()| app.fault.hold(Operation::Update));
    first_1.open();
    first_2.arrived(1).await;
    second_1.open();
    first_2.open();
    assert_eq!(first.await.unwrap().status, 200);
    second_2.arrived(1).await;

    ok(&elsewhere, "/rotate").await;
    let loads = app.spy.log().iter().filter(|operation| **operation == "load").count();
    let third = send(&app.browser, "/add/100");
    while app.spy.log().iter().filter(|operation| **operation == "load").count() == loads {
        tokio::task::yield_now().await;
    }
    second_2.open();
    assert_eq!(second.await.unwrap().status, 409, "its token was rotated away");
    assert_eq!(third.await.unwrap().status, 200, "and this one's was not");
    assert_eq!(app.ok("/cart").await, "[] 107");
}

#[tokio::test]
async fn a_field_is_rejected_for_what_others_changed_and_not_for_what_was_before_them() {
    let app = App::begun().await;
    let other = start(&app.fault, &app.clock);
    let elsewhere = app.browser.at(other.address);

    let [first_1, second_1] = [(); 2].map(|()| app.fault.hold(Operation::Update));
    let first = send(&app.browser, "/add/1");
    first_1.arrived(1).await;
    let second = send(&app.browser, "/seat/9");
    second_1.arrived(1).await;
    ok(&elsewhere, "/add/1").await;
    let [first_2, second_2] = [(); 2].map(|()| app.fault.hold(Operation::Update));
    first_1.open();
    first_2.arrived(1).await;
    second_1.open();
    first_2.open();
    assert_eq!(first.await.unwrap().status, 200);
    second_2.arrived(1).await;

    ok(&elsewhere, "/seat/3").await;
    let loads = app.spy.log().iter().filter(|operation| **operation == "load").count();
    let third = send(&app.browser, "/seat/4");
    while app.spy.log().iter().filter(|operation| **operation == "load").count() == loads {
        tokio::task::yield_now().await;
    }
    // it waits behind the second by the time that the worker serves another
    app.ok("/ok").await;
    second_2.open();
    assert_eq!(second.await.unwrap().status, 409, "the seat was taken meanwhile");
    assert_eq!(third.await.unwrap().status, 200, "and this one came after that");
    assert_eq!(app.ok("/seat").await, "4");
}

/// L9
#[tokio::test]
async fn a_write_whose_answer_was_lost_stays_in_doubt_when_the_second_try_is_refused() {
    for (operation, begun) in [(Operation::Create, false), (Operation::Update, true)] {
        let app = if begun { App::begun().await } else { App::new() };
        app.fault.next(operation, 1, Fault::LostAnswer);
        app.fault.next(operation, 1, Fault::Unavailable);
        assert_eq!(app.ok("/told").await, "unknown", "{operation:?}");
        app.fault.next(operation, 1, Fault::Unavailable);
        assert_eq!(app.ok("/told").await, "failed", "{operation:?}");
    }
}

#[tokio::test]
async fn a_record_that_the_store_has_no_room_for_is_no_passing_failure() {
    let store = MemoryStore::default().max_bytes(600);
    let server = Server::start(SessionMiddleware::new(store), 1, routes);
    let response = Browser::new(server.address).get("/big").await;
    assert_eq!((response.status, response.header("retry-after")), (500, None));
}

#[test]
fn a_record_does_not_show_its_contents() {
    let record = Record::new("a secret", Duration::from_secs(1));
    assert!(!format!("{record:?}").contains("secret"));
    assert!(format!("{record:?}").contains("8 bytes"));
}

#[tokio::test]
async fn a_session_destroyed_after_the_response_began_is_told() {
    let log = log();
    let app = App::begun().await;
    app.ok("/destroy-late").await;
    app.ok("/ok").await;
    assert!(log.lock().unwrap().contains("changed after the response began"));
}

/// What is logged by this process from now on.
fn log() -> &'static Mutex<String> {
    static LOG: OnceLock<Mutex<String>> = OnceLock::new();
    static ONCE: Once = Once::new();
    struct Writer;
    impl io::Write for Writer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            log().lock().unwrap().push_str(&String::from_utf8_lossy(bytes));
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    ONCE.call_once(|| tracing_subscriber::fmt().with_ansi(false).with_writer(|| Writer).init());
    LOG.get_or_init(Mutex::default)
}
