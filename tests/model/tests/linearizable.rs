//! Concurrent claims and finishes of several clients on one real Redis, with lost replies: each history must be
//! linearizable (Herlihy and Wing, 1990). An operation without a reply may have been carried out, or may be carried out
//! at any later time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model_tests::object::{Op, Operation, Ret, is_linearizable};
use scheduled_one_protocol::message::{
    Caller, Claim, DueTick, Finish, Intent, LowerBounds, Overlap, RunId, Target, Verdict,
};
use scheduled_one_protocol::{FencingToken, Outcome, Store, TickMs, UnitName};
use scheduled_one_redis::RedisStore;
use test_support::RedisServer;

const UNITS: u64 = 150;
const CLIENTS: u64 = 4;
const OPERATIONS: u64 = 6;
/// Far beyond what an answer takes, if there is one.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the clients of a unit share.
struct Unit {
    name: UnitName,
    history: Mutex<Vec<Operation>>,
    /// Counts questions and answers.
    time: AtomicU64,
    counts: Mutex<BTreeMap<&'static str, u64>>,
}

impl Unit {
    fn count(&self, what: &'static str) {
        *self.counts.lock().expect("lock").entry(what).or_default() += 1;
    }

    /// Notes a question; returns which operation it is.
    fn ask(&self, op: Op) -> usize {
        let mut history = self.history.lock().expect("lock");
        history.push(Operation {
            op,
            ret: None,
            asked: self.time.fetch_add(1, Ordering::Relaxed),
            answered: u64::MAX,
        });
        history.len() - 1
    }

    fn answer(&self, operation: usize, ret: Ret) {
        let mut history = self.history.lock().expect("lock");
        history[operation].ret = Some(ret);
        history[operation].answered = self.time.fetch_add(1, Ordering::Relaxed);
    }
}

struct Client {
    unit: Arc<Unit>,
    store: Arc<RedisStore>,
    id: u64,
    random: u64,
    known: Option<TickMs>,
}

impl Client {
    fn random(&mut self, below: u64) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.random >> 33) % below
    }

    /// Sends it until it is answered; now and then it does not wait.
    async fn ask<T, F: Future<Output = Option<T>>>(
        &mut self,
        op: &Op,
        ask: impl Fn(Arc<RedisStore>) -> F,
    ) -> (usize, T) {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let operation = self.unit.ask(op.clone());
            let patience = match self.random(4) {
                0 => Duration::from_micros(self.random(400)),
                _ => PATIENCE,
            };
            let answer = tokio::time::timeout(patience, ask(Arc::clone(&self.store))).await;
            if let Ok(Some(answer)) = answer {
                return (operation, answer);
            }
            assert!(tokio::time::Instant::now() < until, "no answer to {op:?}");
            self.unit.count("unknown");
        }
    }

    async fn live(mut self) {
        for number in 0..OPERATIONS {
            let known_ms = self.known.map_or(0, TickMs::ms);
            let tick = TickMs(known_ms + 1 + self.random(2) as i64);
            let nonce = format!("{}-{number}", self.id);
            let Some(token) = self.claim(&nonce, tick).await else {
                continue;
            };
            if self.random(8) > 0 {
                self.finish(&nonce, tick, token).await;
            }
        }
    }

    async fn claim(&mut self, nonce: &str, tick: TickMs) -> Option<FencingToken> {
        let claim = Claim {
            unit: self.unit.name.clone(),
            nonce: nonce.to_owned(),
            valid_until_ms: i64::MAX >> 12,
            lease_ms: 600_000,
            takeovers: 0,
            schedule: None,
            control: 0,
            with_lane: false,
            bounds: LowerBounds {
                decided: self.known,
                ..LowerBounds::default()
            },
            target: Target::Tick(DueTick {
                tick,
                due_ms: tick.ms(),
                after: self.known,
                next_due_ms: None,
                intent: Intent::Run,
                overlap: Overlap::Skip,
                missed: None,
            }),
        };
        let op = Op::Claim {
            nonce: nonce.to_owned(),
            tick,
            after: self.known,
        };
        let (operation, claimed) = self
            .ask(&op, |store| {
                let claim = claim.clone();
                async move {
                    let reply = store.claim(&caller(), &[claim]).await.ok()?;
                    reply.body.into_iter().next()
                }
            })
            .await;
        self.known = self.known.max(claimed.marks.decided);
        let (what, ret) = match claimed.verdict {
            Verdict::Granted(grant) => ("granted", Ret::Granted(grant.token)),
            Verdict::Skipped => ("skipped", Ret::Skipped),
            Verdict::Decided { .. } => ("decided", Ret::Decided),
            Verdict::Conflict => ("conflict", Ret::Conflict),
            other => panic!("{other:?}"),
        };
        self.unit.count(what);
        self.unit.answer(operation, ret.clone());
        match ret {
            Ret::Granted(token) => Some(token),
            _ => None,
        }
    }

    async fn finish(&mut self, nonce: &str, tick: TickMs, token: FencingToken) {
        let finish = Finish {
            run: RunId {
                unit: self.unit.name.clone(),
                tick,
                nonce: nonce.to_owned(),
                token,
                attempt: 1,
                lease_ms: 600_000,
                granted_at_ms: 0,
                takeovers: 0,
                origin: None,
            },
            outcome: Outcome::Ok,
            retried: false,
            reason: String::new(),
            error: String::new(),
            fired_at_ms: None,
            ended_at_ms: 0,
        };
        let op = Op::Finish {
            nonce: nonce.to_owned(),
        };
        let (operation, finished) = self
            .ask(&op, |store| {
                let finish = finish.clone();
                async move {
                    let reply = store.finish(&caller(), &[finish]).await.ok()?;
                    reply.body.into_iter().next()
                }
            })
            .await;
        self.unit.count("finished");
        self.unit
            .answer(operation, Ret::Finished(finished.recorded));
    }
}

fn caller() -> Caller {
    Caller {
        node: "node".into(),
        name: "Node".into(),
        quarantine_ms: 0,
        margin_ms: 0,
        ledger_limit: 5,
        buckets: 1,
    }
}

#[tokio::test]
async fn claims_are_linearizable() {
    let redis = RedisServer::start().expect("redis-server");
    let mut counts = BTreeMap::new();
    let mut stores = Vec::new();
    for _ in 0..CLIENTS {
        let store = RedisStore::connect(&redis.url(), "test").await;
        stores.push(Arc::new(store.expect("a connection")));
    }
    for seed in 0..UNITS {
        let unit = Arc::new(Unit {
            name: UnitName::new(&format!("unit-{seed}"), 0),
            history: Mutex::default(),
            time: AtomicU64::new(0),
            counts: Mutex::default(),
        });
        let mut clients = tokio::task::JoinSet::new();
        for (id, store) in (0..).zip(&stores) {
            let client = Client {
                unit: Arc::clone(&unit),
                store: Arc::clone(store),
                id,
                random: seed * CLIENTS + id,
                known: None,
            };
            clients.spawn(client.live());
        }
        if seed % 10 == 9 {
            // What is under way is lost with its connection.
            redis
                .command(&["CLIENT", "KILL", "TYPE", "normal"])
                .expect("killed");
        }
        while let Some(client) = clients.join_next().await {
            client.expect("the client lives on");
        }
        let history = unit.history.lock().expect("lock");
        assert!(
            is_linearizable(&history),
            "unit {seed}:\n{}",
            listed(&history)
        );
        for (what, count) in &*unit.counts.lock().expect("lock") {
            *counts.entry(*what).or_insert(0) += count;
        }
    }
    println!("{counts:?}");
    for what in [
        "granted", "skipped", "decided", "conflict", "finished", "unknown",
    ] {
        assert!(
            counts.get(what).is_some_and(|count| *count > 20),
            "{what}: {counts:?}"
        );
    }
}

fn listed(history: &[Operation]) -> String {
    let lines = history.iter().map(|operation| format!("{operation:?}"));
    lines.collect::<Vec<_>>().join("\n")
}
