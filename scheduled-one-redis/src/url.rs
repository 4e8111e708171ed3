//! The address of Redis: parsed from a URL, completed by options, displayed without passwords.

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;

use deadpool_redis::redis::{IntoConnectionInfo, parse_redis_url};

use crate::connect_error::ConnectError;
use crate::doctor::Expected;
use crate::login::Login;
use crate::options::{ConnectOptions, MAX_REPLICAS};
use crate::permissions::RequiredPermissions;
use crate::topology::{Endpoint, Topology};

/// Fault of a URL. The text never repeats a part of the URL: any part may be a misplaced password.
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
    /// Host of the first address in the URL, for a probe of its TCP port.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: bool,
    pub(crate) topology: Topology,
    /// Number of replicas of Redis that acknowledge a claim before its run starts.
    pub(crate) replicas: u32,
}

/// Most hosts in a URL.
const MAX_HOSTS: usize = 32;
/// Default port of Redis.
const REDIS_PORT: u16 = 6379;
/// Default port of a sentinel.
const SENTINEL_PORT: u16 = 26379;

/// The forms of a URL, for error texts.
const FORMS: &str = "redis://[user:password@]host[:port][/db], \
     redis+sentinel://[user:password@]host[:port],…/master[/db], \
     redis+cluster://[user:password@]host[:port],… (each with rediss for TLS), \
     or memory:// for the embedded store";

fn bad(why: &str) -> BadUrl {
    BadUrl(format!("{why}; expected {FORMS}"))
}

/// Passwords that come from files. The URL may then have a user without a password, and must not have a password.
#[derive(Clone, Copy, Default)]
pub(crate) struct FromFiles {
    pub(crate) redis: bool,
    pub(crate) sentinels: bool,
}

impl Address {
    pub(crate) fn parse(url: &str, from_files: FromFiles) -> Result<Self, BadUrl> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(bad("it has no scheme"));
        };
        let (tls, kind) = match scheme.split_once('+').unwrap_or((scheme, "")) {
            ("redis", kind @ ("" | "sentinel" | "cluster")) => (false, kind),
            ("rediss", kind @ ("" | "sentinel" | "cluster")) => (true, kind),
            _ => return Err(bad("its scheme is not redis or rediss")),
        };
        if rest.bytes().filter(|b| *b == b'@').count() > 1 || rest.contains(char::is_whitespace) {
            return Err(bad("a user name or password with @ or spaces in it has \
                 to be percent-encoded (@ is %40)"));
        }
        let (login, rest) = match rest.split_once('@') {
            Some((login, rest)) => (read_login(login, from_files.redis)?, rest),
            None => (None, rest),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (hosts, rest) = rest.split_at(end);
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        if path.contains('#') || query.contains('#') || (kind != "sentinel" && rest.contains('?')) {
            return Err(bad("it has a ? or # part behind the host (in a password, \
                 ? is %3F, # is %23 and / is %2F)"));
        }
        let path = path.trim_start_matches('/').trim_end_matches('/');
        let (topology, db) = match kind {
            "sentinel" => read_sentinel(hosts, path, query, from_files.sentinels)?,
            "cluster" => read_cluster(hosts, path)?,
            _ if hosts.contains(',') => {
                return Err(bad("it names several hosts, without +sentinel or +cluster"));
            }
            _ => (
                Topology::Standalone(read_host(hosts, REDIS_PORT)?),
                read_db(path)?,
            ),
        };
        let Endpoint { host, port } = topology.first().clone();
        Ok(Address {
            login,
            db,
            servers: topology.to_string(),
            host,
            port,
            tls,
            topology,
            replicas: 0,
        })
    }

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
        Ok(())
    }

    /// User name for error texts about passwords and permissions; `default` if the URL has none.
    pub(crate) fn user(&self) -> &str {
        self.login.as_ref().map_or("default", Login::user)
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

/// Parses `user:password`, `:password`, or, with a password file, `user`.
fn read_login(text: &str, has_password: bool) -> Result<Option<Login>, BadUrl> {
    let probe = format!("redis://{text}@host");
    let info = parse_redis_url(&probe).and_then(|url| url.into_connection_info().ok());
    let info = info.filter(|info| info.addr().to_string() == "host:6379");
    let info = info.ok_or_else(|| {
        bad(
            "it is malformed (in a user name or password, / ? # [ ] @ and % have to be \
             percent-encoded)",
        )
    })?;
    let given = info.redis_settings();
    let user = given.username().map(str::to_owned);
    match given.password() {
        Some(_) if has_password => Err(bad(
            "it has a password, and a file with the password was named too: leave one of them away",
        )),
        Some(password) => Ok(Some(Login::new(user, password.to_owned()))),
        // The password file follows; the empty password is never used.
        None if has_password && user.is_some() => Ok(Some(Login::new(user, String::new()))),
        None if user.is_some() => Err(bad(
            "it has a user name and no password (nor was a file with the password named)",
        )),
        None => Ok(None),
    }
}

fn read_host(text: &str, port: u16) -> Result<Endpoint, BadUrl> {
    let parsed = parse_redis_url(&format!("redis://{text}"))
        .filter(|url| url.path().trim_matches('/').is_empty())
        .ok_or_else(|| bad("a host or port in it is malformed"))?;
    let host = parsed.host_str().unwrap_or_default();
    if host.is_empty() {
        return Err(bad("it has no host"));
    }
    Ok(Endpoint {
        host: host.trim_matches(['[', ']']).to_owned(),
        port: parsed.port().unwrap_or(port),
    })
}

fn read_hosts(text: &str, port: u16) -> Result<Vec<Endpoint>, BadUrl> {
    let hosts: Vec<_> = text
        .split(',')
        .map(|host| read_host(host, port))
        .collect::<Result<_, _>>()?;
    if hosts.len() > MAX_HOSTS {
        return Err(bad("it names more than 32 hosts"));
    }
    Ok(hosts)
}

fn read_db(text: &str) -> Result<i64, BadUrl> {
    let db = match text {
        "" => Some(0),
        text => text.parse::<u32>().ok(),
    };
    db.map(i64::from)
        .ok_or_else(|| bad("what follows the host is not a database number"))
}

fn read_sentinel(
    hosts: &str,
    path: &str,
    query: &str,
    has_password: bool,
) -> Result<(Topology, i64), BadUrl> {
    let (master, db) = path.split_once('/').unwrap_or((path, ""));
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if master.is_empty() || !master.bytes().all(allowed) {
        return Err(bad(
            "behind the sentinels has to be the name of the master, of A-Z a-z 0-9 . _ -",
        ));
    }
    let (mut user, mut password) = (None, None);
    // `+` is a literal plus in this query, not a space.
    let query = query.replace('+', "%2B");
    let parsed = parse_redis_url(&format!("redis://host/?{query}"));
    let pairs = parsed.iter().flat_map(|url| url.query_pairs());
    for (name, value) in pairs {
        match &*name {
            "sentinel_user" => user = Some(value.into_owned()),
            "sentinel_password" => password = Some(value.into_owned()),
            _ => {
                return Err(bad(
                    "behind ? only sentinel_user and sentinel_password are known, with & between",
                ));
            }
        }
    }
    let login = match (user, password) {
        (_, Some(_)) if has_password => {
            return Err(bad(
                "it has a sentinel_password, and a file with that was named too: leave one of \
                 them away",
            ));
        }
        (user, Some(password)) => Some(Login::new(user, password)),
        // The password file follows.
        (user @ Some(_), None) if has_password => Some(Login::new(user, String::new())),
        (Some(_), None) => {
            return Err(bad(
                "it has a sentinel_user and no sentinel_password (nor was a file with that named)",
            ));
        }
        (None, None) => None,
    };
    let topology = Topology::Sentinel {
        sentinels: read_hosts(hosts, SENTINEL_PORT)?,
        master: master.to_owned(),
        login,
    };
    Ok((topology, read_db(db)?))
}

fn read_cluster(hosts: &str, path: &str) -> Result<(Topology, i64), BadUrl> {
    if !path.is_empty() {
        return Err(bad(
            "something follows the hosts, and a Redis Cluster has no databases to choose from",
        ));
    }
    let seeds = read_hosts(hosts, REDIS_PORT)?;
    Ok((Topology::Cluster { seeds }, 0))
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
