//! Connection options that are not part of the URL.

use std::fmt;
use std::path::{Path, PathBuf};

/// Highest number of replicas that a claim can wait for.
pub const MAX_REPLICAS: u32 = 8;

/// Connection options that are not part of the URL. The scheduler's builder has methods of the same names.
///
/// `Debug` shows the names of files and users, and no password.
#[derive(Clone, Default)]
pub struct ConnectOptions {
    pub(crate) tls_ca_file: Option<PathBuf>,
    pub(crate) tls_client: Option<ClientCertificate>,
    pub(crate) accept_any_certificate: bool,
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) sentinel_login: Option<(String, String)>,
    pub(crate) sentinel_password_file: Option<PathBuf>,
    pub(crate) replicas: u32,
}

/// Files of a client certificate and its key.
#[derive(Clone, Debug)]
#[cfg_attr(
    not(feature = "tls"),
    expect(dead_code, reason = "only TLS reads the files")
)]
pub(crate) struct ClientCertificate {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl ConnectOptions {
    /// Trusts the certificate authorities in this PEM file, and no others. The URL has to begin with `rediss`.
    ///
    /// A certificate of a server that stands in the file itself is trusted, too: that of a server that has signed its
    /// own. It has to name the host of the URL, as any other.
    ///
    /// The file is read at start, and again for each connection.
    #[must_use]
    pub fn tls_ca_file(mut self, path: impl AsRef<Path>) -> Self {
        self.tls_ca_file = Some(path.as_ref().to_owned());
        self
    }

    /// Sends this certificate to servers that request one. `cert` is a PEM file with the certificate and its
    /// intermediate certificates, `key` a PEM file with its private key. Both are read at start, and again for each
    /// connection, so that a renewed certificate needs no restart.
    #[must_use]
    pub fn tls_client_cert(mut self, cert: impl AsRef<Path>, key: impl AsRef<Path>) -> Self {
        self.tls_client = Some(ClientCertificate {
            cert: cert.as_ref().to_owned(),
            key: key.as_ref().to_owned(),
        });
        self
    }

    /// **Dangerous**: accepts every certificate, whoever it names and whoever signed it. Anybody on the way to Redis
    /// can then read and change everything, the password included. For a trial with a server whose certificate is
    /// wrong; each start logs a warning.
    ///
    /// A server that has signed its own certificate needs this not: give [`tls_ca_file`](Self::tls_ca_file) that
    /// certificate.
    #[must_use]
    pub fn danger_accept_any_certificate(mut self) -> Self {
        self.accept_any_certificate = true;
        self
    }

    /// Reads the password of Redis from this file, again for each connection, so that a changed password needs no
    /// restart. The file has one line of at most 4096 bytes.
    #[must_use]
    pub fn password_file(mut self, path: impl AsRef<Path>) -> Self {
        self.password_file = Some(path.as_ref().to_owned());
        self
    }

    /// The login of the sentinels, if they require one. An empty user is the default user.
    #[must_use]
    pub fn sentinel_login(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.sentinel_login = Some((user.into(), password.into()));
        self
    }

    /// Reads the password of the sentinels from this file, again for each connection.
    ///
    /// Their user, if it is not the default user, is in the URL or in [`sentinel_login`](Self::sentinel_login), there
    /// with an empty password.
    #[must_use]
    pub fn sentinel_password_file(mut self, path: impl AsRef<Path>) -> Self {
        self.sentinel_password_file = Some(path.as_ref().to_owned());
        self
    }

    /// Starts a run only after this number of replicas acknowledged its claim. Default 0, at most [`MAX_REPLICAS`].
    #[must_use]
    pub fn replicas(mut self, replicas: u32) -> Self {
        self.replicas = replicas;
        self
    }

    /// Name of the first option that is set, for stores that have no use for options.
    pub fn first_set(&self) -> Option<&'static str> {
        let file = self.password_file.is_some().then_some("password_file");
        let replicas = (self.replicas > 0).then_some("replicas");
        let others = file.or(replicas).or(self.for_sentinels());
        self.for_tls().or(others)
    }

    /// Name of an option that is set and concerns TLS.
    pub(crate) fn for_tls(&self) -> Option<&'static str> {
        let made = [
            ("tls_ca_file", self.tls_ca_file.is_some()),
            ("tls_client_cert", self.tls_client.is_some()),
            ("danger_accept_any_certificate", self.accept_any_certificate),
        ];
        let first = made.into_iter().find(|(_, is_made)| *is_made);
        first.map(|(name, _)| name)
    }

    /// Name of an option that is set and concerns sentinels.
    pub(crate) fn for_sentinels(&self) -> Option<&'static str> {
        match (&self.sentinel_login, &self.sentinel_password_file) {
            (Some(_), _) => Some("sentinel_login"),
            (None, Some(_)) => Some("sentinel_password_file"),
            (None, None) => None,
        }
    }
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentinel_user = self.sentinel_login.as_ref().map(|(user, _)| user);
        f.debug_struct("ConnectOptions")
            .field("tls_ca_file", &self.tls_ca_file)
            .field("tls_client", &self.tls_client)
            .field("accept_any_certificate", &self.accept_any_certificate)
            .field("password_file", &self.password_file)
            .field("sentinel_user", &sentinel_user)
            .field("sentinel_password_file", &self.sentinel_password_file)
            .field("replicas", &self.replicas)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_no_secret() {
        let options = ConnectOptions::default()
            .sentinel_login("watcher", "secret")
            .password_file("/run/redis/password");
        let text = format!("{options:?}");
        assert!(text.contains("watcher") && text.contains("/run/redis/password"));
        assert!(!text.contains("secret"), "{text}");
    }
}
