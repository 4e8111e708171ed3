//! Errors of a start on a Redis that cannot be used. Each error says what is wrong, where, and what to do, and contains
//! no password.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

use std::io;
use std::time::{Duration, Instant};

use scheduled_one_protocol::StoreError;
use scheduled_one_redis::{ConnectError, RedisStore};
use test_support::RedisServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const SECRET: &str = "hunter2secret";

async fn refused(url: &str) -> ConnectError {
    let started = Instant::now();
    let error = RedisStore::connect(url, "test").await.unwrap_err();
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "{url} took {:?}",
        started.elapsed()
    );
    for text in [
        error.to_string(),
        format!("{error:?}"),
        StoreError::from(error.clone()).to_string(),
    ] {
        assert!(!text.contains(SECRET), "{text}");
    }
    error
}

macro_rules! assert_error {
    ($error:expr, $variant:pat, $($word:expr),*) => {
        let error = $error;
        assert!(matches!(error, $variant), "{error:?}");
        $(assert!(error.to_string().contains(&*$word), "{} not in: {error}", $word);)*
    };
}

#[tokio::test]
async fn bad_urls_and_names() {
    for url in [
        "",
        "localhost",
        "http://localhost",
        "redis://",
        "redis://:hunter2secret@",
        "redis://host:hunter2secret",
        "redis://:hunter2secret/x@host",
        "redis://host/hunter2secret",
        "redis+unix://hunter2secret",
    ] {
        assert_error!(refused(url).await, ConnectError::BadUrl(_), "redis://");
    }
    let error = RedisStore::connect("redis://localhost", "{a}")
        .await
        .unwrap_err();
    assert_error!(error, ConnectError::BadNamespace(_), "{a}");
}

#[tokio::test]
async fn nobody_there() {
    let redis = RedisServer::start().unwrap();
    redis.kill().unwrap();
    let place = format!("127.0.0.1:{}", redis.port());
    let url = format!("redis://ann:{SECRET}@{place}");
    assert_error!(refused(&url).await, ConnectError::Unreachable { .. }, place);
    let url = format!("redis://ann:{SECRET}@no-such-host.invalid");
    assert_error!(
        refused(&url).await,
        ConnectError::Unreachable { .. },
        "no-such-host.invalid:6379"
    );
}

#[tokio::test]
async fn logins() {
    let redis = RedisServer::options().password(SECRET).start().unwrap();
    let place = format!("127.0.0.1:{}", redis.port());
    let store = RedisStore::connect(&redis.url(), "test").await.unwrap();
    assert!(!format!("{store:?}").contains(SECRET));
    assert!(format!("{store:?}").contains(&place));
    assert_error!(
        refused(&format!("redis://{place}")).await,
        ConnectError::Login { .. },
        "NOAUTH",
        place
    );
    let wrong = format!("redis://ann:x{SECRET}@{place}");
    assert_error!(
        refused(&wrong).await,
        ConnectError::Login { .. },
        "WRONGPASS",
        "user ann",
        place
    );
    let open = RedisServer::start().unwrap();
    let needless = format!("redis://:{SECRET}@127.0.0.1:{}", open.port());
    assert_error!(
        refused(&needless).await,
        ConnectError::Login { .. },
        "default"
    );
}

#[tokio::test]
async fn something_else_is_there() {
    let web = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let web_port = web.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = web.accept().await.unwrap();
            let mut request = [0; 256];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    for port in [web_port, silent_port] {
        for login in ["", "ann:hunter2secret@"] {
            let error = refused(&format!("redis://{login}127.0.0.1:{port}")).await;
            assert_error!(
                error,
                ConnectError::NotRedis { .. },
                format!("127.0.0.1:{port}")
            );
        }
    }
    let redis = RedisServer::start().unwrap();
    let error = refused(&format!("rediss://127.0.0.1:{}", redis.port())).await;
    assert_error!(
        error,
        ConnectError::Unreachable { .. } | ConnectError::NotRedis { .. },
        "127.0.0.1"
    );
}

/// Answers every command with this text.
async fn fake_redis(info: &str) -> io::Result<u16> {
    fake_reply(format!("${}\r\n{info}\r\n", info.len())).await
}

async fn fake_reply(reply: String) -> io::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 256];
        while stream.read(&mut request).await.is_ok_and(|n| n > 0) {
            let _ = stream.write_all(reply.as_bytes()).await;
        }
    });
    Ok(port)
}

#[tokio::test]
async fn a_server_that_repeats_the_password_is_not_repeated() {
    let echo = format!("unknown command 'AUTH', with args beginning with: 'ann' '{SECRET}'");
    let port = fake_reply(format!("-ERR {echo}\r\n")).await.unwrap();
    let error = refused(&format!("redis://ann:{SECRET}@127.0.0.1:{port}")).await;
    let text = error.to_string();
    assert!(text.contains("unknown command 'AUTH'"), "{text}");
    assert!(!text.contains("args beginning"), "{text}");
}

#[tokio::test]
async fn wrong_kinds_of_redis() {
    let port = fake_redis("# Server\r\nredis_version:5.0.14\r\nrole:master\r\n")
        .await
        .unwrap();
    assert_error!(
        refused(&format!("redis://127.0.0.1:{port}")).await,
        ConnectError::TooOld { .. },
        "5.0.14",
        "6.2"
    );
    let port = fake_redis("redis_version:7.0.0\r\nloading:1\r\n")
        .await
        .unwrap();
    assert_error!(
        refused(&format!("redis://127.0.0.1:{port}")).await,
        ConnectError::NotNow { .. },
        "loading"
    );
    let port = fake_redis("memcached:1\r\n").await.unwrap();
    assert_error!(
        refused(&format!("redis://127.0.0.1:{port}")).await,
        ConnectError::NotRedis { .. },
        "redis_version"
    );

    let cache = RedisServer::options()
        .args(["--maxmemory-policy", "allkeys-lru"])
        .start()
        .unwrap();
    assert_error!(
        refused(&cache.url()).await,
        ConnectError::Evicts { .. },
        "allkeys-lru",
        "noeviction"
    );

    let primary = RedisServer::start().unwrap();
    let primary_port = primary.port().to_string();
    let replica = RedisServer::options()
        .args(["--replicaof", "127.0.0.1", &primary_port])
        .start()
        .unwrap();
    let error = refused(&replica.url()).await;
    assert_error!(
        error,
        ConnectError::Replica { .. },
        format!("127.0.0.1:{primary_port}")
    );

    let cluster = RedisServer::options()
        .args(["--cluster-enabled", "yes"])
        .start()
        .unwrap();
    assert_error!(
        refused(&cluster.url()).await,
        ConnectError::NotNow { .. } | ConnectError::Refused { .. },
        "CLUSTERDOWN"
    );
}

#[tokio::test]
async fn namespaces_of_others() {
    let redis = RedisServer::start().unwrap();
    redis
        .command(&["HSET", "so:{test}:meta", "ver", "3"])
        .unwrap();
    assert_error!(
        refused(&redis.url()).await,
        ConnectError::NewerProtocol(_),
        "version 3",
        "upgrade"
    );
    redis.command(&["SET", "so:{other}:meta", "x"]).unwrap();
    let error = RedisStore::connect(&redis.url(), "other")
        .await
        .unwrap_err();
    assert_error!(error, ConnectError::Refused { .. }, "so:{other}:meta");
    assert!(RedisStore::connect(&redis.url(), "third").await.is_ok());
    assert_eq!(
        redis.command(&["DBSIZE"]).unwrap(),
        "2",
        "the look wrote something"
    );
}
