//! TLS: which certificates are trusted and shown. Files are read at start, so that a wrong one is an error then, and
//! again for each connection, so that a renewed certificate needs no restart.

mod verifier;

use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use rustls_native_certs::{CertificateResult, load_certs_from_paths};

use crate::connect_error::ConnectError;
use crate::options::{ClientCertificate, ConnectOptions};
use crate::tls::verifier::{AnyCertificate, Pinned};

/// The environment variables that name the authorities of the system.
const SSL_CERT: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// The options of TLS: whom to trust, and the certificate to show.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    trust: Trust,
    client: Option<ClientCertificate>,
}

#[derive(Clone, Debug)]
enum Trust {
    /// The authorities of the system, or of the files that `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
    System,
    /// The authorities in a file, and the certificates in it themselves.
    File(PathBuf),
    /// Every certificate.
    Anybody,
}

/// The fault of a file of an option.
struct BadFile {
    option: &'static str,
    why: String,
}

impl Tls {
    /// Takes the options, and reads the files that they name.
    pub(crate) fn new(options: &ConnectOptions) -> Result<Self, ConnectError> {
        let trust = match (&options.tls_ca_file, options.accept_any_certificate) {
            (Some(_), true) => {
                return Err(ConnectError::BadOption {
                    option: "danger_accept_any_certificate",
                    why: "`tls_ca_file` says which certificates to accept: leave one of them away"
                        .to_owned(),
                });
            }
            (Some(path), false) => Trust::File(path.clone()),
            (None, true) => Trust::Anybody,
            (None, false) => Trust::System,
        };
        let client = options.tls_client.clone();
        let tls = Tls { trust, client };
        let checked = tls.check(&provider());
        checked.map_err(|BadFile { option, why }| ConnectError::BadOption { option, why })?;
        Ok(tls)
    }

    /// Reads the files of the options. The authorities of the system are an error of connecting.
    fn check(&self, provider: &Arc<CryptoProvider>) -> Result<(), BadFile> {
        if let Trust::File(path) = &self.trust {
            authorities(&read_certificates("tls_ca_file", path)?, path)?;
        }
        if self.client.is_some() {
            self.complete(provider, Arc::new(AnyCertificate::new(provider)))?;
        }
        Ok(())
    }

    /// The configuration of a new connection, from the current content of the files. They are read on a thread of the
    /// blocking pool, because their disk may hang.
    ///
    /// # Errors
    ///
    /// The option, the path and the fault of a file.
    pub(crate) async fn config(self: &Arc<Self>) -> Result<Arc<ClientConfig>, String> {
        let tls = Arc::clone(self);
        let read = tokio::task::spawn_blocking(move || tls.read());
        let config = read.await.map_err(|error| error.to_string())?;
        config.map(Arc::new).map_err(|bad| bad.to_string())
    }

    fn read(&self) -> Result<ClientConfig, BadFile> {
        let provider = provider();
        let verifier = self.verifier(&provider)?;
        self.complete(&provider, verifier)
    }

    fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>, BadFile> {
        Ok(match &self.trust {
            Trust::System => web_pki(system_authorities()?, provider)?,
            Trust::File(path) => {
                let certificates = read_certificates("tls_ca_file", path)?;
                let of_authorities = web_pki(authorities(&certificates, path)?, provider)?;
                Arc::new(Pinned::new(of_authorities, certificates))
            }
            Trust::Anybody => Arc::new(AnyCertificate::new(provider)),
        })
    }

    /// The verifier with the client certificate of the options, if there is one.
    fn complete(
        &self,
        provider: &Arc<CryptoProvider>,
        verifier: Arc<dyn ServerCertVerifier>,
    ) -> Result<ClientConfig, BadFile> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| BadFile {
                option: "rediss",
                why: format!(
                    "the provider of cryptography of this program has no TLS 1.2 or 1.3: {error}"
                ),
            })?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let Some(ClientCertificate { cert, key }) = &self.client else {
            return Ok(builder.with_no_client_auth());
        };
        const OPTION: &str = "tls_client_cert";
        let chain = read_certificates(OPTION, cert)?;
        let private = PrivateKeyDer::from_pem_slice(&read(OPTION, key)?)
            .map_err(|_| bad(OPTION, key, "it has no private key in PEM form"))?;
        // rustls compares the two.
        builder
            .with_client_auth_cert(chain, private)
            .map_err(|error| {
                let why = format!("it is not the key of {} ({error})", cert.display());
                bad(OPTION, key, why)
            })
    }
}

/// The provider of cryptography that the program has installed, or ring, which builds with a plain C compiler.
/// A library that installed a default would take the choice from the program.
fn provider() -> Arc<CryptoProvider> {
    let installed = CryptoProvider::get_default().cloned();
    installed.unwrap_or_else(|| Arc::new(ring::default_provider()))
}

fn web_pki(
    authorities: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, BadFile> {
    let provider = Arc::clone(provider);
    WebPkiServerVerifier::builder_with_provider(Arc::new(authorities), provider)
        .build()
        .map_err(|error| BadFile {
            option: "tls_ca_file",
            why: error.to_string(),
        })
}

/// The authorities of the system, or those that the environment names.
fn system_authorities() -> Result<RootCertStore, BadFile> {
    let bad = |why: String| {
        let [file, dir] = SSL_CERT;
        let why = format!(
            "the certificate authorities of the system, or those that {file} and {dir} name: {why}"
        );
        let option = "rediss";
        BadFile { option, why }
    };
    let mut found = match SSL_CERT.map(blank) {
        [false, false] => rustls_native_certs::load_native_certs(),
        [file, dir] => without_blank(file, dir),
    };
    if let Some(error) = found.errors.pop() {
        return Err(bad(error.to_string()));
    }
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(found.certs);
    match store.is_empty() {
        true => Err(bad("there are none".to_owned())),
        false => Ok(store),
    }
}

/// True if the variable is set to nothing, as deployments do that mean to set none.
fn blank(variable: &str) -> bool {
    env::var_os(variable).is_some_and(|value| value.to_string_lossy().trim().is_empty())
}

/// The authorities that the other variable names, else those of the system. The loader would take a blank variable for
/// a path.
fn without_blank(file: bool, dir: bool) -> CertificateResult {
    let [named_file, named_dir] = SSL_CERT.map(|name| env::var_os(name).map(PathBuf::from));
    let named_file = named_file.filter(|_| !file);
    let named_dir = named_dir.filter(|_| !dir);
    if named_file.is_some() || named_dir.is_some() {
        return load_certs_from_paths(named_file.as_deref(), named_dir.as_deref());
    }
    #[cfg(not(target_os = "macos"))]
    {
        let system = openssl_probe::probe();
        let dir = system.cert_dir.first().map(PathBuf::as_path);
        // The file has what the folder has, where there are both.
        match &system.cert_file {
            Some(file) => load_certs_from_paths(Some(file), None),
            None => load_certs_from_paths(None, dir),
        }
    }
    #[cfg(target_os = "macos")]
    rustls_native_certs::load_native_certs()
}

fn authorities(
    certificates: &[CertificateDer<'static>],
    path: &Path,
) -> Result<RootCertStore, BadFile> {
    let mut store = RootCertStore::empty();
    for certificate in certificates {
        let added = store.add(certificate.clone());
        added.map_err(|error| bad("tls_ca_file", path, error))?;
    }
    Ok(store)
}

fn read(option: &'static str, path: &Path) -> Result<Vec<u8>, BadFile> {
    fs::read(path).map_err(|error| bad(option, path, error))
}

fn read_certificates(
    option: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, BadFile> {
    let pem = read(option, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(bad(option, path, "it has no certificate in PEM form")),
    }
}

fn bad(option: &'static str, path: &Path, why: impl fmt::Display) -> BadFile {
    let why = format!("{}: {why}", path.display());
    BadFile { option, why }
}

impl fmt::Display for BadFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.option, self.why)
    }
}
