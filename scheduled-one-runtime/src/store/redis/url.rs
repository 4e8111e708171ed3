//! Where Redis is, and how to show that without its password.

use std::fmt;

use deadpool_redis::redis::io::tcp::TcpSettings;
use deadpool_redis::redis::{
    ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo, parse_redis_url,
};

/// What is wrong with a URL. The text never repeats a part of it, since any
/// part may be a password in the wrong place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadUrl(pub(super) String);

/// A parsed URL.
#[derive(Clone)]
pub(super) struct Address {
    /// Without the login: the client logs in with less to say about why not.
    pub(super) info: ConnectionInfo,
    pub(super) login: Option<Login>,
    pub(super) db: i64,
    /// Host and port, for errors.
    pub(super) place: String,
    /// For somebody who is not a Redis, but accepts connections.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: bool,
}

/// A user and its password; not `Debug` on purpose.
#[derive(Clone)]
pub(super) struct Login {
    /// `None` is the default user, known by a password only.
    pub(super) user: Option<String>,
    pub(super) password: String,
}

const FORMS: &str = "redis://[user:password@]host[:port][/db], rediss:// for TLS, or memory:// for the embedded store";

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, BadUrl> {
        let bad = |why: &str| BadUrl(format!("{why}; expected {FORMS}"));
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(bad("it has no scheme"));
        };
        let tls = match scheme {
            "redis" => false,
            "rediss" => true,
            _ => return Err(bad("its scheme is not redis or rediss")),
        };
        if rest.bytes().filter(|b| *b == b'@').count() > 1 || rest.contains(char::is_whitespace) {
            return Err(bad("a user name or password with @ or spaces in it has \
                 to be percent-encoded (@ is %40)"));
        }
        let parsed = parse_redis_url(url).ok_or_else(|| {
            bad(
                "it is malformed (in a user name or password, / ? # [ ] @ and % have to be \
                 percent-encoded)",
            )
        })?;
        let host = parsed.host_str().unwrap_or_default().to_owned();
        if host.is_empty() {
            return Err(bad("it has no host"));
        }
        if parsed.query().is_some() || parsed.fragment().is_some() || parsed.path().contains('@') {
            return Err(bad(
                "it has a ? or # part or an @ behind the host (in a password, \
                 ? is %3F, # is %23 and / is %2F)",
            ));
        }
        let db = parsed.path().trim_matches('/');
        if !db.is_empty() && db.parse::<u32>().is_err() {
            return Err(bad("what follows the host is not a database number"));
        }
        let info = url
            .into_connection_info()
            .map_err(|_| bad("it is malformed"))?;
        let given = info.redis_settings();
        let user = given.username().map(str::to_owned);
        if user.is_some() && given.password().is_none() {
            return Err(bad("it has a user name and no password"));
        }
        let port = parsed.port().unwrap_or(6379);
        Ok(Address {
            login: given.password().map(|password| Login {
                user,
                password: password.to_owned(),
            }),
            db: given.db(),
            // Nobody needs to know the client library, and a Redis before 7.2
            // would note a refused command for it.
            info: info
                .set_redis_settings(RedisConnectionInfo::default().set_skip_set_lib_name())
                // Else a request may wait until the one before it is acknowledged.
                .set_tcp_settings(TcpSettings::default().set_nodelay(true)),
            place: format!("{host}:{port}"),
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            tls,
        })
    }

    /// Who logs in, for errors about passwords and rights.
    pub(super) fn user(&self) -> &str {
        let user = self.login.as_ref().and_then(|login| login.user.as_deref());
        user.unwrap_or("default")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "rediss" } else { "redis" };
        write!(f, "{scheme}://{}", self.place)?;
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
        Address::parse(url).unwrap()
    }

    #[test]
    fn understands_what_people_write() {
        assert_eq!(parse("redis://localhost").place, "localhost:6379");
        assert_eq!(parse("redis://10.0.0.1:7000/").place, "10.0.0.1:7000");
        let full = parse("rediss://ann:p%40ss%2Fw%23rd@cache.example.com:6380/3");
        let login = full.login.as_ref().unwrap();
        assert_eq!(login.user.as_deref(), Some("ann"));
        assert_eq!(login.password, "p@ss/w#rd");
        assert_eq!(full.db, 3);
        assert_eq!(full.info.redis_settings().password(), None);
        assert!(full.tls);
        let v6 = parse("redis://:x@[::1]:6379");
        assert_eq!((v6.place.as_str(), v6.host.as_str()), ("[::1]:6379", "::1"));
    }

    #[test]
    fn shows_no_secret() {
        let address = parse("rediss://ann:secret@cache.example.com:6380/3");
        assert_eq!(format!("{address}"), "rediss://cache.example.com:6380/3");
        assert_eq!(format!("{address:?}"), "rediss://cache.example.com:6380/3");
    }

    #[test]
    fn refuses_the_rest_without_repeating_it() {
        for url in [
            "",
            "secret",
            "http://secret@host",
            "postgres://secret",
            "redis://",
            "redis:///secret",
            "redis://:secret@",
            "redis://:sec/ret@host",
            "redis://:sec@ret@host",
            "redis://:sec?ret@host",
            "redis://:sec#ret@host",
            "redis://secret/ret@host",
            "redis://host:secret",
            "redis://host/secret",
            "redis://host/-1",
            "redis://host?password=secret",
            "rediss://host#insecure-secret",
            "redis://host:99999/secret",
            "redis://sec ret@host",
        ] {
            let BadUrl(text) = Address::parse(url).map(|a| a.to_string()).unwrap_err();
            assert!(
                !text.contains("secret") && !text.contains("ret@"),
                "{url}: {text}"
            );
            assert!(text.contains("redis://"), "{url}: {text}");
        }
    }
}
