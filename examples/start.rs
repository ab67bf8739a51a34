//! What the examples have in common: the log, the settings, the port, the frame of a page, the check of forms.

use std::{env, error::Error, io};

use actix_typed_session::{SessionConfig, SessionMiddleware, store::MemoryStore};
use actix_web::{HttpResponse, Resource, http::header, web};
use tracing_subscriber::EnvFilter;

#[path = "start/csrf.rs"]
pub mod csrf;
#[path = "start/page.rs"]
mod page;

pub use page::{Page, escape, to};

/// Sessions as the environment says if `SESSION_TYPE` is set, else in memory.
pub fn sessions() -> Result<SessionMiddleware, Box<dyn Error>> {
    sessions_with(|config| config)
}

/// The same, where the example has the last word on some settings.
pub fn sessions_with(
    settings: impl FnOnce(SessionConfig) -> SessionConfig,
) -> Result<SessionMiddleware, Box<dyn Error>> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // an example with two middlewares has one log
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).try_init();
    Ok(match env::var_os("SESSION_TYPE") {
        Some(_) => SessionMiddleware::from_config(settings(SessionConfig::from_env()?))?,
        None => SessionMiddleware::with_config(MemoryStore::default(), settings(SessionConfig::new()))?,
    })
}

/// 127.0.0.1 and the port in `PORT`, or 8080.
pub fn address() -> Result<(&'static str, u16), Box<dyn Error>> {
    let port = match env::var("PORT") {
        Ok(port) => port.parse().map_err(|_| format!("`PORT` is `{port}`: accepted is 0 to 65535"))?,
        Err(_) => 8080,
    };
    println!("listening on http://127.0.0.1:{port}");
    Ok(("127.0.0.1", port))
}

/// The stylesheet of all pages, a service at `/style.css`.
pub fn style() -> Resource {
    let sheet = || async {
        HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, "text/css; charset=utf-8"))
            .insert_header((header::CACHE_CONTROL, "max-age=3600"))
            .body(include_str!("style.css"))
    };
    web::resource("/style.css").route(web::get().to(sheet))
}
