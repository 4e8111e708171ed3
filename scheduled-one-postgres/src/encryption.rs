//! How connections are encrypted.

use std::path::PathBuf;

use crate::connect_error::ConnectError;
use crate::settings::Settings;

/// How connections are encrypted, as with libpq.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Encryption {
    pub(crate) mode: Mode,
    /// A PEM file of the authorities to trust; those of the system without it.
    pub(crate) root_cert: Option<PathBuf>,
    /// PEM files of our certificate and its key.
    pub(crate) client: Option<(PathBuf, PathBuf)>,
}

/// What an encrypted connection proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nothing is encrypted.
    Disable,
    /// Encrypted if the server offers it, and nothing is verified.
    Prefer,
    /// Encrypted; verified as `VerifyCa` if there is a file of authorities.
    Require,
    /// The certificate is of an authority that we trust.
    VerifyCa,
    /// The certificate is that of the host, too.
    VerifyFull,
}

/// The settings that say so.
pub(crate) struct Parameters {
    pub(crate) sslmode: Option<String>,
    pub(crate) sslrootcert: Option<String>,
    pub(crate) sslcert: Option<String>,
    pub(crate) sslkey: Option<String>,
}

impl Parameters {
    pub(crate) fn of(settings: &Settings) -> Self {
        Parameters {
            sslmode: settings.owned("sslmode"),
            sslrootcert: settings.owned("sslrootcert"),
            sslcert: settings.owned("sslcert"),
            sslkey: settings.owned("sslkey"),
        }
    }
}

impl Encryption {
    pub(crate) fn new(given: &Parameters) -> Result<Self, ConnectError> {
        let bad = |why: &str| ConnectError::BadUrl(why.to_owned());
        // Authorities of the system sign for everybody: with libpq, too, they prove something with the name only.
        let is_system = given.sslrootcert.as_deref() == Some("system");
        let mode = match given.sslmode.as_deref() {
            None if is_system => Mode::VerifyFull,
            None if cfg!(feature = "tls") => Mode::Prefer,
            None | Some("disable") => Mode::Disable,
            Some("allow" | "prefer") => Mode::Prefer,
            Some("require") => Mode::Require,
            Some("verify-ca") => Mode::VerifyCa,
            Some("verify-full") => Mode::VerifyFull,
            Some(_) => {
                return Err(bad(
                    "sslmode is disable, allow, prefer, require, verify-ca or verify-full",
                ));
            }
        };
        if is_system && mode != Mode::VerifyFull {
            return Err(bad(
                "sslrootcert=system goes with sslmode=verify-full alone: a weaker one would trust whoever has a \
                 certificate of any authority",
            ));
        }
        if mode > Mode::Prefer && !cfg!(feature = "tls") {
            return Err(bad(
                "this build does not encrypt: give scheduled-one-postgres (or the runtime) its feature `tls`",
            ));
        }
        // Without a name, too, they prove nothing. libpq wants a file here as well.
        if mode == Mode::VerifyCa && given.sslrootcert.is_none() {
            return Err(bad(
                "sslmode=verify-ca needs sslrootcert=FILE, the authority of the server: those of the system sign for \
                 everybody, and without the name of the host that proves nothing; or give sslmode=verify-full",
            ));
        }
        // Without a file, the authorities of the system are trusted.
        let root_cert = given.sslrootcert.clone().filter(|_| !is_system);
        let client = match (given.sslcert.clone(), given.sslkey.clone()) {
            (Some(cert), Some(key)) => Some((cert.into(), key.into())),
            (None, None) => None,
            _ => return Err(bad("sslcert and sslkey go together")),
        };
        Ok(Encryption {
            mode,
            root_cert: root_cert.map(PathBuf::from),
            client,
        })
    }
}

impl PartialOrd for Mode {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some((*self as u8).cmp(&(*other as u8)))
    }
}

#[cfg(all(test, feature = "tls"))]
mod tests {
    use super::*;

    #[test]
    fn who_verifies_no_name_says_which_authority_to_trust() {
        let new = |sslmode: &str, sslrootcert: Option<&str>| {
            Encryption::new(&Parameters {
                sslmode: Some(sslmode.to_owned()),
                sslrootcert: sslrootcert.map(str::to_owned),
                sslcert: None,
                sslkey: None,
            })
        };
        let text = new("verify-ca", None).unwrap_err().to_string();
        for part in [
            "sslmode=verify-ca",
            "sslrootcert=FILE",
            "sslmode=verify-full",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let encryption = new("verify-ca", Some("ca.pem")).unwrap();
        assert_eq!(encryption.mode, Mode::VerifyCa);
        assert_eq!(new("verify-full", None).unwrap().root_cert, None);
    }

    #[test]
    fn the_authorities_of_the_system_go_with_the_strictest_mode_alone() {
        let new = |sslmode: Option<&str>| {
            Encryption::new(&Parameters {
                sslmode: sslmode.map(str::to_owned),
                sslrootcert: Some("system".to_owned()),
                sslcert: None,
                sslkey: None,
            })
        };
        for sslmode in [None, Some("verify-full")] {
            let encryption = new(sslmode).unwrap();
            assert_eq!(encryption.mode, Mode::VerifyFull, "{sslmode:?}");
            assert_eq!(encryption.root_cert, None);
        }
        for weak in ["disable", "allow", "prefer", "require", "verify-ca"] {
            let text = new(Some(weak)).unwrap_err().to_string();
            assert!(text.contains("sslmode=verify-full"), "{weak}: {text}");
        }
    }
}
