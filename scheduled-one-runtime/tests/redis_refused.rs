//! Outcomes that the store refuses until an operator repairs the key.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use scheduled_one_protocol::Store;
use scheduled_one_protocol::message::{Caller, Heartbeat};
use scheduled_one_redis::RedisStore;
use scheduled_one_runtime::{Job, JobContext, Outcome, Scheduler};
use test_support::{RedisServer, wait_until, wait_until_async};
use tokio::sync::Notify;

const BOUND: Duration = Duration::from_secs(40);
const EVERY: Duration = Duration::from_millis(200);
/// A lease so long that no node writes off the run during the test.
const LEASE: Duration = Duration::from_secs(120);

/// A namespace that is known, so that no lease has to be waited for.
async fn known(redis: &RedisServer) {
    let store = RedisStore::connect(&redis.url(), "test").await.unwrap();
    let caller = Caller {
        node: "node".into(),
        name: "Node".into(),
        quarantine_ms: 0,
        margin_ms: 0,
        ledger_limit: 5,
        buckets: 1,
    };
    store
        .heartbeat(&caller, Heartbeat::leaving())
        .await
        .unwrap();
    // And that for longer than any lease.
    redis
        .command(&["HSET", "so:{test}:meta", "qs", "1", "q", "1"])
        .unwrap();
}

/// How often a script has refused a key of another type.
fn refusals(redis: &RedisServer) -> usize {
    let stats = redis.command(&["INFO", "errorstats"]).unwrap();
    let mut lines = stats.lines();
    let count = lines.find_map(|line| line.strip_prefix("errorstat_SOTYPE:count="));
    count.map_or(0, |count| count.trim().parse().unwrap())
}

/// A run ends while this key holds something else, and later it does not any more.
async fn an_outcome_outlasts(key: &str) {
    let redis = RedisServer::start().unwrap();
    known(&redis).await;
    let (ends, first) = (Arc::new(Notify::new()), Arc::new(AtomicI64::new(0)));
    let held = {
        let (ends, first) = (Arc::clone(&ends), Arc::clone(&first));
        Job::every("held", EVERY, move |ctx: JobContext| {
            let tick_ms = ctx.scheduled_at().as_millisecond();
            let is_first = first.compare_exchange(0, tick_ms, Ordering::SeqCst, Ordering::SeqCst);
            let ends = Arc::clone(&ends);
            async move {
                if is_first.is_ok() {
                    ends.notified().await;
                }
            }
        })
    };
    let others = Arc::new(AtomicUsize::new(0));
    let other = {
        let others = Arc::clone(&others);
        Job::every("other", EVERY, move |_: JobContext| {
            others.fetch_add(1, Ordering::SeqCst);
            async {}
        })
    };
    let builder = Scheduler::builder(redis.url())
        .namespace("test")
        .lease(LEASE);
    let scheduler = Box::pin(builder.job(held).job(other).start())
        .await
        .unwrap();
    wait_until("the run is going", BOUND, || {
        first.load(Ordering::SeqCst) > 0
    });

    redis.command(&["DEL", key]).unwrap();
    redis.command(&["SET", key, "x"]).unwrap();
    let before = refusals(&redis);
    ends.notify_one();
    wait_until("it is refused and repeated", BOUND, || {
        refusals(&redis) >= before + 6
    });
    if key.contains("held") {
        let more = others.load(Ordering::SeqCst) + 5;
        wait_until("the other job goes on", BOUND, || {
            others.load(Ordering::SeqCst) >= more
        });
    }
    redis.command(&["DEL", key]).unwrap();
    let first = first.load(Ordering::SeqCst);
    wait_until_async("the outcome is in the ledger", BOUND, async || {
        let lines = scheduler.ledger("held", 1_000).await.unwrap();
        let of_it = |line: &&_| tick_of(line) == first;
        lines.iter().find(of_it).map(|line| line.outcome) == Some(Outcome::Ok)
    })
    .await;
    scheduler.shutdown(Duration::from_secs(5)).await;
}

fn tick_of(line: &scheduled_one_runtime::LedgerEntry) -> i64 {
    line.tick.as_millisecond()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_outlasts_a_foreign_ledger_of_its_job() {
    an_outcome_outlasts("so:{test}:log:held").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_outlasts_a_foreign_key_that_all_depend_on() {
    an_outcome_outlasts("so:{test}:ready").await;
}
