//! The way to the store.

use std::env;
use std::future::Future;
use std::time::Duration;

use scheduled_one_control::{Connect, Control};

use crate::args::Global;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

/// How long a command waits for the store.
const STORE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long `run --wait` waits for the outcome, if nothing is said.
const OUTCOME_TIMEOUT: Duration = Duration::from_secs(600);

/// A connection, and what all commands need with it.
pub(crate) struct Session {
    pub(crate) control: Control,
    pub(crate) output: Output,
    pub(crate) by: String,
    pub(crate) yes: bool,
    pub(crate) force: bool,
    /// What people call the cluster.
    #[cfg_attr(
        not(feature = "console"),
        allow(dead_code, reason = "the console alone shows it")
    )]
    pub(crate) namespace: String,
    store_timeout: Duration,
    pub(crate) outcome_timeout: Duration,
}

impl Session {
    pub(crate) async fn open(global: &Global) -> Result<Self, Failure> {
        let connect = connect(global)?;
        let store_timeout = global.timeout.unwrap_or(STORE_TIMEOUT).min(STORE_TIMEOUT);
        let control = limited(store_timeout, async { connect.await }).await?;
        Ok(Session {
            control,
            output: Output::new(global),
            by: global.by.clone().unwrap_or_else(user_at_host),
            yes: global.yes,
            force: global.force,
            namespace: namespace(global).unwrap_or_default(),
            store_timeout,
            outcome_timeout: global.timeout.unwrap_or(OUTCOME_TIMEOUT),
        })
    }

    /// Waits for the store, not without limit.
    pub(crate) async fn ask<T>(
        &self,
        request: impl Future<Output = Result<T, scheduled_one_control::Error>>,
    ) -> Result<T, Failure> {
        limited(self.store_timeout, request).await
    }
}

async fn limited<T>(
    limit: Duration,
    request: impl Future<Output = Result<T, scheduled_one_control::Error>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(limit, request).await {
        Ok(reply) => Ok(reply?),
        Err(_) => Err(Failure::new(
            Exit::Away,
            format!(
                "the store did not reply within {limit:?}; if a change was asked for, look whether it was made"
            ),
        )),
    }
}

/// The connection that the arguments and the environment name.
pub(crate) fn connect(global: &Global) -> Result<Connect, Failure> {
    let from_environment = || variable("SCHEDULED_ONE_URL").or_else(|| variable("REDIS_URL"));
    if global.url.as_deref().is_some_and(has_password) {
        return Err(Failure::usage(
            "a password in --url shows in `ps`, and stays in the history of the shell: put the URL into SCHEDULED_ONE_URL, \
             or the password into a file: ?password_file=/path",
        ));
    }
    let Some(url) = global.url.clone().or_else(from_environment) else {
        return Err(Failure::usage(
            "which store? Say --url redis://host, or set SCHEDULED_ONE_URL or REDIS_URL: the URL that the schedulers are \
             started with; or give it a name, for --context, in ~/.config/scheduled-one/config.toml",
        ));
    };
    let connect = Control::connect(url);
    Ok(match namespace(global) {
        Some(namespace) => connect.namespace(namespace),
        None => connect,
    })
}

/// The value of an environment variable without the white space around it; none if it is empty.
pub(crate) fn variable(name: &str) -> Option<String> {
    let value = env::var(name).ok()?;
    Some(value.trim().to_owned()).filter(|value| !value.is_empty())
}

fn namespace(global: &Global) -> Option<String> {
    let said = global.namespace.clone();
    said.or_else(|| variable("SCHEDULED_ONE_NAMESPACE"))
}

/// Whether a URL has a password in it.
pub(crate) fn has_password(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let login = place.rsplit_once('@').map(|(login, _)| login);
    let in_login = login.and_then(|login| login.split_once(':'));
    let in_login = in_login.is_some_and(|(_, password)| !password.is_empty());
    let is_password = |pair: &str| {
        pair.split_once('=')
            .is_some_and(|(key, _)| key.ends_with("password"))
    };
    in_login || query.split('&').any(is_password)
}

fn user_at_host() -> String {
    let user = ["USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| env::var(name).ok());
    let system = rustix::system::uname();
    let host = system.nodename().to_string_lossy();
    match user {
        Some(user) => format!("{user}@{host}"),
        None => format!("somebody@{host}"),
    }
}

#[cfg(test)]
mod tests {
    use super::has_password;

    #[test]
    fn a_password_is_seen_wherever_a_url_can_have_one() {
        let with = [
            "redis://ann:secret@host",
            "redis://:p@ss@host/0",
            "postgres://ann@host/db?password=x",
            "redis+sentinel://a,b/m?x=1&sentinel_password=x",
        ];
        let without = [
            "redis://host:6379/0",
            "redis://ann@host:6379",
            "redis://ann:@host",
            "postgres://ann@host/db?password_file=/run/x",
            "sqlite:///a:b.db",
        ];
        for url in with {
            assert!(has_password(url), "{url}");
        }
        for url in without {
            assert!(!has_password(url), "{url}");
        }
    }
}
