//! Encryption of connections. Without the feature `tls`, a URL that begins with `rediss` is an error.

#[cfg(feature = "tls")]
use std::sync::Arc;

use crate::connect_error::ConnectError;
use crate::options::ConnectOptions;
#[cfg(feature = "tls")]
use crate::tls::Tls;

/// Encryption of connections.
#[derive(Clone)]
pub(crate) enum Encryption {
    None,
    #[cfg(feature = "tls")]
    Tls(Arc<Tls>),
}

impl Encryption {
    /// Reads the certificates of the options. `wanted`: the URL begins with `rediss`.
    pub(crate) fn load(wanted: bool, options: &ConnectOptions) -> Result<Self, ConnectError> {
        match (wanted, options.for_tls()) {
            (true, _) => Self::on(options),
            (false, Some(option)) => Err(ConnectError::BadOption {
                option,
                why: "the URL asks for no TLS: it has to begin with rediss".to_owned(),
            }),
            (false, None) => Ok(Encryption::None),
        }
    }

    #[cfg(feature = "tls")]
    fn on(options: &ConnectOptions) -> Result<Self, ConnectError> {
        Ok(Encryption::Tls(Arc::new(Tls::new(options)?)))
    }

    #[cfg(not(feature = "tls"))]
    fn on(_options: &ConnectOptions) -> Result<Self, ConnectError> {
        Err(ConnectError::BadUrl(
            "this build has no TLS: give scheduled-one the feature `tls` for URLs that begin with rediss".to_owned(),
        ))
    }
}
