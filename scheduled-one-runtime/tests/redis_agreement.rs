//! The scripts are a port of `protocol`: the same random operations go to both,
//! and replies and everything that is stored have to be equal.
//!
//! `SCHEDULED_ONE_SEED` replays a run as far as the clock of Redis allows,
//! `SCHEDULED_ONE_OPS` makes it longer.

use std::collections::{BTreeMap, HashMap};
use std::env;
use std::fmt::Debug;

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{self, Client};
use scheduled_one_runtime::store::Store;
use scheduled_one_runtime::store::memory::Namespace;
use scheduled_one_runtime::store::message::{
    Beat, Caller, Claim, Enroll, Finish, Head, Intent, Missed, Outcome, Renew, RunId, Verdict,
    Watched,
};
use scheduled_one_runtime::store::protocol::{Now, Record};
use scheduled_one_runtime::store::redis::RedisStore;
use test_support::RedisServer;

const OPERATIONS: u64 = 120_000;
const UNITS: [&str; 5] = ["mail", "bill/0", "bill/1", "a.b:c", "x"];
const NONCES: [&str; 6] = ["n0", "n1", "n2", "n3", "n4", "n5"];
const TEXTS: [&str; 5] = ["", "down", "ä \"quoted\" {x}", "two\r\nlines", "1.5e3"];
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
    "enroll",
    "beat",
    "overdue",
    "flush",
    "other process",
    "clock went back",
    "unit twice in a batch",
];

/// splitmix64: small, and the same everywhere.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn range(&mut self, low: i64, high: i64) -> i64 {
        low + (self.next() % (high - low + 1) as u64) as i64
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[(self.next() % items.len() as u64) as usize]
    }
}

/// What is generated from: the model's state steers towards rare verdicts.
struct World {
    rng: Rng,
    model: Namespace,
    now_ms: i64,
    /// Runs granted lately: some of them are old by now.
    runs: Vec<RunId>,
    seen: BTreeMap<&'static str, u64>,
}

impl World {
    fn caller(&mut self) -> Caller {
        let i = self.rng.range(0, 3);
        Caller {
            node: format!("node-{i}"),
            name: format!("Node {i}"),
            quarantine_ms: 1 + i * 3,
            ledger_limit: [5, 1, 8, 0][i as usize],
        }
    }

    fn record(&self, unit: &str) -> Record {
        self.model.units.get(unit).cloned().unwrap_or_default()
    }

    fn floors(&mut self, record: &Record) -> (i64, u64) {
        let (hwm, token) = (record.marks.hwm_ms, record.marks.token);
        let floor_hwm = match self.rng.range(0, 199) {
            0 => self.now_ms + self.rng.range(0, 200),
            1..60 => hwm,
            60..70 => hwm + self.rng.range(-20, 20),
            _ => 0,
        };
        let floor_token = match self.rng.range(0, 399) {
            0 => (1 << 53) - (1 << 40) - self.rng.next() % 1000, // hostile, and still exact
            1..100 => token,
            100..120 => token + self.rng.next() % 3,
            120..124 => (self.now_ms * 1000) as u64 + self.rng.next() % 100_000,
            _ => 0,
        };
        (floor_hwm, floor_token)
    }

    fn claim(&mut self) -> Claim {
        let unit = *self.rng.pick(&UNITS);
        let record = self.record(unit);
        let known = record.marks.decided_to_ms();
        let tick_ms = match self.rng.range(0, 19) {
            0 => known,
            1 => self.now_ms + self.rng.range(5, 60),
            2 => known - self.rng.range(0, 30),
            _ => (known + 1).max(self.now_ms - self.rng.range(0, 3)),
        };
        let after_ms = match self.rng.range(0, 9) {
            0 => known + self.rng.range(-2, 2),
            _ => known,
        };
        let (floor_hwm_ms, floor_token) = self.floors(&record);
        let missed = self.rng.one_in(4).then(|| Missed {
            first_ms: after_ms + 1,
            last_ms: tick_ms - 1,
            count: self.rng.next() % 1_000_000,
            reason: self.rng.pick(&TEXTS).to_string(),
        });
        Claim {
            unit: unit.to_owned(),
            tick_ms,
            after_ms,
            floor_hwm_ms,
            floor_token,
            nonce: match self.rng.one_in(6) {
                true => record.run.nonce,
                false => self.rng.pick(&NONCES).to_string(),
            },
            valid_until_ms: self.now_ms + self.rng.range(-1, 20),
            lease_ms: self.rng.range(1, 50),
            intent: match self.rng.one_in(5) {
                true => Intent::Forgo,
                false => Intent::Run,
            },
            missed,
        }
    }

    /// A run that is going, was going, or never was.
    fn run(&mut self) -> RunId {
        if !self.runs.is_empty() && self.rng.one_in(3) {
            return self.rng.pick(&self.runs).clone();
        }
        let unit = *self.rng.pick(&UNITS);
        let record = self.record(unit);
        let hostile = self.rng.one_in(6);
        RunId {
            unit: unit.to_owned(),
            tick_ms: record.run.tick_ms + if hostile { self.rng.range(0, 9) } else { 0 },
            nonce: match hostile {
                true => self.rng.pick(&NONCES).to_string(),
                false => record.run.nonce,
            },
            token: match self.rng.range(0, 9) {
                0 => record.marks.token + 1,
                1 => record.marks.token.saturating_sub(1),
                2 => record.marks.token,
                _ => record.run.token,
            },
            attempt: self.rng.range(1, 3) as u32,
            lease_ms: self.rng.range(1, 50),
            granted_at_ms: self.now_ms - self.rng.range(0, 50),
        }
    }

    fn renew(&mut self) -> Renew {
        Renew {
            run: self.run(),
            valid_until_ms: self.now_ms + self.rng.range(-1, 10),
        }
    }

    fn finish(&mut self) -> Finish {
        Finish {
            run: self.run(),
            outcome: *self.rng.pick(&Outcome::ALL),
            reason: self.rng.pick(&TEXTS).to_string(),
            error: self.rng.pick(&TEXTS).to_string(),
            fired_at_ms: self.now_ms - self.rng.range(0, 9),
            ended_at_ms: self.now_ms,
        }
    }

    fn enroll(&mut self) -> Enroll {
        let unit = *self.rng.pick(&UNITS);
        let record = self.record(unit);
        let (floor_hwm_ms, floor_token) = self.floors(&record);
        Enroll {
            unit: unit.to_owned(),
            first_seen_ms: self.now_ms + self.rng.range(-40, 5),
            floor_hwm_ms,
            floor_token,
        }
    }

    fn watched(&mut self) -> Watched {
        let unit = *self.rng.pick(&UNITS);
        let mut watched = self.record(unit).watched(unit);
        match self.rng.range(0, 9) {
            0 => watched.seq += 1,
            1 => watched.nonce = self.rng.pick(&NONCES).to_string(),
            _ => {}
        }
        watched
    }

    fn batch<T>(&mut self, one: impl Fn(&mut Self) -> T, unit: impl Fn(&T) -> &str) -> Vec<T> {
        let items: Vec<T> = (0..self.rng.range(1, 9)).map(|_| one(self)).collect();
        let mut units: Vec<&str> = items.iter().map(unit).collect();
        units.sort_unstable();
        if units.windows(2).any(|pair| pair[0] == pair[1]) {
            self.count("unit twice in a batch");
        }
        items
    }

    fn count(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    /// Brings the model to where Redis was when it decided.
    fn enter(&mut self, caller: &Caller, head: &Head) -> Now {
        let now = Now { us: head.now_us };
        self.now_ms = now.ms();
        self.model.serving = head.serving.clone();
        self.model.enter(caller, now).expect("version 1");
        assert_eq!(*head, self.model.head(now), "head");
        now
    }

    fn remember(&mut self, claim: &Claim, verdict: &Verdict) {
        let Verdict::Granted { token, attempt, .. } = *verdict else {
            return;
        };
        if self.runs.len() == 20 {
            self.runs.remove(0);
        }
        self.runs.push(RunId {
            unit: claim.unit.clone(),
            tick_ms: claim.tick_ms,
            nonce: claim.nonce.clone(),
            token,
            attempt,
            lease_ms: claim.lease_ms,
            granted_at_ms: self.now_ms,
        });
    }
}

fn same<T: PartialEq + Debug>(batch: &impl Debug, redis: &T, model: &T) {
    assert_eq!(
        redis, model,
        "left is Redis, right the model, after {batch:#?}"
    );
}

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

/// One batch to both; returns how many operations it was.
async fn step(world: &mut World, store: &RedisStore) -> u64 {
    let caller = world.caller();
    match world.rng.range(0, 9) {
        0..=3 => {
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
                let again = before
                    .units
                    .get(&claim.unit)
                    .is_some_and(|r| r.run.nonce == claim.nonce);
                let granted = matches!(claimed.verdict, Verdict::Granted { .. });
                world.count(if granted && again {
                    "claim granted again"
                } else {
                    name("claim", &claimed.verdict)
                });
                world.remember(claim, &claimed.verdict);
            }
            batch.len() as u64
        }
        4..=5 => {
            let batch = world.batch(World::renew, |r| &r.run.unit);
            let reply = store.renew(&caller, &batch).await.unwrap();
            let now = world.enter(&caller, &reply.head);
            same(
                &batch,
                &reply.body,
                &world.model.renew(&caller, &batch, now),
            );
            reply
                .body
                .iter()
                .for_each(|it| world.count(name("renew", it)));
            batch.len() as u64
        }
        6 => {
            let batch = world.batch(World::finish, |f| &f.run.unit);
            let reply = store.finish(&caller, &batch).await.unwrap();
            let now = world.enter(&caller, &reply.head);
            same(
                &batch,
                &reply.body,
                &world.model.finish(&caller, &batch, now),
            );
            reply
                .body
                .iter()
                .for_each(|it| world.count(name("finish", it)));
            batch.len() as u64
        }
        7 => {
            let batch = world.batch(World::enroll, |e| &e.unit);
            let reply = store.enroll(&caller, &batch).await.unwrap();
            let now = world.enter(&caller, &reply.head);
            same(
                &batch,
                &reply.body,
                &world.model.enroll(&caller, &batch, now),
            );
            world.count("enroll");
            batch.len() as u64
        }
        8 => {
            let batch = world.batch(World::watched, |w| &w.unit);
            let reply = store.write_off(&caller, &batch).await.unwrap();
            let now = world.enter(&caller, &reply.head);
            same(
                &batch,
                &reply.body,
                &world.model.write_off(&caller, &batch, now),
            );
            reply
                .body
                .iter()
                .for_each(|it| world.count(name("write_off", it)));
            batch.len() as u64
        }
        _ => {
            let beat = if world.rng.one_in(4) {
                Beat::Leaving
            } else {
                Beat::Alive
            };
            let reply = store.beat(&caller, beat.clone()).await.unwrap();
            let now = world.enter(&caller, &reply.head);
            same(&beat, &reply.body, &world.model.beat(&caller, &beat, now));
            world.count("beat");
            reply
                .body
                .overdue
                .iter()
                .for_each(|_| world.count("overdue"));
            1
        }
    }
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
            let at = world.now_ms - 40_000;
            redis
                .command(&["ZADD", "so:{test}:nodes", &at.to_string(), "old"])
                .unwrap();
            world.model.nodes.insert("old".to_owned(), at);
        }
        _ => {}
    }
}

type Hash = BTreeMap<String, String>;

/// Everything stored, against everything the model holds.
async fn compare(world: &World, store: &RedisStore, raw: &mut MultiplexedConnection) {
    let mut pipeline = redis::pipe();
    for unit in UNITS {
        pipeline
            .cmd("HGETALL")
            .arg(format!("so:{{test}}:job:{unit}"));
    }
    let hashes: Vec<Hash> = pipeline.query_async(raw).await.unwrap();
    for (unit, hash) in UNITS.iter().zip(&hashes) {
        let record = world.record(unit);
        same(unit, &as_record(hash), &record);
        let ledger = store.ledger(unit, 100).await.unwrap();
        let expected = world.model.ledgers.get(*unit).into_iter().flatten().rev();
        same(unit, &ledger, &expected.cloned().collect());
    }
    let (meta, leases, nodes): (Hash, HashMap<String, i64>, BTreeMap<String, i64>) = redis::pipe()
        .cmd("HGETALL")
        .arg("so:{test}:meta")
        .cmd("ZRANGE")
        .arg("so:{test}:leases")
        .arg(0)
        .arg(-1)
        .arg("WITHSCORES")
        .cmd("ZRANGE")
        .arg("so:{test}:nodes")
        .arg(0)
        .arg(-1)
        .arg("WITHSCORES")
        .query_async(raw)
        .await
        .unwrap();
    let expected = &world.model.meta;
    let number = |name: &str| meta.get(name).map_or(0, |v| v.parse::<i64>().unwrap());
    let stored = (number("ver"), number("qs"), number("q"));
    let modelled = (
        expected.version as i64,
        expected.quarantine_from_ms,
        expected.quarantine_until_ms,
    );
    same(&"meta", &stored, &modelled);
    same(
        &"meta",
        &meta.get("rid").cloned().unwrap_or_default(),
        &expected.serving,
    );
    let running = world
        .model
        .units
        .iter()
        .filter(|(_, record)| record.running);
    let expected = running.map(|(unit, record)| (unit.clone(), record.overdue_at_ms()));
    same(&"leases", &leases, &expected.collect());
    same(&"nodes", &nodes, &world.model.nodes);
}

fn as_record(hash: &Hash) -> Record {
    let text = |name: &str| hash.get(name).cloned().unwrap_or_default();
    let number = |name: &str| hash.get(name).map_or(0, |v| v.parse::<i64>().unwrap());
    let mut record = Record::default();
    record.marks.born_ms = number("born");
    record.marks.hwm_ms = number("hwm");
    record.marks.token = number("tok") as u64;
    record.running = text("st") == "run";
    record.run.tick_ms = number("tick");
    record.run.owner = text("own");
    record.run.nonce = text("non");
    record.run.token = number("rtok") as u64;
    record.run.attempt = number("att") as u32;
    record.run.lease_ms = number("lease");
    record.run.granted_at_ms = number("at");
    record.run.until_ms = number("until");
    record.run.seq = number("seq") as u64;
    record
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
        let often = if matches!(what, "flush") { 10 } else { OFTEN };
        assert!(
            times * OPERATIONS >= often * operations.min(OPERATIONS),
            "{what}: only {times} times"
        );
    }
}
