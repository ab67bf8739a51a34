//! actix-session over Redis, as its documentation sets it up.

use actix_session::{
    Session, SessionGetError, SessionInsertError, SessionMiddleware, config::PersistentSession,
    storage::RedisSessionStore,
};
use actix_web::{
    App, HttpServer,
    cookie::{Key, time::Duration},
    web,
};
use benches::{ANONYMOUS, Item, LIFETIME, Visitor, address, redis_url, workers};

async fn read(session: Session) -> Result<String, SessionGetError> {
    let Some(user_id) = session.get::<i64>("user_id")? else { return Ok(ANONYMOUS.to_owned()) };
    let cart: Vec<Item> = session.get("cart")?.unwrap_or_default();
    Ok(format!("{user_id} {}", cart.len()))
}

async fn write(session: Session) -> actix_web::Result<String> {
    let visits = session.get::<u64>("visits")?.unwrap_or(0) + 1;
    session.insert("visits", visits)?;
    Ok(visits.to_string())
}

async fn login(session: Session, visitor: web::Data<Visitor>) -> Result<&'static str, SessionInsertError> {
    session.insert("user_id", visitor.user_id)?;
    session.insert("name", &visitor.name)?;
    session.insert("cart", &visitor.cart)?;
    session.insert("visits", visitor.visits)?;
    Ok("login")
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let visitor = web::Data::new(Visitor::of_environment());
    let store = RedisSessionStore::new(redis_url()).await?;
    let key = Key::from(&[7; 64]);
    HttpServer::new(move || {
        let lifecycle = PersistentSession::default().session_ttl(Duration::seconds(LIFETIME));
        let sessions = SessionMiddleware::builder(store.clone(), key.clone()).session_lifecycle(lifecycle);
        App::new()
            .wrap(sessions.cookie_secure(false).build())
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
