//! Certificate files: trusted authorities and the client certificate. They are read at start, so that a wrong file is
//! an error then and not at a later reconnection.

use std::fs;
use std::path::Path;

use deadpool_redis::redis::{ClientTlsConfig, TlsCertificates};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::connect_error::ConnectError;
use crate::options::{ClientCertificate, ConnectOptions};

/// Reads the certificates of the options; `None` if the options have none.
pub(crate) fn load(options: &ConnectOptions) -> Result<Option<TlsCertificates>, ConnectError> {
    if options.tls_ca_file.is_none() && options.tls_client.is_none() {
        return Ok(None);
    }
    let root_cert = match &options.tls_ca_file {
        Some(path) => Some(load_authorities(path)?),
        None => None,
    };
    let client_tls = match &options.tls_client {
        Some(files) => Some(load_client(files)?),
        None => None,
    };
    Ok(Some(TlsCertificates {
        client_tls,
        root_cert,
    }))
}

fn load_authorities(path: &Path) -> Result<Vec<u8>, ConnectError> {
    let pem = read("tls_ca_file", path)?;
    let mut store = RootCertStore::empty();
    for certificate in certificates("tls_ca_file", path, &pem)? {
        let added = store.add(certificate);
        added.map_err(|error| bad("tls_ca_file", path, error))?;
    }
    Ok(pem)
}

fn load_client(files: &ClientCertificate) -> Result<ClientTlsConfig, ConnectError> {
    const OPTION: &str = "tls_client_cert";
    let ClientCertificate { cert, key } = files;
    let (client_cert, client_key) = (read(OPTION, cert)?, read(OPTION, key)?);
    let chain = certificates(OPTION, cert, &client_cert)?;
    let private = PrivateKeyDer::from_pem_slice(&client_key)
        .map_err(|_| bad(OPTION, key, "it has no private key in PEM form"))?;
    // rustls compares the two.
    ClientConfig::builder()
        .with_root_certificates(RootCertStore::empty())
        .with_client_auth_cert(chain, private)
        .map_err(|error| {
            let why = format!("it is not the key of {} ({error})", cert.display());
            bad(OPTION, key, why)
        })?;
    Ok(ClientTlsConfig {
        client_cert,
        client_key,
    })
}

fn read(option: &'static str, path: &Path) -> Result<Vec<u8>, ConnectError> {
    fs::read(path).map_err(|error| bad(option, path, error))
}

fn certificates(
    option: &'static str,
    path: &Path,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, ConnectError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(bad(option, path, "it has no certificate in PEM form")),
    }
}

fn bad(option: &'static str, path: &Path, why: impl std::fmt::Display) -> ConnectError {
    ConnectError::BadOption {
        option,
        why: format!("{}: {why}", path.display()),
    }
}

/// Installs ring as the default provider of cryptography for rustls, unless the program has chosen one. Without a
/// provider rustls panics. ring builds with a plain C compiler; aws-lc-rs needs more tools on some platforms.
pub(crate) fn install_crypto_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // An error means that another thread installed a provider meanwhile.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}
