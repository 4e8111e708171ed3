//! Tests of URLs: accepted, rejected, displayed.

use super::*;

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
    assert_eq!(
        (v6.servers.as_str(), v6.host.as_str()),
        ("[::1]:6379", "::1")
    );
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
    assert_eq!(seeds[1].port, 7000);
    let BadUrl(text) = Address::parse("redis+cluster://one/3", FromFiles::default())
        .map(|address| address.to_string())
        .unwrap_err();
    assert!(text.contains("no databases"), "{text}");
}

#[test]
fn a_user_alone_needs_a_password_from_elsewhere() {
    let filed = FromFiles {
        redis: true,
        ..FromFiles::default()
    };
    let alone = Address::parse("redis://ann@host", filed).unwrap();
    assert_eq!(alone.user(), "ann");
    assert!(Address::parse("redis://ann@host", FromFiles::default()).is_err());
    let BadUrl(text) = Address::parse("redis://ann:secret@host", filed)
        .map(|address| address.to_string())
        .unwrap_err();
    assert!(text.contains("a file with the password"), "{text}");
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn a_sentinel_user_alone_needs_a_password_from_elsewhere() {
    let filed = FromFiles {
        sentinels: true,
        ..FromFiles::default()
    };
    let url = "redis+sentinel://host/m?sentinel_user=bob";
    let Topology::Sentinel { login, .. } = Address::parse(url, filed).unwrap().topology else {
        panic!("{url}");
    };
    assert_eq!(login.unwrap().user(), "bob");
    for (url, from_files) in [
        (url.to_owned(), FromFiles::default()),
        (format!("{url}&sentinel_password=secret"), filed),
    ] {
        let BadUrl(text) = Address::parse(&url, from_files)
            .map(|address| address.to_string())
            .unwrap_err();
        assert!(text.contains("a file with that"), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
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
        "redis+sentinel://host/master?sentinel_user=secret",
        "redis+sentinel://host/master?sentinel_password=x#secret",
        "redis+cluster://",
        "redis+cluster://host/0",
        "redis+cluster://host/secret",
        "redis+cluster://host,host:secret",
        "redis+cluster://host?secret=secret",
    ] {
        let BadUrl(text) = Address::parse(url, FromFiles::default())
            .map(|a| format!("{url} was read as {a}"))
            .unwrap_err();
        assert!(
            !text.contains("secret") && !text.contains("ret@"),
            "{url}: {text}"
        );
        assert!(text.contains("redis://"), "{url}: {text}");
    }
    let many = vec!["host"; MAX_HOSTS + 1].join(",");
    assert!(Address::parse(&format!("redis+cluster://{many}"), FromFiles::default()).is_err());
}
