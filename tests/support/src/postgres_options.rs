//! How a PostgreSQL differs from a fresh installation.

use std::ffi::OsString;
use std::io;

use crate::disk_shim::DiskShim;
use crate::postgres::PostgresServer;

/// Options of a [`PostgresServer`].
#[derive(Clone, Default)]
pub struct PostgresOptions {
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) password: Option<String>,
    pub(crate) env: Vec<(OsString, OsString)>,
}

impl PostgresOptions {
    /// A setting of the server, as in `postgresql.conf`.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The password of the superuser, and of all others who want to log in; without it, everybody is trusted.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// The disk of its data, which a test can fill.
    #[must_use]
    pub fn disk_shim(mut self, shim: &DiskShim) -> Self {
        self.env.push(("LD_PRELOAD".into(), shim.library()));
        self.env.extend(shim.env());
        self
    }

    /// Makes a cluster of databases, starts its server, and waits until it answers.
    ///
    /// # Errors
    ///
    /// No PostgreSQL is installed, or it does not start; the error has the end of its log.
    pub fn start(self) -> io::Result<PostgresServer> {
        PostgresServer::with_options(self)
    }
}
