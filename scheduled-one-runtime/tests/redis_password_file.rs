//! A password file that changes while a scheduler runs.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

mod steady_job;

use std::fs;

use scheduled_one_protocol::{Store, StoreError};
use scheduled_one_redis::{ConnectError, ConnectOptions, RedisStore};
use scheduled_one_runtime::{Error, Scheduler};
use steady_job::SteadyJob;
use test_support::RedisServer;

fn set_password(redis: &RedisServer, password: &str) {
    let grant = format!(">{password}");
    let rules = ["on", "~*", "+@all", "resetpass", &grant];
    let command = [&["ACL", "SETUSER", "ann"], &rules[..]].concat();
    redis.command(&command).unwrap();
}

fn end_connections(redis: &RedisServer) {
    redis.command(&["CLIENT", "KILL", "USER", "ann"]).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_changes_needs_no_restart() {
    let (redis, dir) = (RedisServer::start().unwrap(), tempfile::tempdir().unwrap());
    let file = dir.path().join("password");
    set_password(&redis, "first");
    fs::write(&file, "first\n").unwrap();
    let url = format!("redis://ann@127.0.0.1:{}", redis.port());
    let steady_job = SteadyJob::start(Scheduler::builder(url).password_file(&file)).await;

    // The file is behind for a while: what is connected stays so.
    set_password(&redis, "second");
    steady_job
        .expect_more_runs("on the connections there are")
        .await;
    // What is not connected waits for the file.
    end_connections(&redis);
    fs::write(&file, "second\n").unwrap();
    steady_job.expect_more_runs("with the new password").await;

    set_password(&redis, "third");
    fs::remove_file(&file).unwrap();
    end_connections(&redis);
    fs::write(&file, "third").unwrap();
    steady_job
        .expect_more_runs("with the password after that")
        .await;
    steady_job.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_name_the_file_and_not_the_password() {
    let (redis, dir) = (RedisServer::start().unwrap(), tempfile::tempdir().unwrap());
    let file = dir.path().join("password");
    let options = ConnectOptions::default().password_file(&file);
    let url = format!("redis://ann@127.0.0.1:{}", redis.port());

    let error = RedisStore::connect_with(&url, "test", &options)
        .await
        .unwrap_err();
    assert!(matches!(error, ConnectError::BadOption { .. }), "{error:?}");
    assert!(
        error.to_string().contains(file.to_str().unwrap()),
        "{error}"
    );

    set_password(&redis, "right");
    fs::write(&file, "hunter2").unwrap();
    let error = RedisStore::connect_with(&url, "test", &options)
        .await
        .unwrap_err();
    assert!(matches!(error, ConnectError::Login { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(file.to_str().unwrap()), "{text}");
    assert!(
        text.contains("user ann") && !text.contains("hunter2"),
        "{text}"
    );

    // Later, what is wrong with the file may be right in a moment.
    fs::write(&file, "right").unwrap();
    let store = RedisStore::connect_with(&url, "test", &options)
        .await
        .unwrap();
    fs::write(&file, "hunter2").unwrap();
    end_connections(&redis);
    let mut error = store.ledger("a", 1).await.unwrap_err();
    if matches!(error, StoreError::Unknown(_)) {
        error = store.ledger("a", 1).await.unwrap_err(); // the connection had ended
    }
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    fs::write(&file, "right").unwrap();
    store.ledger("a", 1).await.unwrap();
}

#[tokio::test]
async fn the_embedded_store_has_no_use_for_such_settings() {
    for (builder, name) in [
        (
            Scheduler::builder("memory://").password_file("p"),
            "password_file",
        ),
        (
            Scheduler::builder("memory://").tls_ca_file("ca"),
            "tls_ca_file",
        ),
        (
            Scheduler::builder("memory://").tls_client_cert("c", "k"),
            "tls_client_cert",
        ),
        (
            Scheduler::builder("memory://").sentinel_login("", "x"),
            "sentinel_login",
        ),
        (
            Scheduler::builder("memory://").sentinel_password_file("p"),
            "sentinel_password_file",
        ),
    ] {
        let job =
            scheduled_one_runtime::Job::every("a", std::time::Duration::from_secs(60), || async {});
        let error = builder.job(job).start().await.unwrap_err();
        assert!(
            matches!(error, Error::Setting { setting, .. } if setting == name),
            "{error}"
        );
    }
}
