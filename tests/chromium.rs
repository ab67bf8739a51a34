//! The examples in a real browser: headless Chromium, driven over WebDriver.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test panics")]

use std::{
    future::Future,
    sync::{LazyLock, Mutex, PoisonError},
    time::Duration,
};

use actix_typed_session_tests::support::{
    example::Example,
    trial::conclude,
    webdriver::{Chromium, Driver},
};
use libtest_mimic::{Arguments, Trial};

#[path = "chromium/apart.rs"]
mod apart;
#[path = "chromium/devices.rs"]
mod devices;
#[path = "chromium/migrate.rs"]
mod migrate;
#[path = "chromium/pages.rs"]
mod pages;
#[path = "chromium/pictures.rs"]
mod pictures;
#[path = "chromium/shop.rs"]
mod shop;
#[path = "chromium/spa.rs"]
mod spa;

fn main() {
    let mut trials = Vec::new();
    shop::trials(&mut trials);
    devices::trials(&mut trials);
    spa::trials(&mut trials);
    apart::trials(&mut trials);
    migrate::trials(&mut trials);
    pages::trials(&mut trials);
    pictures::trials(&mut trials);
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    // a static is never dropped
    drop(DRIVER.lock().unwrap_or_else(PoisonError::into_inner).take());
    conclusion.exit();
}

/// Adds tests, each a function that runs on a runtime of its own.
macro_rules! trials {
    ($($name:ident),* $(,)?) => {
        pub(crate) fn trials(trials: &mut Vec<libtest_mimic::Trial>) {
            $(trials.push($crate::trial(stringify!($name), $name));)*
        }
    };
}
use trials;

/// A test that needs a browser: ignored where there is none, unless `SESSION_TEST_REQUIRE` asks for it.
fn trial<F: Future<Output = ()> + 'static>(name: &str, test: fn() -> F) -> Trial {
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // what hangs ends; to build the examples first may take minutes
        let limit = Duration::from_secs(600);
        let ended = runtime.block_on(async { tokio::time::timeout(limit, test()).await });
        assert!(ended.is_ok(), "not done after {limit:?}");
    };
    Trial::ignorable_test(format!("chromium::{name}"), move || {
        conclude("chromium", Driver::missing().map(str::to_owned), run)
    })
}

/// The one driver of this program, from the first test that asks for a browser on.
static DRIVER: LazyLock<Mutex<Option<Driver>>> = LazyLock::new(|| Mutex::new(Some(Driver::start())));

/// Browsers that a test has done with: to start one takes longer than most tests do.
static FREE: Mutex<Vec<Chromium>> = Mutex::new(Vec::new());

/// A browser of another visitor.
async fn browser() -> Chromium {
    let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
    if let Some(free) = free {
        return free;
    }
    let place = DRIVER.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(Driver::place).unwrap();
    Chromium::open(place).await
}

/// Lets another test have it. One that failed keeps its own.
async fn close(browser: Chromium) {
    browser.forget().await;
    FREE.lock().unwrap_or_else(PoisonError::into_inner).push(browser);
}

/// The address of a page of an example.
fn at(example: &Example, path: &str) -> String {
    format!("http://{}{path}", example.address)
}

/// An example over files: its store takes some time, in which two requests meet.
fn on_files(name: &str) -> (Example, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("SESSION_TYPE", "filesystem"), ("SESSION_FILE_DIR", folder.path().to_str().unwrap())];
    (Example::start(name, &settings), folder)
}
