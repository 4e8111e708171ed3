//! Redis behind sentinels: the master they name is found, and followed when it
//! is another one.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

mod going;

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use going::{BOUND, Going};
use scheduled_one_runtime::Scheduler;
use scheduled_one_runtime::store::message::{Beat, Caller};
use scheduled_one_runtime::store::redis::{ConnectError, ConnectOptions, RedisStore};
use scheduled_one_runtime::store::{Store, StoreError};
use test_support::{RedisServer, Sentinel, wait_until_async};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const SECRET: &str = "hunter2secret";

fn caller() -> Caller {
    Caller {
        node: "node".into(),
        name: "Node".into(),
        quarantine_ms: 0,
        ledger_limit: 5,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_is_followed() {
    let redis = Sentinel::options().password("hunter2").start().unwrap();
    let going = Going::start(Scheduler::builder(redis.url())).await;
    let failover = redis.failover().unwrap();
    going.goes_on("after a failover").await;
    let alive = failover.new.command(&["ZCARD", "so:{test}:nodes"]).unwrap();
    assert_eq!(alive, "1");
    going.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_primary_is_left_and_does_not_matter_when_it_returns() {
    let redis = Sentinel::start().unwrap();
    let going = Going::start(Scheduler::builder(redis.url())).await;
    let old = redis.primary().unwrap();
    old.kill().unwrap();
    redis.wait_for_failover(old).unwrap();
    going.goes_on("after the death of the primary").await;
    old.restart().unwrap();
    redis.wait_settled().unwrap();
    going.goes_on("with the old primary back").await;
    // The sentinels but one are gone, and the one that was asked may be among them.
    for sentinel in &redis.sentinels()[..2] {
        sentinel.kill().unwrap();
    }
    let serving = redis.primary().unwrap();
    serving
        .command(&["CLIENT", "KILL", "TYPE", "normal"])
        .unwrap();
    going.goes_on("with one sentinel left").await;
    going.stop().await;
}

async fn refused(url: &str, options: &ConnectOptions) -> ConnectError {
    let error = RedisStore::connect_with(url, "test", options)
        .await
        .unwrap_err();
    let text = format!("{error} {error:?} {}", StoreError::from(error.clone()));
    assert!(!text.contains(SECRET), "{text}");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_named() {
    let redis = Sentinel::options()
        .login("ann", "redispass")
        .sentinel_login("bob", "sentinelpass")
        .start()
        .unwrap();
    let (url, none) = (redis.url(), ConnectOptions::default());
    let login = "?sentinel_user=bob&sentinel_password=";

    let right = format!("{url}{login}sentinelpass");
    let store = RedisStore::connect(&right, "test").await.unwrap();
    store.beat(&caller(), Beat::Alive).await.unwrap();
    assert!(!format!("{store:?}").contains("pass"), "{store:?}");
    let by_option = ConnectOptions::default().sentinel_login("bob", "sentinelpass");
    RedisStore::connect_with(&url, "test", &by_option)
        .await
        .unwrap();

    for error in [
        refused(&url, &none).await,
        refused(&format!("{url}{login}{SECRET}"), &none).await,
        refused(&url, &ConnectOptions::default().sentinel_login("", SECRET)).await,
    ] {
        assert!(
            matches!(error, ConnectError::SentinelLogin { .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains("sentinel_login"), "{error}");
    }
    let error = refused(&right.replace("redispass", SECRET), &none).await;
    assert!(matches!(error, ConnectError::Login { .. }), "{error:?}");
    assert!(error.to_string().contains("user ann"), "{error}");

    let error = refused(&right.replace("/mymaster", "/other"), &none).await;
    assert!(
        matches!(error, ConnectError::UnknownMaster { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("named other"), "{error}");

    for sentinel in redis.sentinels() {
        sentinel.kill().unwrap();
    }
    let error = refused(&right, &none).await;
    assert!(
        matches!(error, ConnectError::NoSentinel { .. }),
        "{error:?}"
    );
    for sentinel in redis.sentinels() {
        let place = format!("127.0.0.1:{}: ", sentinel.port());
        assert!(error.to_string().contains(&place), "{error}");
    }
}

#[tokio::test]
async fn a_login_for_sentinels_needs_sentinels() {
    let options = ConnectOptions::default().sentinel_login("", SECRET);
    let error = refused("redis://localhost", &options).await;
    assert!(matches!(error, ConnectError::BadOption { .. }), "{error:?}");
    let twice = format!("redis+sentinel://localhost/m?sentinel_password={SECRET}");
    let error = refused(&twice, &options).await;
    assert!(matches!(error, ConnectError::BadOption { .. }), "{error:?}");
}

/// Answers whatever it is asked with the port that it is told to name.
struct FakeSentinel {
    port: u16,
    names: Arc<AtomicU16>,
    asked: Arc<Mutex<u32>>,
}

impl FakeSentinel {
    async fn start(names: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let fake = FakeSentinel {
            port,
            names: Arc::new(AtomicU16::new(names)),
            asked: Arc::default(),
        };
        let (names, asked) = (Arc::clone(&fake.names), Arc::clone(&fake.asked));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (names, asked) = (Arc::clone(&names), Arc::clone(&asked));
                tokio::spawn(async move {
                    let mut buffer = [0; 1024];
                    while let Ok(1..) = stream.read(&mut buffer).await {
                        *asked.lock().unwrap() += 1;
                        let port = names.load(Ordering::Relaxed).to_string();
                        let answer =
                            format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.len());
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        fake
    }

    fn name(&self, server: &RedisServer) {
        self.names.store(server.port(), Ordering::Relaxed);
    }

    fn asked(&self) -> u32 {
        *self.asked.lock().unwrap()
    }

    fn url(&self) -> String {
        format!("redis+sentinel://127.0.0.1:{}/m", self.port)
    }
}

fn has_beaten(server: &RedisServer) -> bool {
    server.command(&["ZCARD", "so:{test}:nodes"]).unwrap() == "1"
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_deposed_and_lives_is_left() {
    let (old, new) = (RedisServer::start().unwrap(), RedisServer::start().unwrap());
    let sentinel = FakeSentinel::start(old.port()).await;
    let store = RedisStore::connect(&sentinel.url(), "test").await.unwrap();
    store.beat(&caller(), Beat::Alive).await.unwrap();
    assert!(has_beaten(&old) && !has_beaten(&new));
    sentinel.name(&new);
    // The old one is well, and still says of itself that it is a primary.
    wait_until_async("the new primary is used", BOUND, async || {
        store.beat(&caller(), Beat::Alive).await.unwrap();
        has_beaten(&new)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_are_asked_about_once_a_second_and_not_for_each_request() {
    let redis = RedisServer::start().unwrap();
    let sentinel = FakeSentinel::start(redis.port()).await;
    let store = RedisStore::connect(&sentinel.url(), "test").await.unwrap();
    let (before, started) = (sentinel.asked(), tokio::time::Instant::now());
    let mut requests = 0;
    while sentinel.asked() < before + 2 {
        assert!(started.elapsed() < BOUND, "it is not asked");
        store.beat(&caller(), Beat::Alive).await.unwrap();
        requests += 1;
    }
    // Two questions are more than a second apart: on any machine that is many requests.
    assert!(requests > 10, "{requests}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_sentinel_is_asked_where_one_is_silent_or_behind() {
    let (primary, replica) = (RedisServer::start().unwrap(), RedisServer::start().unwrap());
    let port = primary.port().to_string();
    replica.command(&["REPLICAOF", "127.0.0.1", &port]).unwrap();
    let behind = FakeSentinel::start(replica.port()).await;
    let right = FakeSentinel::start(primary.port()).await;
    // Accepts, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    let url = format!(
        "redis+sentinel://127.0.0.1:1,127.0.0.1:{silent_port},127.0.0.1:{},127.0.0.1:{}/m",
        behind.port, right.port
    );
    let store = RedisStore::connect(&url, "test").await.unwrap();
    store.beat(&caller(), Beat::Alive).await.unwrap();
    assert!(has_beaten(&primary));

    let error = refused(&behind.url(), &ConnectOptions::default()).await;
    assert!(matches!(error, ConnectError::NotNow { .. }), "{error:?}");
    assert!(error.to_string().contains("is a replica"), "{error}");
}
