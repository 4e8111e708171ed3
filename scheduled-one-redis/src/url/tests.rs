//! Tests of URLs: accepted, rejected, displayed.

use super::parse::MAX_HOSTS;
use super::*;
use crate::topology::Endpoint;

/// The only server of a URL.
fn server(address: &Address) -> &Endpoint {
    match &address.topology {
        Topology::Standalone(endpoint) => endpoint,
        _ => panic!("{address} has several"),
    }
}

/// The error text of a URL.
fn refusal(url: &str) -> String {
    let BadUrl(text) = Address::parse(url, FromFiles::default())
        .map(|a| format!("{url} was read as {a}"))
        .unwrap_err();
    text
}

fn parse(url: &str) -> Address {
    Address::parse(url, FromFiles::default()).unwrap()
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
    assert_eq!(parse("redis://localhost").servers, "localhost:6379");
    assert_eq!(parse("redis://10.0.0.1:7000/").servers, "10.0.0.1:7000");
    let full = parse("rediss://ann:p%40ss%2Fw%23rd@cache.example.com:6380/3");
    assert_eq!(login(full.login.as_ref()).await, pair("ann", "p@ss/w#rd"));
    assert_eq!((full.db, full.tls), (3, true));
    let v6 = parse("redis://:x@[::1]:6379");
    assert_eq!(login(v6.login.as_ref()).await, pair("default", "x"));
    assert_eq!(v6.servers, "[::1]:6379");
    assert_eq!(server(&v6), &Endpoint::tcp("::1", 6379));
}

#[tokio::test]
async fn understands_sentinels() {
    let plain = parse("redis+sentinel://one,two:5000,[::1]/mymaster");
    assert_eq!(plain.servers, "one:26379,two:5000,[::1]:26379/mymaster");
    let Topology::Sentinel {
        sentinels,
        master,
        login: None,
    } = &plain.topology
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
    let Topology::Sentinel { login: own, .. } = &full.topology else {
        panic!("{full}");
    };
    assert_eq!(login(own.as_ref()).await, pair("bob", "a&b+c"));
}

#[test]
fn understands_clusters() {
    let cluster = parse("redis+cluster://ann:x@one,two:7000/");
    assert_eq!(cluster.servers, "one:6379,two:7000");
    let Topology::Cluster { seeds } = &cluster.topology else {
        panic!("{cluster}");
    };
    assert_eq!(seeds[1], Endpoint::tcp("two", 7000));
    let BadUrl(text) = Address::parse("redis+cluster://one/3", FromFiles::default())
        .map(|address| address.to_string())
        .unwrap_err();
    assert!(text.contains("no databases"), "{text}");
}

#[tokio::test]
async fn a_user_alone_has_a_file_or_needs_no_password() {
    let filed = FromFiles {
        redis: true,
        ..FromFiles::default()
    };
    for url in ["redis://ann@host", "redis://ann:@host"] {
        assert_eq!(Address::parse(url, filed).unwrap().user(), "ann");
        assert_eq!(login(parse(url).login.as_ref()).await, pair("ann", ""));
    }
    for url in ["redis://host", "redis://@host", "redis://:@host"] {
        assert!(parse(url).login.is_none(), "{url}");
    }
    let BadUrl(text) = Address::parse("redis://ann:secret@host", filed)
        .map(|address| address.to_string())
        .unwrap_err();
    assert!(text.contains("a file with the password"), "{text}");
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn a_password_in_the_place_of_the_user_is_not_shown() {
    let misplaced = parse("redis://secret@host").user_of_login();
    assert!(!misplaced.contains("secret") && misplaced.contains(":password@"));
    assert_eq!(parse("redis://ann:x@host").user_of_login(), "ann");
    assert_eq!(parse("redis://:x@host").user_of_login(), "default");
}

#[tokio::test]
async fn a_sentinel_user_alone_has_a_file_or_needs_no_password() {
    let filed = FromFiles {
        sentinels: true,
        ..FromFiles::default()
    };
    let url = "redis+sentinel://host/m?sentinel_user=bob";
    for from_files in [filed, FromFiles::default()] {
        let Topology::Sentinel { login: own, .. } =
            Address::parse(url, from_files).unwrap().topology
        else {
            panic!("{url}");
        };
        assert_eq!(login(own.as_ref()).await, pair("bob", ""));
    }
    let BadUrl(text) = Address::parse(&format!("{url}&sentinel_password=secret"), filed)
        .map(|address| address.to_string())
        .unwrap_err();
    assert!(text.contains("a file with that"), "{text}");
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn white_space_and_capitals_are_no_errors() {
    for url in [
        "redis://host:7000\n",
        " \t redis://host:7000\r\n",
        "REDIS://host:7000",
        "Valkey://host:7000",
        "redis://host:7000\u{a0}",
    ] {
        let address = parse(url);
        assert_eq!(address.to_string(), "redis://host:7000", "{url:?}");
    }
    for (url, meant) in [
        ("valkeys://host", "rediss://host:6379"),
        (
            "ValkeyS+Sentinel://host/m",
            "rediss+sentinel://host:26379/m",
        ),
        ("valkey+cluster://host", "redis+cluster://host:6379"),
        ("redis+cluster://host/0", "redis+cluster://host:6379"),
    ] {
        assert_eq!(parse(url).to_string(), meant);
    }
}

#[tokio::test]
async fn understands_sockets() {
    for url in [
        "unix:///run/r.sock",
        "redis+unix:///run/r.sock",
        "VALKEY+unix:///run/r.sock",
    ] {
        let address = parse(url);
        let path = Endpoint::Unix("/run/r.sock".into());
        assert_eq!(server(&address), &path, "{url}");
        assert_eq!(address.to_string(), "redis+unix:///run/r.sock");
        assert!(address.login.is_none() && !address.tls);
    }
    let full = parse("unix:///run/a%20b@c.sock?db=3&user=ann&pass=p%26w");
    assert_eq!(full.servers, "/run/a b@c.sock");
    assert_eq!(full.db, 3);
    assert_eq!(login(full.login.as_ref()).await, pair("ann", "p&w"));
    let shown = format!("{full} {full:?}");
    assert!(!shown.contains("ann") && !shown.contains("p&w"), "{shown}");
    let other = parse("unix:///run/r.sock?username=ann&password=x");
    assert_eq!(login(other.login.as_ref()).await, pair("ann", "x"));
    for (url, why) in [
        ("unix://run/secret.sock", "third slash"),
        ("unix://", "third slash"),
        ("unix:///run/secret/", "whole path"),
        ("rediss+unix:///run/secret", "no TLS"),
        ("redis-socket:///run/secret", "write redis+unix"),
        ("unix:///run/secret?ssl=true", "`ssl`"),
    ] {
        let text = refusal(url);
        assert!(
            text.contains(why) && !text.contains("secret"),
            "{url}: {text}"
        );
    }
}

#[test]
fn options_that_mean_something_here_are_accepted() {
    for (url, meant) in [
        ("redis://host?db=1", "redis://host:6379/1"),
        ("redis://host/?DB=1", "redis://host:6379/1"),
        ("redis://host/1?db=1&protocol=3", "redis://host:6379/1"),
        ("redis://host?protocol=resp2", "redis://host:6379"),
        (
            "redis+sentinel://host/m?db=4",
            "redis+sentinel://host:26379/m/4",
        ),
        ("redis+cluster://host?db=0", "redis+cluster://host:6379"),
        ("rediss://host?ssl_cert_reqs=required", "rediss://host:6379"),
    ] {
        assert_eq!(parse(url).to_string(), meant);
    }
}

#[test]
fn other_options_are_named_with_what_to_write_instead() {
    for (url, why) in [
        ("rediss://host?ssl_cert_reqs=none", "`ssl_cert_reqs`"),
        (
            "rediss://host?ssl_cert_reqs=none",
            "danger_accept_any_certificate",
        ),
        ("rediss://host?ssl_ca_certs=/secret", "`tls_ca_file`"),
        ("rediss://host#insecure", "danger_accept_any_certificate"),
        ("redis://host?db=secret", "`db` is not a number"),
        ("redis://host/1?db=2", "two databases"),
        ("redis+cluster://host?db=2", "no databases"),
        ("redis://host?protocol=secret", "neither 2 nor 3"),
        ("redis://host?timeout=5s", "`timeout`"),
        ("redis://host?password=secret", "before the host"),
        ("redis://host?sentinel_user=secret", "redis+sentinel://"),
        (
            "redis+sentinel://host/0?sentinelServiceName=secret",
            "behind the hosts",
        ),
        (
            "redis-sentinel://host/secret",
            "redis+sentinel://one,two,three/mymaster",
        ),
        (
            "redis+sentinel://host/0#secret",
            "redis+sentinel://one,two,three/mymaster",
        ),
        ("rediss-cluster://secret", "write +cluster"),
    ] {
        let text = refusal(url);
        assert!(
            text.contains(why) && !text.contains("secret"),
            "{url}: {text}"
        );
    }
    let both = refusal("rediss://host?ssl_cert_reqs=none&pool_size=3&secret=secret");
    assert!(
        both.contains("`ssl_cert_reqs`") && both.contains("`pool_size`"),
        "{both}"
    );
    assert!(
        both.contains("an option that is not known") && !both.contains("secret"),
        "{both}"
    );
}

#[test]
fn the_offending_character_is_shown() {
    for (url, character, way_out) in [
        ("\"redis://secret\"", r#"'"'"#, "without quotation marks"),
        ("'redis://secret'", r"'\''", "without quotation marks"),
        ("redis://:sec ret@host", "' '", "%20"),
        ("redis://:sec\nret@host", r"'\n'", "%0A"),
        ("redis://:sec@ret@host", "'@'", "%40"),
        ("redis://:sec/ret@host", "'/'", "%2F"),
        ("redis://:sec?ret@host", "'?'", "%3F"),
        ("redis://:sec#ret@host", "'#'", "%23"),
        ("redis://:sec%ret@host", "'%'", "%25"),
        ("redis://sec$ret", "'$'", "in a host"),
        (
            "redis+sentinel://host/sec%20ret",
            "'%'",
            "the name of the master",
        ),
        ("\u{feff}redis://secret", r"'\u{feff}'", "its scheme"),
    ] {
        let text = refusal(url);
        assert!(
            text.contains(character) && text.contains(way_out),
            "{url}: {text}"
        );
        assert!(
            !text.contains("ret@") && !text.contains("secret"),
            "{url}: {text}"
        );
    }
    assert!(refusal(" \n").contains("it is empty"));
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
        "redis://host:secret",
        "redis://host/secret",
        "redis://host/-1",
        "redis://host?password=secret",
        "rediss://host#insecure-secret",
        "redis://host:99999/secret",
        "redis://sec ret@host",
        "redis://one,two:secret",
        "redis://one,secret/0",
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
        "redis+sentinel://host/master?sentinel_password=x#secret",
        "redis+cluster://",
        "redis+cluster://host/secret",
        "redis+cluster://host,host:secret",
        "redis+cluster://host?secret=secret",
    ] {
        let text = refusal(url);
        assert!(
            !text.contains("secret") && !text.contains("ret@"),
            "{url}: {text}"
        );
        assert!(text.contains("redis://"), "{url}: {text}");
    }
    let many = vec!["host"; MAX_HOSTS + 1].join(",");
    assert!(Address::parse(&format!("redis+cluster://{many}"), FromFiles::default()).is_err());
}
