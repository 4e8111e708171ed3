//! Comparison of everything that is stored with everything that the model holds.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Debug;

use deadpool_redis::redis::{self, aio::MultiplexedConnection};
use scheduled_one_protocol::machine::{Record, Waiting};
use scheduled_one_protocol::message::Origin;
use scheduled_one_protocol::{
    DecidingSchedule, FencingToken, Start, Store, TickMs, TrailEntry, UnitName,
};
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
    let trail = store.trail(None, 1_000).await.unwrap();
    let trail: Vec<TrailEntry> = trail.into_iter().map(|line| line.entry).collect();
    let expected = workload.model.newest_entries(None, 1_000);
    same(
        &"trail",
        &trail,
        &expected.into_iter().map(|line| line.entry).collect(),
    );
    let mut pipeline = redis::pipe();
    for hash in ["meta", "members", "lists", "ctl", "jobs", "left"] {
        pipeline.cmd("HGETALL").arg(format!("so:{{test}}:{hash}"));
    }
    compare_requests(workload, raw).await;
    for set in ["leases", "ready", "due", "nodes"] {
        let key = format!("so:{{test}}:{set}");
        pipeline
            .cmd("ZRANGE")
            .arg(key)
            .arg(0)
            .arg(-1)
            .arg("WITHSCORES");
    }
    let (meta, members, lists, ctl, jobs, left, leases, ready, due, nodes): (
        Hash,
        Hash,
        Hash,
        Hash,
        Hash,
        Hash,
        Set,
        Set,
        Set,
        Set,
    ) = pipeline.query_async(raw).await.unwrap();
    let directives = workload.model.meta.directives.iter();
    let directives = directives.map(|(subject, one)| (subject.to_owned(), one.to_string()));
    same(&"ctl", &ctl, &directives.collect());
    let catalog = workload.model.catalog.iter();
    let catalog = catalog.map(|(job, entry)| (job.clone(), entry.to_string()));
    same(&"jobs", &jobs, &catalog.collect());
    let checkpoints = workload.model.checkpoints.iter();
    let checkpoints =
        checkpoints.map(|(unit, of)| (unit.to_string(), format!("{} {}", of.token.get(), of.text)));
    same(&"left", &left, &checkpoints.collect());
    compare_meta(workload, &meta);
    compare_sets(workload, &leases, &ready, &due);
    compare_nodes(workload, &nodes, &members, &lists);
}

fn compare_nodes(workload: &Workload, nodes: &Set, members: &Hash, lists: &Hash) {
    let living = &workload.model.nodes.living;
    let beats = living.iter().map(|(id, node)| (id.clone(), node.beat_ms));
    same(&"nodes", nodes, &beats.collect());
    // A member without a heartbeat is removed when the next node comes or goes.
    let shown = |id: &str| members.get(id).cloned().unwrap_or_default();
    for (id, node) in living {
        let expected = match node.name.is_empty() {
            true => String::new(), // put there without a heartbeat, see `main.rs`
            false => {
                let labels = node.labels.words().flat_map(|word| [",", word]);
                format!("{}{} {}", node.jobs, labels.collect::<String>(), node.name)
            }
        };
        same(id, &shown(id), &expected);
        let offset = node
            .clock_offset_ms
            .map_or_else(String::new, |ms| ms.to_string());
        let field = format!("{id} offset");
        same(&field, &shown(&field), &offset);
    }
    let expected = workload.model.nodes.job_lists.iter();
    let expected = expected.map(|(digest, list)| (digest.to_string(), list.as_text().to_owned()));
    same(&"lists", lists, &expected.collect());
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
        record.next_due_ms = None; // in a set of its own
        record.run.stop &= record.running; // a run that has ended is not cancelled
        if !record.run.stop {
            record.run.stop_why.clear();
        }
        same(unit, &as_record(hash), &record);
    }
}

async fn compare_requests(workload: &Workload, raw: &mut MultiplexedConnection) {
    let model = &workload.model;
    let mut pipeline = redis::pipe();
    let lanes: Vec<UnitName> = units().into_iter().filter(UnitName::is_lane).collect();
    for lane in &lanes {
        let unit = lane.without_slot();
        pipeline.cmd("HKEYS").arg(format!("so:{{test}}:ask:{unit}"));
    }
    // What a request says is compared when it is granted.
    let stored: Vec<BTreeSet<i64>> = pipeline.query_async(raw).await.unwrap();
    for (lane, stored) in lanes.iter().zip(stored) {
        let of_lane = model.requests.keys().filter(|(name, _)| name == lane);
        same(lane, &stored, &of_lane.map(|(_, tick)| tick.ms()).collect());
    }
    let mut pipeline = redis::pipe();
    pipeline.cmd("HGETALL").arg("so:{test}:asked");
    let range = ["so:{test}:asks", "0", "-1", "WITHSCORES"];
    pipeline.cmd("ZRANGE").arg(&range);
    let (asked, asks): (BTreeMap<String, i64>, BTreeMap<String, i64>) =
        pipeline.query_async(raw).await.unwrap();
    let known = model.known_requests.iter();
    let known = known.map(|((unit, id), tick)| (format!("{unit} {id}"), tick.ms()));
    same(&"asked", &asked, &known.collect());
    same(&"asks", &asks, &asked);
}

fn compare_meta(workload: &Workload, meta: &Hash) {
    let expected = &workload.model.meta;
    let number = |name: &str| meta.get(name).map_or(0, |v| v.parse::<i64>().unwrap());
    let stored = (
        number("ver"),
        number("qs"),
        number("q"),
        number("buckets"),
        number("mv"),
        number("cv"),
    );
    let modelled = (
        expected.version as i64,
        expected.quarantine_from_ms,
        expected.quarantine_until_ms,
        expected.buckets.into(),
        expected.membership_version as i64,
        expected.control_version as i64,
    );
    same(&"meta", &stored, &modelled);
    same(
        &"meta",
        &meta.get("rid").cloned().unwrap_or_default(),
        &expected.serving,
    );
}

fn compare_sets(workload: &Workload, leases: &Set, ready: &Set, due: &Set) {
    let records = &workload.model.records;
    let running = records.iter().filter(|(_, record)| record.running);
    let expected = running.map(|(unit, record)| (unit.to_string(), record.overdue_at_ms()));
    same(&"leases", leases, &expected.collect());
    let free = records.iter().filter(|(_, record)| record.ready());
    let expected = free.map(|(unit, _)| (unit.to_string(), 0));
    same(&"ready", ready, &expected.collect());
    let next = records
        .iter()
        .filter_map(|(unit, record)| Some((unit.to_string(), record.next_due_ms?)));
    same(&"due", due, &next.collect());
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
    record.has_lane = text("ask") == "1";
    record.run.origin = Origin::parse(&text("org"));
    if let Some((token, why)) = text("why").split_once(' ')
        && token == text("rtok")
        && text("st") == "stop"
    {
        record.run.stop_why = why.to_owned();
    }
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
