//! `rediss://`, with certificates made on the spot.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use actix_typed_session::store::{SessionStore, StoreErrorKind};

use super::{RedisServer, assert_works, record, store};

trials![a_trusted_certificate_is_taken_and_another_is_not];

const URL: &str = "SESSION_TEST_REDISS";
const REFUSED: &str = "SESSION_TEST_REDISS_REFUSED";

/// The part that runs in a process of its own, as what is trusted is set by the environment.
pub(crate) fn child() {
    let Ok(url) = std::env::var(URL) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = store(&url);
        if std::env::var_os(REFUSED).is_some() {
            let error = store.create("k", &record("")).await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Unavailable);
            assert!(format!("{error:?}").contains("certificate"), "{error:?}");
        } else {
            assert_works(&store).await;
        }
    });
    std::process::exit(0);
}

async fn a_trusted_certificate_is_taken_and_another_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let own = certificate(folder.path(), "own");
    let other = certificate(folder.path(), "other");
    let key = folder.path().join("own.key");
    let arguments = [
        "--bind",
        "127.0.0.1",
        "127.0.0.2",
        "--port",
        "0",
        "--tls-port",
        "{port}",
        "--tls-auth-clients",
        "no",
        "--tls-cert-file",
    ];
    let files = [own.to_str().unwrap(), "--tls-key-file", key.to_str().unwrap(), "--tls-ca-cert-file"];
    let server = RedisServer::start_with(&[&arguments[..], &files, &[own.to_str().unwrap()]].concat());

    let run = |trusted: &Path, host: &str, refused: bool| {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.env(URL, format!("rediss://{host}:{}", server.port())).env("SSL_CERT_FILE", trusted);
        if refused {
            child.env(REFUSED, "yes");
        }
        assert!(child.status().unwrap().success(), "{host}, {}", trusted.display());
    };
    run(&own, "localhost", false);
    run(&own, "127.0.0.1", false);
    run(&own, "127.0.0.2", true);
    run(&other, "localhost", true);
}

/// A certificate for this machine that is signed by itself, in a PEM file beside its key.
fn certificate(folder: &Path, name: &str) -> PathBuf {
    let certificate = folder.join(format!("{name}.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .arg("-keyout")
        .arg(folder.join(format!("{name}.key")))
        .arg("-out")
        .arg(&certificate)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(made.success());
    certificate
}
