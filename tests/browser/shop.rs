//! A small app to visit.

use std::panic::AssertUnwindSafe;

use actix_typed_session::{
    Clock, Session, SessionConfig, SessionError, SessionHandle, SessionMiddleware,
    store::MemoryStore,
    testing::{Browser, Response},
};
use actix_web::{
    App, HttpRequest, HttpResponse,
    dev::{Service, ServiceRequest},
    error::ErrorImATeapot,
    http::header::LOCATION,
    test,
    web::{self, Form, Json, Path, ServiceConfig},
};
use futures_util::FutureExt as _;
use serde::{Deserialize, Serialize};

#[derive(Session)]
pub(crate) struct User {
    #[session(owner)]
    pub(crate) name: String,
}

#[derive(Default, Session)]
#[session(default)]
pub(crate) struct Cart {
    pub(crate) items: Vec<String>,
}

#[derive(Deserialize, Serialize)]
pub(crate) struct Login {
    pub(crate) name: String,
}

async fn login(form: Form<Login>, session: SessionHandle) -> Result<HttpResponse, SessionError> {
    session.insert(User { name: form.into_inner().name })?;
    session.label("phone");
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, "me?new")).finish())
}

async fn me(user: Session<User>) -> String {
    user.name.clone()
}

async fn add(mut cart: Session<Cart>, item: Json<String>) -> Json<Vec<String>> {
    cart.items.push(item.into_inner());
    Json(cart.items.clone())
}

async fn to(path: Path<String>) -> HttpResponse {
    HttpResponse::Found().insert_header((LOCATION, path.into_inner())).finish()
}

/// What the app saw of the request.
async fn echo(request: HttpRequest, body: String) -> String {
    let mut lines: Vec<_> =
        request.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    lines.sort();
    format!("{} {}\n{}\n\n{body}", request.method(), request.uri(), lines.join("\n"))
}

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.route("/login", web::post().to(login))
        .route("/me", web::get().to(me))
        .route("/cart", web::post().to(add))
        .route("/to/{path:.*}", web::get().to(to))
        .route("/echo", web::route().to(echo));
}

pub(crate) fn sessions(config: SessionConfig, clock: &Clock) -> SessionMiddleware {
    let store = MemoryStore::default().clock(clock.clone());
    SessionMiddleware::with_config(store, config.clock(clock.clone())).unwrap()
}

/// A visitor of the app, with its sessions.
pub(crate) async fn open() -> (Browser, SessionMiddleware) {
    open_with(SessionConfig::new()).await
}

pub(crate) async fn open_with(config: SessionConfig) -> (Browser, SessionMiddleware) {
    let sessions = sessions(config, &Clock::manual());
    (over(&sessions).await, sessions)
}

pub(crate) async fn over(sessions: &SessionMiddleware) -> Browser {
    let refuse = |request: ServiceRequest, app: &_| {
        let is_refused = request.path() == "/refused";
        let answer = Service::call(app, request);
        async move { if is_refused { Err(ErrorImATeapot("not here")) } else { answer.await } }
    };
    Browser::of(test::init_service(App::new().wrap_fn(refuse).wrap(sessions.clone()).configure(routes)).await)
}

/// What a helper says when it panics.
pub(crate) async fn complaint<T>(of: impl Future<Output = T>) -> String {
    let Err(said) = AssertUnwindSafe(of).catch_unwind().await else { panic!("it did not panic") };
    said.downcast_ref::<String>().cloned().or_else(|| said.downcast_ref::<&str>().map(ToString::to_string)).unwrap()
}

pub(crate) fn is(response: &Response, status: u16, body: &str) {
    assert_eq!((response.status, response.body.as_str()), (status, body));
}
