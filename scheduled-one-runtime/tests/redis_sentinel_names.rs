//! A sentinel that names a server which cannot be used: the error has both addresses, and says who named which.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

mod fake_sentinel;

use std::time::Duration;

use fake_sentinel::FakeSentinel;
use scheduled_one_protocol::{Store, StoreError};
use scheduled_one_redis::{ConnectError, RedisStore};
use test_support::{RedisServer, wait_until_async};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Longest wait, on a machine that is busy.
const BOUND: Duration = Duration::from_secs(60);

/// The error of starting where a sentinel names the port `named`. It has to have both addresses.
async fn refused(named: u16) -> ConnectError {
    let sentinel = FakeSentinel::start(named).await;
    let error = RedisStore::connect(&sentinel.url(), "test").await;
    let error = error.unwrap_err();
    let both = format!(
        "127.0.0.1:{named} (named by the sentinel 127.0.0.1:{} as the master m)",
        sentinel.port
    );
    assert!(error.to_string().contains(&both), "{both} not in: {error}");
    error
}

/// Answers each connection as a server of the Web.
fn answer_as_web(web: TcpListener) {
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = web.accept().await.unwrap();
            let mut request = [0; 256];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses() {
    let redis = RedisServer::start().unwrap();
    redis.kill().unwrap();
    let error = refused(redis.port()).await;
    assert!(
        matches!(error, ConnectError::Unreachable { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs() {
    let redis = RedisServer::start().unwrap();
    redis.freeze().unwrap();
    let error = refused(redis.port()).await;
    assert!(matches!(error, ConnectError::NotRedis { .. }), "{error:?}");
    assert!(error.to_string().contains("does it not hang"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_no_redis() {
    let web = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = web.local_addr().unwrap().port();
    answer_as_web(web);
    let error = refused(port).await;
    assert!(matches!(error, ConnectError::NotRedis { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_a_password() {
    let redis = RedisServer::options().password("hunter2").start().unwrap();
    let error = refused(redis.port()).await;
    assert!(matches!(error, ConnectError::Login { .. }), "{error:?}");
    assert!(error.to_string().contains("NOAUTH"), "{error}");
}

/// What becomes of a server while a node runs.
#[derive(Clone, Copy, Debug)]
enum Becomes {
    Refusing,
    Hanging,
    NoRedis,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_while_a_node_runs() {
    for becomes in [Becomes::Refusing, Becomes::Hanging, Becomes::NoRedis] {
        let redis = RedisServer::start().unwrap();
        let sentinel = FakeSentinel::start(redis.port()).await;
        let store = RedisStore::connect(&sentinel.url(), "test").await.unwrap();
        match becomes {
            Becomes::Refusing => redis.kill().unwrap(),
            Becomes::Hanging => redis.freeze().unwrap(),
            Becomes::NoRedis => {
                redis.kill().unwrap();
                let address = ("127.0.0.1", redis.port());
                answer_as_web(TcpListener::bind(address).await.unwrap());
            }
        }
        let both = format!(
            "127.0.0.1:{} (named by the sentinel 127.0.0.1:{} as the master m)",
            redis.port(),
            sentinel.port
        );
        let what = format!("the error names both: {becomes:?}");
        wait_until_async(&what, BOUND, async || match store.ledger("a", 1).await {
            Err(StoreError::Unavailable(text)) => text.contains(&both),
            _ => false,
        })
        .await;
    }
}

/// One sentinel of two names a server that hangs. It does not keep the other from being asked.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_sentinel_is_asked_where_one_names_a_server_that_hangs() {
    let (hung, redis) = (RedisServer::start().unwrap(), RedisServer::start().unwrap());
    hung.freeze().unwrap();
    let wrong = FakeSentinel::start(hung.port()).await;
    let right = FakeSentinel::start(redis.port()).await;
    let url = format!(
        "redis+sentinel://127.0.0.1:{},127.0.0.1:{}/m",
        wrong.port, right.port
    );
    wait_until_async("the other server is found", BOUND, async || {
        RedisStore::connect(&url, "test").await.is_ok()
    })
    .await;
}
