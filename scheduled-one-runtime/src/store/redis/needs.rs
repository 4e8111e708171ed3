//! Which rights are needed beside those that always are.

use super::connect_error::ConnectError;
use super::doctor::Expected;
use super::login::Login;
use super::options::{ConnectOptions, MAX_REPLICAS};
use super::url::{Address, BadUrl};
use super::way::Way;

/// What takes rights of its own.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Needs {
    /// A database that is not 0 has to be selected.
    pub(super) db: i64,
    /// The owner of a slot has to be found.
    pub(super) cluster: bool,
    /// Replicas have to be waited for.
    pub(super) replicas: bool,
}

impl Address {
    /// What the URL tells.
    pub(super) fn of(url: &str, options: &ConnectOptions) -> Result<Self, ConnectError> {
        let has_password = options.password_file.is_some();
        Address::parse(url, has_password).map_err(|BadUrl(why)| ConnectError::BadUrl(why))
    }

    pub(super) fn needs(&self) -> Needs {
        Needs {
            db: self.db,
            cluster: matches!(self.way, Way::Cluster { .. }),
            replicas: self.replicas > 0,
        }
    }

    /// What replicas of it are counted on for.
    pub(super) fn expects(&self) -> Expected {
        Expected {
            failover: !matches!(self.way, Way::Single(_)),
            waited_for: self.replicas,
        }
    }

    /// Adds what the options have and the URL has not.
    pub(super) async fn complete(&mut self, options: &ConnectOptions) -> Result<(), ConnectError> {
        let bad = |option, why: &str| {
            let why = why.to_owned();
            ConnectError::BadOption { option, why }
        };
        if let Some(path) = &options.password_file {
            let user = self.login.take().and_then(|login| login.user);
            let login = Login::from_file(user, path);
            login
                .password()
                .await
                .map_err(|why| bad("password_file", &why))?;
            self.login = Some(login);
        }
        if let Some((user, password)) = &options.sentinel_login {
            let Way::Sentinel { login, .. } = &mut self.way else {
                let why = "the URL names no sentinels: it has to begin with redis+sentinel://";
                return Err(bad("sentinel_login", why));
            };
            if login.is_some() {
                let why = "the URL has a sentinel_password as well: leave one of them away";
                return Err(bad("sentinel_login", why));
            }
            let user = Some(user.clone()).filter(|user| !user.is_empty());
            *login = Some(Login::new(user, password.clone()));
        }
        if options.replicas > MAX_REPLICAS {
            let why = format!("{}; 0 to {MAX_REPLICAS} are allowed", options.replicas);
            return Err(bad("replicas", &why));
        }
        self.replicas = options.replicas;
        Ok(())
    }
}
