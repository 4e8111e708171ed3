//! What may be wrong with a Redis at start, and what the error says: what,
//! where, the way out, and never the password.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

use std::io;
use std::time::{Duration, Instant};

use scheduled_one_runtime::store::message::{
    Beat, Caller, Claim, Enroll, Finish, Intent, Missed, Outcome, Renew, RunId, Watched,
};
use scheduled_one_runtime::store::redis::{ConnectError, RedisStore};
use scheduled_one_runtime::store::{Store, StoreError};
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
        "redis+unix:///hunter2secret",
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

/// Answers every INFO with this text.
async fn fake_redis(info: &'static str) -> io::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 256];
        while stream.read(&mut request).await.is_ok_and(|n| n > 0) {
            let _ = stream
                .write_all(format!("${}\r\n{info}\r\n", info.len()).as_bytes())
                .await;
        }
    });
    Ok(port)
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
        .command(&["HSET", "so:{test}:meta", "ver", "2"])
        .unwrap();
    assert_error!(
        refused(&redis.url()).await,
        ConnectError::NewerProtocol(_),
        "version 2",
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

fn caller() -> Caller {
    Caller {
        node: "node".into(),
        name: "Node".into(),
        quarantine_ms: 0,
        ledger_limit: 5,
    }
}

/// Every command of every script, at least once.
async fn use_everything(store: &dyn Store) -> Result<(), StoreError> {
    let caller = caller();
    let enroll = Enroll {
        unit: "a".into(),
        first_seen_ms: 0,
        floor_hwm_ms: 0,
        floor_token: 0,
    };
    store.enroll(&caller, &[enroll]).await?;
    let now_ms = (store.beat(&caller, Beat::Alive).await?.head.now_us / 1000) as i64;
    let missed = Missed {
        first_ms: 1,
        last_ms: 2,
        count: 2,
        reason: "down".into(),
    };
    let claim = |nonce: &str, lease_ms| Claim {
        unit: nonce.into(),
        tick_ms: now_ms,
        after_ms: 0,
        floor_hwm_ms: 0,
        floor_token: 0,
        nonce: nonce.into(),
        valid_until_ms: i64::MAX >> 12,
        lease_ms,
        intent: Intent::Run,
        missed: Some(missed.clone()),
    };
    let reply = store
        .claim(&caller, &[claim("b", 5_000), claim("c", 0)])
        .await?;
    let run = RunId {
        unit: "b".into(),
        tick_ms: now_ms,
        nonce: "b".into(),
        token: reply.body[0].marks.token,
        attempt: 1,
        lease_ms: 5_000,
        granted_at_ms: now_ms,
    };
    store
        .renew(
            &caller,
            &[Renew {
                run: run.clone(),
                valid_until_ms: i64::MAX >> 12,
            }],
        )
        .await?;
    let pulse = store.beat(&caller, Beat::Leaving).await?.body;
    let overdue = Watched {
        unit: "c".into(),
        nonce: "c".into(),
        seq: 1,
        lease_ms: 0,
    };
    assert_eq!(pulse.overdue, std::slice::from_ref(&overdue));
    store.write_off(&caller, &[overdue]).await?;
    let finish = Finish {
        run,
        outcome: Outcome::Ok,
        reason: String::new(),
        error: String::new(),
        fired_at_ms: now_ms,
        ended_at_ms: now_ms,
    };
    store.finish(&caller, &[finish]).await?;
    assert_eq!(store.ledger("b", 9).await?.len(), 2);
    Ok(())
}

/// The line of the documentation, word by word.
const ACL: &str = "~so:{test}:* -@all +eval +evalsha +info +time +type +hmget +hset +zadd +zrem \
                   +zremrangebyscore +zrangebyscore +zcard +xadd +xrevrange";

fn without(right: &str) -> String {
    let words: Vec<&str> = ACL.split(' ').filter(|word| *word != right).collect();
    words.join(" ")
}

fn set_user(redis: &RedisServer, rule: &str) {
    let mut command = vec!["ACL", "SETUSER", "ann", "reset", "on", ">hunter2secret"];
    command.extend(rule.split(' '));
    redis.command(&command).unwrap();
}

#[tokio::test]
async fn the_documented_rights_suffice_and_each_is_needed() {
    let redis = RedisServer::start().unwrap();
    let url = format!("redis://ann:{SECRET}@127.0.0.1:{}", redis.port());
    assert_eq!(RedisStore::acl_rule("test"), ACL);
    set_user(&redis, ACL);
    redis.command(&["ACL", "LOG", "RESET"]).unwrap();
    let store = RedisStore::connect(&url, "test").await.unwrap();
    use_everything(&store).await.unwrap();
    store.open().beat(&caller(), Beat::Alive).await.unwrap();
    assert_eq!(
        redis.command(&["ACL", "LOG"]).unwrap(),
        "",
        "something was refused"
    );

    for right in ACL.split(' ').filter(|word| !word.starts_with('-')) {
        set_user(&redis, &without(right));
        let error = refused(&url).await;
        let named =
            matches!(&error, ConnectError::MissingRights { missing, .. } if missing == right);
        assert!(named, "without {right}: {error}");
        assert!(error.to_string().contains(ACL), "{error}");
    }
    set_user(&redis, "~so:{test}:* -@all +info");
    assert_error!(
        refused(&url).await,
        ConnectError::MissingRights { .. },
        "+eval +evalsha",
        "+xadd"
    );
}

#[tokio::test]
async fn a_right_that_is_taken_away_later_is_named() {
    let redis = RedisServer::start().unwrap();
    let url = format!("redis://ann:{SECRET}@127.0.0.1:{}", redis.port());
    set_user(&redis, ACL);
    let store = RedisStore::connect(&url, "test").await.unwrap();
    for right in ["+hset", "+evalsha", "~so:{test}:*"] {
        redis.command(&["DEL", "so:{test}:meta"]).unwrap();
        let rule = without(right);
        redis
            .command(&["ACL", "SETUSER", "ann", "resetkeys", "-@all"])
            .unwrap();
        let mut command = vec!["ACL", "SETUSER", "ann"];
        command.extend(rule.split(' '));
        redis.command(&command).unwrap();
        let error = store.beat(&caller(), Beat::Alive).await.unwrap_err();
        assert!(
            matches!(&error, StoreError::Refused(text) if text.contains(&format!("missing: {right}"))),
            "{error}"
        );
        assert!(error.to_string().contains("ACL SETUSER ann"), "{error}");
    }
}
