//! The memory limit is reached, and the server does not evict.

use std::time::Instant;

use actix_typed_session_tests::support::redis::{RedisServer, raw};

use super::{backend::Backend, load::under_load};

pub(crate) async fn full(server: RedisServer) {
    let () = raw(&server, "CONFIG SET maxmemory-policy noeviction").await;
    under_load("out of memory", Backend::store(&server, server.port()), async |load, _| {
        let () = raw(&server, "CONFIG SET maxmemory 1").await;
        let full = Instant::now();
        load.all_answered(full).await;
        load.answers(100).await;
        let answers = load.since(full);
        // one that meets a logout, which needs no memory, succeeds
        assert!(answers.iter().any(|answered| answered.is_change && answered.status == 503), "nothing was refused");
        assert!(answers.iter().any(|answered| !answered.is_change && answered.status == 200), "nothing was read");
        let () = raw(&server, "CONFIG SET maxmemory 0").await;
    })
    .await;
}
