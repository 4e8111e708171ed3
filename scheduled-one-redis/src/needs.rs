//! Which rights are needed beside those that always are.

use std::path::Path;

use crate::connect_error::ConnectError;
use crate::doctor::Expected;
use crate::login::Login;
use crate::options::{ConnectOptions, MAX_REPLICAS};
use crate::url::{Address, BadUrl, FromFiles};
use crate::way::Way;

/// What takes rights of its own.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Needs {
    /// A database that is not 0 has to be selected.
    pub(crate) db: i64,
    /// The owner of a slot has to be found.
    pub(crate) cluster: bool,
    /// Replicas have to be waited for.
    pub(crate) replicas: bool,
}

impl Address {
    /// What the URL tells.
    pub(crate) fn of(url: &str, options: &ConnectOptions) -> Result<Self, ConnectError> {
        let from_files = FromFiles {
            redis: options.password_file.is_some(),
            sentinels: options.sentinel_password_file.is_some(),
        };
        Address::parse(url, from_files).map_err(|BadUrl(why)| ConnectError::BadUrl(why))
    }

    pub(crate) fn needs(&self) -> Needs {
        Needs {
            db: self.db,
            cluster: matches!(self.way, Way::Cluster { .. }),
            replicas: self.replicas > 0,
        }
    }

    /// What replicas of it are counted on for.
    pub(crate) fn expects(&self) -> Expected {
        Expected {
            failover: !matches!(self.way, Way::Single(_)),
            waited_for: self.replicas,
        }
    }

    /// Adds what the options have and the URL has not.
    pub(crate) async fn complete(&mut self, options: &ConnectOptions) -> Result<(), ConnectError> {
        if let Some(path) = &options.password_file {
            let user = self.login.take().and_then(|login| login.user);
            self.login = Some(login_from("password_file", user, path).await?);
        }
        if let Way::Sentinel { login, .. } = &mut self.way {
            complete_sentinels(login, options).await?;
        } else if let Some(option) = options.for_sentinels() {
            let why = "the URL names no sentinels: it has to begin with redis+sentinel://";
            return Err(bad(option, why));
        }
        if options.replicas > MAX_REPLICAS {
            let why = format!("{}; 0 to {MAX_REPLICAS} are allowed", options.replicas);
            return Err(bad("replicas", &why));
        }
        self.replicas = options.replicas;
        Ok(())
    }
}

/// Adds what the options have to what the URL told of the login of the
/// sentinels.
async fn complete_sentinels(
    login: &mut Option<Login>,
    options: &ConnectOptions,
) -> Result<(), ConnectError> {
    let file = options.sentinel_password_file.as_ref();
    if let Some((user, password)) = &options.sentinel_login {
        if login.is_some() {
            let why = "the URL has a sentinel_user or sentinel_password as well: leave one of \
                       them away";
            return Err(bad("sentinel_login", why));
        }
        if file.is_some() && !password.is_empty() {
            let why = "`sentinel_login` has a password as well: leave that one empty";
            return Err(bad("sentinel_password_file", why));
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

/// A login whose password is in a file, which can be read.
async fn login_from(
    option: &'static str,
    user: Option<String>,
    path: &Path,
) -> Result<Login, ConnectError> {
    let login = Login::from_file(user, path);
    match login.password().await {
        Ok(_) => Ok(login),
        Err(why) => Err(bad(option, &why)),
    }
}

fn bad(option: &'static str, why: &str) -> ConnectError {
    let why = why.to_owned();
    ConnectError::BadOption { option, why }
}
