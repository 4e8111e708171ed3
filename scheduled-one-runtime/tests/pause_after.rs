//! So many failed runs in a row pause a job, once. On the embedded store, in time that the test moves.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use scheduled_one_control::{Control, PauseOf};
use scheduled_one_protocol::memory::MemoryStore;
use scheduled_one_protocol::message::{Caller, Claim, DueTick, LowerBounds, Target, Verdict};
use scheduled_one_protocol::{LedgerRecord, SkipReason, Store, TickMs, UnitName};
use scheduled_one_runtime::clock::{Clock, ManualClock};
use scheduled_one_runtime::{Job, Outcome, Scheduler};

const BOUND: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

struct World {
    clock: ManualClock,
    store: MemoryStore,
    control: Control,
    runs: Arc<AtomicUsize>,
    fails: Arc<AtomicBool>,
}

impl World {
    fn new() -> Self {
        let clock = ManualClock::new();
        let store = MemoryStore::new(Arc::new(clock.clone()));
        World {
            control: Control::of_stores(vec![Arc::new(store.clone())]).unwrap(),
            clock,
            store,
            runs: Arc::default(),
            fails: Arc::new(AtomicBool::new(true)),
        }
    }

    fn job(&self) -> Job {
        let (runs, fails) = (Arc::clone(&self.runs), Arc::clone(&self.fails));
        let job = Job::every("job", MINUTE, move || {
            let run = runs.fetch_add(1, Ordering::SeqCst) + 1;
            let fails = fails.load(Ordering::SeqCst);
            async move {
                match fails {
                    true => Err(format!("error {run}")),
                    false => Ok(()),
                }
            }
        });
        job.pause_after(3)
    }

    async fn start(&self, job: Job) -> Scheduler {
        let builder = Scheduler::builder("memory://").clock(self.clock.clone());
        let builder = builder.store(self.store.clone()).job(job);
        builder.start().await.unwrap()
    }

    fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }

    async fn pass(&self, time: Duration) {
        let mut left = time;
        while !left.is_zero() {
            self.clock.advance(SECOND.min(left));
            left = left.saturating_sub(SECOND);
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
        }
    }

    async fn until(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        let look = async {
            while !is_so().await {
                self.pass(SECOND).await;
            }
        };
        assert!(tokio::time::timeout(BOUND, look).await.is_ok(), "{what}");
    }

    async fn pause(&self) -> Option<PauseOf> {
        let described = self.control.describe("job").await.unwrap();
        described.pauses.into_iter().next()
    }

    async fn is_paused(&self) -> bool {
        self.pause().await.is_some()
    }
}

fn caller(node: &str) -> Caller {
    Caller {
        node: node.to_owned(),
        name: node.to_owned(),
        quarantine_ms: 0,
        margin_ms: 0,
        ledger_limit: 1_000,
        buckets: 1,
    }
}

#[tokio::test]
async fn failures_in_a_row_pause_the_job_until_somebody_resumes_it() {
    let world = World::new();
    let nodes = [
        world.start(world.job()).await,
        world.start(world.job()).await,
    ];
    world.until("two failed", async || world.runs() == 2).await;
    world.fails.store(false, Ordering::SeqCst);
    world.until("one was ok", async || world.runs() == 3).await;
    world.fails.store(true, Ordering::SeqCst);
    world
        .until("two failed again", async || world.runs() == 5)
        .await;
    world.pass(10 * SECOND).await;
    assert!(!world.is_paused().await);
    world
        .until("it is paused", async || world.is_paused().await)
        .await;
    assert_eq!(world.runs(), 6);
    let pause = world.pause().await.unwrap();
    assert_eq!(pause.by, "scheduled-one");
    assert_eq!(
        pause.note,
        "3 failed runs in a row; the last: failed error 6"
    );
    world.pass(10 * MINUTE).await;
    assert_eq!((world.runs(), world.pause().await), (6, Some(pause)));

    // After that, it takes as many again.
    world.control.resume("job").by("ann").await.unwrap();
    world.until("two failed", async || world.runs() == 8).await;
    world.pass(10 * SECOND).await;
    assert!(!world.is_paused().await);
    world
        .until("it is paused", async || world.is_paused().await)
        .await;
    assert_eq!(world.runs(), 9);
    for node in nodes {
        node.shutdown(BOUND).await;
    }
}

/// Attempts are none: only the last one of a run counts.
#[tokio::test]
async fn retries_do_not_count() {
    let world = World::new();
    let job = world
        .job()
        .retries(2)
        .backoff(Duration::ZERO, Duration::ZERO);
    let node = world.start(job).await;
    world
        .until("it is paused", async || world.is_paused().await)
        .await;
    assert_eq!(world.runs(), 9, "three runs of three attempts each");
    node.shutdown(BOUND).await;
}

/// A run whose node died has failed, if nobody takes it over.
#[tokio::test]
async fn a_lost_run_has_failed() {
    for (takeovers, is_paused) in [(1, false), (0, true)] {
        let world = World::new();
        world.fails.store(false, Ordering::SeqCst);
        let dead = caller("dead");
        let now_ms = world.clock.wall().as_millis() as i64;
        let claims = [Claim {
            unit: UnitName::new("job", 0),
            nonce: "nonce".to_owned(),
            valid_until_ms: now_ms + 1_000,
            lease_ms: 5_000,
            takeovers,
            schedule: None,
            control: 0,
            bounds: LowerBounds::default(),
            with_lane: false,
            target: Target::Tick(DueTick::new(TickMs(now_ms))),
        }];
        let reply = world.store.claim(&dead, &claims).await.unwrap();
        assert!(matches!(reply.body[0].verdict, Verdict::Granted(_)));
        let node = world.start(world.job().pause_after(1)).await;
        world
            .until("its end is recorded", async || {
                let lines = Store::ledger(&world.store, "job", 10).await.unwrap();
                let ends = [Outcome::Lost, Outcome::TakenOver];
                lines.iter().any(|line| ends.contains(&line.outcome))
            })
            .await;
        world.pass(5 * SECOND).await;
        assert_eq!(world.is_paused().await, is_paused);
        node.shutdown(BOUND).await;
    }
}

/// Any number of lines that do not count may be between two failures.
#[tokio::test]
async fn failures_are_counted_behind_many_other_lines() {
    let world = World::new();
    let node = world.start(world.job()).await;
    for failures in 1..3 {
        world
            .until("it failed", async || world.runs() == failures)
            .await;
        let now_ms = world.clock.wall().as_millis() as i64;
        let line = |n| {
            let (unit, tick) = (UnitName::new("job", 0), TickMs(now_ms - n));
            LedgerRecord::skipped(&unit, tick, SkipReason::Overlap, "node", now_ms)
        };
        let lines: Vec<LedgerRecord> = (0..200).map(line).collect();
        world.store.record(&caller("node"), &lines).await.unwrap();
    }
    world
        .until("it is paused", async || world.is_paused().await)
        .await;
    assert_eq!(world.runs(), 3);
    node.shutdown(BOUND).await;
}
