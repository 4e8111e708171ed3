//! Encrypted connections. The levels of `sslmode` are those of libpq. Files are read at start, so that a wrong one is
//! an error then, and again for each connection, so that a renewed certificate needs no restart.

#[cfg(feature = "tls")]
pub(crate) use with_tls::{Connector, load};
#[cfg(not(feature = "tls"))]
pub(crate) use without_tls::{Connector, load};

#[cfg(not(feature = "tls"))]
mod without_tls {
    use crate::connect_error::ConnectError;
    use crate::encryption::Encryption;

    /// There is none.
    #[derive(Clone)]
    pub(crate) enum Connector {}

    /// Connections are not encrypted.
    pub(crate) fn load(_encryption: &Encryption) -> Result<Option<Connector>, ConnectError> {
        Ok(None)
    }
}

#[cfg(feature = "tls")]
mod with_tls {
    use std::path::Path;
    use std::sync::Arc;

    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::client::{WebPkiServerVerifier, verify_server_name};
    use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
    use rustls::server::ParsedCertificate;
    use rustls::{
        CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore,
        SignatureScheme,
    };
    use tokio_postgres_rustls::MakeRustlsConnect;

    use crate::connect_error::ConnectError;
    use crate::encryption::{Encryption, Mode};

    /// Makes encrypted connections.
    pub(crate) type Connector = MakeRustlsConnect;

    /// Reads the files of certificates. `None` if nothing is encrypted.
    pub(crate) fn load(encryption: &Encryption) -> Result<Option<Connector>, ConnectError> {
        if encryption.mode == Mode::Disable {
            return Ok(None);
        }
        let provider = provider();
        let pinned = match &encryption.root_cert {
            Some(path) => certificates("sslrootcert", path)?,
            None => Vec::new(),
        };
        let verifier = Arc::new(Verifier {
            chain: chain(encryption, &pinned, &provider)?,
            pinned,
            checks_name: encryption.mode == Mode::VerifyFull,
            provider: Arc::clone(&provider),
        });
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| bad_file("sslmode", error))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let config = match &encryption.client {
            None => config.with_no_client_auth(),
            Some((cert, key)) => {
                let certs = certificates("sslcert", cert)?;
                let key = PrivateKeyDer::from_pem_file(key)
                    .map_err(|error| in_file("sslkey", key, error))?;
                config
                    .with_client_auth_cert(certs, key)
                    .map_err(|error| in_file("sslcert", cert, error))?
            }
        };
        Ok(Some(MakeRustlsConnect::new(config)))
    }

    /// The provider of cryptography that the program has installed, or ring. A library that installed a default would
    /// take the choice from the program.
    fn provider() -> Arc<CryptoProvider> {
        let installed = CryptoProvider::get_default().cloned();
        installed.unwrap_or_else(|| Arc::new(ring::default_provider()))
    }

    /// What verifies the chain of certificates, by these authorities if there is a file of them. `None` if nothing
    /// does: with `prefer` and, without a file of authorities, with `require`.
    fn chain(
        encryption: &Encryption,
        authorities: &[CertificateDer<'static>],
        provider: &Arc<CryptoProvider>,
    ) -> Result<Option<Arc<WebPkiServerVerifier>>, ConnectError> {
        let is_verified = match encryption.mode {
            Mode::Disable | Mode::Prefer => false,
            Mode::Require => encryption.root_cert.is_some(),
            Mode::VerifyCa | Mode::VerifyFull => true,
        };
        if !is_verified {
            return Ok(None);
        }
        let mut roots = RootCertStore::empty();
        match &encryption.root_cert {
            Some(path) => {
                for certificate in authorities {
                    roots
                        .add(certificate.clone())
                        .map_err(|error| in_file("sslrootcert", path, error))?;
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        let verifier = verifier
            .build()
            .map_err(|error| bad_file("sslrootcert", error))?;
        Ok(Some(verifier))
    }

    fn certificates(
        parameter: &'static str,
        path: &Path,
    ) -> Result<Vec<CertificateDer<'static>>, ConnectError> {
        let failed = |error| in_file(parameter, path, error);
        let certificates = CertificateDer::pem_file_iter(path).map_err(failed)?;
        let certificates: Vec<_> = certificates.collect::<Result<_, _>>().map_err(failed)?;
        match certificates.is_empty() {
            true => Err(bad_file(
                parameter,
                format!("{} has no certificate in PEM form", path.display()),
            )),
            false => Ok(certificates),
        }
    }

    fn in_file(
        parameter: &'static str,
        path: &Path,
        error: impl std::fmt::Display,
    ) -> ConnectError {
        bad_file(parameter, format!("{}: {error}", path.display()))
    }

    fn bad_file(parameter: &'static str, why: impl std::fmt::Display) -> ConnectError {
        let why = why.to_string();
        ConnectError::BadFile { parameter, why }
    }

    /// True if the objection is to who has signed a certificate, or to its purpose.
    fn is_of_issuer(error: &Error) -> bool {
        use CertificateError as Fault;
        matches!(
            error,
            Error::InvalidCertificate(
                Fault::UnknownIssuer
                    | Fault::InvalidPurpose
                    | Fault::InvalidPurposeContext { .. }
                    | Fault::Other(_)
            )
        )
    }

    /// Verifies what `sslmode` asks for.
    ///
    /// A certificate that the file of authorities has byte for byte is accepted, also if it says that it is an
    /// authority: most that have signed themselves say so, and rustls accepts none of these from a server. Its name and
    /// its time have to be right all the same.
    #[derive(Debug)]
    struct Verifier {
        chain: Option<Arc<WebPkiServerVerifier>>,
        /// The certificates of the file of authorities.
        pinned: Vec<CertificateDer<'static>>,
        checks_name: bool,
        provider: Arc<CryptoProvider>,
    }

    impl ServerCertVerifier for Verifier {
        fn verify_server_cert(
            &self,
            end_entity: &CertificateDer<'_>,
            intermediates: &[CertificateDer<'_>],
            server_name: &ServerName<'_>,
            ocsp_response: &[u8],
            now: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            let Some(chain) = &self.chain else {
                return Ok(ServerCertVerified::assertion());
            };
            let verified = chain.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            );
            match verified {
                // The chain is verified before the name.
                Err(Error::InvalidCertificate(
                    CertificateError::NotValidForName
                    | CertificateError::NotValidForNameContext { .. },
                )) if !self.checks_name => Ok(ServerCertVerified::assertion()),
                Err(error) if self.pinned.contains(end_entity) && is_of_issuer(&error) => {
                    if self.checks_name {
                        verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                    }
                    Ok(ServerCertVerified::assertion())
                }
                other => other,
            }
        }

        fn verify_tls12_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let algorithms = &self.provider.signature_verification_algorithms;
            verify_tls12_signature(message, cert, dss, algorithms)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            let algorithms = &self.provider.signature_verification_algorithms;
            verify_tls13_signature(message, cert, dss, algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.provider
                .signature_verification_algorithms
                .supported_schemes()
        }
    }
}
