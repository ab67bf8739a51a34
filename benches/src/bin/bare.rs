//! No session at all: what actix-web takes by itself.

use actix_web::{App, HttpServer, web};
use benches::{address, workers};

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    HttpServer::new(|| {
        App::new()
            .route("/none", web::get().to(async || "none"))
            .route("/read", web::get().to(async || "read"))
            .route("/write", web::get().to(async || "write"))
            .route("/login", web::get().to(async || "login"))
    })
    .workers(workers())
    .bind(address())?
    .run()
    .await
}
