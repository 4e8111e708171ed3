//! What a URL in the form of libpq says, completed by the variables of libpq. Errors repeat no part of the URL: any
//! part may be a misplaced password.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding, LoadBalanceHosts, TargetSessionAttrs};

use crate::connect_error::ConnectError;
use crate::parameters::{KNOWN, OF_THE_SESSION, UNSUPPORTED};
use crate::percent::decoded;

/// Looks up a variable of the environment.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// How long one host may take to accept a connection, if nothing says so.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The name that the server shows for our connections.
const APPLICATION: &str = "scheduled-one";

/// Where servers put their sockets, as packages and libpq itself have it.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

const PORT: u16 = 5432;

/// The settings by the name that they have behind the `?`.
#[derive(Default)]
pub(crate) struct Settings {
    /// Each with the name of what said so.
    texts: BTreeMap<&'static str, (String, &'static str)>,
    /// From the URL or from `PGPASSWORD`: it need not be UTF-8.
    pub(crate) password: Option<Vec<u8>>,
}

impl Settings {
    /// What the URL says, and the environment of what it leaves out.
    pub(crate) fn new(url: &str, environment: Environment<'_>) -> Result<Self, ConnectError> {
        let mut settings = Settings::default();
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            settings.take(pair)?;
        }
        settings.take_base(base)?;
        settings.complete(environment)?;
        Ok(settings)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(|(text, _)| text.as_str())
    }

    pub(crate) fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    /// A parameter behind the `?`.
    fn take(&mut self, pair: &str) -> Result<(), ConnectError> {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if let Some((name, _, harmless)) = UNSUPPORTED.iter().find(|(name, _, _)| *name == key) {
            return match harmless.contains(&value) {
                true => Ok(()),
                false => Err(unsupported(name)),
            };
        }
        let Some((name, _)) = KNOWN.iter().find(|(name, _)| *name == key) else {
            let known = KNOWN.map(|(name, _)| name).join(", ");
            return Err(bad(&format!(
                "a parameter behind the ? is none of {known} (in a password, a ? is written %3F)"
            )));
        };
        match *name {
            "password" => self.password = Some(bytes(value)?),
            name => drop(self.texts.insert(name, (text(value)?, name))),
        }
        Ok(())
    }

    /// `postgres://user:password@host:port,…/database`. What is behind the `?`, too, is said twice.
    fn take_base(&mut self, base: &str) -> Result<(), ConnectError> {
        let rest = base.strip_prefix("postgres://");
        let rest = rest.or_else(|| base.strip_prefix("postgresql://"));
        let rest = rest.ok_or_else(|| bad("it does not begin with postgres://"))?;
        let (login, rest) = match rest.split_once('@') {
            Some((login, rest)) => (Some(login), rest),
            None => (None, rest),
        };
        let (hosts, database) = rest.split_once('/').unwrap_or((rest, ""));
        if let Some(login) = login {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            self.say("user", text(user)?)?;
            if login.contains(':') {
                let password = bytes(password)?;
                if self.password.replace(password).is_some() {
                    return Err(twice("password"));
                }
            }
        }
        self.say("dbname", text(database)?)?;
        if hosts.is_empty() {
            return Ok(());
        }
        let (mut names, mut ports) = (Vec::new(), Vec::new());
        for host in hosts.split(',') {
            let (name, port) = name_and_port(host)?;
            names.push(text(name)?);
            ports.push(text(port)?);
        }
        self.say("host", names.join(","))?;
        match ports.iter().all(String::is_empty) {
            true => Ok(()),
            false => self.say("port", ports.join(",")),
        }
    }

    fn say(&mut self, name: &'static str, text: String) -> Result<(), ConnectError> {
        if text.is_empty() {
            return Ok(());
        }
        match self.texts.insert(name, (text, name)) {
            None => Ok(()),
            Some(_) => Err(twice(name)),
        }
    }

    /// What the URL leaves out comes from the variables of libpq. As there, an empty one counts as missing.
    fn complete(&mut self, environment: Environment<'_>) -> Result<(), ConnectError> {
        let given = |name: &str| environment(name).filter(|value| !value.is_empty());
        if !self.texts.contains_key("host") && given("PGSERVICE").is_some() {
            return Err(bad(
                "it names no host, and PGSERVICE is set: files of services are not read here; write the host into the \
                 URL",
            ));
        }
        let of_session = OF_THE_SESSION.map(|variable| ("", variable, &[][..]));
        for (_, variable, harmless) in UNSUPPORTED.iter().chain(&of_session) {
            let relied_on = |value: String| !harmless.contains(&value.as_str());
            if !variable.is_empty() && given(variable).is_some_and(relied_on) {
                return Err(unsupported(variable));
            }
        }
        for (name, variable) in KNOWN {
            let value = match variable {
                "" => continue,
                variable => given(variable),
            };
            match (name, value) {
                (_, None) => {}
                ("password", Some(value)) => {
                    self.password.get_or_insert_with(|| value.into_bytes());
                }
                (_, Some(value)) => drop(self.texts.entry(name).or_insert((value, variable))),
            }
        }
        // An old variable, as libpq reads it: 1 is a mode, and nothing else is.
        if !self.texts.contains_key("sslmode")
            && given("PGREQUIRESSL").is_some_and(|value| value.starts_with('1'))
        {
            let mode = ("require".to_owned(), "PGREQUIRESSL");
            self.texts.insert("sslmode", mode);
        }
        if !self.texts.contains_key("user") {
            let user = given("USER").unwrap_or_else(|| "postgres".to_owned());
            self.texts.insert("user", (user, "USER"));
        }
        Ok(())
    }

    /// The settings of the client, without those of encryption and without the password.
    pub(crate) fn config(&self) -> Result<Config, ConnectError> {
        let mut config = Config::new();
        config.application_name(APPLICATION);
        for (name, (text, named)) in &self.texts {
            self.set(&mut config, name, text)
                .map_err(|form| bad(&format!("{named} is {form}")))?;
        }
        self.set_hosts(&mut config)?;
        if config.get_connect_timeout().is_none() {
            // All hosts are tried within the time of one request.
            let hosts = config.get_hosts().len().max(config.get_hostaddrs().len());
            let hosts = u32::try_from(hosts).unwrap_or(u32::MAX);
            config.connect_timeout(CONNECT_TIMEOUT / hosts.max(1));
        }
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        Ok(config)
    }

    /// One setting. The error is the form that it has.
    fn set(&self, config: &mut Config, name: &str, text: &str) -> Result<(), &'static str> {
        match name {
            "application_name" => drop(config.application_name(text)),
            "dbname" => drop(config.dbname(text)),
            "options" => drop(config.options(text)),
            "user" => drop(config.user(text)),
            "channel_binding" => drop(config.channel_binding(match text {
                "disable" => ChannelBinding::Disable,
                "prefer" => ChannelBinding::Prefer,
                "require" => ChannelBinding::Require,
                _ => return Err("disable, prefer or require"),
            })),
            "load_balance_hosts" => drop(config.load_balance_hosts(match text {
                "disable" => LoadBalanceHosts::Disable,
                "random" => LoadBalanceHosts::Random,
                _ => return Err("disable or random"),
            })),
            "target_session_attrs" if !matches!(text, "any" | "read-write" | "primary") => {
                return Err("read-write, primary or any: a store has to take writes");
            }
            "sslnegotiation" if text != "postgres" => {
                return Err("postgres: this client begins no connection with encryption");
            }
            "keepalives" => drop(config.keepalives(number(text, "0 or 1")? != 0)),
            "keepalives_count" | "keepalives_retries" => {
                let count = number(text, "a number of probes")?;
                config.keepalives_retries(u32::try_from(count).unwrap_or(u32::MAX));
            }
            "keepalives_idle" => set_time(text, |time| config.keepalives_idle(time))?,
            "keepalives_interval" => set_time(text, |time| config.keepalives_interval(time))?,
            "connect_timeout" => set_time(text, |time| config.connect_timeout(time))?,
            "tcp_user_timeout" => match number(text, "a number of milliseconds")? {
                0 => {}
                ms => drop(config.tcp_user_timeout(Duration::from_millis(ms))),
            },
            _ => {}
        }
        Ok(())
    }

    /// Names, addresses and ports, as many of each.
    fn set_hosts(&self, config: &mut Config) -> Result<(), ConnectError> {
        let list = |name| {
            self.get(name)
                .map(|text| text.split(',').collect::<Vec<_>>())
        };
        let (hosts, addresses, ports) = (list("host"), list("hostaddr"), list("port"));
        for port in ports.iter().flatten() {
            let port = match *port {
                "" => PORT,
                port => port.parse().map_err(|_| bad("a port is none"))?,
            };
            config.port(port);
        }
        let port = config.get_ports().first().copied().unwrap_or(PORT);
        for address in addresses.iter().flatten() {
            let parsed = address
                .parse()
                .map_err(|_| bad("hostaddr is no IP address"))?;
            config.hostaddr(parsed);
        }
        match hosts {
            None if addresses.is_some() => {}
            None => drop(config.host(default_host(port, &SOCKET_FOLDERS))),
            Some(hosts) => {
                for host in hosts {
                    match host {
                        "" => config.host(default_host(port, &SOCKET_FOLDERS)),
                        host => config.host(host),
                    };
                }
            }
        }
        let (hosts, addresses) = (config.get_hosts().len(), config.get_hostaddrs().len());
        if hosts > 0 && addresses > 0 && hosts != addresses {
            return Err(bad(&format!(
                "it has {hosts} hosts and {addresses} addresses"
            )));
        }
        let (all, ports) = (hosts.max(addresses), config.get_ports().len());
        match ports {
            ports if ports <= 1 || ports == all => Ok(()),
            ports => Err(bad(&format!("it has {all} hosts and {ports} ports"))),
        }
    }
}

/// The folder of the socket of a server of this machine; without one, `localhost`.
fn default_host(port: u16, folders: &[&str]) -> String {
    let socket = format!(".s.PGSQL.{port}");
    let folder = folders
        .iter()
        .find(|folder| Path::new(folder).join(&socket).exists());
    folder.copied().unwrap_or("localhost").to_owned()
}

/// `[address]:port`, `name:port`, or one of them without a port.
fn name_and_port(host: &str) -> Result<(&str, &str), ConnectError> {
    let Some(rest) = host.strip_prefix('[') else {
        return Ok(host.split_once(':').unwrap_or((host, "")));
    };
    let (address, rest) = rest.split_once(']').ok_or_else(malformed)?;
    match (rest, rest.strip_prefix(':')) {
        ("", _) => Ok((address, "")),
        (_, Some(port)) => Ok((address, port)),
        _ => Err(malformed()),
    }
}

fn number(text: &str, form: &'static str) -> Result<u64, &'static str> {
    // As with libpq, less than nothing is the default.
    let number: i64 = text.trim().parse().map_err(|_| form)?;
    Ok(u64::try_from(number).unwrap_or_default())
}

/// A time in seconds. None is the default.
fn set_time<T>(text: &str, set: impl FnOnce(Duration) -> T) -> Result<(), &'static str> {
    match number(text, "a number of seconds")? {
        0 => {}
        seconds => drop(set(Duration::from_secs(seconds))),
    }
    Ok(())
}

fn bytes(text: &str) -> Result<Vec<u8>, ConnectError> {
    decoded(text).ok_or_else(malformed)
}

fn text(text: &str) -> Result<String, ConnectError> {
    String::from_utf8(bytes(text)?).map_err(|_| malformed())
}

pub(crate) fn bad(why: &str) -> ConnectError {
    ConnectError::BadUrl(why.to_owned())
}

fn twice(name: &str) -> ConnectError {
    bad(&format!("it has {name} twice, before the ? and behind it"))
}

fn unsupported(name: &str) -> ConnectError {
    bad(&format!(
        "{name} of libpq is set, and this client does nothing with it: leave it out, if nothing depends on it"
    ))
}

fn malformed() -> ConnectError {
    bad(
        "it is malformed (in a user name or password, / ? # [ ] @ : & % and spaces have to be percent-encoded; ports \
         and timeouts are numbers)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_host_the_socket_of_this_machine_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let folders = ["/no/such/folder", folder.path().to_str().unwrap()];
        assert_eq!(default_host(5433, &folders), "localhost");
        std::fs::write(folder.path().join(".s.PGSQL.5433"), "").unwrap();
        assert_eq!(default_host(5433, &folders), folders[1]);
        assert_eq!(default_host(5432, &folders), "localhost");
    }
}
