//! The server is killed under load, and started again over its files.

use std::time::Instant;

use super::{backend::Backend, load::under_load};

pub(crate) async fn killed(mut server: impl Backend) {
    let store = server.store(server.port());
    under_load("killed and restarted", store, async |load, round| {
        server.stop();
        // every other time it is back before everybody has seen it gone
        if round.is_multiple_of(2) {
            load.all_refused(Instant::now()).await;
        }
        server.restart();
    })
    .await;
}
