//! The run policies on the embedded store, in time that the test moves.

mod attempts;
mod events;
mod every_node;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use scheduled_one_runtime::clock::{Clock, ManualClock};
use scheduled_one_runtime::{
    Job, JobContext, LedgerEntry, Misfire, Outcome, Overlap, Scheduler, SchedulerBuilder, Shard,
    State, TickStatus,
};
use test_support::wait_until_async;
use tokio::sync::Semaphore;

const BOUND: Duration = Duration::from_secs(20);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

fn on(clock: &ManualClock) -> SchedulerBuilder {
    Scheduler::builder("memory://").clock(clock.clone())
}

/// Runs started so far, by tick in seconds past the hour, and permits to end.
#[derive(Clone)]
struct Probe {
    started: Arc<Mutex<Vec<i64>>>,
    may_end: Arc<Semaphore>,
}

impl Probe {
    fn new() -> Self {
        Probe {
            started: Arc::default(),
            may_end: Arc::new(Semaphore::new(0)),
        }
    }

    fn started(&self) -> Vec<i64> {
        self.started.lock().expect("lock").clone()
    }

    async fn wait_started(&self, ticks: &[i64]) {
        let all = async {
            while self.started().len() < ticks.len() {
                tokio::task::yield_now().await;
            }
        };
        let _ = tokio::time::timeout(BOUND, all).await;
        assert_eq!(self.started(), ticks);
    }
}

async fn work(ctx: JobContext, State(probe): State<Probe>) {
    let second = ctx.scheduled_at().as_second() % 3600;
    probe.started.lock().expect("lock").push(second);
    let permit = probe.may_end.acquire().await.expect("open");
    permit.forget();
}

async fn ledger(scheduler: &Scheduler, job: &str, lines: usize) -> Vec<LedgerEntry> {
    let what = format!("{job} has {lines} ledger lines");
    let mut ledger = Vec::new();
    wait_until_async(&what, BOUND, async || {
        ledger = scheduler.ledger(job, 100).await.expect("a ledger");
        ledger.len() >= lines
    })
    .await;
    ledger.reverse();
    ledger
}

fn decisions(lines: &[LedgerEntry]) -> Vec<(i64, Outcome, &str)> {
    lines
        .iter()
        .map(|line| {
            (
                line.tick.as_second() % 3600,
                line.outcome,
                line.reason.as_str(),
            )
        })
        .collect()
}

#[tokio::test]
async fn queue_one_lets_one_wait() {
    let (clock, probe) = (ManualClock::new(), Probe::new());
    let job = Job::every("queued", SECOND, work).overlap(Overlap::QueueOne);
    let scheduler = on(&clock).state(probe.clone()).job(job).start().await;
    let scheduler = scheduler.expect("started");
    clock.advance(SECOND);
    probe.wait_started(&[1]).await;
    wait_until_async("one waits and one was skipped", BOUND, async || {
        clock.advance(SECOND / 50);
        !scheduler
            .ledger("queued", 9)
            .await
            .expect("a ledger")
            .is_empty()
    })
    .await;
    probe.may_end.add_permits(1);
    wait_until_async("the tick that waited starts", BOUND, async || {
        probe.started().len() == 2
    })
    .await;
    probe.may_end.add_permits(100);
    let lines = scheduler.ledger("queued", 100).await.expect("a ledger");
    assert!(
        lines.iter().any(|line| line.reason == "queue full"),
        "{lines:?}"
    );
}

#[tokio::test]
async fn cancel_running_makes_room_for_the_newest() {
    let clock = ManualClock::new();
    let started = Arc::new(AtomicUsize::new(0));
    let job = Job::every(
        "newest",
        SECOND,
        |ctx: JobContext, State(n): State<Arc<AtomicUsize>>| async move {
            n.fetch_add(1, Ordering::Relaxed);
            ctx.cancelled().await;
        },
    )
    .overlap(Overlap::CancelRunning);
    let scheduler = on(&clock)
        .state(Arc::clone(&started))
        .job(job)
        .start()
        .await;
    let scheduler = scheduler.expect("started");
    wait_until_async("three runs have started", BOUND, async || {
        clock.advance(Duration::from_millis(20));
        started.load(Ordering::Relaxed) >= 3
    })
    .await;
    let lines = ledger(&scheduler, "newest", 2).await;
    let first = decisions(&lines)[0];
    assert_eq!(
        (first.1, first.2),
        (Outcome::Cancelled, "superseded by the next tick; returned")
    );
}

#[tokio::test]
async fn allow_runs_so_many_side_by_side() {
    let (clock, probe) = (ManualClock::new(), Probe::new());
    let job = Job::every("wide", SECOND, work).overlap(Overlap::Allow(2));
    let scheduler = on(&clock).state(probe.clone()).job(job).start().await;
    let scheduler = scheduler.expect("started");
    clock.advance(SECOND);
    probe.wait_started(&[1]).await;
    clock.advance(SECOND);
    probe.wait_started(&[1, 2]).await;
    assert_eq!(scheduler.running(), 2);
    clock.advance(SECOND);
    let lines = ledger(&scheduler, "wide", 1).await;
    assert_eq!(decisions(&lines), [(3, Outcome::Skipped, "overlap")]);
    probe.may_end.add_permits(2);
    ledger(&scheduler, "wide", 3).await;
    clock.advance(SECOND);
    probe.wait_started(&[1, 2, 4]).await;
}

#[tokio::test]
async fn misfire_run_once_runs_the_newest_for_all() {
    let clock = ManualClock::new();
    let missed = Arc::new(AtomicUsize::new(0));
    let job = Job::every(
        "once",
        HOUR,
        |ctx: JobContext, State(n): State<Arc<AtomicUsize>>| async move {
            n.store(ctx.missed() as usize, Ordering::Relaxed)
        },
    )
    .misfire(Misfire::RunOnce)
    .catch_up(10 * HOUR);
    let scheduler = on(&clock).state(Arc::clone(&missed)).job(job).start().await;
    let scheduler = scheduler.expect("started");
    clock.advance(5 * HOUR + HOUR / 2);
    let lines = ledger(&scheduler, "once", 2).await;
    assert_eq!((lines[0].outcome, lines[0].count), (Outcome::Missed, 4));
    assert_eq!(lines[1].outcome, Outcome::Ok);
    assert_eq!(missed.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn misfire_run_all_runs_each_one_after_another() {
    let (clock, probe) = (ManualClock::new(), Probe::new());
    probe.may_end.add_permits(100);
    let job = Job::every("all", SECOND, work)
        .misfire(Misfire::RunAll)
        .start_deadline(SECOND)
        .catch_up(Duration::from_millis(20_500));
    let scheduler = on(&clock).state(probe.clone()).job(job).start().await;
    let scheduler = scheduler.expect("started");
    clock.advance(Duration::from_secs(30));
    probe.wait_started(&(10..=30).collect::<Vec<_>>()).await;
    let lines = ledger(&scheduler, "all", 22).await;
    assert_eq!((lines[0].outcome, lines[0].count), (Outcome::Missed, 9));
    assert!(
        lines[1..].iter().all(|line| line.outcome == Outcome::Ok),
        "{lines:?}"
    );
}

#[tokio::test]
async fn each_shard_of_a_tick_runs_once() {
    let clock = ManualClock::new();
    type Seen = Arc<Mutex<Vec<(i64, Shard)>>>;
    let seen = Seen::default();
    let node = async |name: &str| {
        Scheduler::builder("memory://shards")
            .clock(clock.clone())
            .node_name(name)
            .state(Arc::clone(&seen))
            .job(
                Job::every(
                    "parts",
                    SECOND,
                    |ctx: JobContext, State(seen): State<Seen>| async move {
                        let part = (ctx.scheduled_at().as_second(), ctx.shard());
                        seen.lock().expect("lock").push(part);
                    },
                )
                .shards(4),
            )
            .start()
            .await
            .expect("started")
    };
    let (a, _b) = (node("a").await, node("b").await);
    wait_until_async("five ticks have run", BOUND, async || {
        clock.advance(Duration::from_millis(20));
        seen.lock().expect("lock").len() >= 20
    })
    .await;
    let mut parts = seen.lock().expect("lock")[..20].to_vec();
    parts.sort_unstable();
    let all = parts.len();
    parts.dedup();
    assert_eq!(parts.len(), all, "a shard ran twice");
    assert!(
        parts
            .iter()
            .all(|(_, shard)| shard.count == 4 && shard.index < shard.count)
    );
    let lines = ledger(&a, "parts", 20).await;
    assert!(lines.iter().any(|line| line.shard == 3), "{lines:?}");
}

#[tokio::test]
async fn a_disabled_job_does_not_run_and_says_so() {
    let clock = ManualClock::new();
    let job = Job::every("off", SECOND, || async { panic!("it is off") as () }).enabled(false);
    let scheduler = on(&clock).job(job).start().await.expect("started");
    clock.advance(Duration::from_secs(70));
    let lines = ledger(&scheduler, "off", 1).await;
    assert_eq!(
        (lines[0].outcome, lines[0].reason.as_str()),
        (Outcome::Skipped, "disabled")
    );
    assert_eq!(lines[0].count, 5);
}

#[tokio::test]
async fn the_environment_is_checked_at_start() {
    // Variables that every test process has.
    let job = || Job::cron("env", "0 0 9 * * MON", || async {});
    let refused = async |job: Job| {
        let started = Scheduler::builder("memory://").job(job).start().await;
        started.expect_err("it must not start").to_string()
    };
    let text = refused(job().cron_env("CARGO_PKG_NAME")).await;
    assert!(
        text.contains("CARGO_PKG_NAME") && text.contains("`env`"),
        "{text}"
    );
    let text = refused(job().enabled_env("CARGO_PKG_NAME")).await;
    assert!(
        text.contains("CARGO_PKG_NAME") && text.contains("true or false"),
        "{text}"
    );
    let unset = job()
        .cron_env("NO_SUCH_VARIABLE")
        .enabled_env("NO_SUCH_VARIABLE");
    let scheduler = Scheduler::builder("memory://").job(unset).start().await;
    assert!(
        scheduler.expect("started").jobs()[0]
            .schedule
            .contains("0 0 9 * * MON")
    );
}

#[tokio::test]
async fn audit_lists_each_tick_with_what_became_of_it() {
    let (clock, probe) = (ManualClock::new(), Probe::new());
    let job = Job::every("audited", SECOND, work).overlap(Overlap::QueueOne);
    let scheduler = on(&clock).state(probe.clone()).job(job).start().await;
    let scheduler = scheduler.expect("started");
    let start = Timestamp::from_nanosecond(clock.wall().as_nanos() as i128).expect("an instant");
    clock.advance(SECOND);
    probe.wait_started(&[1]).await;
    wait_until_async("one waits and one was skipped", BOUND, async || {
        clock.advance(SECOND / 50);
        !scheduler
            .ledger("audited", 9)
            .await
            .expect("a ledger")
            .is_empty()
    })
    .await;
    let audited = scheduler.audit("audited", start..start + HOUR).await;
    let statuses: Vec<TickStatus> = audited
        .expect("audited")
        .iter()
        .map(|tick| tick.status)
        .collect();
    assert_eq!(
        &statuses[..3],
        [
            TickStatus::Running,
            TickStatus::Waiting,
            TickStatus::Decided(Outcome::Skipped)
        ]
    );
    probe.may_end.add_permits(100);
}
