//! What the examples do alike at their start: the log, the settings, the port.

use std::{env, error::Error, io};

use actix_typed_session::{SessionMiddleware, store::MemoryStore};
use tracing_subscriber::EnvFilter;

/// Sessions as the environment says if `SESSION_TYPE` is set, else in memory.
pub fn sessions() -> Result<SessionMiddleware, Box<dyn Error>> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    match env::var_os("SESSION_TYPE") {
        Some(_) => Ok(SessionMiddleware::from_env()?),
        None => Ok(SessionMiddleware::new(MemoryStore::default())),
    }
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
