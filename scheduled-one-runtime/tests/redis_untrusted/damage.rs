//! The scripts refuse a record exactly when the pure rules find damage in it, and
//! name the same field: random integers in and out of bounds, one field or a few
//! at a time.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use deadpool_redis::redis::{self, aio::MultiplexedConnection};
use scheduled_one_protocol::machine::damage::{
    MAX_AHEAD_MS, MAX_COUNT, MAX_EXACT, MAX_LEASE_MS, MAX_NONCE_BYTES, MAX_SEQ, MAX_TOKEN, Reads,
    damage,
};
use scheduled_one_protocol::machine::{Now, Record, Waiting};
use scheduled_one_protocol::message::{Heartbeat, Intent, OverdueRun, Overlap, Renew};
use scheduled_one_protocol::{FencingToken, Start, Store, StoreError, TickMs, UnitName};
use scheduled_one_redis::RedisStore;
use test_support::RedisServer;

use crate::records::{caller, claim, due, finish, queued, raw, register, run};
use crate::rubbish::Rng;

const RECORDS: u64 = 1_200;
/// How often each field has to be refused to those who read it.
const OFTEN: u32 = 10;
/// More than the test takes: no instant comes so near to the latest one.
const MARGIN_MS: i64 = 86_400_000;
const UNIT: &str = "bad";

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_millis() as i64
}

impl Rng {
    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// At the bounds, one beyond them, or anywhere.
    fn integer(&mut self, most: u64) -> u64 {
        match self.below(7) {
            0 => 0,
            1 => most,
            2 => most + 1,
            3 => MAX_EXACT,
            4 => self.next() >> self.below(64),
            _ => self.below(most + 1),
        }
    }

    fn count(&mut self) -> u32 {
        u32::try_from(self.integer(MAX_COUNT.into())).unwrap_or(u32::MAX)
    }

    fn instant(&mut self, hwm_ms: i64) -> i64 {
        let far_ms = now_ms() + MAX_AHEAD_MS;
        match self.below(9) {
            0 => -1,
            1 => i64::MIN,
            2 => i64::MAX,
            3 => far_ms - MARGIN_MS,
            4 => far_ms + MARGIN_MS,
            5 => hwm_ms.saturating_add(1),
            6 => hwm_ms,
            _ => self.below(hwm_ms.max(1) as u64) as i64,
        }
    }

    fn nonce(&mut self) -> String {
        let length = match self.below(4) {
            0 => MAX_NONCE_BYTES,
            1 => MAX_NONCE_BYTES + 1,
            _ => self.below(40) as usize,
        };
        let mut nonce = "~".repeat(length);
        nonce.push_str(["", "", "", "\u{7f}", "\u{1f}", "ä"][self.below(6) as usize]);
        nonce
    }
}

/// A sound record, in which some fields are made anything.
fn record(rng: &mut Rng) -> Record {
    let now_ms = now_ms();
    let mut record = Record::default();
    record.marks.first_seen_ms = Some(now_ms - 9_000);
    record.marks.decided = Some(TickMs(now_ms - 1_000));
    record.marks.token = FencingToken(7);
    record.running = rng.below(2) == 0;
    record.run.stop = record.running && rng.below(2) == 0;
    record.run.tick = TickMs(now_ms - 2_000);
    record.run.nonce = "n".to_owned();
    record.run.token = FencingToken(7);
    record.run.attempt = 1;
    record.run.lease_ms = 5_000;
    record.run.granted_at_ms = now_ms - 2_000;
    record.run.until_ms = now_ms;
    record.run.seq = 1;
    let waiting = |tick_ms| Waiting {
        tick: TickMs(tick_ms),
        attempt: 1,
        takeovers: 0,
    };
    record.waiting = (0..rng.below(3)).map(|_| waiting(now_ms - 1_500)).collect();
    for _ in 0..rng.below(4) {
        make_anything(&mut record, rng);
    }
    record
}

fn make_anything(record: &mut Record, rng: &mut Rng) {
    let hwm_ms = record.marks.decided.map_or(0, TickMs::ms);
    let (marks, run) = (&mut record.marks, &mut record.run);
    match rng.below(16) {
        0 => marks.first_seen_ms = Some(rng.instant(hwm_ms)),
        1 => marks.decided = Some(TickMs(rng.instant(hwm_ms))),
        2 => marks.token = FencingToken(rng.integer(MAX_TOKEN)),
        3 => run.nonce = rng.nonce(),
        4 => run.token = FencingToken(rng.integer(MAX_TOKEN)),
        5 => run.until_ms = rng.instant(hwm_ms),
        6 => run.seq = rng.integer(MAX_SEQ),
        7 => run.lease_ms = rng.integer(MAX_LEASE_MS as u64).cast_signed(),
        8 => run.attempt = rng.count(),
        9 => run.tick = TickMs(rng.instant(hwm_ms)),
        10 => run.granted_at_ms = rng.instant(hwm_ms),
        11 => run.takeovers = rng.count(),
        12 => {
            let tick = TickMs(rng.instant(hwm_ms));
            marks.start = Some(Start { tick, attempt: 1 });
        }
        13 => {
            let (tick, attempt) = (TickMs(0), rng.count());
            marks.start = Some(Start { tick, attempt });
        }
        14 => record.waiting.push_back(Waiting {
            tick: TickMs(rng.instant(hwm_ms)),
            attempt: 1,
            takeovers: 0,
        }),
        _ => record.waiting.push_front(Waiting {
            tick: TickMs(hwm_ms),
            attempt: rng.count(),
            takeovers: rng.count(),
        }),
    }
}

/// Puts the record in place of whatever the last request has left, as a run that
/// is overdue.
async fn store_record(raw: &mut MultiplexedConnection, unit: &UnitName, record: &Record) {
    let Record { marks, run, .. } = record;
    let state = match (record.running, run.stop) {
        (false, _) => "idle",
        (true, false) => "run",
        (true, true) => "stop",
    };
    let waiting = record.waiting.iter();
    let waiting = waiting.map(|it| format!("{}:{}:{}", it.tick, it.attempt, it.takeovers));
    let mut pipe = redis::pipe();
    pipe.cmd("DEL").arg(&[
        "so:{test}:job:bad",
        "so:{test}:job:bad~1",
        "so:{test}:log:bad",
    ]);
    pipe.cmd("HSET")
        .arg(format!("so:{{test}}:job:{unit}"))
        .arg(&[("born", marks.first_seen_ms.unwrap_or(0))])
        .arg(&[("hwm", marks.decided.map_or(0, TickMs::ms))])
        .arg(&[("tok", marks.token.get()), ("rtok", run.token.get())])
        .arg(&[("seq", run.seq)])
        .arg(&[("tick", run.tick.ms()), ("until", run.until_ms)])
        .arg(&[("lease", run.lease_ms), ("at", run.granted_at_ms)])
        .arg(&[("att", run.attempt), ("rer", run.takeovers)])
        .arg(&[("bt", marks.start.map_or(0, |start| start.tick.ms()))])
        .arg(&[("ba", marks.start.map_or(0, |start| start.attempt))])
        .arg(&[("st", state), ("non", run.nonce.as_str())])
        .arg(&[("wait", waiting.collect::<Vec<_>>().join(","))]);
    pipe.cmd("ZADD")
        .arg("so:{test}:leases")
        .arg(1)
        .arg(unit.as_str());
    let () = pipe.query_async(raw).await.unwrap();
}

/// The requests that read a record, and how much of it.
#[derive(Clone, Copy, Debug)]
enum Request {
    Claim(Intent),
    ClaimFromQueue,
    ClaimOfSlot,
    Renew,
    Finish,
    Register,
    WriteOff,
    Inspect,
}

const REQUESTS: [(Request, Reads); 9] = [
    (Request::Claim(Intent::Run), Reads::Claim),
    (Request::Claim(Intent::MarkMissed), Reads::Claim),
    (Request::ClaimFromQueue, Reads::Claim),
    (Request::ClaimOfSlot, Reads::Claim),
    (Request::Renew, Reads::Run),
    (Request::Finish, Reads::Run),
    (Request::Register, Reads::Run),
    (Request::WriteOff, Reads::Whole),
    (Request::Inspect, Reads::Whole),
];

async fn send(store: &RedisStore, request: Request) -> Result<(), StoreError> {
    let caller = caller();
    match request {
        Request::Claim(intent) => {
            let claims = [claim(UNIT, 1, due(1, intent, Overlap::Skip, None))];
            store.claim(&caller, &claims).await.map(drop)
        }
        Request::ClaimFromQueue => {
            let claims = [claim(UNIT, 1, queued(1))];
            store.claim(&caller, &claims).await.map(drop)
        }
        Request::ClaimOfSlot => {
            let target = due(1, Intent::Run, Overlap::Allow(1), None);
            let claims = [claim(UNIT, 1, target)];
            store.claim(&caller, &claims).await.map(drop)
        }
        Request::Renew => {
            let renewals = [Renew {
                run: run("another"),
                valid_until_ms: 1 << 52,
            }];
            store.renew(&caller, &renewals).await.map(drop)
        }
        Request::Finish => store.finish(&caller, &[finish("another")]).await.map(drop),
        Request::Register => store.register(&caller, &[register()]).await.map(drop),
        Request::WriteOff => {
            let runs = [OverdueRun {
                unit: UNIT.into(),
                nonce: "n".into(),
                seq: 1,
                lease_ms: 1,
            }];
            store.write_off(&caller, &runs).await.map(drop)
        }
        Request::Inspect => store.inspect(&caller, &[UNIT.into()]).await.map(drop),
    }
}

#[tokio::test]
async fn the_scripts_refuse_what_the_pure_rules_refuse() {
    let redis = RedisServer::start().unwrap();
    let store = RedisStore::connect(&redis.url(), "test").await.unwrap();
    let mut raw = raw(&redis).await;
    let seed = now_ms() as u64;
    println!("seed {seed}");
    let (mut rng, mut sound) = (Rng(seed), 0);
    let mut refused: BTreeMap<&str, u32> = BTreeMap::new();
    for _ in 0..RECORDS {
        let record = record(&mut rng);
        for (request, reads) in REQUESTS {
            let slot = u32::from(matches!(request, Request::ClaimOfSlot));
            store_record(&mut raw, &UnitName::new(UNIT, 0).with_slot(slot), &record).await;
            let now = Now {
                us: now_ms() as u64 * 1000,
            };
            let expected = damage(&record, now, reads);
            let answer = send(&store, request).await;
            match (&expected, &answer) {
                (None, Ok(())) => sound += 1,
                (Some(damage), Err(StoreError::Refused(text))) => {
                    let names = text.contains(&format!(" as {}: ", damage.field));
                    assert!(names, "{request:?}: {damage:?}, but {text}: {record:#?}");
                    *refused.entry(damage.field).or_default() += 1;
                }
                _ => panic!("{request:?}: {expected:?}, but {answer:?}: {record:#?}"),
            }
        }
        is_overdue_unless_damaged(&store, &mut raw, &record).await;
    }
    println!("{sound} carried out, refused because of {refused:?}");
    assert!(sound > 1_000);
    for field in [
        "born", "hwm", "tok", "non", "wait", "rtok", "until", "seq", "lease", "att", "tick", "bt",
        "ba", "at", "rer",
    ] {
        assert!(refused.get(field) >= Some(&OFTEN), "{field}: {refused:?}");
    }
}

/// A heartbeat leaves damaged runs out.
async fn is_overdue_unless_damaged(
    store: &RedisStore,
    raw: &mut MultiplexedConnection,
    record: &Record,
) {
    store_record(raw, &UNIT.into(), record).await;
    let reply = store
        .heartbeat(&caller(), Heartbeat::alive())
        .await
        .unwrap();
    let now = Now {
        us: reply.head.now_us,
    };
    let expected = record.running
        && damage(record, now, Reads::Overdue).is_none()
        && record.overdue_at_ms() <= now.ms();
    let overdue = reply.body.overdue.iter().any(|run| run.unit == *UNIT);
    assert_eq!(overdue, expected, "{record:#?}");
}
