//! What a server is started with.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::RedisServer;

/// The certificate files of a server that speaks TLS.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The server's certificate, PEM.
    pub cert: PathBuf,
    /// The key of that certificate, PEM.
    pub key: PathBuf,
    /// The authority that signed it, PEM.
    pub ca: PathBuf,
}

/// How to start a [`RedisServer`]; made by [`RedisServer::options`].
///
/// ```
/// let redis = test_support::RedisServer::options()
///     .password("letmein")
///     .args(["--maxmemory-policy", "allkeys-lru"])
///     .start()?;
/// assert!(redis.url().starts_with("redis://:letmein@127.0.0.1:"));
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Default)]
pub struct RedisOptions {
    pub(crate) args: Vec<OsString>,
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) tls: Option<Tls>,
    pub(crate) login: Option<Login>,
}

/// Who `url()` and `command()` say they are.
#[derive(Clone)]
pub(crate) struct Login {
    /// `None` is the default user, known by a password only.
    pub(crate) user: Option<String>,
    pub(crate) password: String,
}

impl RedisOptions {
    /// Adds one argument of `redis-server`, after those of this crate, so that it wins over them.
    ///
    /// Leave `--port`, `--dir`, `--daemonize`, `--logfile` and `--loglevel` alone: the handle
    /// relies on them. Everything has a method that the handle must know about.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds several arguments, as in `.args(["--appendonly", "yes"])`; see [`arg`](Self::arg).
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Keeps the data in this folder, which must exist and is not removed afterwards. Without it,
    /// the data lives as long as the handle, restarts included.
    #[must_use]
    pub fn data_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.data_dir = Some(dir.as_ref().to_owned());
        self
    }

    /// Requires this password of everybody (`--requirepass`); `url()` and `command()` carry it.
    /// It goes into the URL as it is: use letters and digits.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.login = Some(Login {
            user: None,
            password: password.to_owned(),
        });
        self.args(["--requirepass", password])
    }

    /// The user that `url()` and `command()` log in as. It adds no argument: the user comes from
    /// `.args(["--aclfile", path])`. Both go into the URL as they are: use letters and digits.
    #[must_use]
    pub fn login(mut self, user: &str, password: &str) -> Self {
        self.login = Some(Login {
            user: Some(user.to_owned()),
            password: password.to_owned(),
        });
        self
    }

    /// Opens a second port that speaks TLS, without client certificates; see
    /// [`RedisServer::tls_port`]. The plain port stays, for `command()` and the readiness check.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Starts the server and waits until it answers.
    ///
    /// # Errors
    ///
    /// No `redis-server` is found, it exits, or it does not answer within 10 s; in the last two
    /// cases the error ends with the tail of the server's log.
    pub fn start(self) -> io::Result<RedisServer> {
        RedisServer::with_options(self)
    }

    /// The arguments of one run.
    pub(crate) fn command_line(
        &self,
        dir: &Path,
        port: u16,
        tls_port: Option<u16>,
    ) -> Vec<OsString> {
        let mut line: Vec<OsString> = Vec::new();
        let mut set = |name: &str, value: OsString| line.extend([name.into(), value]);
        set("--port", port.to_string().into());
        set("--bind", "127.0.0.1".into());
        set("--dir", self.data_dir.as_deref().unwrap_or(dir).into());
        set("--daemonize", "no".into());
        set("--logfile", "".into());
        set("--loglevel", "notice".into());
        set("--save", "".into());
        set("--appendonly", "no".into());
        if let (Some(tls), Some(tls_port)) = (&self.tls, tls_port) {
            set("--tls-port", tls_port.to_string().into());
            set("--tls-cert-file", tls.cert.clone().into());
            set("--tls-key-file", tls.key.clone().into());
            set("--tls-ca-cert-file", tls.ca.clone().into());
            set("--tls-auth-clients", "no".into());
        }
        line.extend(self.args.iter().cloned());
        line
    }
}
