//! TLS: which authorities are trusted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Reads the authorities of a file, or those of the system, and makes a configuration of them.
pub(crate) async fn config(ca_file: Option<PathBuf>) -> Result<Arc<ClientConfig>, String> {
    let read = tokio::task::spawn_blocking(move || read(ca_file.as_deref())).await;
    read.map_err(|error| error.to_string())?.map(Arc::new)
}

fn read(ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    let roots = match ca_file {
        Some(path) => of_file(path)?,
        None => of_system()?,
    };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| {
            format!("the provider of cryptography of this program has no TLS 1.2 or 1.3: {error}")
        })?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The provider of cryptography that the program has installed, or ring. A library that installed a default would take
/// the choice from the program.
fn provider() -> Arc<CryptoProvider> {
    let installed = CryptoProvider::get_default().cloned();
    installed.unwrap_or_else(|| Arc::new(ring::default_provider()))
}

fn of_file(path: &Path) -> Result<RootCertStore, String> {
    let bad = |why: String| format!("the authorities in {}: {why}", path.display());
    let pem = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|error| bad(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in found {
        let added = roots.add(certificate);
        added.map_err(|error| bad(error.to_string()))?;
    }
    match roots.is_empty() {
        true => Err(bad("there is no certificate in PEM form".to_owned())),
        false => Ok(roots),
    }
}

fn of_system() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    match (roots.is_empty(), found.errors.first()) {
        (false, _) => Ok(roots),
        (true, Some(error)) => Err(format!("the authorities of the system: {error}")),
        (true, None) => Err(
            "the system has no certificate authorities; install `ca-certificates`, or name a file by `ca_file`"
                .to_owned(),
        ),
    }
}
