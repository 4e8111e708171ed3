//! Parses a URL.

use std::net::Ipv6Addr;
use std::path::PathBuf;

use crate::login::Login;
use crate::topology::{Endpoint, Topology};
use crate::url::characters::{check, decode, find_bad, remedy};
use crate::url::query::{self, Query};
use crate::url::{Address, BadUrl, FromFiles};

/// Most hosts in a URL.
pub(super) const MAX_HOSTS: usize = 32;
/// Default port of Redis.
const REDIS_PORT: u16 = 6379;
/// Default port of a sentinel.
const SENTINEL_PORT: u16 = 26379;

/// The forms of a URL, for error texts.
const FORMS: &str = "redis://[user:password@]host[:port][/db], \
     redis+sentinel://[user:password@]host[:port],…/master[/db], \
     redis+cluster://[user:password@]host[:port],… (each with rediss for TLS), \
     redis+unix:///path/of/socket[?db=…&user=…&password=…], \
     or memory:// for the embedded store";

pub(super) fn bad(why: &str) -> BadUrl {
    BadUrl(format!("{why}; expected {FORMS}"))
}

/// What the scheme of a URL says: how the server is found, and whether connections are encrypted.
struct Scheme {
    kind: Kind,
    tls: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Standalone,
    Sentinel,
    Cluster,
    Unix,
}

impl Address {
    /// Parses a URL. White space around it is removed: files and variables often end with a newline.
    pub(crate) fn parse(url: &str, from_files: FromFiles) -> Result<Self, BadUrl> {
        let url = url.trim();
        if url.is_empty() {
            return Err(bad(
                "it is empty (is the variable set that it is read from?)",
            ));
        }
        check(url)?;
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| bad("it has no scheme"))?;
        let Scheme { kind, tls } = read_scheme(scheme)?;
        let (rest, fragment) = split_at(rest, '#');
        if let Some(fragment) = fragment {
            return Err(bad(&query::about_fragment(fragment, kind)));
        }
        if kind == Kind::Unix {
            return read_socket(rest, from_files);
        }
        if rest.matches('@').count() > 1 {
            return Err(bad(&format!(
                "it has the character '@' twice; {}",
                remedy('@')
            )));
        }
        let (login, rest) = match rest.split_once('@') {
            Some((login, rest)) => (read_login(login, from_files.redis)?, rest),
            None => (None, rest),
        };
        let (rest, text) = split_at(rest, '?');
        let query = Query::read(text.unwrap_or_default(), kind, tls)?;
        let (hosts, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let path = path.trim_matches('/');
        let (topology, db) = match kind {
            Kind::Sentinel => read_sentinel(hosts, path, &query, from_files.sentinels)?,
            Kind::Cluster => read_cluster(hosts, path)?,
            _ if hosts.contains(',') => {
                return Err(bad("it names several hosts, without +sentinel or +cluster"));
            }
            _ => (
                Topology::Standalone(read_host(hosts, REDIS_PORT)?),
                read_db(path)?,
            ),
        };
        let db = one_db(db, query.db)?;
        if kind == Kind::Cluster && db != 0 {
            return Err(bad(NO_DATABASES));
        }
        Ok(Address::of(topology, login, db, tls))
    }

    fn of(topology: Topology, login: Option<Login>, db: u32, tls: bool) -> Self {
        Address {
            login,
            db: i64::from(db),
            servers: topology.to_string(),
            tls,
            accepts_any_certificate: false,
            topology,
            replicas: 0,
        }
    }
}

const NO_DATABASES: &str =
    "it chooses a database, and a Redis Cluster has no databases to choose from";

/// The text before the first `separator`, and the text behind it.
fn split_at(text: &str, separator: char) -> (&str, Option<&str>) {
    match text.split_once(separator) {
        Some((before, behind)) => (before, Some(behind)),
        None => (text, None),
    }
}

/// Reads a scheme, in capitals or not. Valkey speaks the protocol of Redis, and its name stands for that of Redis.
fn read_scheme(scheme: &str) -> Result<Scheme, BadUrl> {
    let scheme = scheme.to_ascii_lowercase();
    if scheme == "unix" {
        let kind = Kind::Unix;
        return Ok(Scheme { kind, tls: false });
    }
    let of_family = |name| scheme.strip_prefix(name);
    let (tls, suffix) = if let Some(suffix) = of_family("rediss").or(of_family("valkeys")) {
        (true, suffix)
    } else if let Some(suffix) = of_family("redis").or(of_family("valkey")) {
        (false, suffix)
    } else {
        return Err(bad(&about_scheme(&scheme)));
    };
    let kind = match suffix {
        "" => Kind::Standalone,
        "+sentinel" => Kind::Sentinel,
        "+cluster" => Kind::Cluster,
        "+unix" if !tls => Kind::Unix,
        "+unix" => return Err(bad("a socket has no TLS: write redis+unix")),
        "-sentinel" => {
            return Err(bad(
                "its scheme ends in -sentinel: write +sentinel, and the name of the master behind the hosts, as in \
                 redis+sentinel://one,two,three/mymaster",
            ));
        }
        "-cluster" => return Err(bad("its scheme ends in -cluster: write +cluster")),
        "-socket" => return Err(bad("its scheme ends in -socket: write redis+unix")),
        _ => return Err(bad(&about_scheme(&scheme))),
    };
    Ok(Scheme { kind, tls })
}

fn about_scheme(scheme: &str) -> String {
    match find_bad(scheme, |c| "+-.".contains(c)) {
        Some(c) => format!("its scheme has the character {c:?}"),
        None => "its scheme is not redis, rediss, valkey, valkeys or unix".to_owned(),
    }
}

/// Parses `user:password`, `:password`, or `user`, who needs no password (`nopass`), or whose password is in a file.
fn read_login(text: &str, has_password: bool) -> Result<Option<Login>, BadUrl> {
    if let Some(c) = find_bad(text, |c| !"/?#[]@".contains(c)) {
        let remedy = remedy(c);
        return Err(bad(&format!(
            "it has the character {c:?} in the user name or password; {remedy}"
        )));
    }
    let (user, password) = split_at(text, ':');
    let user = Some(decode(user)?).filter(|user| !user.is_empty());
    make_login(user, &decode(password.unwrap_or_default())?, has_password)
}

fn make_login(
    user: Option<String>,
    password: &str,
    has_password: bool,
) -> Result<Option<Login>, BadUrl> {
    match (user, password) {
        (_, password) if has_password && !password.is_empty() => Err(bad(
            "it has a password, and a file with the password was named too: leave one of them away",
        )),
        (None, "") => Ok(None),
        (user, password) => Ok(Some(Login::new(user, password.to_owned()))),
    }
}

/// Parses `/path?db=…&user=…&password=…`.
fn read_socket(text: &str, from_files: FromFiles) -> Result<Address, BadUrl> {
    let (path, text) = split_at(text, '?');
    let query = Query::read(text.unwrap_or_default(), Kind::Unix, false)?;
    let path = decode(path)?;
    if !path.starts_with('/') || path.ends_with('/') || path.contains('\0') {
        return Err(bad(
            "behind redis+unix:// has to be the whole path of a socket, which begins with a third slash",
        ));
    }
    let password = query.password.unwrap_or_default();
    let login = make_login(query.user, &password, from_files.redis)?;
    let topology = Topology::Standalone(Endpoint::Unix(PathBuf::from(path)));
    Ok(Address::of(topology, login, query.db.unwrap_or(0), false))
}

fn read_host(text: &str, default_port: u16) -> Result<Endpoint, BadUrl> {
    let (host, port) = match text.strip_prefix('[') {
        Some(v6) => {
            let (host, behind) = v6
                .split_once(']')
                .filter(|(host, _)| host.parse::<Ipv6Addr>().is_ok())
                .ok_or_else(|| bad("an IPv6 address in it is malformed"))?;
            match behind.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if behind.is_empty() => (host, None),
                None => return Err(bad("something follows an IPv6 address in it")),
            }
        }
        None => split_at(text, ':'),
    };
    if host.is_empty() {
        return Err(bad("it has no host"));
    }
    if !text.starts_with('[') {
        if let Some(c) = find_bad(host, |c| "-._".contains(c)) {
            return Err(bad(&format!("it has the character {c:?} in a host")));
        }
        if !host.is_ascii() {
            return Err(bad("a host in it has letters that are not ASCII"));
        }
    }
    let port = match port {
        None | Some("") => default_port,
        Some(port) => port
            .parse()
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(|| bad("a port in it is no number from 1 to 65535"))?,
    };
    Ok(Endpoint::tcp(host, port))
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

/// Reads the number of a database; `None` if there is none.
fn read_db(text: &str) -> Result<Option<u32>, BadUrl> {
    match text {
        "" => Ok(None),
        text => match text.parse() {
            Ok(db) => Ok(Some(db)),
            Err(_) => Err(bad("what follows the host is not a database number")),
        },
    }
}

/// The database of the path, or of the option.
fn one_db(of_path: Option<u32>, of_option: Option<u32>) -> Result<u32, BadUrl> {
    match (of_path, of_option) {
        (Some(one), Some(other)) if one != other => Err(bad(
            "it chooses two databases, in its path and by ?db=: leave one of them away",
        )),
        (one, other) => Ok(one.or(other).unwrap_or(0)),
    }
}

fn read_sentinel(
    hosts: &str,
    path: &str,
    query: &Query,
    has_password: bool,
) -> Result<(Topology, Option<u32>), BadUrl> {
    let (master, db) = split_at(path, '/');
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if master.is_empty() || !master.bytes().all(allowed) {
        let found = match find_bad(master, |c| "._-".contains(c)) {
            Some(c) => format!(", not the character {c:?}"),
            None => String::new(),
        };
        return Err(bad(&format!(
            "behind the sentinels has to be the name of the master, of A-Z a-z 0-9 . _ -{found}"
        )));
    }
    let login = match (&query.sentinel_user, &query.sentinel_password) {
        (_, Some(_)) if has_password => {
            return Err(bad(
                "it has a sentinel_password, and a file with that was named too: leave one of \
                 them away",
            ));
        }
        (None, None) => None,
        // A user without a password needs none, or the password file follows.
        (user, password) => Some(Login::new(
            user.clone(),
            password.clone().unwrap_or_default(),
        )),
    };
    let topology = Topology::Sentinel {
        sentinels: read_hosts(hosts, SENTINEL_PORT)?,
        master: master.to_owned(),
        login,
    };
    Ok((topology, read_db(db.unwrap_or_default())?))
}

fn read_cluster(hosts: &str, path: &str) -> Result<(Topology, Option<u32>), BadUrl> {
    if !matches!(path, "" | "0") {
        return Err(bad(NO_DATABASES));
    }
    let seeds = read_hosts(hosts, REDIS_PORT)?;
    Ok((Topology::Cluster { seeds }, None))
}
