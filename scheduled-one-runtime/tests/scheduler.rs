//! The scheduler on the embedded store, in time that the test moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use scheduled_one_runtime::clock::{Clock, ManualClock};
use scheduled_one_runtime::{
    Error, Job, JobContext, LedgerEntry, Outcome, Scheduler, SchedulerBuilder, State,
};
use test_support::wait_until_async;
use tokio::sync::Notify;

const BOUND: Duration = Duration::from_secs(20);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

fn on(clock: &ManualClock) -> SchedulerBuilder {
    Scheduler::builder("memory://").clock(clock.clone())
}

/// Waits until the ledger of a job has that many lines; returns them, oldest
/// first.
async fn ledger(scheduler: &Scheduler, job: &str, lines: usize) -> Vec<LedgerEntry> {
    let what = format!("{job} has {lines} ledger lines");
    wait_until_async(&what, BOUND, async || {
        let ledger = scheduler.ledger(job, 100).await.expect("a ledger");
        ledger.len() >= lines
    })
    .await;
    let mut ledger = scheduler.ledger(job, 100).await.expect("a ledger");
    ledger.reverse();
    ledger
}

/// Waits until `runs` runs are active.
async fn going(scheduler: &Scheduler, runs: usize) {
    let what = format!("{runs} runs are going");
    wait_until_async(&what, BOUND, async || scheduler.running() == runs).await;
}

fn outcomes(ledger: &[LedgerEntry]) -> Vec<Outcome> {
    ledger.iter().map(|line| line.outcome).collect()
}

#[tokio::test]
async fn a_job_due_next_week_runs_when_the_week_has_passed() {
    let clock = ManualClock::new();
    let weekly = Job::cron("weekly", "0 0 9 * * MON", |ctx: JobContext| async move {
        assert_eq!(ctx.job(), "weekly");
        assert_eq!(ctx.attempt(), 1);
        assert_eq!(ctx.node(), "node-1");
        assert!(!ctx.is_cancelled());
        assert_eq!(
            ctx.scheduled_at_local().to_string(),
            "2026-01-05T09:00:00+08:00[Asia/Shanghai]"
        );
    })
    .tz("Asia/Shanghai");
    let scheduler = on(&clock).node_name("node-1").job(weekly).start().await;
    let scheduler = scheduler.expect("started");
    let next = scheduler.jobs()[0].next_ticks[0];
    assert_eq!(next.to_string(), "2026-01-05T01:00:00Z");

    clock.advance(Duration::from_millis(
        (next.as_millisecond() - clock.wall().as_millis() as i64) as u64,
    ));
    let lines = ledger(&scheduler, "weekly", 1).await;
    assert_eq!(outcomes(&lines), [Outcome::Ok], "{lines:?}");
    assert_eq!(lines[0].tick, next);
    assert_eq!(lines[0].lateness(), Some(Duration::ZERO));
    assert_eq!(lines[0].node, "node-1");
}

#[tokio::test]
async fn every_way_to_end_is_recorded_and_the_job_ticks_on() {
    let clock = ManualClock::new();
    let runs = Arc::new(AtomicUsize::new(0));
    let job = Job::every(
        "moody",
        SECOND,
        |State(runs): State<Arc<AtomicUsize>>| async move {
            match runs.fetch_add(1, Ordering::Relaxed) {
                0 => Ok(()),
                1 => Err("no luck"),
                _ => panic!("no nerves"),
            }
        },
    );
    let scheduler = on(&clock).state(Arc::clone(&runs)).job(job).start().await;
    let scheduler = scheduler.expect("started");
    for lines in 1..=3 {
        clock.advance(SECOND);
        ledger(&scheduler, "moody", lines).await;
    }
    let lines = ledger(&scheduler, "moody", 3).await;
    assert_eq!(
        outcomes(&lines),
        [Outcome::Ok, Outcome::Failed, Outcome::Panicked]
    );
    assert_eq!(lines[1].error, "no luck");
    assert_eq!(lines[2].error, "no nerves");
    let tokens: Vec<_> = lines.iter().map(|line| line.fencing_token).collect();
    assert!(tokens.is_sorted_by(|a, b| a < b), "{tokens:?}");
}

#[tokio::test]
async fn a_run_longer_than_its_interval_keeps_the_next_ticks_out() {
    let clock = ManualClock::new();
    let done = Arc::new(Notify::new());
    let job = Job::every(
        "long",
        SECOND,
        |State(done): State<Arc<Notify>>| async move {
            done.notified().await;
        },
    );
    let scheduler = on(&clock).state(Arc::clone(&done)).job(job).start().await;
    let scheduler = scheduler.expect("started");
    clock.advance(SECOND);
    going(&scheduler, 1).await;
    for lines in 1..=2 {
        clock.advance(SECOND);
        ledger(&scheduler, "long", lines).await;
    }
    done.notify_one();
    let lines = ledger(&scheduler, "long", 3).await;
    assert_eq!(
        outcomes(&lines),
        [Outcome::Skipped, Outcome::Skipped, Outcome::Ok]
    );
    assert_eq!(lines[0].reason, "overlap");
    assert!(
        lines[2].tick < lines[0].tick,
        "the run is of the first tick"
    );
}

#[tokio::test]
async fn a_timeout_tells_the_job_then_drops_it() {
    let clock = ManualClock::new();
    let told = Arc::new(Notify::new());
    let job = Job::every(
        "slow",
        SECOND,
        |ctx: JobContext, State(told): State<Arc<Notify>>| async move {
            ctx.cancelled().await;
            told.notify_one();
            std::future::pending::<()>().await;
        },
    )
    .timeout(Duration::from_millis(300));
    let scheduler = on(&clock).state(Arc::clone(&told)).job(job).start().await;
    let scheduler = scheduler.expect("started");
    clock.advance(SECOND);
    let pushed = tokio::spawn({
        let clock = clock.clone();
        async move {
            loop {
                clock.advance(Duration::from_millis(1));
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    tokio::time::timeout(BOUND, told.notified())
        .await
        .expect("the job is told");
    wait_until_async("the run is recorded", BOUND, async || {
        let lines = scheduler.ledger("slow", 100).await.expect("a ledger");
        outcomes(&lines).contains(&Outcome::TimedOut)
    })
    .await;
    pushed.abort();
}

#[tokio::test]
async fn ticks_nobody_could_run_are_missed_and_the_newest_runs_late() {
    let clock = ManualClock::new();
    let scheduler = on(&clock)
        .job(Job::every("hourly", HOUR, || async {}))
        .job(Job::every("second", SECOND, || async {}))
        .start()
        .await
        .expect("started");
    // The node was suspended over five ticks of the one, two of the other.
    clock.advance(2 * HOUR + 5 * SECOND);
    let hourly = ledger(&scheduler, "hourly", 2).await;
    assert_eq!(outcomes(&hourly), [Outcome::Missed, Outcome::Ok]);
    assert_eq!((hourly[0].count, hourly[0].tick), (1, hourly[0].last_tick));
    assert_eq!(hourly[1].lateness(), Some(5 * SECOND));
    let second = ledger(&scheduler, "second", 2).await;
    assert_eq!(outcomes(&second), [Outcome::Missed, Outcome::Ok]);
    assert_eq!(second[0].count, 2 * 3600 + 4);
    assert_eq!(second[1].lateness(), Some(Duration::ZERO));
}

#[tokio::test]
async fn two_nodes_of_one_store_run_each_tick_once() {
    let clock = ManualClock::new();
    let runs = Arc::new(AtomicUsize::new(0));
    let node = async |name: &str| {
        Scheduler::builder("memory://two_nodes")
            .clock(clock.clone())
            .node_name(name)
            .state(Arc::clone(&runs))
            .job(Job::every(
                "tick",
                SECOND,
                |State(runs): State<Arc<AtomicUsize>>| async move {
                    let _ = runs.fetch_add(1, Ordering::Relaxed);
                },
            ))
            .start()
            .await
            .expect("started")
    };
    let (a, b) = (node("a").await, node("b").await);
    for lines in 1..=50 {
        clock.advance(SECOND);
        ledger(&a, "tick", lines).await;
    }
    let lines = ledger(&b, "tick", 50).await;
    assert_eq!(outcomes(&lines), [Outcome::Ok; 50]);
    assert_eq!(runs.load(Ordering::Relaxed), 50);
    let ticks: Vec<_> = lines.iter().map(|line| line.tick).collect();
    assert!(ticks.is_sorted_by(|a, b| a < b), "{ticks:?}");
}

async fn refused(builder: SchedulerBuilder) -> Error {
    builder.start().await.expect_err("it must not start")
}

#[tokio::test]
async fn what_is_wrong_is_said_at_start() {
    let job = |name: &str| Job::every(name, SECOND, || async {});
    let builder = || Scheduler::builder("memory://");

    let error = refused(builder()).await;
    assert!(matches!(error, Error::NoJobs), "{error}");
    assert!(
        error.to_string().contains("use that_crate as _;"),
        "{error}"
    );

    let error = refused(builder().job(job("twin")).job(job("twin"))).await;
    let text = error.to_string();
    assert_eq!(text.matches("tests/scheduler.rs").count(), 2, "{text}");
    assert!(text.contains("`name = \"…\"`"), "{text}");

    let needs_state = Job::every("needy", SECOND, |_: State<Arc<str>>| async {});
    let text = refused(builder().job(needs_state)).await.to_string();
    assert!(
        text.contains("`needy`") && text.contains("Arc<str>"),
        "{text}"
    );

    let long = "x".repeat(129);
    for (name, why) in [("bad name", "' '"), (&*long, "129 bytes")] {
        let text = refused(builder().job(job(name))).await.to_string();
        for word in [why, "scheduler.rs", "another name", "`name = \"…\"`"] {
            assert!(text.contains(word), "{word} not in: {text}");
        }
    }

    let cron = Job::cron("old", "30 2 * * *", || async {});
    let text = refused(builder().job(cron)).await.to_string();
    assert!(text.contains("0 30 2 * * *"), "{text}");

    let text = refused(builder().job(job("a").tz("UTC"))).await.to_string();
    assert!(text.contains("`tz` has no effect on `every`"), "{text}");

    let text = refused(builder().job(job("a").lease(Duration::ZERO)))
        .await
        .to_string();
    assert!(text.contains("200ms"), "{text}");

    let text = refused(builder().job(job("a")).only(["b"]))
        .await
        .to_string();
    assert!(
        text.contains("no job `b`") && text.contains("there are: a"),
        "{text}"
    );

    let text = refused(builder().job(job("a")).without(["a"]))
        .await
        .to_string();
    assert!(text.contains("leave no job"), "{text}");

    let text = refused(builder().job(job("a")).state(1_u8).state(2_u8))
        .await
        .to_string();
    assert!(text.contains("`u8`"), "{text}");

    let text = refused(builder().job(job("a")).namespace("{x}"))
        .await
        .to_string();
    assert!(text.contains("`namespace`"), "{text}");
}

#[tokio::test]
async fn only_and_without_choose_the_jobs_of_a_node() {
    let builder = || {
        Scheduler::builder("memory://")
            .job(Job::every("a", SECOND, || async {}))
            .job(Job::every("b", SECOND, || async {}).description("the second"))
            .job(Job::every("c", SECOND, || async {}))
    };
    let names = |scheduler: &Scheduler| {
        let jobs = scheduler.jobs();
        jobs.iter().map(|job| job.name.clone()).collect::<String>()
    };
    let only = builder().only(["c", "b"]).start().await.expect("started");
    assert_eq!(names(&only), "bc");
    assert_eq!(only.jobs()[0].description.as_deref(), Some("the second"));
    assert_eq!(only.jobs()[0].next_ticks.len(), 5);
    let without = builder().without(["b"]).start().await.expect("started");
    assert_eq!(names(&without), "ac");
    let error = only.ledger("nobody", 1).await.expect_err("unknown");
    assert!(matches!(error, Error::UnknownJob { .. }), "{error}");
}
