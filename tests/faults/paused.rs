//! The server is held still under load, and goes on with all that it was sent meanwhile.

use std::time::Instant;

use super::{backend::Backend, load::under_load};

pub(crate) async fn paused(server: impl Backend) {
    let store = server.store(server.port());
    under_load("paused past the time-out", store, async |load, round| {
        server.pause();
        if round.is_multiple_of(2) {
            load.all_refused(Instant::now()).await;
        } else {
            // long enough for the first try to be given up, and for the second one to be answered
            tokio::time::sleep(load.timeout() * 3 / 2).await;
        }
        server.resume();
    })
    .await;
}
