//! This crate with all fields in one struct, which is decoded whole by `/read` and encoded whole by `/write`.

use actix_typed_session::{Session, SessionError, SessionHandle, SessionMiddleware, store::RedisStore};
use actix_web::{App, HttpServer, web};
use benches::{ANONYMOUS, Item, Visitor, address, redis_url, workers};

#[derive(Session)]
struct Customer {
    user_id: i64,
    name: String,
    cart: Vec<Item>,
    #[session(merge = "add")]
    visits: u64,
}

async fn read(customer: Option<Session<Customer>>) -> String {
    match customer {
        Some(customer) => format!("{} {}", customer.user_id, customer.cart.len()),
        None => ANONYMOUS.to_owned(),
    }
}

async fn write(mut customer: Session<Customer>) -> String {
    customer.visits += 1;
    customer.visits.to_string()
}

async fn login(session: SessionHandle, visitor: web::Data<Visitor>) -> Result<&'static str, SessionError> {
    let Visitor { user_id, name, cart, visits } = Visitor::clone(&visitor);
    session.insert(Customer { user_id, name, cart, visits })?;
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
