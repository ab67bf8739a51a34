//! `CLIENT KILL`: the server closes all connections, again and again.

use actix_typed_session_tests::support::redis::{RedisServer, raw};

use super::{backend::Backend, load::under_load};

pub(crate) async fn disconnected(server: RedisServer) {
    under_load("connections killed", Backend::store(&server, server.port()), async |load, _| {
        let mut killed = 0;
        while killed < 100 {
            // those of the two workers, and not the one that asks
            killed += raw::<u64>(&server, "CLIENT KILL TYPE normal").await;
            load.answers(7).await;
        }
    })
    .await;
}
