//! Everything that is stored, against everything the model holds.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use deadpool_redis::redis::{self, aio::MultiplexedConnection};
use scheduled_one_runtime::store::Store;
use scheduled_one_runtime::store::protocol::Record;
use scheduled_one_runtime::store::redis::RedisStore;

use crate::world::{UNITS, World};

pub(crate) fn same<T: PartialEq + Debug>(batch: &impl Debug, redis: &T, model: &T) {
    assert_eq!(
        redis, model,
        "left is Redis, right the model, after {batch:#?}"
    );
}

type Hash = BTreeMap<String, String>;

/// Everything stored, against everything the model holds.
pub(crate) async fn compare(world: &World, store: &RedisStore, raw: &mut MultiplexedConnection) {
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
