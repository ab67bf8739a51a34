//! TLS to Redis: rustls with aws-lc-rs, and the certificates that the system trusts.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use tokio_rustls::TlsConnector;

/// What makes a TLS connection of a plain one; reads the trusted certificates from disk.
///
/// The provider is named here, for the one that the process has installed is the app's business: there may be none, and
/// to install one would be in the way of an app that installs its own.
pub(super) fn connector() -> Result<TlsConnector, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable == 0 {
        let reason = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        return Err(format!(
            "is `rediss://`, and no trusted certificates were found{reason}: install those of the system, or name a PEM \
             file by `SSL_CERT_FILE`"
        ));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("is `rediss://`, and TLS can't be set up: {error}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
