//! Encryption of connections. Without the feature `tls`, a URL that begins with `rediss` is an error.

#[cfg(feature = "tls")]
use std::sync::Arc;

#[cfg(feature = "tls")]
use deadpool_redis::redis::{Client, TlsCertificates};
use deadpool_redis::redis::{ConnectionInfo, RedisError};

use crate::connect_error::ConnectError;
use crate::options::ConnectOptions;
#[cfg(feature = "tls")]
use crate::tls;

/// Encryption of connections.
#[derive(Clone)]
pub(crate) enum Encryption {
    None,
    /// TLS with the certificate authorities of the system.
    #[cfg(feature = "tls")]
    System,
    /// TLS with the certificates of the options.
    #[cfg(feature = "tls")]
    Own(Arc<TlsCertificates>),
}

impl Encryption {
    /// Reads the certificates of the options. `wanted`: the URL begins with `rediss`.
    pub(crate) fn load(wanted: bool, options: &ConnectOptions) -> Result<Self, ConnectError> {
        let named = options.tls_ca_file.is_some() || options.tls_client.is_some();
        match wanted {
            true => Self::on(options),
            false if named => Err(ConnectError::BadOption {
                option: "tls_ca_file/tls_client_cert",
                why: "the URL asks for no TLS: it has to begin with rediss".to_owned(),
            }),
            false => Ok(Encryption::None),
        }
    }

    #[cfg(feature = "tls")]
    fn on(options: &ConnectOptions) -> Result<Self, ConnectError> {
        tls::install_crypto_provider();
        Ok(match tls::load(options)? {
            Some(own) => Encryption::Own(Arc::new(own)),
            None => Encryption::System,
        })
    }

    #[cfg(not(feature = "tls"))]
    fn on(_options: &ConnectOptions) -> Result<Self, ConnectError> {
        Err(ConnectError::BadUrl(
            "this build has no TLS: give scheduled-one the feature `tls` for URLs that begin with rediss".to_owned(),
        ))
    }

    /// True if connections are encrypted.
    pub(crate) fn is_on(&self) -> bool {
        !matches!(self, Encryption::None)
    }

    /// Adds the certificates of the options, if there are any.
    pub(crate) fn apply(&self, info: ConnectionInfo) -> Result<ConnectionInfo, RedisError> {
        match self {
            // The pool accepts no certificates, only the connection info that a client made of them.
            #[cfg(feature = "tls")]
            Encryption::Own(certificates) => {
                let client = Client::build_with_tls(info, TlsCertificates::clone(certificates))?;
                Ok(client.get_connection_info().clone())
            }
            _ => Ok(info),
        }
    }
}
