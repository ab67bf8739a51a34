//! `OpendalCache` against a real server: what is particular to S3. The rules of every store are in `stores.rs`.

use std::time::Duration;

use actix_typed_session::store::{CacheStore, OpendalCache};
use actix_typed_session_tests::support::{s3::S3Server, trial::on_worker};
use libtest_mimic::Trial;

use super::{MINUTE, assert_works, record};

mod connecting;
mod counter;
mod failing;
mod records;

pub(crate) fn trials(trials: &mut Vec<Trial>) {
    connecting::trials(trials);
    failing::trials(trials);
    records::trials(trials);
}

/// A test that needs a server: ignored where there is none, unless `SESSION_TEST_REQUIRE` asks for it.
fn trial<F: Future<Output = ()> + 'static>(name: &str, test: fn() -> F) -> Trial {
    on_worker("cache_s3", name, || S3Server::missing().map(str::to_owned), test)
}

/// For what is to be answered, on a machine that is busy.
const PATIENT: Duration = Duration::from_secs(20);
/// For what never will.
const SHORT: Duration = Duration::from_millis(500);

fn open(url: &str, timeout: Duration) -> CacheStore<OpendalCache> {
    CacheStore::new(OpendalCache::from_url(url).unwrap().timeout(timeout))
}

/// A store over the bucket of a server, or of what listens at this port.
fn store(port: u16) -> CacheStore<OpendalCache> {
    open(&S3Server::url("folder", port), PATIENT)
}
