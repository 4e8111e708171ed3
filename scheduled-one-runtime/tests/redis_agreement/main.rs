//! The scripts are a port of the machine: the same random operations go to both, and replies and everything that is
//! stored have to be equal. The operations are those of the test kit's contract suite; what is stored, and what
//! operators do to a Redis, is added here.
//!
//! `SCHEDULED_ONE_SEED` replays a run as far as the clock of Redis allows,
//! `SCHEDULED_ONE_OPS` makes it longer.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

mod stored;

use std::env;
use std::time::Duration;

use deadpool_redis::redis::{AsyncConnectionConfig, Client};
use scheduled_one_protocol::machine::LivingNode;
use scheduled_one_protocol::memory::BucketState;
use scheduled_one_redis::RedisStore;
use scheduled_one_testkit::contract::{BEHAVIOURS, Workload};
use test_support::RedisServer;

use stored::compare;

const OPERATIONS: u64 = 120_000;
/// How often each behaviour has to come up in [`OPERATIONS`]: the test proves nothing about one that did not occur.
const OFTEN: u64 = 5;
/// The part of [`trouble`] that is counted; the other behaviours are [`BEHAVIOURS`].
const TROUBLES: [&str; 4] = [
    "flush",
    "other process",
    "clock went back",
    "buckets not counted",
];
/// How long the test waits for what is stored.
const PATIENCE: Duration = Duration::from_secs(20);

/// What operators, failovers and clocks do to a store.
fn trouble(workload: &mut Workload, redis: &RedisServer) {
    let meta = "so:{test}:meta";
    match workload.random.range(0, 399) {
        0 => {
            redis.flush().unwrap();
            workload.model = BucketState::default();
            workload.count("flush");
        }
        1..=3 => {
            redis
                .command(&["HSET", meta, "rid", "another:one"])
                .unwrap();
            workload.model.meta.serving = "another:one".to_owned();
            workload.count("other process");
        }
        4..=5 => {
            let from = workload.now_ms + 5_000;
            redis
                .command(&["HSET", meta, "qs", &from.to_string()])
                .unwrap();
            workload.model.meta.quarantine_from_ms = from;
            workload.count("clock went back");
        }
        6 => {
            redis.command(&["HDEL", meta, "ver"]).unwrap();
            workload.model.meta.version = 0;
        }
        7 => {
            redis.command(&["HDEL", meta, "buckets"]).unwrap();
            workload.model.meta.buckets = 0;
            workload.count("buckets not counted");
        }
        8 => {
            let at = workload.now_ms - 40_000;
            redis
                .command(&["ZADD", "so:{test}:nodes", &at.to_string(), "old"])
                .unwrap();
            let node = LivingNode {
                beat_ms: at,
                ..LivingNode::default()
            };
            workload.model.nodes.living.insert("old".to_owned(), node);
        }
        9 => {
            // Damaged: it would never be over.
            let until = workload.now_ms + 1_000_000_000;
            redis
                .command(&["HSET", meta, "q", &until.to_string()])
                .unwrap();
            workload.model.meta.quarantine_until_ms = until;
            workload.count("endless quarantine");
        }
        _ => {}
    }
}

fn env_number(name: &str) -> Option<u64> {
    env::var(name)
        .ok()
        .map(|text| text.parse().expect("a number"))
}

#[tokio::test]
async fn redis_and_the_protocol_agree() {
    let fresh = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let seed = env_number("SCHEDULED_ONE_SEED").unwrap_or(fresh.as_nanos() as u64);
    let operations = env_number("SCHEDULED_ONE_OPS").unwrap_or(OPERATIONS);
    println!("SCHEDULED_ONE_SEED={seed}");
    let redis = RedisServer::start().unwrap();
    let store = RedisStore::connect(&redis.url(), "test").await.unwrap();
    let client = Client::open(redis.url()).unwrap();
    // Beyond what a busy machine takes; the default is half a second.
    let patient = AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
    let raw = client.get_multiplexed_async_connection_with_config(&patient);
    let mut raw = raw.await.unwrap();
    let mut workload = Workload::new(seed, fresh.as_millis() as i64);
    let (mut done, mut batches) = (0, 0u64);
    while done < operations {
        trouble(&mut workload, &redis);
        let items = workload.step(&store).await;
        done += items.unwrap_or_else(|breach| panic!("{breach}"));
        batches += 1;
        if batches.is_multiple_of(4) {
            compare(&workload, &store, &mut raw).await;
        }
    }
    compare(&workload, &store, &mut raw).await;
    println!(
        "{done} operations in {batches} batches: {:#?}",
        workload.seen()
    );
    for what in BEHAVIOURS.into_iter().chain(TROUBLES) {
        let times = workload.seen().get(what).copied().unwrap_or_default();
        assert!(
            // A shorter run is for scripts on other servers; the whole one shows that everything comes up.
            operations < OPERATIONS || times >= OFTEN,
            "{what}: only {times} times"
        );
    }
}
