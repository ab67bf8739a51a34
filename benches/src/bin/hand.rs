//! A session written by hand, with the least work that is safe: the mark to reach.
//!
//! One connection a worker; a `GET` to read; a `GET` and a script that compares and sets to change a field. Of the
//! fields, it parses those that the handler needs.

use std::{cell::OnceCell, collections::BTreeMap, error::Error, sync::LazyLock};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, cookie::Cookie, error::ErrorInternalServerError, web};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use benches::{ANONYMOUS, Item, LIFETIME, Visitor, address, redis_url, workers};
use rand::RngCore as _;
use redis::{Script, Value, aio::MultiplexedConnection, cmd};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

type Answer<T> = actix_web::Result<T>;

static SWAP: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local stored = redis.call('GET', KEYS[1])
         if stored ~= ARGV[1] then return stored end
         redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
         return 1",
    )
});

async fn read(request: HttpRequest) -> Answer<String> {
    let Some(key) = key(&request) else { return Ok(ANONYMOUS.to_owned()) };
    let stored: Vec<u8> = cmd("GET").arg(key).query_async(&mut connection().await?).await.map_err(failed)?;
    if stored.is_empty() {
        return Ok(ANONYMOUS.to_owned());
    }
    let fields = fields(&stored)?;
    let user_id: i64 = field(&fields, "user_id")?;
    let cart: Vec<Item> = field(&fields, "cart")?;
    Ok(format!("{user_id} {}", cart.len()))
}

async fn write(request: HttpRequest) -> Answer<String> {
    let Some(key) = key(&request) else { return Ok(ANONYMOUS.to_owned()) };
    let mut connection = connection().await?;
    let stored: Vec<u8> = cmd("GET").arg(&key).query_async(&mut connection).await.map_err(failed)?;
    if stored.is_empty() {
        return Ok(ANONYMOUS.to_owned());
    }
    let mut fields = fields(&stored)?;
    let visits = field::<u64>(&fields, "visits")? + 1;
    let text = raw(&visits)?;
    fields.insert("visits", &text);
    let new = serde_json::to_vec(&fields)?;
    let mut swap = SWAP.key(&key);
    let swapped: Value =
        swap.arg(&stored[..]).arg(new).arg(LIFETIME).invoke_async(&mut connection).await.map_err(failed)?;
    drop(swapped);
    Ok(visits.to_string())
}

async fn login(visitor: web::Data<Visitor>) -> Answer<HttpResponse> {
    let mut id = [0; 32];
    rand::rng().fill_bytes(&mut id);
    let id = BASE64_URL_SAFE_NO_PAD.encode(id);
    let fields = BTreeMap::from([
        ("user_id", raw(&visitor.user_id)?),
        ("name", raw(&visitor.name)?),
        ("cart", raw(&visitor.cart)?),
        ("visits", raw(&visitor.visits)?),
    ]);
    let text = serde_json::to_vec(&fields)?;
    let mut set = cmd("SET");
    set.arg(format!("hand:{id}")).arg(text).arg("EX").arg(LIFETIME);
    let () = set.query_async(&mut connection().await?).await.map_err(failed)?;
    Ok(HttpResponse::Ok().cookie(Cookie::build("id", id).path("/").http_only(true).finish()).body("login"))
}

/// The worker's connection, opened by the first request that needs it.
async fn connection() -> Answer<MultiplexedConnection> {
    thread_local! {
        static CONNECTION: OnceCell<MultiplexedConnection> = const { OnceCell::new() };
    }
    if let Some(open) = CONNECTION.with(|cell| cell.get().cloned()) {
        return Ok(open);
    }
    let client = redis::Client::open(redis_url()).map_err(failed)?;
    let open = client.get_multiplexed_async_connection().await.map_err(failed)?;
    CONNECTION.with(|cell| drop(cell.set(open.clone())));
    Ok(open)
}

fn key(request: &HttpRequest) -> Option<String> {
    request.cookie("id").map(|cookie| format!("hand:{}", cookie.value()))
}

fn fields(stored: &[u8]) -> Answer<BTreeMap<&str, &RawValue>> {
    Ok(serde_json::from_slice(stored)?)
}

fn field<'a, T: serde::Deserialize<'a>>(fields: &BTreeMap<&str, &'a RawValue>, name: &str) -> Answer<T> {
    let text = fields.get(name).ok_or_else(|| failed("a field is missing"))?;
    Ok(serde_json::from_str(text.get())?)
}

fn raw<T: Serialize + ?Sized>(value: &T) -> Answer<Box<RawValue>> {
    Ok(to_raw_value(value)?)
}

fn failed(error: impl Into<Box<dyn Error>>) -> actix_web::Error {
    ErrorInternalServerError(error.into())
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let visitor = web::Data::new(Visitor::of_environment());
    HttpServer::new(move || {
        App::new()
            .app_data(visitor.clone())
            .route("/none", web::get().to(async || "none"))
            .route("/read", web::get().to(read))
            .route("/write", web::get().to(write))
            .route("/login", web::get().to(login))
    })
    .workers(workers())
    .bind(address())?
    .run()
    .await
}
