//! The handlers that the tests ask.

use actix_typed_session::{Session, SessionError, SessionHandle};
use actix_web::{
    Error, HttpResponse,
    body::{BodyStream, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    error::InternalError,
    http::StatusCode,
    middleware::{Next, from_fn},
    web::{Bytes, Path, ServiceConfig, get, post, scope},
};
use futures_util::stream;

#[derive(Default, Session)]
#[session(default)]
pub(crate) struct Cart {
    pub(crate) items: Vec<u32>,
    text: String,
    pub(crate) ratio: f64,
    #[session(merge = "add")]
    points: u8,
    #[session(merge = "reject")]
    seat: u32,
}

#[derive(Session)]
pub(crate) struct User {
    #[session(owner)]
    pub(crate) name: String,
}

#[derive(Session)]
pub(crate) struct Ratio {
    value: f64,
}

type Answer = Result<HttpResponse, Error>;
type Saved = Result<&'static str, SessionError>;

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.route("/thread", get().to(thread))
        .route("/none", get().to(async || "none"))
        .configure(reading)
        .configure(changing)
        .configure(ending)
        .configure(answering)
        .configure(saving)
        .configure(streaming)
        .configure(crate::flows::vault);
}

/// Which thread a server's one worker is.
pub(crate) async fn thread() -> String {
    format!("{:?}", std::thread::current().id())
}

fn reading(app: &mut ServiceConfig) {
    app.route("/read", get().to(async |cart: Session<Cart>| format!("{:?}", cart.items)))
        .route("/text", get().to(async |cart: Session<Cart>| cart.text.clone()))
        .route("/user", get().to(async |user: Session<User>| user.name.clone()))
        .route("/option", get().to(async |cart: Option<Session<Cart>>| cart.is_some().to_string()))
        .route("/option-user", get().to(async |user: Option<Session<User>>| user.is_some().to_string()))
        .route("/result", get().to(async |cart: Result<Session<Cart>, SessionError>| cart.is_ok().to_string()))
        .route("/result-user", get().to(async |user: Result<Session<User>, SessionError>| user.is_ok().to_string()))
        .route("/handle", get().to(async |_: SessionHandle| "unused"))
        .route("/debug", get().to(async |cart: Session<Cart>, session: SessionHandle| format!("{cart:?} {session:?}")))
        .route("/error/decode", get().to(async |session: SessionHandle| shown(session.get::<u32>("note").await)))
        .route(
            "/error/guarded",
            get().to(async |session: SessionHandle| {
                session.remove::<User>().unwrap();
                shown(session.set("user.name", "sesame-31415"))
            }),
        )
        .route("/error/name", get().to(async |session: SessionHandle| shown(session.set(".sesame", "sesame-31415"))))
        .route(
            "/error/too-large",
            get().to(async |mut cart: Session<Cart>| {
                cart.text = "sesame-31415".repeat(100_000);
                shown(cart.save().await)
            }),
        )
        .route("/option-handle", get().to(async |session: Option<SessionHandle>| session.is_some().to_string()))
        .route(
            "/is-new",
            get().to(async |session: SessionHandle| Ok::<_, SessionError>(session.is_new().await?.to_string())),
        )
        .route("/is-new-swallowed", get().to(async |session: SessionHandle| session.is_new().await.is_ok().to_string()))
        .route(
            "/get/{name}",
            get().to(async |session: SessionHandle, name: Path<String>| {
                let value: Option<String> = session.get(&name).await?;
                Ok::<_, SessionError>(value.unwrap_or_else(|| "absent".into()))
            }),
        );
}

/// An error, in every way in which it can be shown.
fn shown<T>(outcome: Result<T, SessionError>) -> String {
    outcome.err().map_or_else(|| "no error".to_owned(), |error| format!("SessionError: {error} {error:?} {error:#?}"))
}

fn changing(app: &mut ServiceConfig) {
    app.route(
        "/push/{item}",
        get().to(async |mut cart: Session<Cart>, item: Path<u32>| {
            cart.items.push(*item);
            "pushed"
        }),
    )
    .route(
        "/option-push",
        get().to(async |cart: Option<Session<Cart>>| cart.map(|mut cart| cart.items.push(7)).is_some().to_string()),
    )
    .route(
        "/result-push",
        get().to(async |cart: Result<Session<Cart>, SessionError>| {
            cart.map(|mut cart| cart.items.push(7)).is_ok().to_string()
        }),
    )
    .route(
        "/text",
        post().to(async |mut cart: Session<Cart>, text: String| {
            cart.text = text;
            "written"
        }),
    )
    .route(
        "/nan",
        get().to(async |mut cart: Session<Cart>| {
            cart.items.push(9);
            cart.ratio = f64::NAN;
            "written"
        }),
    )
    .route(
        "/insert-nan",
        get().to(async |session: SessionHandle| session.insert(Ratio { value: f64::NAN }).map(|()| "in")),
    )
    .route(
        "/points/{more}",
        get().to(async |mut cart: Session<Cart>, more: Path<u8>| {
            cart.points += *more;
            "added"
        }),
    )
    .route(
        "/seat/{seat}",
        get().to(async |mut cart: Session<Cart>, seat: Path<u32>| {
            cart.seat = *seat;
            "seated"
        }),
    )
    .route(
        "/set/{name}/{value}",
        get().to(async |session: SessionHandle, path: Path<(String, String)>| {
            session.set(&path.0, &path.1).map(|()| "set")
        }),
    )
    .route(
        "/headers",
        get().to(async |mut cart: Session<Cart>| {
            cart.items.push(1);
            told().await
        }),
    )
    .route("/headers-read", get().to(async |_: Session<Cart>| told().await))
    .route(
        "/vary/{value}",
        get().to(async |_: Session<Cart>, value: Path<String>| {
            HttpResponse::Ok().insert_header(("vary", value.into_inner())).finish()
        }),
    );
}

/// A response of an app that has its own mind of caching.
async fn told() -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.append_header(("vary", "Accept")).append_header(("vary", "Origin"));
    response.append_header(("cache-control", "public")).append_header(("cache-control", "max-age=3600")).body("told")
}

fn ending(app: &mut ServiceConfig) {
    app.route(
        "/login/{name}",
        get().to(async |session: SessionHandle, name: Path<String>| {
            session.insert(User { name: name.into_inner() }).map(|()| "in")
        }),
    )
    .route("/logout", get().to(async |session: SessionHandle| session.remove::<User>().map(|()| "out")))
    .route(
        "/rotate",
        get().to(async |session: SessionHandle| {
            session.rotate();
            "rotated"
        }),
    )
    .route(
        "/destroy",
        get().to(async |session: SessionHandle| {
            session.destroy();
            "destroyed"
        }),
    )
    .route(
        "/begin-again",
        get().to(async |session: SessionHandle| {
            session.destroy();
            session.insert(User { name: "grace".into() }).map(|()| "in")
        }),
    );
}

fn answering(app: &mut ServiceConfig) {
    app.route(
        "/status/{code}",
        get().to(async |mut cart: Session<Cart>, code: Path<u16>| {
            cart.items.push(2);
            HttpResponse::build(StatusCode::from_u16(*code).unwrap()).finish()
        }),
    )
    .route(
        "/err/{code}",
        get().to(async |mut cart: Session<Cart>, code: Path<u16>| -> Answer {
            cart.items.push(2);
            Err(failure(*code))
        }),
    )
    .route(
        "/destroy/{code}",
        get().to(async |mut cart: Session<Cart>, session: SessionHandle, code: Path<u16>| -> Answer {
            session.destroy();
            cart.items.push(2);
            session.set("note", "void")?;
            Err(failure(*code))
        }),
    )
    .route(
        "/rotate/{code}",
        get().to(async |session: SessionHandle, code: Path<u16>| -> Answer {
            session.rotate();
            Err(failure(*code))
        }),
    )
    .route(
        "/swallow/{code}",
        get().to(async |cart: Option<Session<Cart>>, code: Path<u16>| {
            HttpResponse::build(StatusCode::from_u16(*code).unwrap())
                .insert_header(("x-app", "own"))
                .body(cart.is_some().to_string())
        }),
    )
    .service(
        scope("/inner")
            .wrap(from_fn(refuse))
            .configure(changing)
            .configure(ending)
            .configure(reading)
            .route("/none", get().to(async || "none")),
    );
}

/// A middleware inside of the session's that turns every answer into an error.
async fn refuse(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let code = request.headers().get("x-code").and_then(|code| code.to_str().ok()?.parse().ok()).unwrap_or(418);
    let _ = next.call(request).await?;
    Err::<ServiceResponse, _>(failure(code))
}

fn failure(code: u16) -> Error {
    InternalError::new("refused", StatusCode::from_u16(code).unwrap()).into()
}

fn saving(app: &mut ServiceConfig) {
    app.route(
        "/save",
        get().to(async |mut cart: Session<Cart>| -> Saved {
            cart.items.push(3);
            cart.save().await.map(|()| "saved")
        }),
    )
    .route("/save-read", get().to(async |mut cart: Session<Cart>| -> Saved { cart.save().await.map(|()| "saved") }))
    .route(
        "/save-told",
        get().to(async |mut cart: Session<Cart>| {
            cart.items.push(3);
            told_of(cart.save().await)
        }),
    )
    .route(
        "/set-save-told",
        get().to(async |session: SessionHandle| {
            session.set("note", "first").unwrap();
            told_of(session.save().await)
        }),
    )
    .route(
        "/swallow-save-told",
        get().to(async |_: Option<Session<Cart>>, session: SessionHandle| told_of(session.save().await)),
    )
    .route(
        "/destroy-save-told",
        get().to(async |session: SessionHandle| {
            session.destroy();
            told_of(session.save().await)
        }),
    )
    .route(
        "/too-large-then-set",
        get().to(async |session: SessionHandle| -> Saved {
            session.set("big", &"x".repeat(300 << 10))?;
            assert!(session.save().await.is_err());
            session.set("note", "small")?;
            Ok("set")
        }),
    )
    .route(
        "/too-large-then-get",
        get().to(async |session: SessionHandle| -> Result<String, SessionError> {
            session.set("big", &"x".repeat(300 << 10))?;
            assert!(session.save().await.is_err());
            Ok(session.get("note").await?.unwrap_or_else(|| "absent".to_owned()))
        }),
    )
    .route(
        "/save-then/{code}",
        get().to(async |mut cart: Session<Cart>, code: Path<u16>| -> Answer {
            cart.items.push(3);
            cart.save().await?;
            cart.items.push(4);
            Err(failure(*code))
        }),
    )
    .route(
        "/save-twice",
        get().to(async |mut cart: Session<Cart>| -> Saved {
            cart.items.push(3);
            cart.save().await?;
            cart.items.push(4);
            Ok("saved")
        }),
    );
}

fn told_of(saved: Result<(), SessionError>) -> HttpResponse {
    match saved {
        Ok(()) => HttpResponse::Ok().body("saved"),
        Err(_) => HttpResponse::Accepted().body("told"),
    }
}

/// Bodies whose last part uses the session, long after the response began.
fn streaming(app: &mut ServiceConfig) {
    app.route(
        "/stream",
        get().to(async |mut cart: Session<Cart>| {
            later(async move {
                cart.items.push(5);
                "changed"
            })
        }),
    )
    .route(
        "/stream-set",
        get().to(async |session: SessionHandle| {
            later(async move {
                session.set("note", "late").unwrap();
                "set"
            })
        }),
    )
    .route(
        "/stream-destroy",
        get().to(async |session: SessionHandle| {
            later(async move {
                session.destroy();
                "destroyed"
            })
        }),
    )
    .route(
        "/stream-rotate",
        get().to(async |session: SessionHandle| {
            later(async move {
                session.rotate();
                "rotated"
            })
        }),
    )
    .route(
        "/stream-read",
        get().to(async |cart: Session<Cart>| {
            later(async move {
                assert!(cart.items.len() < 100);
                "read"
            })
        }),
    )
    .route(
        "/stream-save",
        get().to(async |mut cart: Session<Cart>| {
            later(async move {
                cart.items.push(5);
                if cart.save().await.is_ok() { "saved" } else { "refused" }
            })
        }),
    )
    .route(
        "/stream-begun-save",
        get().to(async |mut cart: Session<Cart>, session: SessionHandle| {
            session.set("note", "begun").unwrap();
            later(async move {
                cart.items.push(5);
                if cart.save().await.is_ok() { "saved" } else { "refused" }
            })
        }),
    )
    .route(
        "/stream-set-save",
        get().to(async |session: SessionHandle| {
            later(async move {
                session.set("note", "late").unwrap();
                if session.save().await.is_ok() { "saved" } else { "refused" }
            })
        }),
    )
    .route(
        "/stream-destroy-save",
        get().to(async |session: SessionHandle| {
            later(async move {
                session.destroy();
                if session.save().await.is_ok() { "saved" } else { "refused" }
            })
        }),
    )
    .route(
        "/stream-rotate-save",
        get().to(async |session: SessionHandle| {
            later(async move {
                session.rotate();
                if session.save().await.is_ok() { "saved" } else { "refused" }
            })
        }),
    )
    .route(
        "/task",
        get().to(async |mut cart: Session<Cart>| {
            later(async {
                actix_web::rt::spawn(async move { cart.items.push(6) }).await.map_or("failed", |()| "changed")
            })
        }),
    )
    .route(
        "/task-save",
        get().to(async |mut cart: Session<Cart>| {
            later(async {
                let task = actix_web::rt::spawn(async move {
                    cart.items.push(6);
                    cart.save().await.is_ok()
                });
                if task.await.unwrap_or(false) { "saved" } else { "refused" }
            })
        }),
    );
}

/// A body whose first part is sent before `last` runs: nothing of it can be in the headers.
fn later(last: impl Future<Output = &'static str> + 'static) -> HttpResponse {
    let first = stream::once(async { Ok::<_, Error>(Bytes::from_static(b"begun, ")) });
    let last = stream::once(async move {
        tokio::task::yield_now().await;
        Ok(Bytes::from_static(last.await.as_bytes()))
    });
    HttpResponse::Ok().body(BodyStream::new(stream::StreamExt::chain(first, last)))
}
