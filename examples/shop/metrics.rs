//! What Prometheus asks for: the counters of the sessions' events, and the times of the store's calls.

use std::time::Duration;

use actix_web::{
    Responder, get,
    rt::{spawn, time::sleep},
    web::Data,
};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

/// Collects from now on.
pub(crate) fn install() -> Result<Data<PrometheusHandle>, BuildError> {
    let seconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 2.0];
    let handle = PrometheusBuilder::new().set_buckets(&seconds)?.install_recorder()?;
    let metrics = Data::new(handle);
    let kept = metrics.clone();
    spawn(async move {
        loop {
            sleep(Duration::from_secs(5)).await;
            kept.run_upkeep(); // so that it stays small when nobody asks
        }
    });
    Ok(metrics)
}

/// **Not for the public.** It tells how many visitors sign in, and how fast the store is. A real application serves it by
/// a second `HttpServer`, on an address that only Prometheus reaches; or the proxy in front of it refuses the path.
#[get("/metrics")]
pub(crate) async fn show(metrics: Data<PrometheusHandle>) -> impl Responder {
    metrics.render()
}
