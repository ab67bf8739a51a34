//! The site that is under load.

use std::collections::BTreeSet;

use actix_typed_session::{Session, SessionError, SessionHandle};
use actix_web::{
    HttpResponse,
    web::{Json, Path, ServiceConfig, get, post},
};
use serde::{Deserialize, Serialize};

/// Each change adds one number that is used nowhere else, so that the count and the set's size differ where one was made
/// twice.
#[derive(Default, Session)]
#[session(default)]
struct Cart {
    #[session(merge = "add")]
    count: u64,
    #[session(merge = "union")]
    numbers: BTreeSet<u64>,
}

#[derive(Session)]
struct User {
    #[session(owner)]
    name: u64,
}

/// What a visitor sees of the session.
#[derive(Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) name: u64,
    pub(crate) count: u64,
    pub(crate) numbers: BTreeSet<u64>,
}

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.route("/login/{name}", post().to(login))
        .route("/again/{name}", post().to(again))
        .route("/add/{number}", post().to(add))
        .route("/rotate", post().to(rotate))
        .route("/logout", post().to(logout))
        .route("/cart", get().to(cart))
        .route("/idle", get().to(async || "no session is asked for"));
}

async fn login(name: Path<u64>, session: SessionHandle) -> Result<&'static str, SessionError> {
    session.insert(User { name: *name })?;
    Ok("hello")
}

/// A second factor, say, for which one has to be signed in already.
async fn again(_: Session<User>, name: Path<u64>, session: SessionHandle) -> Result<&'static str, SessionError> {
    session.insert(User { name: *name })?;
    Ok("hello again")
}

async fn add(_: Session<User>, mut cart: Session<Cart>, number: Path<u64>) -> &'static str {
    cart.count += 1;
    cart.numbers.insert(*number);
    "added"
}

async fn rotate(_: Session<User>, session: SessionHandle) -> &'static str {
    session.rotate();
    "rotated"
}

async fn logout(session: SessionHandle) -> HttpResponse {
    session.destroy();
    HttpResponse::Ok().body("goodbye")
}

async fn cart(user: Session<User>, cart: Session<Cart>) -> Json<Seen> {
    Json(Seen { name: user.name, count: cart.count, numbers: cart.numbers.clone() })
}
