//! Redis behind sentinels: a store finds the primary that the sentinels name, also after a failover.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

mod fake_sentinel;
mod steady_job;

use std::fs;

use fake_sentinel::FakeSentinel;
use scheduled_one_protocol::message::{Caller, Heartbeat};
use scheduled_one_protocol::{Store, StoreError};
use scheduled_one_redis::{ConnectError, ConnectOptions, RedisStore};
use scheduled_one_runtime::Scheduler;
use steady_job::{BOUND, SteadyJob};
use test_support::{RedisServer, Sentinel, wait_until_async};
use tokio::net::TcpListener;

const SECRET: &str = "hunter2secret";

fn caller() -> Caller {
    Caller {
        node: "node".into(),
        name: "Node".into(),
        quarantine_ms: 0,
        margin_ms: 0,
        ledger_limit: 5,
        buckets: 1,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_is_followed() {
    let redis = Sentinel::options().password("hunter2").start().unwrap();
    let steady_job = SteadyJob::start(Scheduler::builder(redis.url())).await;
    let failover = redis.failover().unwrap();
    // The old primary takes writes until a sentinel makes it a replica.
    redis.wait_settled().unwrap();
    steady_job.expect_more_runs("after a failover").await;
    let alive = failover.new.command(&["ZCARD", "so:{test}:nodes"]).unwrap();
    assert_eq!(alive, "1");
    steady_job.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_primary_is_left_and_does_not_matter_when_it_returns() {
    let redis = Sentinel::start().unwrap();
    let steady_job = SteadyJob::start(Scheduler::builder(redis.url())).await;
    let old = redis.primary().unwrap();
    old.kill().unwrap();
    redis.wait_for_failover(old).unwrap();
    steady_job
        .expect_more_runs("after the death of the primary")
        .await;
    old.restart().unwrap();
    redis.wait_settled().unwrap();
    steady_job
        .expect_more_runs("with the old primary back")
        .await;
    // One sentinel is left. The sentinel that the store used may be among the dead.
    for sentinel in &redis.sentinels()[..2] {
        sentinel.kill().unwrap();
    }
    let serving = redis.primary().unwrap();
    serving
        .command(&["CLIENT", "KILL", "TYPE", "normal"])
        .unwrap();
    steady_job.expect_more_runs("with one sentinel left").await;
    steady_job.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_primary_is_left_and_does_not_matter_when_it_thaws() {
    let redis = Sentinel::start().unwrap();
    let steady_job = SteadyJob::start(Scheduler::builder(redis.url())).await;
    let old = redis.primary().unwrap();
    old.freeze().unwrap();
    redis.wait_for_failover(old).unwrap();
    steady_job
        .expect_more_runs("with the old primary frozen")
        .await;
    old.thaw().unwrap();
    steady_job
        .expect_more_runs("with the old primary thawed")
        .await;
    redis.wait_settled().unwrap();
    steady_job
        .expect_more_runs("with the old primary a replica")
        .await;
    steady_job.stop().await;
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
    store
        .heartbeat(&caller(), Heartbeat::alive())
        .await
        .unwrap();
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

/// Sets the password of the user `bob` on all sentinels, and closes the connections of `bob`. Sentinels log in to each
/// other as another user.
fn set_sentinel_password(redis: &Sentinel, password: &str) {
    let grant = format!(">{password}");
    for sentinel in redis.sentinels() {
        let rules = ["ACL", "SETUSER", "bob", "on", "resetpass", &grant, "+@all"];
        sentinel.command(&rules).unwrap();
        sentinel
            .command(&["CLIENT", "KILL", "USER", "bob"])
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_of_the_sentinels_that_changes_needs_no_restart() {
    let redis = Sentinel::options()
        .sentinel_password("watchword")
        .start()
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    set_sentinel_password(&redis, "first");
    fs::write(&file, "first\n").unwrap();
    let url = format!("{}?sentinel_user=bob", redis.url());
    let builder = Scheduler::builder(&url).sentinel_password_file(&file);
    let steady_job = SteadyJob::start(builder).await;

    // Until the file is rewritten, runs continue on the open connections, without a sentinel.
    set_sentinel_password(&redis, "second");
    steady_job
        .expect_more_runs("on the connections there are")
        .await;
    fs::write(&file, "second\n").unwrap();
    // Dead, so that what goes on does so where a sentinel said.
    let old = redis.primary().unwrap();
    old.kill().unwrap();
    redis.wait_for_failover(old).unwrap();
    steady_job.expect_more_runs("by the new password").await;
    steady_job.stop().await;

    fs::write(&file, SECRET).unwrap();
    let options = ConnectOptions::default().sentinel_password_file(&file);
    let by_url = refused(&url, &options).await;
    let options = options.sentinel_login("bob", "");
    for error in [by_url, refused(&redis.url(), &options).await] {
        assert!(
            matches!(error, ConnectError::SentinelLogin { .. }),
            "{error:?}"
        );
        let named = error.to_string().contains(file.to_str().unwrap());
        assert!(named, "{error}");
    }
    fs::write(&file, "second").unwrap();
    let right = RedisStore::connect_with(&redis.url(), "test", &options).await;
    right.unwrap();
}

#[tokio::test]
async fn a_login_for_sentinels_needs_sentinels_and_no_second_one() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    fs::write(&file, SECRET).unwrap();
    let login = ConnectOptions::default().sentinel_login("", SECRET);
    let filed = ConnectOptions::default().sentinel_password_file(&file);
    let user = filed.clone().sentinel_login("bob", "");
    let both = filed.clone().sentinel_login("bob", SECRET);
    let absent = ConnectOptions::default().sentinel_password_file(dir.path().join("none"));
    let url = "redis+sentinel://localhost/m";
    let with_password = format!("{url}?sentinel_password={SECRET}");
    let with_user = format!("{url}?sentinel_user=bob");
    for (url, options, named) in [
        ("redis://localhost", &login, "sentinel_login"),
        ("redis://localhost", &filed, "sentinel_password_file"),
        (&with_password, &login, "sentinel_login"),
        (&with_user, &user, "sentinel_login"),
        (url, &both, "sentinel_password_file"),
        (url, &absent, "sentinel_password_file"),
    ] {
        let error = refused(url, options).await;
        assert!(
            matches!(error, ConnectError::BadOption { option, .. } if option == named),
            "{error:?}"
        );
    }
    let error = refused(&with_password, &filed).await;
    assert!(matches!(error, ConnectError::BadUrl(_)), "{error:?}");
}

fn has_beaten(server: &RedisServer) -> bool {
    server.command(&["ZCARD", "so:{test}:nodes"]).unwrap() == "1"
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_deposed_and_lives_is_left() {
    let (old, new) = (RedisServer::start().unwrap(), RedisServer::start().unwrap());
    let sentinel = FakeSentinel::start(old.port()).await;
    let store = RedisStore::connect(&sentinel.url(), "test").await.unwrap();
    store
        .heartbeat(&caller(), Heartbeat::alive())
        .await
        .unwrap();
    assert!(has_beaten(&old) && !has_beaten(&new));
    sentinel.name(&new);
    // The old one is well, and still says of itself that it is a primary.
    wait_until_async("the new primary is used", BOUND, async || {
        store
            .heartbeat(&caller(), Heartbeat::alive())
            .await
            .unwrap();
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
        store
            .heartbeat(&caller(), Heartbeat::alive())
            .await
            .unwrap();
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
    store
        .heartbeat(&caller(), Heartbeat::alive())
        .await
        .unwrap();
    assert!(has_beaten(&primary));

    let error = refused(&behind.url(), &ConnectOptions::default()).await;
    assert!(matches!(error, ConnectError::NotNow { .. }), "{error:?}");
    assert!(error.to_string().contains("is a replica"), "{error}");
}
