//! A namespace in a Redis Cluster: a store finds the owner of the namespace's hash slot, also after a failover and a
//! migration.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

mod steady_job;

use scheduled_one_protocol::message::{Caller, Heartbeat};
use scheduled_one_protocol::{LedgerRecord, Outcome, Store, StoreError, TickMs};
use scheduled_one_redis::{ConnectError, ConnectOptions, RedisStore};
use scheduled_one_runtime::Scheduler;
use std::sync::Arc;
use steady_job::{BOUND, SteadyJob};
use test_support::{RedisCluster, RedisServer, key_slot, wait_until_async};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpListener;

const META: &str = "so:{test}:meta";

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

/// A node that is a primary and does not own the namespace.
fn other_primary(cluster: &RedisCluster) -> &RedisServer {
    let owner = cluster.owner_of(META).unwrap().port();
    let mut primaries = cluster.servers()[..3].iter();
    primaries.find(|server| server.port() != owner).unwrap()
}

/// A key that this node owns.
fn key_of(cluster: &RedisCluster, node: &RedisServer) -> String {
    let mut keys = (0..).map(|number| format!("key{number}"));
    let owned = |key: &String| cluster.owner_of(key).unwrap().port() == node.port();
    keys.find(owned).unwrap()
}

fn keys_in_slot(server: &RedisServer) -> u32 {
    let slot = key_slot(META).to_string();
    let answer = server.command(&["CLUSTER", "COUNTKEYSINSLOT", &slot]);
    answer.unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn failovers_and_a_migration_are_followed() {
    let cluster = RedisCluster::options().password("hunter2").start().unwrap();
    let steady_job = SteadyJob::start(Scheduler::builder(cluster.url())).await;

    let failover = cluster.fail_over(META).unwrap();
    steady_job
        .expect_more_runs("after a failover by hand")
        .await;
    cluster.wait_settled().unwrap();

    let old = failover.new;
    old.kill().unwrap();
    cluster.wait_for_failover(META, old).unwrap();
    steady_job
        .expect_more_runs("after the death of the owner")
        .await;
    old.restart().unwrap();
    cluster.wait_settled().unwrap();
    steady_job.expect_more_runs("with the old owner back").await;

    let migration = cluster
        .migrate_slot(key_slot(META), other_primary(&cluster))
        .unwrap();
    migration.begin().unwrap();
    migration.move_keys(2).unwrap();
    migration.finish().unwrap();
    assert!(keys_in_slot(migration.to()) > 0);
    steady_job
        .expect_more_runs("after the slot has moved")
        .await;
    assert_eq!(keys_in_slot(migration.from()), 0);
    steady_job.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_is_found_from_any_node_and_when_the_named_ones_are_gone() {
    let cluster = RedisCluster::start().unwrap();
    let (owner, other) = (cluster.owner_of(META).unwrap(), other_primary(&cluster));
    let url = format!("redis+cluster://127.0.0.1:1,127.0.0.1:{}", other.port());
    let store = RedisStore::connect(&url, "test").await.unwrap();
    store
        .heartbeat(&caller(), Heartbeat::alive())
        .await
        .unwrap();
    assert!(keys_in_slot(owner) > 0);

    // The only node that the URL names dies, and so does the owner.
    let key = key_of(&cluster, other);
    other.kill().unwrap();
    cluster.wait_for_failover(&key, other).unwrap();
    owner.kill().unwrap();
    wait_until_async("the new owner is found", BOUND, async || {
        store.heartbeat(&caller(), Heartbeat::alive()).await.is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_under_way_is_asked_for_where_it_goes() {
    let cluster = RedisCluster::start().unwrap();
    let store = RedisStore::connect(&cluster.url(), "test").await.unwrap();
    let line = LedgerRecord {
        unit: "a".into(),
        tick: TickMs(1),
        last_tick: TickMs(1),
        count: 1,
        outcome: Outcome::Ok,
        retried: false,
        reason: String::new(),
        node: "Node".into(),
        identity: None,
        token: None,
        attempt: Some(1),
        fired_at_ms: Some(1),
        ended_at_ms: 1,
        error: String::new(),
        cause: None,
        actor: String::new(),
        request: String::new(),
    };
    let line = std::slice::from_ref(&line);
    store.record(&caller(), line).await.unwrap();
    let to = other_primary(&cluster);
    let migration = cluster.migrate_slot(key_slot(META), to).unwrap();
    migration.begin().unwrap();
    while migration.move_keys(100).unwrap() > 0 {}
    // The old owner sends it on, and stays the owner.
    assert_eq!(store.ledger("a", 5).await.unwrap(), line);
    // Of these keys, one was never written: until the slot has moved, no node
    // can say whether it is on its way.
    let error = store
        .heartbeat(&caller(), Heartbeat::alive())
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert_eq!(store.ledger("a", 5).await.unwrap(), line);
    migration.finish().unwrap();
    // The request that meets `MOVED` goes on by itself.
    assert_eq!(store.ledger("a", 5).await.unwrap(), line);
    store
        .heartbeat(&caller(), Heartbeat::alive())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_named() {
    let cluster = RedisCluster::start().unwrap();
    let plain = other_primary(&cluster).url();
    let error = RedisStore::connect(&plain, "test").await.unwrap_err();
    assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
    assert!(error.to_string().contains("redis+cluster://"), "{error}");

    let single = RedisServer::start().unwrap();
    let url = single.url().replace("redis://", "redis+cluster://");
    let error = RedisStore::connect(&url, "test").await.unwrap_err();
    assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
    assert!(error.to_string().contains("not in cluster mode"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rights_that_are_documented_suffice() {
    let cluster = RedisCluster::start().unwrap();
    let url = cluster.url().replace("://", "://ann:pass@");
    let none = ConnectOptions::default();
    let grant = |rule: &str| {
        for server in cluster.servers() {
            let mut command = vec!["ACL", "SETUSER", "ann", "reset", "on", ">pass"];
            command.extend(rule.split(' '));
            server.command(&command).unwrap();
        }
    };
    let rule = RedisStore::acl_rule_for(&url, "test", &none).unwrap();
    grant(&rule);
    let store = RedisStore::connect(&url, "test").await.unwrap();
    store
        .heartbeat(&caller(), Heartbeat::alive())
        .await
        .unwrap();

    // Of a cluster, but not of one Redis.
    grant(&RedisStore::acl_rule("test"));
    let error = RedisStore::connect(&url, "test").await.unwrap_err();
    assert!(error.to_string().contains("+cluster|slots"), "{error}");
    grant(&rule.replace(" +asking", ""));
    let error = RedisStore::connect(&url, "test").await.unwrap_err();
    assert!(error.to_string().contains("missing: +asking"), "{error}");
}

/// A fake node of a cluster: `answer` maps the name of a command and the port of the node to the reply.
async fn fake_node(answer: impl Fn(&str, u16) -> String + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                let mut stream = BufStream::new(stream);
                let mut line = String::new();
                // `*parts`, then `$length` and a line for each part.
                while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                    let parts: usize = line.trim()[1..].parse().unwrap();
                    let mut name = String::new();
                    for part in 0..parts {
                        line.clear();
                        stream.read_line(&mut line).await.unwrap();
                        let length: usize = line.trim()[1..].parse().unwrap();
                        let mut text = vec![0; length + 2];
                        stream.read_exact(&mut text).await.unwrap();
                        if part == 0 {
                            name = String::from_utf8_lossy(&text).trim().to_uppercase();
                        }
                    }
                    line.clear();
                    stream
                        .write_all(answer(&name, port).as_bytes())
                        .await
                        .unwrap();
                    stream.flush().await.unwrap();
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn a_request_that_is_sent_on_twice_is_unavailable() {
    for again in ["MOVED", "ASK"] {
        let to = fake_node(move |name, _| match name {
            "EVALSHA" => format!("-{again} 1 127.0.0.1:1\r\n"),
            _ => "+OK\r\n".into(),
        });
        let to = to.await;
        let from = fake_node(move |name, port| match name {
            // The node owns all hash slots.
            "CLUSTER" => {
                format!("*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:{port}\r\n")
            }
            "EVALSHA" => format!("-ASK 1 127.0.0.1:{to}\r\n"),
            _ => "+OK\r\n".into(),
        });
        let url = format!("redis+cluster://127.0.0.1:{}", from.await);
        let options = ConnectOptions::default();
        let store = RedisStore::unchecked(&url, "test", &options).await.unwrap();
        let error = store
            .heartbeat(&caller(), Heartbeat::alive())
            .await
            .unwrap_err();
        let named = matches!(&error, StoreError::Unavailable(text) if text.contains("sends it on"));
        assert!(named, "{error:?}");
    }
}
