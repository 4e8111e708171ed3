//! The address of Redis: parsed from a URL, completed by options, displayed without passwords.

mod characters;
mod parse;
mod query;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;

use crate::connect_error::ConnectError;
use crate::doctor::Expected;
use crate::login::Login;
use crate::options::{ConnectOptions, MAX_REPLICAS};
use crate::permissions::RequiredPermissions;
use crate::topology::Topology;

/// Fault of a URL. The text repeats no part of the URL, because any part may be a misplaced password, but for names of
/// options that it knows, and for one character that has to be written otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadUrl(pub(crate) String);

/// Address and login of Redis: a parsed URL, completed by the connection options.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) login: Option<Login>,
    /// Number of the database.
    pub(crate) db: i64,
    /// Addresses of the URL, for error texts; those of sentinels with the name of the primary.
    pub(crate) servers: String,
    pub(crate) tls: bool,
    pub(crate) accepts_any_certificate: bool,
    pub(crate) topology: Topology,
    /// Number of replicas of Redis that acknowledge a claim before its run starts.
    pub(crate) replicas: u32,
}

/// Passwords that come from files. The URL may then have a user without a password, and must not have a password.
#[derive(Clone, Copy, Default)]
pub(crate) struct FromFiles {
    pub(crate) redis: bool,
    pub(crate) sentinels: bool,
}

impl Address {
    /// Parses a URL. A password file in the options allows a user without a password.
    pub(crate) fn new(url: &str, options: &ConnectOptions) -> Result<Self, ConnectError> {
        let from_files = FromFiles {
            redis: options.password_file.is_some(),
            sentinels: options.sentinel_password_file.is_some(),
        };
        Address::parse(url, from_files).map_err(|BadUrl(why)| ConnectError::BadUrl(why))
    }

    /// Permissions that the namespace, the topology and the options need in addition to the common ones.
    pub(crate) fn required_permissions(&self) -> RequiredPermissions {
        RequiredPermissions {
            db: self.db,
            cluster: matches!(self.topology, Topology::Cluster { .. }),
            replicas: self.replicas > 0,
        }
    }

    /// The purposes of replicas of Redis here: failover, confirmation of claims.
    pub(crate) fn expects(&self) -> Expected {
        Expected {
            failover: !matches!(self.topology, Topology::Standalone(_)),
            waited_for: self.replicas,
        }
    }

    /// Adds the options to the parsed URL, and reads the password files.
    pub(crate) async fn complete(&mut self, options: &ConnectOptions) -> Result<(), ConnectError> {
        if let Some(path) = &options.password_file {
            let user = self.login.take().and_then(|login| login.user);
            self.login = Some(login_from("password_file", user, path).await?);
        }
        if let Topology::Sentinel { login, .. } = &mut self.topology {
            complete_sentinels(login, options).await?;
        } else if let Some(option) = options.for_sentinels() {
            let why = "the URL names no sentinels: it has to begin with redis+sentinel://";
            return Err(bad_option(option, why));
        }
        if options.replicas > MAX_REPLICAS {
            let why = format!("{}; 0 to {MAX_REPLICAS} are allowed", options.replicas);
            return Err(bad_option("replicas", &why));
        }
        self.replicas = options.replicas;
        self.accepts_any_certificate = options.accept_any_certificate;
        Ok(())
    }

    /// User name for error texts about permissions; `default` if the URL has none.
    pub(crate) fn user(&self) -> &str {
        self.login.as_ref().map_or("default", Login::user)
    }

    /// User name for the error of a login. A user without a password may be a password without its colon.
    pub(crate) fn user_of_login(&self) -> String {
        match &self.login {
            Some(login) if login.is_without_password() && login.user.is_some() => {
                "… (not shown, because it has no password and may be one: a password alone is written :password@)"
                    .to_owned()
            }
            _ => self.user().to_owned(),
        }
    }
}

/// Completes the login of the sentinels from the URL by the options.
async fn complete_sentinels(
    login: &mut Option<Login>,
    options: &ConnectOptions,
) -> Result<(), ConnectError> {
    let file = options.sentinel_password_file.as_ref();
    if let Some((user, password)) = &options.sentinel_login {
        if login.is_some() {
            let why = "the URL has a sentinel_user or sentinel_password as well: leave one of \
                       them away";
            return Err(bad_option("sentinel_login", why));
        }
        if file.is_some() && !password.is_empty() {
            let why = "`sentinel_login` has a password as well: leave that one empty";
            return Err(bad_option("sentinel_password_file", why));
        }
        let user = Some(user.clone()).filter(|user| !user.is_empty());
        *login = Some(Login::new(user, password.clone()));
    }
    if let Some(path) = file {
        let user = login.take().and_then(|login| login.user);
        *login = Some(login_from("sentinel_password_file", user, path).await?);
    }
    Ok(())
}

/// A login with a password file. The file is read once, so that a wrong path is an error at start.
async fn login_from(
    option: &'static str,
    user: Option<String>,
    path: &Path,
) -> Result<Login, ConnectError> {
    let login = Login::from_file(user, path);
    match login.password().await {
        Ok(_) => Ok(login),
        Err(why) => Err(bad_option(option, &why)),
    }
}

fn bad_option(option: &'static str, why: &str) -> ConnectError {
    let why = why.to_owned();
    ConnectError::BadOption { option, why }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "rediss" } else { "redis" };
        write!(f, "{scheme}{}://{}", self.topology.suffix(), self.topology)?;
        match self.db {
            0 => Ok(()),
            db => write!(f, "/{db}"),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
