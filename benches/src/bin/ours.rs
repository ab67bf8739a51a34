//! This crate as its README sets it up: a small struct for each concern, over one session.

use actix_typed_session::{Session, SessionError, SessionHandle, SessionMiddleware, store::RedisStore};
use actix_web::{App, HttpServer, web};
use benches::{ANONYMOUS, Item, Visitor, address, redis_url, workers};

/// Who is signed in; a guard, for its fields are required.
#[derive(Session)]
struct User {
    user_id: i64,
    name: String,
}

#[derive(Default, Session)]
#[session(default)]
struct Cart {
    items: Vec<Item>,
}

#[derive(Default, Session)]
#[session(default)]
struct Visits {
    #[session(merge = "add")]
    count: u64,
}

async fn read(user: Option<Session<User>>, cart: Session<Cart>) -> String {
    match user {
        Some(user) => format!("{} {}", user.user_id, cart.items.len()),
        None => ANONYMOUS.to_owned(),
    }
}

async fn write(mut visits: Session<Visits>) -> String {
    visits.count += 1;
    visits.count.to_string()
}

async fn login(session: SessionHandle, visitor: web::Data<Visitor>) -> Result<&'static str, SessionError> {
    session.insert(User { user_id: visitor.user_id, name: visitor.name.clone() })?;
    session.insert(Cart { items: visitor.cart.clone() })?;
    session.insert(Visits { count: visitor.visits })?;
    Ok("login")
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let visitor = web::Data::new(Visitor::of_environment());
    let sessions = SessionMiddleware::new(RedisStore::new(&redis_url())?);
    HttpServer::new(move || {
        App::new()
            .wrap(sessions.clone())
            .app_data(visitor.clone())
            .route("/none", web::get().to(async || "none"))
            .route("/read", web::get().to(read))
            .route("/write", web::get().to(write))
            .route("/login", web::get().to(login))
    })
    .workers(workers())
    .bind(address())?
    .run()
    .await?;
    Ok(())
}
