//! The scripts are a port of `protocol`: the same random operations go to both,
//! and replies and everything that is stored have to be equal.
//!
//! `SCHEDULED_ONE_SEED` replays a run as far as the clock of Redis allows,
//! `SCHEDULED_ONE_OPS` makes it longer.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

mod counted;
mod stored;
mod world;

use std::collections::BTreeMap;
use std::env;
use std::slice;
use std::time::Duration;

use deadpool_redis::redis::{AsyncConnectionConfig, Client};
use scheduled_one_protocol::machine::{self, Now, Record};
use scheduled_one_protocol::memory::BucketState;
use scheduled_one_protocol::message::{
    Caller, Heartbeat, HeartbeatReply, OverdueRun, Recorded, Register, Renew,
};
use scheduled_one_protocol::{Store, Survey, Wanted, WorkingSet};
use scheduled_one_redis::RedisStore;
use test_support::RedisServer;

use counted::{MUST_OCCUR, OFTEN};
use stored::{compare, same};
use world::{Rng, World};

const OPERATIONS: u64 = 120_000;
/// How long the test waits for what is stored.
const PATIENCE: Duration = Duration::from_secs(20);

/// A batch of one kind to both. The model gets it one by one: that comes to the
/// same, and tells what each of them met.
macro_rules! step_of {
    ($world:ident, $store:ident, $operation:ident, $wanted:expr, $decide:expr, $before:expr, $count:expr) => {{
        let caller = $world.caller();
        let batch = $world.batch(World::$operation);
        let reply = $store.$operation(&caller, &batch).await.unwrap();
        let now = $world.enter(&caller, &reply.head);
        let mut expected = Vec::new();
        for (item, answer) in batch.iter().zip(&reply.body) {
            let before = $before($world, item);
            let one = slice::from_ref(item);
            let wanted = $wanted(one);
            expected.extend($world.decide(&caller, now, &wanted, |set| $decide(set, &caller, one)));
            $count($world, item, before, answer);
        }
        same(&batch, &reply.body, &expected);
        batch.len() as u64
    }};
    ($world:ident, $store:ident, $operation:ident, $decide:expr, |$item:ident: $kind:ty| $unit:expr) => {
        step_of!(
            $world,
            $store,
            $operation,
            |one: &[$kind]| Wanted::units(one.iter().map(|$item| $unit)),
            $decide,
            |world: &World, $item: &$kind| world.record($unit),
            |world: &mut World, $item: &$kind, before: Record, answer: &_| {
                let operation = stringify!($operation);
                world.count(&counted::answer(operation, answer));
                counted::changed(world, operation, $unit, &before);
            }
        )
    };
}

/// One batch to both; returns how many operations it was.
async fn step(world: &mut World, store: &RedisStore) -> u64 {
    match world.rng.range(0, 21) {
        0..=9 => step_of!(
            world,
            store,
            claim,
            Wanted::claims,
            WorkingSet::claim,
            |world: &World, claim| counted::records(world, claim),
            |world: &mut World, claim, before: Vec<Record>, claimed| {
                counted::claimed(world, claim, &before, claimed);
                world.remember(&claimed.verdict);
            }
        ),
        10..=12 => step_of!(world, store, renew, WorkingSet::renew, |renew: Renew| {
            &renew.run.unit
        }),
        13..=14 => step_of!(
            world,
            store,
            finish,
            |one: &[world::Finish]| Wanted::units([&one[0].run.unit]),
            WorkingSet::finish,
            |world: &World, finish: &world::Finish| world.record(&finish.run.unit),
            |world: &mut World, finish, before: Record, finished: &_| {
                counted::finished(world, finish, &before, *finished);
            }
        ),
        15 => step_of!(
            world,
            store,
            register,
            |set: &mut WorkingSet, _: &Caller, one: &[Register]| set.register(one),
            |register: Register| &register.unit
        ),
        16..=17 => step_of!(
            world,
            store,
            write_off,
            WorkingSet::write_off,
            |run: OverdueRun| &run.unit
        ),
        18 => record(world, store).await,
        19 => inspect(world, store).await,
        20 => other_buckets(world, store).await,
        _ => heartbeat(world, store).await,
    }
}

async fn record(world: &mut World, store: &RedisStore) -> u64 {
    let caller = world.caller();
    let batch = world.batch(World::line);
    let reply = store.record(&caller, &batch).await.unwrap();
    assert_eq!(reply.body, vec![Recorded::Written; batch.len()]);
    let now = world.enter(&caller, &reply.head);
    let lines = batch.iter().cloned();
    world.decide(&caller, now, &Wanted::default(), |set| {
        set.lines.extend(lines)
    });
    for _ in &batch {
        world.count("record");
    }
    batch.len() as u64
}

async fn inspect(world: &mut World, store: &RedisStore) -> u64 {
    let caller = world.caller();
    let batch = world.batch(World::unit);
    let reply = store.inspect(&caller, &batch).await.unwrap();
    world.enter(&caller, &reply.head);
    let expected = batch.iter().map(|unit| world.record(unit).status());
    same(&batch, &reply.body, &expected.collect());
    for _ in &batch {
        world.count("inspect");
    }
    batch.len() as u64
}

async fn heartbeat(world: &mut World, store: &RedisStore) -> u64 {
    let caller = world.caller();
    let heartbeat = match world.rng.one_in(4) {
        true => Heartbeat::Leaving,
        false => Heartbeat::Alive,
    };
    let reply = store.heartbeat(&caller, heartbeat).await.unwrap();
    let now = world.enter(&caller, &reply.head);
    let wanted = Wanted {
        nodes: true,
        ..Wanted::default()
    };
    let nodes = world.decide(&caller, now, &wanted, |set| {
        set.heartbeat(&caller, heartbeat)
    });
    let Survey { ready, overdue } = world.model.survey(now);
    let expected = HeartbeatReply {
        nodes,
        ready,
        overdue,
    };
    same(&heartbeat, &reply.body, &expected);
    world.count("heartbeat");
    for _ in &reply.body.overdue {
        world.count("overdue");
    }
    for _ in &reply.body.ready {
        world.count("heartbeat ready");
    }
    1
}

/// A node that believes in another number of buckets, where one is known.
async fn other_buckets(world: &mut World, store: &RedisStore) -> u64 {
    let mut caller = world.caller();
    let meta = &mut world.model.meta;
    if (meta.buckets, meta.version) == (0, 0) {
        return 0;
    }
    caller.buckets = caller.buckets % 3 + 1;
    let now = Now { us: 0 }; // it does not come to that
    let expected = machine::enter(meta, "", &caller, now).unwrap_err();
    let batch = world.batch(World::claim);
    let error = store.claim(&caller, &batch).await.unwrap_err();
    same(&caller, &error, &expected.into());
    let error = store
        .heartbeat(&caller, Heartbeat::Alive)
        .await
        .unwrap_err();
    same(&caller, &error, &expected.into());
    world.count("other buckets");
    batch.len() as u64
}

/// What operators, failovers and clocks do to a store.
fn trouble(world: &mut World, redis: &RedisServer) {
    let meta = "so:{test}:meta";
    match world.rng.range(0, 399) {
        0 => {
            redis.flush().unwrap();
            world.model = BucketState::default();
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
            redis.command(&["HDEL", meta, "buckets"]).unwrap();
            world.model.meta.buckets = 0;
            world.count("buckets not counted");
        }
        8 => {
            let at = world.now_ms - 40_000;
            redis
                .command(&["ZADD", "so:{test}:nodes", &at.to_string(), "old"])
                .unwrap();
            world.model.nodes.insert("old".to_owned(), at);
        }
        9 => {
            // Damaged: it would never be over.
            let until = world.now_ms + 1_000_000_000;
            redis
                .command(&["HSET", meta, "q", &until.to_string()])
                .unwrap();
            world.model.meta.quarantine_until_ms = until;
            world.count("endless quarantine");
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
    let mut world = World {
        rng: Rng(seed),
        model: BucketState::default(),
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
        assert!(
            times * OPERATIONS >= OFTEN * operations.min(OPERATIONS),
            "{what}: only {times} times"
        );
    }
}
