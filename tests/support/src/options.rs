//! Options of a server.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::port::{free_node_port, free_port};
use crate::{ClockShim, RedisServer};

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
    pub(crate) config_file: Option<String>,
    pub(crate) kind: Kind,
    pub(crate) env: Vec<(OsString, OsString)>,
    /// Held, so that its library is still there when the server is restarted.
    pub(crate) clock_shim: Option<ClockShim>,
}

/// As what `redis-server` runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    #[default]
    Server,
    /// A server with a second port, the cluster bus.
    ClusterNode,
    /// Not a store, but one that watches stores and names the primary.
    Sentinel,
}

/// Who `url()` and `command()` say they are.
#[derive(Clone)]
pub(crate) struct Login {
    /// `None` is the default user, known by a password only.
    pub(crate) user: Option<String>,
    pub(crate) password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(..)")
    }
}

impl Login {
    /// What goes in front of the host in a URL.
    pub(crate) fn in_url(login: Option<&Self>) -> String {
        login.map_or_else(String::new, |login| {
            let user = login.user.as_deref().unwrap_or_default();
            format!("{user}:{}@", login.password)
        })
    }

    /// The lines of a configuration file by which a replica logs in to its primary.
    pub(crate) fn to_primary(&self) -> String {
        let user = self.user.iter().map(|user| format!("masteruser {user}\n"));
        let user: String = user.collect();
        format!("{user}masterauth {}\n", self.password)
    }

    /// The lines of a configuration file that admit this login and nobody else.
    pub(crate) fn required(&self) -> String {
        let password = &self.password;
        match &self.user {
            None => format!("requirepass {password}\n"),
            Some(user) => format!("user default off\nuser {user} on >{password} ~* &* +@all\n"),
        }
    }
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

    /// Gives the server a configuration file in its scratch folder, with this text at first. Redis
    /// may rewrite it (CONFIG REWRITE), and restarts read what it wrote. Arguments win over it.
    #[must_use]
    pub fn config_file(mut self, text: &str) -> Self {
        self.config_file = Some(text.to_owned());
        self
    }

    /// Sets an environment variable of the server's process.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Starts the server with this wall clock, which can be moved while it runs.
    #[must_use]
    pub fn clock_shim(mut self, shim: &ClockShim) -> Self {
        self.clock_shim = Some(shim.clone());
        self.env.extend(shim.env());
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

    /// Replicas get their first copy at once, and are heard of each second.
    pub(crate) fn quick_replication(mut self) -> Self {
        let quick = [
            "--repl-diskless-sync-delay",
            "0",
            "--repl-ping-replica-period",
            "1",
        ];
        self.args.splice(0..0, quick.map(OsString::from));
        self
    }

    /// Free ports for all that these options listen on.
    pub(crate) fn free_ports(&self) -> io::Result<Ports> {
        let is_node = self.kind == Kind::ClusterNode;
        Ok(Ports {
            plain: if is_node {
                free_node_port()?
            } else {
                free_port()?
            },
            tls: self.tls.is_some().then(free_port).transpose()?,
        })
    }

    /// The arguments of one run.
    pub(crate) fn command_line(&self, dir: &Path, ports: &Ports) -> Vec<OsString> {
        let mut line: Vec<OsString> = Vec::new();
        // The file must come first; what follows is read as if appended to it.
        line.extend(self.config_file.as_ref().map(|_| config_path(dir).into()));
        if self.kind == Kind::Sentinel {
            line.push("--sentinel".into());
        }
        let mut set = |name: &str, value: OsString| line.extend([name.into(), value]);
        set("--port", ports.plain.to_string().into());
        set("--bind", "127.0.0.1".into());
        set("--dir", self.data_dir.as_deref().unwrap_or(dir).into());
        set("--daemonize", "no".into());
        set("--logfile", "".into());
        set("--loglevel", "notice".into());
        set("--save", "".into());
        set("--appendonly", "no".into());
        if self.kind == Kind::ClusterNode {
            set("--cluster-enabled", "yes".into());
        }
        if let (Some(tls), Some(tls_port)) = (&self.tls, ports.tls) {
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

/// The ports of one server, the same for every run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ports {
    pub(crate) plain: u16,
    pub(crate) tls: Option<u16>,
}

/// Where the configuration file of a server is that has one.
pub(crate) fn config_path(dir: &Path) -> PathBuf {
    dir.join("redis.conf")
}
