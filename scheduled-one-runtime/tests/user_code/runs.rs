//! What a run calls: each panic is an outcome of the attempt.

use std::panic::panic_any;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use scheduled_one_runtime::clock::ManualClock;
use scheduled_one_runtime::{
    BoxError, Job, JobContext, LedgerEntry, OnNodeLoss, Outcome, Scheduler, State,
};

use crate::misbehaving::{
    BadClone, BadDrop, BadError, BadExtractor, BadFuture, BadInto, NoExtractor, Panics,
};
use crate::{BOUND, MINUTE, SECOND, lines, on};

const HIDDEN: &str = "its error could not be shown";

type Case = (&'static str, fn(&str) -> Job, Outcome, &'static str);

fn of<Args: 'static>(name: &str, function: impl scheduled_one_runtime::Handler<Args>) -> Job {
    Job::every(name, MINUTE, function)
        .lease(SECOND)
        .retries(2)
        .backoff(Duration::from_millis(1), Duration::from_millis(1))
        .on_node_loss(OnNodeLoss::Rerun(3))
}

fn bad_error(panics: Panics) -> Result<(), BadError> {
    Err(BadError(panics))
}

/// Each place, a job that panics there, the outcome, and what its error contains.
const CASES: [Case; 13] = [
    (
        "display",
        |name| of(name, || async { bad_error(Panics::Display) }),
        Outcome::Failed,
        HIDDEN,
    ),
    (
        "source",
        |name| of(name, || async { bad_error(Panics::Source) }),
        Outcome::Failed,
        "a bad error (the rest of its error could not be shown",
    ),
    (
        "drop_of_error",
        |name| of(name, || async { bad_error(Panics::Drop) }),
        Outcome::Failed,
        "a bad error",
    ),
    (
        "into",
        |name| of(name, || async { Err::<(), _>(BadInto) }),
        Outcome::Panicked,
        "in its into",
    ),
    (
        "payload",
        |name| of(name, || async { panic_any(BadDrop) as () }),
        Outcome::Panicked,
        "a panic without a text",
    ),
    (
        "extractor",
        |name| of(name, |_: BadExtractor| async {}),
        Outcome::Panicked,
        "in its from_job",
    ),
    (
        "no_extractor",
        |name| of(name, |_: NoExtractor| async {}),
        Outcome::Failed,
        HIDDEN,
    ),
    (
        "clone",
        |name| of(name, |_: State<BadClone>| async {}),
        Outcome::Panicked,
        "in its Clone",
    ),
    (
        "call",
        |name| {
            of(name, || {
                assert!(name_is_empty(), "in the call");
                async {}
            })
        },
        Outcome::Panicked,
        "in the call",
    ),
    (
        "future",
        |name| of(name, || BadFuture),
        Outcome::Panicked,
        "in the Drop of its future",
    ),
    (
        "local",
        |name| {
            of(name, || async {
                let _held = BadDrop;
                tokio::task::yield_now().await;
            })
        },
        Outcome::Panicked,
        "in its Drop",
    ),
    (
        "long",
        |name| of(name, || async { Err::<(), String>("é".repeat(1_000_000)) }),
        Outcome::Failed,
        "é…",
    ),
    (
        "waker",
        |name| {
            of(name, |ctx: JobContext| async move {
                // It waits for longer than the function takes, and is woken when the attempt ends.
                let mut cancelled = Box::pin(async move { ctx.cancelled().await });
                let waker = Waker::from(Arc::new(BadWaker));
                let _ = cancelled.as_mut().poll(&mut Context::from_waker(&waker));
                std::mem::forget(cancelled);
                Err::<(), BoxError>("a plain error".into())
            })
        },
        Outcome::Failed,
        "a plain error",
    ),
];

fn name_is_empty() -> bool {
    std::hint::black_box("name").is_empty()
}

pub(crate) struct BadWaker;

impl Wake for BadWaker {
    fn wake(self: Arc<Self>) {
        panic!("in its wake");
    }
}

#[tokio::test]
async fn each_panic_is_an_outcome_at_once_and_the_next_tick_is_on_time() {
    let clock = ManualClock::new();
    let node = async |name: &str| {
        let builder = Scheduler::builder("memory://panics").clock(clock.clone());
        let builder = builder.node_name(name).state(BadClone);
        let jobs = CASES.map(|(name, job, ..)| job(name));
        let builder = jobs.into_iter().fold(builder, |it, job| it.job(job));
        builder.start().await.expect("started")
    };
    let (a, _b) = (node("a").await, node("b").await);
    for tick in 1..=2 {
        clock.advance(MINUTE / 2);
        tokio::task::yield_now().await;
        clock.advance(MINUTE / 2);
        for (job, _, outcome, error) in CASES {
            let lines = lines(&clock, &a, job, 3 * tick).await;
            assert_eq!(lines.len(), 3 * tick, "{job}: {lines:?}");
            assert_attempts(job, &lines[3 * (tick - 1)..], outcome, error);
        }
    }
}

/// Three attempts at one tick, in one run.
fn assert_attempts(job: &str, lines: &[LedgerEntry], outcome: Outcome, error: &str) {
    let attempts: Vec<_> = lines
        .iter()
        .map(|line| (line.outcome, line.attempt, line.retried))
        .collect();
    let expected = [
        (outcome, Some(1), true),
        (outcome, Some(2), true),
        (outcome, Some(3), false),
    ];
    assert_eq!(attempts, expected, "{job}: {lines:?}");
    for line in lines {
        assert!(line.error.contains(error), "{job}: {lines:?}");
        assert!(line.error.len() <= 1024, "{job}: {lines:?}");
        assert_eq!(line.tick, lines[0].tick, "{job}: {lines:?}");
        assert!(line.lateness().expect("it ran") < MINUTE / 2, "{lines:?}");
    }
}

#[tokio::test]
async fn a_panic_in_the_drop_of_a_cancelled_future_is_in_its_line() {
    let clock = ManualClock::new();
    let job = Job::every("stuck", MINUTE, || async {
        let _held = BadDrop;
        std::future::pending::<()>().await;
    })
    .timeout(SECOND);
    let scheduler = on(&clock).job(job).start().await.expect("started");
    clock.advance(MINUTE);
    tokio::task::yield_now().await;
    let lines = lines(&clock, &scheduler, "stuck", 1).await;
    assert_eq!(lines[0].outcome, Outcome::TimedOut, "{lines:?}");
    assert_eq!(lines[0].reason, "timeout; dropped");
    assert_eq!(lines[0].error, "in its Drop");
}

#[tokio::test]
async fn states_and_closures_whose_drop_panics_do_not_hinder_the_end() {
    let clock = ManualClock::new();
    let runs = Arc::new(AtomicUsize::new(0));
    let (counted, held) = (Arc::clone(&runs), Arc::new(BadDrop));
    let job = Job::every("held", MINUTE, move || {
        let _ = &held;
        counted.fetch_add(1, Ordering::Relaxed);
        async {}
    });
    let builder = on(&clock).state(BadClone).state(Arc::new(BadDrop));
    let scheduler = builder.job(job).start().await.expect("started");
    clock.advance(MINUTE);
    let lines = lines(&clock, &scheduler, "held", 1).await;
    assert_eq!(lines[0].outcome, Outcome::Ok);
    let stopped = tokio::time::timeout(BOUND, scheduler.shutdown(SECOND)).await;
    assert!(stopped.expect("it stops").recorded);
    drop(scheduler);
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}
