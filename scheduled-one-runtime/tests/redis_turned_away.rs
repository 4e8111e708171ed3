//! Servers that accept a connection, write a reason and close it.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

use std::sync::Arc;
use std::time::Duration;

use scheduled_one_protocol::message::{Caller, Heartbeat};
use scheduled_one_protocol::{Bucket, Store, StoreError};
use scheduled_one_redis::{ConnectError, RedisStore};
use scheduled_one_runtime::{Job, Scheduler, Severity, doctor};
use test_support::{FaultProxy, Matcher, RedisServer, Verdict, wait_until_async};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

const PROTECTED: &str = "DENIED Redis is running in protected mode because protected mode is enabled and no password is \
                         set for the default user. 1) Just disable protected mode. 2) Set up an authentication password.";
const FULL: &str = "ERR max number of clients reached";
const FULL_CLUSTER: &str = "ERR max number of clients + cluster connections reached";

const BOUND: Duration = Duration::from_secs(20);

/// The outcome is a race between the reason and a reset, so each case is repeated.
const TIMES: usize = 12;

/// Starts a server that writes this to every connection and closes it.
async fn turning_away(reason: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            // The client may be gone, as it is for a real server.
            let _ = stream.write_all(format!("-{reason}\r\n").as_bytes()).await;
        }
    });
    port
}

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

#[tokio::test]
async fn the_reason_is_always_shown() {
    for reason in [PROTECTED, FULL, FULL_CLUSTER, "ERR too many connections"] {
        let port = turning_away(reason).await;
        for url in [
            format!("redis://127.0.0.1:{port}"),
            format!("redis://ann:secret@127.0.0.1:{port}"),
            format!("redis://127.0.0.1:{port}/3"),
            format!("redis+sentinel://127.0.0.1:{port}/main"),
            format!("redis+cluster://127.0.0.1:{port}"),
        ] {
            for time in 0..TIMES {
                let error = RedisStore::connect(&url, "test").await.unwrap_err();
                let text = error.to_string();
                let is_not_redis = matches!(error, ConnectError::NotRedis { .. });
                assert!(!is_not_redis, "{url}, time {time}: {text}");
                assert!(text.contains(reason), "{url}, time {time}: {text}");
                assert!(!text.contains("secret"), "{text}");
            }
        }
    }
}

/// A request that is turned away is repeated: no unit of it is to blame.
#[tokio::test]
async fn a_server_that_turns_away_is_unavailable() {
    for reason in [PROTECTED, FULL] {
        let port = turning_away(reason).await;
        let url = format!("redis://127.0.0.1:{port}");
        let options = scheduled_one_redis::ConnectOptions::default();
        let store = RedisStore::unchecked(&url, "test", &options).await.unwrap();
        for _ in 0..TIMES {
            let error = store.heartbeat(&caller(), Heartbeat::alive()).await;
            let error = error.unwrap_err();
            let named = matches!(&error, StoreError::Unavailable(text) if text.contains(reason));
            assert!(named, "{error:?}");
        }
    }
}

#[tokio::test]
async fn a_server_that_is_full_says_so_at_start() {
    let redis = RedisServer::options()
        .args(["--maxclients", "1"])
        .start()
        .unwrap();
    // The server learns late that the connections of the steps before are closed. When it does so between a connection
    // that it turned away and the next one, which asks why, there is no reason any more.
    wait_until_async("the first connection is taken", BOUND, async || {
        let error = RedisStore::connect(&redis.url(), "test").await.unwrap_err();
        let is_named = error.to_string().contains(FULL);
        is_named && matches!(error, ConnectError::SecondConnection { .. })
    })
    .await;
    wait_until_async("the doctor takes it", BOUND, async || {
        let report = doctor(redis.url()).await;
        assert!(!report.is_usable(), "{report}");
        let finding = report.finding("connections");
        let Some(finding) = finding.filter(|it| it.found.contains(FULL)) else {
            return false;
        };
        assert_eq!(finding.severity, Severity::Severe, "{report}");
        assert!(finding.remedy.contains("raise its maxclients"), "{report}");
        true
    })
    .await;
    wait_until_async("a start takes it", BOUND, async || {
        let job = Job::every("tick", Duration::from_secs(3600), || async {});
        let start = Scheduler::builder(redis.url()).job(job).start().await;
        let error = start.unwrap_err().to_string();
        error.contains(FULL) && error.contains("not a second one, and each node holds two")
    })
    .await;
}

/// A store that was open keeps its connection, and another handle of it says why it has none.
#[tokio::test]
async fn a_server_that_is_full_later_names_the_reason() {
    let redis = RedisServer::start().unwrap();
    let store = RedisStore::connect(&redis.url(), "test").await.unwrap();
    redis
        .command(&["CONFIG", "SET", "maxclients", "1"])
        .unwrap();
    let second = store.open(Bucket::WHOLE);
    for _ in 0..TIMES {
        store
            .heartbeat(&caller(), Heartbeat::alive())
            .await
            .unwrap();
        let error = second.renew(&caller(), &[]).await.unwrap_err();
        let named = matches!(&error, StoreError::Unavailable(text) if text.contains(FULL));
        assert!(named, "{error:?}");
    }
}

/// The connection of the watchdog is opened before the scheduler says that it has started.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_needs_the_connection_for_renewals() {
    let redis = RedisServer::start().unwrap();
    let proxy = Arc::new(FaultProxy::in_front_of(&redis).unwrap());
    let closing = Arc::clone(&proxy);
    // The first heartbeat follows the examination, which has closed its second connection.
    let heartbeat = Matcher::containing("so:{test}:nodes");
    let hook = proxy.on_request(heartbeat, move || {
        closing.close_new();
        Verdict::Deliver
    });
    let start = || {
        let job = Job::every("tick", Duration::from_secs(3600), || async {});
        let builder = Scheduler::builder(proxy.url(&redis)).namespace("test");
        Box::pin(builder.job(job).start())
    };
    let error = start().await.unwrap_err();
    assert!(hook.has_fired());
    let text = error.to_string();
    assert!(
        text.contains("second connection, which renews leases"),
        "{text}"
    );
    proxy.heal().unwrap();
    drop(start().await.unwrap());
}
