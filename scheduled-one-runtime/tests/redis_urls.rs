//! URLs as deployments deliver them, on a real server.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

mod steady_job;

use scheduled_one_protocol::Store;
use scheduled_one_redis::{ConnectError, ConnectOptions, RedisStore};
use scheduled_one_runtime::Scheduler;
use steady_job::SteadyJob;
use test_support::RedisServer;

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_is_a_server() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("redis.sock");
    let path = path.to_str().unwrap();
    let redis = RedisServer::options()
        .args(["--unixsocket", path, "--requirepass", "hunter2"])
        .password("hunter2")
        .start()
        .unwrap();
    let url = format!("unix://{path}?password=hunter2&db=2\n");
    let steady_job = SteadyJob::start(Scheduler::builder(&url)).await;
    let keyspace = redis.command(&["INFO", "keyspace"]).unwrap();
    assert!(
        keyspace.contains("db2:") && !keyspace.contains("db0:"),
        "{keyspace}"
    );
    redis.restart().unwrap();
    steady_job.expect_more_runs("after a restart").await;
    steady_job.stop().await;

    let store = RedisStore::connect(&url, "test").await.unwrap();
    let shown = format!("{store:?}");
    assert!(
        shown.contains(&format!("redis+unix://{path}/2")) || shown.contains(path),
        "{shown}"
    );
    assert!(!shown.contains("hunter2"), "{shown}");
    redis.kill().unwrap();
    let error = RedisStore::connect(&url, "test").await.unwrap_err();
    assert!(
        matches!(error, ConnectError::Unreachable { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains(path), "{error}");
    let options = ConnectOptions::default().tls_ca_file("ca.pem");
    let error = RedisStore::connect_with(&url, "test", &options)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("tls_ca_file"), "{error}");
}

#[tokio::test]
async fn a_user_without_a_password_logs_in() {
    let redis = RedisServer::start().unwrap();
    for rules in [
        ["ACL", "SETUSER", "app", "on", "nopass", "~*", "+@all"],
        [
            "ACL",
            "SETUSER",
            "default",
            "off",
            "resetpass",
            "~*",
            "+@all",
        ],
    ] {
        redis.command(&rules).unwrap();
    }
    let at = format!("127.0.0.1:{}", redis.port());
    for login in ["app@", "app:@", "app:whatever@"] {
        let url = format!("redis://{login}{at}");
        let store = RedisStore::connect(&url, "test").await.unwrap();
        store.ledger("a", 1).await.unwrap();
    }
    // The default user is off, so a login is needed. A password that lacks its colon is not repeated.
    for (login, words) in [
        ("", "user default"),
        ("hunter2@", "not shown, because it has no password"),
    ] {
        let error = RedisStore::connect(&format!("redis://{login}{at}"), "test").await;
        let error = error.unwrap_err();
        assert!(matches!(error, ConnectError::Login { .. }), "{error:?}");
        let text = format!("{error} {error:?}");
        assert!(text.contains(words) && !text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn white_space_capitals_and_aliases_lead_to_the_same_server() {
    let redis = RedisServer::start().unwrap();
    let at = format!("127.0.0.1:{}", redis.port());
    for url in [
        format!("redis://{at}\n"),
        format!("  redis://{at}"),
        format!("REDIS://{at}"),
        format!("valkey://{at}?protocol=3"),
    ] {
        RedisStore::connect(&url, "test").await.unwrap();
        let report = Scheduler::builder(url).doctor().await;
        assert!(report.is_usable(), "{report}");
    }
}
