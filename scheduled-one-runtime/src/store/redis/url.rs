//! Where Redis is, and how to show that without its password.

use std::fmt;

use deadpool_redis::redis::{IntoConnectionInfo, parse_redis_url};

use super::login::Login;
use super::way::{Endpoint, Way};

/// What is wrong with a URL. The text never repeats a part of it, since any
/// part may be a password in the wrong place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadUrl(pub(super) String);

/// A parsed URL.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) login: Option<Login>,
    pub(super) db: i64,
    /// Host and port, or whom to ask for them, for errors.
    pub(super) place: String,
    /// For somebody who is not a Redis, but accepts connections.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: bool,
    pub(super) way: Way,
    /// How many replicas must have a claim before its run starts.
    pub(super) replicas: u32,
}

/// Hosts that a URL may name.
const MAX_HOSTS: usize = 32;
/// The usual ports.
const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

const FORMS: &str = "redis://[user:password@]host[:port][/db], \
     redis+sentinel://[user:password@]host[:port],…/master[/db], \
     redis+cluster://[user:password@]host[:port],… (each with rediss for TLS), \
     or memory:// for the embedded store";

fn bad(why: &str) -> BadUrl {
    BadUrl(format!("{why}; expected {FORMS}"))
}

impl Address {
    /// `has_password` tells that the password comes from elsewhere: then the
    /// URL may name a user alone, and no password.
    pub(super) fn parse(url: &str, has_password: bool) -> Result<Self, BadUrl> {
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
            Some((login, rest)) => (read_login(login, has_password)?, rest),
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
        let (way, db) = match kind {
            "sentinel" => read_sentinel(hosts, path, query)?,
            "cluster" => read_cluster(hosts, path)?,
            _ => (Way::Single(read_host(hosts, REDIS_PORT)?), read_db(path)?),
        };
        let Endpoint { host, port } = way.first().clone();
        Ok(Address {
            login,
            db,
            place: way.to_string(),
            host,
            port,
            tls,
            way,
            replicas: 0,
        })
    }

    /// Who logs in, for errors about passwords and rights.
    pub(super) fn user(&self) -> &str {
        self.login.as_ref().map_or("default", Login::user)
    }
}

/// `user:password`, `:password`, or, if the password is elsewhere, `user`.
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
        // The password follows; an empty one is none.
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

fn read_sentinel(hosts: &str, path: &str, query: &str) -> Result<(Way, i64), BadUrl> {
    let (master, db) = path.split_once('/').unwrap_or((path, ""));
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if master.is_empty() || !master.bytes().all(allowed) {
        return Err(bad(
            "behind the sentinels has to be the name of the master, of A-Z a-z 0-9 . _ -",
        ));
    }
    let (mut user, mut password) = (None, None);
    // A plus is a plus here, not a space.
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
        (user, Some(password)) => Some(Login::new(user, password)),
        (Some(_), None) => return Err(bad("it has a sentinel_user and no sentinel_password")),
        (None, None) => None,
    };
    let way = Way::Sentinel {
        sentinels: read_hosts(hosts, SENTINEL_PORT)?,
        master: master.to_owned(),
        login,
    };
    Ok((way, read_db(db)?))
}

fn read_cluster(hosts: &str, path: &str) -> Result<(Way, i64), BadUrl> {
    if !path.is_empty() {
        return Err(bad(
            "something follows the hosts, and a Redis Cluster has no databases to choose from",
        ));
    }
    let seeds = read_hosts(hosts, REDIS_PORT)?;
    Ok((Way::Cluster { seeds }, 0))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "rediss" } else { "redis" };
        write!(f, "{scheme}{}://{}", self.way.suffix(), self.way)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Address {
        Address::parse(url, false).unwrap()
    }

    /// User and password.
    async fn login(login: Option<&Login>) -> (String, String) {
        let login = login.unwrap();
        (login.user().to_owned(), login.password().await.unwrap())
    }

    fn pair(user: &str, password: &str) -> (String, String) {
        (user.to_owned(), password.to_owned())
    }

    #[tokio::test]
    async fn understands_what_people_write() {
        assert_eq!(parse("redis://localhost").place, "localhost:6379");
        assert_eq!(parse("redis://10.0.0.1:7000/").place, "10.0.0.1:7000");
        let full = parse("rediss://ann:p%40ss%2Fw%23rd@cache.example.com:6380/3");
        assert_eq!(login(full.login.as_ref()).await, pair("ann", "p@ss/w#rd"));
        assert_eq!((full.db, full.tls), (3, true));
        let v6 = parse("redis://:x@[::1]:6379");
        assert_eq!(login(v6.login.as_ref()).await, pair("default", "x"));
        assert_eq!((v6.place.as_str(), v6.host.as_str()), ("[::1]:6379", "::1"));
    }

    #[tokio::test]
    async fn understands_sentinels() {
        let plain = parse("redis+sentinel://one,two:5000,[::1]/mymaster");
        assert_eq!(plain.place, "one:26379,two:5000,[::1]:26379/mymaster");
        let Way::Sentinel {
            sentinels,
            master,
            login: None,
        } = &plain.way
        else {
            panic!("{plain}");
        };
        assert_eq!((sentinels.len(), master.as_str()), (3, "mymaster"));
        assert!(plain.login.is_none());

        let full = parse(
            "rediss+sentinel://ann:p%2Cw@one,two/my.master/3?\
             sentinel_user=bob&sentinel_password=a%26b+c",
        );
        assert_eq!((full.db, full.tls), (3, true));
        assert_eq!(login(full.login.as_ref()).await, pair("ann", "p,w"));
        let Way::Sentinel { login: own, .. } = &full.way else {
            panic!("{full}");
        };
        assert_eq!(login(own.as_ref()).await, pair("bob", "a&b+c"));
    }

    #[test]
    fn understands_clusters() {
        let cluster = parse("redis+cluster://ann:x@one,two:7000/");
        assert_eq!(cluster.place, "one:6379,two:7000");
        let Way::Cluster { seeds } = &cluster.way else {
            panic!("{cluster}");
        };
        assert_eq!(seeds[1].port, 7000);
        let BadUrl(text) = Address::parse("redis+cluster://one/3", false)
            .map(|it| it.to_string())
            .unwrap_err();
        assert!(text.contains("no databases"), "{text}");
    }

    #[test]
    fn a_user_alone_needs_a_password_from_elsewhere() {
        let alone = Address::parse("redis://ann@host", true).unwrap();
        assert_eq!(alone.user(), "ann");
        assert!(Address::parse("redis://ann@host", false).is_err());
        let BadUrl(text) = Address::parse("redis://ann:secret@host", true)
            .map(|it| it.to_string())
            .unwrap_err();
        assert!(text.contains("a file with the password"), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }

    #[test]
    fn shows_no_secret() {
        for (url, shown) in [
            (
                "rediss://ann:secret@cache.example.com:6380/3",
                "rediss://cache.example.com:6380/3",
            ),
            (
                "redis+sentinel://ann:secret@one,two/m/3?sentinel_password=secret",
                "redis+sentinel://one:26379,two:26379/m/3",
            ),
            (
                "rediss+cluster://:secret@one,two",
                "rediss+cluster://one:6379,two:6379",
            ),
        ] {
            let address = parse(url);
            assert_eq!(format!("{address}"), shown);
            assert_eq!(format!("{address:?}"), shown);
        }
    }

    #[test]
    fn refuses_the_rest_without_repeating_it() {
        for url in [
            "",
            "secret",
            "http://secret@host",
            "postgres://secret",
            "redis+secret://host",
            "redis://",
            "redis:///secret",
            "redis://:secret@",
            "redis://:sec/ret@host",
            "redis://:sec@ret@host",
            "redis://:sec?ret@host",
            "redis://:sec#ret@host",
            "redis://secret/ret@host",
            "redis://secret@host",
            "redis://host:secret",
            "redis://host/secret",
            "redis://host/-1",
            "redis://host?password=secret",
            "rediss://host#insecure-secret",
            "redis://host:99999/secret",
            "redis://sec ret@host",
            "redis://one,two:secret",
            "redis+sentinel://host",
            "redis+sentinel://host/",
            "redis+sentinel:///master",
            "redis+sentinel://one,,two/master",
            "redis+sentinel://one,two:secret/master",
            "redis+sentinel://host/secret secret",
            "redis+sentinel://host/sec%20secret",
            "redis+sentinel://host/master/secret",
            "redis+sentinel://:sec/ret@host/master",
            "redis+sentinel://host/master?password=secret",
            "redis+sentinel://host/master?sentinel_user=secret",
            "redis+sentinel://host/master?sentinel_password=x#secret",
            "redis+cluster://",
            "redis+cluster://host/0",
            "redis+cluster://host/secret",
            "redis+cluster://host,host:secret",
            "redis+cluster://host?secret=secret",
        ] {
            let BadUrl(text) = Address::parse(url, false)
                .map(|a| format!("{url} was read as {a}"))
                .unwrap_err();
            assert!(
                !text.contains("secret") && !text.contains("ret@"),
                "{url}: {text}"
            );
            assert!(text.contains("redis://"), "{url}: {text}");
        }
        let many = vec!["host"; MAX_HOSTS + 1].join(",");
        assert!(Address::parse(&format!("redis+cluster://{many}"), false).is_err());
    }
}
