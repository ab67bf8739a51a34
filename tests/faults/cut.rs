//! Connections break in the middle of what they carry, and requests arrive when nobody waits for the answer any more.

use std::time::{Duration, Instant};

use actix_typed_session_tests::support::proxy::{Mode, Proxy};

use super::{
    backend::Backend,
    load::{Load, under_load},
};

/// Half of the request arrives.
pub(crate) async fn in_a_request(server: impl Backend) {
    cut(server, Mode::ResetInRequest, "reset in the middle of a request").await;
}

/// The request arrives, and nothing of the answer.
pub(crate) async fn before_an_answer(server: impl Backend) {
    cut(server, Mode::ResetBeforeAnswer, "reset before the answer").await;
}

/// The request arrives, and half of the answer.
pub(crate) async fn in_an_answer(server: impl Backend) {
    cut(server, Mode::ResetInAnswer, "reset in the middle of an answer").await;
}

async fn cut(server: impl Backend, mode: Mode, fault: &str) {
    let proxy = Proxy::start(server.port()).await;
    under_load(fault, server.store(proxy.port()), async |load, _| {
        // now and then, so that what is tried again gets through, and then every time
        proxy.set_every(5, mode);
        hit(load, &proxy, 60).await;
        proxy.set(mode);
        let always = Instant::now();
        match mode {
            // the half may hold the whole answer to somebody else
            Mode::ResetInAnswer => load.all_answered(always).await,
            _ => load.all_refused(always).await,
        }
        proxy.set(Mode::Forward);
    })
    .await;
}

/// A part of the requests arrives only after they were given up.
pub(crate) async fn delayed(server: impl Backend) {
    let proxy = Proxy::start(server.port()).await;
    let store = server.store(proxy.port());
    under_load("requests delayed past the time-out", store, async |load, _| {
        proxy.set_every(40, Mode::Delay);
        hit(load, &proxy, 4).await;
        // whoever was made to wait has tried again, and gone on
        load.all_answered(Instant::now()).await;
        load.all_served(Instant::now()).await;
        proxy.set(Mode::Forward);
        tokio::time::sleep(Duration::from_millis(20)).await;
    })
    .await;
}

/// Waits until there were so many more hits.
async fn hit(load: &Load, proxy: &Proxy, times: u64) {
    let enough = proxy.hits() + times;
    load.until("so many hits", || proxy.hits() >= enough).await;
}
