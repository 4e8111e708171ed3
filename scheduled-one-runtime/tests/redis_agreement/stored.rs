//! Comparison of everything that is stored with everything that the model holds.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use deadpool_redis::redis::{self, aio::MultiplexedConnection};
use scheduled_one_protocol::machine::{Record, Waiting};
use scheduled_one_protocol::{DecidingSchedule, FencingToken, Start, Store, TickMs};
use scheduled_one_redis::RedisStore;
use scheduled_one_testkit::contract::{JOBS, Workload, units};

fn same<T: PartialEq + Debug>(batch: &impl Debug, redis: &T, model: &T) {
    assert_eq!(
        redis, model,
        "left is Redis, right the model, after {batch:#?}"
    );
}

type Hash = BTreeMap<String, String>;

/// Scores by member.
type Set = HashMap<String, i64>;

/// Compares everything that is stored with everything that the model holds.
pub(crate) async fn compare(
    workload: &Workload,
    store: &RedisStore,
    raw: &mut MultiplexedConnection,
) {
    compare_records(workload, raw).await;
    for job in JOBS {
        let ledger = store.ledger(job, 100).await.unwrap();
        let expected = workload.model.ledgers.get(job).into_iter().flatten().rev();
        same(&job, &ledger, &expected.cloned().collect());
    }
    let (meta, leases, ready, nodes): (Hash, Set, Set, BTreeMap<String, i64>) = redis::pipe()
        .cmd("HGETALL")
        .arg("so:{test}:meta")
        .cmd("ZRANGE")
        .arg("so:{test}:leases")
        .arg(0)
        .arg(-1)
        .arg("WITHSCORES")
        .cmd("ZRANGE")
        .arg("so:{test}:ready")
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
    compare_meta(workload, &meta);
    compare_sets(workload, &leases, &ready);
    same(&"nodes", &nodes, &workload.model.nodes);
}

async fn compare_records(workload: &Workload, raw: &mut MultiplexedConnection) {
    let mut pipeline = redis::pipe();
    let units = units();
    for unit in &units {
        pipeline
            .cmd("HGETALL")
            .arg(format!("so:{{test}}:job:{unit}"));
    }
    let hashes: Vec<Hash> = pipeline.query_async(raw).await.unwrap();
    for (unit, hash) in units.iter().zip(&hashes) {
        let mut record = workload.record(unit);
        record.run.stop &= record.running; // a run that has ended is not cancelled
        same(unit, &as_record(hash), &record);
    }
}

fn compare_meta(workload: &Workload, meta: &Hash) {
    let expected = &workload.model.meta;
    let number = |name: &str| meta.get(name).map_or(0, |v| v.parse::<i64>().unwrap());
    let stored = (number("ver"), number("qs"), number("q"), number("buckets"));
    let modelled = (
        expected.version as i64,
        expected.quarantine_from_ms,
        expected.quarantine_until_ms,
        expected.buckets.into(),
    );
    same(&"meta", &stored, &modelled);
    same(
        &"meta",
        &meta.get("rid").cloned().unwrap_or_default(),
        &expected.serving,
    );
}

fn compare_sets(workload: &Workload, leases: &Set, ready: &Set) {
    let records = &workload.model.records;
    let running = records.iter().filter(|(_, record)| record.running);
    let expected = running.map(|(unit, record)| (unit.to_string(), record.overdue_at_ms()));
    same(&"leases", leases, &expected.collect());
    let free = records.iter().filter(|(_, record)| record.ready());
    let expected = free.map(|(unit, _)| (unit.to_string(), 0));
    same(&"ready", ready, &expected.collect());
}

fn as_record(hash: &Hash) -> Record {
    let text = |name: &str| hash.get(name).cloned().unwrap_or_default();
    let number = |name: &str| hash.get(name).map_or(0, |v| v.parse::<i64>().unwrap());
    let mut record = Record::default();
    record.marks.first_seen_ms = Some(number("born")).filter(|ms| *ms != 0);
    record.marks.decided = Some(TickMs(number("hwm"))).filter(|tick| tick.ms() != 0);
    record.marks.token = FencingToken(number("tok") as u64);
    record.marks.start = hash.contains_key("bt").then(|| Start {
        tick: TickMs(number("bt")),
        attempt: number("ba") as u32,
    });
    record.running = ["run", "stop"].contains(&text("st").as_str());
    record.done = text("done");
    record.quarantine_until_ms = number("q");
    record.decides = DecidingSchedule::parse(&text("sch"));
    record.run.stop = text("st") == "stop";
    record.run.takeovers = number("rer") as u32;
    record.run.tick = TickMs(number("tick"));
    record.run.owner = text("own");
    record.run.nonce = text("non");
    record.run.token = FencingToken(number("rtok") as u64);
    record.run.attempt = number("att") as u32;
    record.run.lease_ms = number("lease");
    record.run.granted_at_ms = number("at");
    record.run.until_ms = number("until");
    record.run.seq = number("seq") as u64;
    let wait = text("wait");
    let waiting = wait.split(',').filter(|one| !one.is_empty()).map(|one| {
        let mut numbers = one.split(':').map(|number| number.parse().unwrap());
        let waiting = Waiting {
            tick: TickMs(numbers.next().unwrap()),
            attempt: numbers.next().unwrap() as u32,
            takeovers: numbers.next().unwrap() as u32,
        };
        assert_eq!(numbers.next(), None, "{wait}");
        waiting
    });
    record.waiting = waiting.collect();
    record
}
