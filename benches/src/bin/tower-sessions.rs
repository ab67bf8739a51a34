//! tower-sessions under axum, over the same Redis.

use std::{error::Error, sync::Arc};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use benches::{ANONYMOUS, Item, LIFETIME, Visitor, address, redis_url, workers};
use time::Duration;
use tower_sessions::{Expiry, Session, SessionManagerLayer};
use tower_sessions_redis_store::{
    RedisStore,
    fred::prelude::{ClientLike as _, Config, Pool},
};

type Answer<T> = Result<T, StatusCode>;

async fn read(session: Session) -> Answer<String> {
    let user_id = session.get::<i64>("user_id").await.map_err(failed)?;
    let Some(user_id) = user_id else { return Ok(ANONYMOUS.to_owned()) };
    let cart: Vec<Item> = session.get("cart").await.map_err(failed)?.unwrap_or_default();
    Ok(format!("{user_id} {}", cart.len()))
}

async fn write(session: Session) -> Answer<String> {
    let visits = session.get::<u64>("visits").await.map_err(failed)?.unwrap_or(0) + 1;
    session.insert("visits", visits).await.map_err(failed)?;
    Ok(visits.to_string())
}

async fn login(State(visitor): State<Arc<Visitor>>, session: Session) -> Answer<&'static str> {
    session.insert("user_id", visitor.user_id).await.map_err(failed)?;
    session.insert("name", &visitor.name).await.map_err(failed)?;
    session.insert("cart", &visitor.cart).await.map_err(failed)?;
    session.insert("visits", visitor.visits).await.map_err(failed)?;
    Ok("login")
}

fn failed(_: impl Error) -> StatusCode {
    StatusCode::INTERNAL_SERVER_ERROR
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let pool = Pool::new(Config::from_url(&redis_url())?, None, None, None, 4)?;
    pool.connect();
    pool.wait_for_connect().await?;
    let expiry = Expiry::OnInactivity(Duration::seconds(LIFETIME));
    let app = Router::new()
        .route("/none", get(async || "none"))
        .route("/read", get(read))
        .route("/write", get(write))
        .route("/login", get(login))
        .layer(SessionManagerLayer::new(RedisStore::new(pool)).with_secure(false).with_expiry(expiry))
        .with_state(Arc::new(Visitor::of_environment()));
    axum::serve(tokio::net::TcpListener::bind(address()).await?, app).await?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(workers()).enable_all().build()?.block_on(serve())
}
