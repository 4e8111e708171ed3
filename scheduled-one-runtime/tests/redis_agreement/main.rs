//! The scripts are a port of `protocol`: the same random operations go to both,
//! and replies and everything that is stored have to be equal.
//!
//! `SCHEDULED_ONE_SEED` replays a run as far as the clock of Redis allows,
//! `SCHEDULED_ONE_OPS` makes it longer.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

mod stored;
mod world;

use std::collections::BTreeMap;
use std::env;
use std::fmt::Debug;

use deadpool_redis::redis::Client;
use scheduled_one_runtime::store::Store;
use scheduled_one_runtime::store::memory::Namespace;
use scheduled_one_runtime::store::message::{Beat, Verdict};
use scheduled_one_runtime::store::redis::RedisStore;
use test_support::RedisServer;

use stored::{compare, same};
use world::{Rng, World};

const OPERATIONS: u64 = 120_000;
/// How often each of them has to come up, for the test to prove anything.
const OFTEN: u64 = 100;
const MUST_OCCUR: [&str; 26] = [
    "claim granted",
    "claim granted again",
    "claim skipped",
    "claim forgone",
    "claim decided",
    "claim moved",
    "claim early",
    "claim late",
    "claim quarantined",
    "claim stale",
    "renew until",
    "renew readopted",
    "renew lost",
    "renew late",
    "finish recorded",
    "finish refused",
    "write_off lost",
    "write_off changed",
    "write_off quarantined",
    "enroll marks",
    "beat",
    "overdue",
    "flush",
    "other process",
    "clock went back",
    "unit twice in a batch",
];

fn word(value: &impl Debug) -> String {
    let text = format!("{value:?}").to_lowercase();
    text.split(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn name(prefix: &str, value: &impl Debug) -> &'static str {
    let wanted = format!("{prefix} {}", word(value));
    MUST_OCCUR
        .iter()
        .find(|name| **name == wanted)
        .unwrap_or_else(|| panic!("{wanted}?"))
}

/// A batch of one kind to both.
macro_rules! step_of {
    ($world:ident, $store:ident, $operation:ident, $unit:expr) => {{
        let caller = $world.caller();
        let batch = $world.batch(World::$operation, $unit);
        let reply = $store.$operation(&caller, &batch).await.unwrap();
        let now = $world.enter(&caller, &reply.head);
        let expected = $world.model.$operation(&caller, &batch, now);
        same(&batch, &reply.body, &expected);
        for answer in &reply.body {
            $world.count(name(stringify!($operation), answer));
        }
        batch.len() as u64
    }};
}

/// One batch to both; returns how many operations it was.
async fn step(world: &mut World, store: &RedisStore) -> u64 {
    match world.rng.range(0, 9) {
        0..=3 => claim(world, store).await,
        4..=5 => step_of!(world, store, renew, |r| &r.run.unit),
        6 => step_of!(world, store, finish, |f| &f.run.unit),
        7 => step_of!(world, store, enroll, |e| &e.unit),
        8 => step_of!(world, store, write_off, |w| &w.unit),
        _ => beat(world, store).await,
    }
}

async fn claim(world: &mut World, store: &RedisStore) -> u64 {
    let caller = world.caller();
    let batch = world.batch(World::claim, |c| &c.unit);
    let before = world.model.clone();
    let reply = store.claim(&caller, &batch).await.unwrap();
    let now = world.enter(&caller, &reply.head);
    same(
        &batch,
        &reply.body,
        &world.model.claim(&caller, &batch, now),
    );
    for (claim, claimed) in batch.iter().zip(&reply.body) {
        let record = before.units.get(&claim.unit);
        let again = record.is_some_and(|record| record.run.nonce == claim.nonce);
        let granted = matches!(claimed.verdict, Verdict::Granted { .. });
        world.count(match granted && again {
            true => "claim granted again",
            false => name("claim", &claimed.verdict),
        });
        world.remember(claim, &claimed.verdict);
    }
    batch.len() as u64
}

async fn beat(world: &mut World, store: &RedisStore) -> u64 {
    let caller = world.caller();
    let beat = match world.rng.one_in(4) {
        true => Beat::Leaving,
        false => Beat::Alive,
    };
    let reply = store.beat(&caller, beat.clone()).await.unwrap();
    let now = world.enter(&caller, &reply.head);
    same(&beat, &reply.body, &world.model.beat(&caller, &beat, now));
    world.count("beat");
    for _ in &reply.body.overdue {
        world.count("overdue");
    }
    1
}

/// What operators, failovers and clocks do to a store.
fn trouble(world: &mut World, redis: &RedisServer) {
    let meta = "so:{test}:meta";
    match world.rng.range(0, 399) {
        0 => {
            redis.flush().unwrap();
            world.model = Namespace::default();
            world.count("flush");
        }
        1..=3 => {
            redis
                .command(&["HSET", meta, "rid", "another:one"])
                .unwrap();
            world.model.meta.serving = "another:one".to_owned();
            world.count("other process");
        }
        4..=5 => {
            let from = world.now_ms + 5_000;
            redis
                .command(&["HSET", meta, "qs", &from.to_string()])
                .unwrap();
            world.model.meta.quarantine_from_ms = from;
            world.count("clock went back");
        }
        6 => {
            redis.command(&["HDEL", meta, "ver"]).unwrap();
            world.model.meta.version = 0;
        }
        7 => {
            let at = world.now_ms - 40_000;
            redis
                .command(&["ZADD", "so:{test}:nodes", &at.to_string(), "old"])
                .unwrap();
            world.model.nodes.insert("old".to_owned(), at);
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
    let mut raw = client.get_multiplexed_async_connection().await.unwrap();
    let mut world = World {
        rng: Rng(seed),
        model: Namespace::default(),
        now_ms: fresh.as_millis() as i64,
        runs: Vec::new(),
        seen: BTreeMap::new(),
    };
    let (mut done, mut batches) = (0, 0u64);
    while done < operations {
        trouble(&mut world, &redis);
        done += step(&mut world, &store).await;
        batches += 1;
        if batches.is_multiple_of(4) {
            compare(&world, &store, &mut raw).await;
        }
    }
    compare(&world, &store, &mut raw).await;
    println!("{done} operations in {batches} batches: {:#?}", world.seen);
    for what in MUST_OCCUR {
        let times = world.seen.get(what).copied().unwrap_or_default();
        let often = match what {
            "flush" | "other process" | "clock went back" => OFTEN / 5, // trouble is rare
            _ => OFTEN,
        };
        assert!(
            times * OPERATIONS >= often * operations.min(OPERATIONS),
            "{what}: only {times} times"
        );
    }
}
