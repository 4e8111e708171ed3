//! Each operation on each damaged record: carried out, or refused by name.

use std::slice;

use deadpool_redis::redis::{self, aio::MultiplexedConnection};
use scheduled_one_protocol::message::{
    Caller, Claim, DueTick, Finish, Heartbeat, Intent, LowerBounds, OverdueRun, Overlap, Register,
    Renew, RunId, Target, Verdict,
};
use scheduled_one_protocol::{FencingToken, Outcome, Store, StoreError, TickMs, UnitName};
use scheduled_one_redis::RedisStore;
use test_support::{RedisServer, wait_until_async};

use crate::BOUND;
use crate::rubbish::{FIELDS, Rng, values};

const JOB: &str = "so:{test}:job:bad";

pub(crate) fn caller() -> Caller {
    Caller {
        node: "node".into(),
        name: "Node".into(),
        quarantine_ms: 0,
        margin_ms: 0,
        ledger_limit: 50,
        buckets: 1,
    }
}

/// Each nonce is used once.
pub(crate) fn claim(unit: &str, nonce: u64, target: Target) -> Claim {
    Claim {
        unit: unit.into(),
        nonce: format!("n{nonce}"),
        valid_until_ms: 1 << 52,
        lease_ms: 5_000,
        takeovers: 1,
        schedule: None,
        control: 0,
        bounds: LowerBounds::default(),
        target,
        with_lane: false,
    }
}

/// Any tick long ago.
fn tick(nonce: u64) -> TickMs {
    TickMs(1_000 + nonce as i64)
}

pub(crate) fn due(nonce: u64, intent: Intent, overlap: Overlap, after: Option<TickMs>) -> Target {
    Target::Tick(DueTick {
        due_ms: 1_000,
        after,
        intent,
        overlap,
        ..DueTick::new(tick(nonce))
    })
}

/// What waits.
pub(crate) fn queued(nonce: u64) -> Target {
    Target::Queued {
        oldest: tick(nonce),
    }
}

fn usual(unit: &str) -> Claim {
    let target = due(0, Intent::Run, Overlap::Queue(3), None);
    claim(unit, 0, target)
}

pub(crate) fn register() -> Register {
    Register {
        unit: "bad".into(),
        first_seen_ms: 7,
        lease_ms: 1_000,
        schedule: None,
        generation: 0,
        occasion: scheduled_one_protocol::message::Occasion::Again,
        decides: None,
        bounds: LowerBounds::default(),
        next_due_ms: None,
        requests: Vec::new(),
    }
}

pub(crate) fn run(nonce: &str) -> RunId {
    RunId {
        unit: "bad".into(),
        tick: TickMs(1_000),
        nonce: nonce.into(),
        token: FencingToken(1),
        attempt: 1,
        lease_ms: 5_000,
        granted_at_ms: 1_000,
        takeovers: 1,
        origin: None,
    }
}

pub(crate) fn finish(nonce: &str) -> Finish {
    Finish {
        run: run(nonce),
        outcome: Outcome::Ok,
        retried: false,
        reason: String::new(),
        error: String::new(),
        fired_at_ms: Some(1),
        ended_at_ms: 1,
    }
}

/// What became of each operation: its error, if it has one.
async fn every_operation(store: &RedisStore, nonce: &mut u64) -> Vec<Option<StoreError>> {
    let caller = caller();
    let mut results = Vec::new();
    // The claim of what waits knows no overlap: it comes as often as the others.
    for intent in [
        Some(Intent::Run),
        Some(Intent::CatchUp),
        None,
        Some(Intent::MarkMissed),
    ] {
        for overlap in [
            Overlap::Skip,
            Overlap::Queue(2),
            Overlap::CancelRunning,
            Overlap::Allow(2),
        ] {
            *nonce += 1;
            let target = match intent {
                Some(intent) => due(*nonce, intent, overlap, None),
                None => queued(*nonce),
            };
            let claim = claim("bad", *nonce, target);
            results.push(store.claim(&caller, &[claim]).await.err());
        }
    }
    for nonce in ["n0", "another"] {
        let renew = Renew {
            run: run(nonce),
            valid_until_ms: 1 << 52,
        };
        results.push(store.renew(&caller, &[renew]).await.err());
        let watched = OverdueRun {
            unit: "bad".into(),
            nonce: nonce.into(),
            seq: 1,
            lease_ms: 1,
        };
        results.push(store.write_off(&caller, &[watched]).await.err());
        results.push(store.finish(&caller, &[finish(nonce)]).await.err());
    }
    results.push(store.register(&caller, &[register()]).await.err());
    results.push(store.inspect(&caller, &["bad".into()]).await.err());
    results.push(store.ledger("bad", 9).await.err());
    results
}

pub(crate) async fn raw(redis: &RedisServer) -> MultiplexedConnection {
    let client = redis::Client::open(redis.url()).unwrap();
    // Its own limit of half a second is short on a busy machine.
    let patient = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    client
        .get_multiplexed_async_connection_with_config(&patient)
        .await
        .unwrap()
}

/// Makes the record of a run: active with a waiting tick behind it, or over.
async fn make_record(store: &RedisStore, nonce: &mut u64, over: bool) {
    let granted = store.claim(&caller(), &[usual("bad")]).await.unwrap().body;
    assert!(
        matches!(granted[0].verdict, Verdict::Granted(_)),
        "{granted:?}"
    );
    *nonce += 1;
    let target = due(*nonce, Intent::Run, Overlap::Queue(3), Some(TickMs(1_000)));
    let claim = claim("bad", *nonce, target);
    store.claim(&caller(), &[claim]).await.unwrap();
    if over {
        store.finish(&caller(), &[finish("n0")]).await.unwrap();
    }
}

#[tokio::test]
async fn each_operation_is_carried_out_or_names_the_key_and_the_way_out() {
    let redis = RedisServer::start().unwrap();
    let store = RedisStore::connect(&redis.url(), "test").await.unwrap();
    let mut raw = raw(&redis).await;
    let (mut rng, mut nonce) = (Rng(7), 0);
    let (mut refused, mut carried_out) = (0, 0);
    for over in [false, true] {
        for field in FIELDS {
            for value in values(&mut rng) {
                let () = redis::cmd("FLUSHALL").query_async(&mut raw).await.unwrap();
                make_record(&store, &mut nonce, over).await;
                let mut damage = redis::cmd("HSET");
                damage.arg(JOB).arg(field).arg(&value);
                let () = damage.query_async(&mut raw).await.unwrap();
                // It must not get into a beat as what it is not.
                let mut lease = redis::cmd("ZADD");
                lease.arg("so:{test}:leases").arg(1).arg("bad");
                let () = lease.query_async(&mut raw).await.unwrap();
                let beat = store.heartbeat(&caller(), Heartbeat::alive()).await;
                assert!(beat.is_ok(), "{field} {value:?}: {beat:?}");
                for error in every_operation(&store, &mut nonce).await {
                    match error {
                        None => carried_out += 1,
                        Some(StoreError::Refused(text)) => {
                            let names = text.contains(JOB) && text.contains(field);
                            assert!(names && text.contains("delete the key"), "{field}: {text}");
                            refused += 1;
                        }
                        Some(error) => panic!("{field} {value:?}: {error}"),
                    }
                }
                let () = redis::cmd("DEL")
                    .arg(JOB)
                    .query_async(&mut raw)
                    .await
                    .unwrap();
                make_record(&store, &mut nonce, over).await;
            }
        }
    }
    println!("{carried_out} carried out, {refused} refused");
    assert!(carried_out > 1_000 && refused > 1_000);
}

#[tokio::test]
async fn a_damaged_record_leaves_nothing_half_done() {
    let redis = RedisServer::start().unwrap();
    let store = RedisStore::connect(&redis.url(), "test").await.unwrap();
    for (field, value) in [("hwm", "x"), ("st", "runs"), ("wait", "1:1")] {
        redis.command(&["HSET", JOB, field, value]).unwrap();
        let batch = [usual("good"), usual("bad")];
        let error = store.claim(&caller(), &batch).await.unwrap_err();
        assert!(error.to_string().contains(JOB), "{error}");
        let good = redis.command(&["EXISTS", "so:{test}:job:good"]).unwrap();
        assert_eq!(good, "0", "{field}");
        redis.command(&["DEL", JOB]).unwrap();
    }
}

/// A run in a lane that the store forgot is written back in two records.
#[tokio::test]
async fn a_unit_of_another_type_keeps_the_outcome_of_its_lane() {
    let redis = RedisServer::start().unwrap();
    let store = RedisStore::connect(&redis.url(), "test").await.unwrap();
    let mut end = Finish {
        retried: true,
        ..finish("n")
    };
    end.run.unit = UnitName::from("bad").lane();
    redis.command(&["SET", JOB, "x"]).unwrap();
    let error = store.finish(&caller(), slice::from_ref(&end)).await;
    assert!(error.unwrap_err().to_string().contains(JOB));
    redis.command(&["DEL", JOB]).unwrap();
    let finished = store.finish(&caller(), &[end]).await.unwrap();
    assert!(finished.body[0].recorded);
    let lines = store.ledger("bad", 9).await.unwrap();
    assert_eq!(lines.len(), 1, "{lines:?}");
}

/// A start that was not decided is none: if nodes learned it, it would outlive the
/// key, and no tick would count as newer.
#[tokio::test]
async fn a_start_after_what_is_decided_is_not_believed() {
    let redis = RedisServer::start().unwrap();
    let store = RedisStore::connect(&redis.url(), "test").await.unwrap();
    let now_ms = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_millis();
    let ahead = (now_ms + 300 * 86_400_000).to_string();
    for (field, over) in [("bt", false), ("bt", true), ("tick", false), ("tick", true)] {
        make_damaged(&redis, &store, over, (field, &ahead)).await;
        // A waiting tick depends on the newest start. Of a run that is not active, no field is checked.
        let claim = claim("bad", 2, queued(2));
        let claimed = store.claim(&caller(), &[claim]).await;
        if field == "tick" && !over {
            says_why(claimed.unwrap_err(), field);
        } else {
            let start = claimed.unwrap().body[0].marks.start;
            let believed = start.map_or(0, |start| start.tick.ms());
            assert!(believed < 10_000, "{field}: {start:?}");
        }
        make_damaged(&redis, &store, over, (field, &ahead)).await;
        let registered = store.register(&caller(), &[register()]).await;
        says_why(registered.unwrap_err(), field);
        redis.command(&["DEL", JOB]).unwrap();
    }
}

async fn make_damaged(
    redis: &RedisServer,
    store: &RedisStore,
    over: bool,
    (field, value): (&str, &str),
) {
    redis.command(&["DEL", JOB]).unwrap();
    make_record(store, &mut 0, over).await;
    redis.command(&["HSET", JOB, field, value]).unwrap();
}

fn says_why(error: StoreError, field: &str) {
    let text = error.to_string();
    let names = text.contains(JOB) && text.contains(field);
    assert!(names && text.contains("delete the key"), "{field}: {text}");
}

#[tokio::test]
async fn a_beat_finds_what_stands_behind_rubbish() {
    let redis = RedisServer::start().unwrap();
    let store = RedisStore::connect(&redis.url(), "test").await.unwrap();
    let mut raw = raw(&redis).await;
    let mut rng = Rng(11);
    let mut overdue = usual("real");
    overdue.lease_ms = 1;
    store.claim(&caller(), &[overdue]).await.unwrap();
    for (set, known) in [("leases", false), ("ready", true)] {
        let mut add = redis::cmd("ZADD");
        add.arg(format!("so:{{test}}:{set}"));
        for number in 0..700 {
            // Half of them could be units of a job that no node has.
            let name = match number % 2 {
                0 => rng.bytes(12),
                _ => format!("job-{number}#{number}").into_bytes(),
            };
            add.arg(if known { "0" } else { "-inf" }).arg(name);
        }
        let () = add.query_async(&mut raw).await.unwrap();
    }
    let mut add = redis::cmd("ZADD");
    add.arg("so:{test}:nodes")
        .arg("+inf")
        .arg(b"\xff\xfe")
        .arg("1")
        .arg("gone");
    let () = add.query_async(&mut raw).await.unwrap();
    redis
        .command(&["ZADD", "so:{test}:ready", "0", "zzz"])
        .unwrap();
    let (mut found_run, mut found_ready) = (false, false);
    wait_until_async("both are named", BOUND, async || {
        let pulse = store
            .heartbeat(&caller(), Heartbeat::alive())
            .await
            .unwrap()
            .body;
        let members = pulse.membership.members.unwrap_or_default();
        let nodes: Vec<&str> = members.iter().map(|member| member.node.as_str()).collect();
        assert_eq!(nodes, ["node"]);
        found_run |= pulse.overdue.iter().any(|run| run.unit == "real");
        found_ready |= pulse.ready.iter().any(|unit| unit == "zzz");
        found_run && found_ready
    })
    .await;
}
