//! Retries, their backoff, and timeouts.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scheduled_one_runtime::clock::ManualClock;
use scheduled_one_runtime::{Job, JobContext, Outcome, RetryOn, Scope, State};
use test_support::wait_until_async;

use crate::{BOUND, HOUR, SECOND, ledger, on};

#[tokio::test]
async fn a_failed_run_is_tried_again_under_the_same_token() {
    let clock = ManualClock::new();
    type Seen = Arc<Mutex<Vec<(u32, u64)>>>;
    let seen = Seen::default();
    let job = Job::every(
        "again",
        HOUR,
        |ctx: JobContext, State(seen): State<Seen>| async move {
            let mut seen = seen.lock().expect("lock");
            seen.push((ctx.attempt(), ctx.fencing_token()));
            if seen.len() < 3 {
                Err("not yet")
            } else {
                Ok(())
            }
        },
    )
    .retries(5);
    let scheduler = on(&clock).state(Arc::clone(&seen)).job(job).start().await;
    let scheduler = scheduler.expect("started");
    clock.advance(HOUR);
    wait_until_async("it has run well", BOUND, async || {
        clock.advance(Duration::from_millis(50));
        scheduler.ledger("again", 9).await.expect("a ledger").len() == 3
    })
    .await;
    let lines = ledger(&scheduler, "again", 3).await;
    let ends: Vec<_> = lines
        .iter()
        .map(|l| (l.outcome, l.attempt, l.retried))
        .collect();
    assert_eq!(
        ends,
        [
            (Outcome::Failed, Some(1), true),
            (Outcome::Failed, Some(2), true),
            (Outcome::Ok, Some(3), false),
        ]
    );
    let seen = seen.lock().expect("lock");
    assert_eq!(seen.iter().map(|s| s.0).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(seen.iter().all(|s| s.1 == seen[0].1), "{seen:?}");
}

#[tokio::test]
async fn a_retry_gives_way_to_a_shutdown_and_the_tick_keeps_its_outcome() {
    let clock = ManualClock::new();
    let job = Job::every("again", HOUR, || async { Err::<(), _>("no luck") })
        .retries(3)
        .backoff(HOUR / 4, HOUR / 2);
    let scheduler = on(&clock).job(job).start().await.expect("started");
    clock.advance(HOUR);
    wait_until_async("a run is going", BOUND, async || scheduler.running() == 1).await;
    // No time passes: it does not wait for the retry, nor for the grace.
    let report = tokio::time::timeout(BOUND, scheduler.shutdown(HOUR)).await;
    assert_eq!(report.expect("it stops").finished, 1);
    let lines = ledger(&scheduler, "again", 1).await;
    let ends: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line.outcome,
                line.attempt,
                line.retried,
                line.error.as_str(),
            )
        })
        .collect();
    assert_eq!(ends, [(Outcome::Failed, Some(1), false, "no luck")]);
}

#[tokio::test]
async fn a_job_of_every_node_is_tried_again_however_late() {
    let clock = ManualClock::new();
    let calls = Arc::new(AtomicUsize::new(0));
    let job = Job::every(
        "cache",
        HOUR,
        |State(n): State<Arc<AtomicUsize>>| async move {
            match n.fetch_add(1, Ordering::Relaxed) {
                0 => Err("no luck"),
                _ => Ok(()),
            }
        },
    )
    .scope(Scope::EveryNode)
    .retries(1)
    .backoff(Duration::from_secs(60), Duration::from_secs(60));
    let scheduler = on(&clock).state(Arc::clone(&calls)).job(job).start().await;
    let scheduler = scheduler.expect("started");
    clock.advance(HOUR);
    wait_until_async("it was tried again", BOUND, async || {
        clock.advance(SECOND);
        calls.load(Ordering::Relaxed) == 2
    })
    .await;
    let lines = ledger(&scheduler, "cache", 2).await;
    let ends: Vec<_> = lines
        .iter()
        .map(|line| (line.outcome, line.retried))
        .collect();
    assert_eq!(ends, [(Outcome::Failed, true), (Outcome::Ok, false)]);
}

#[tokio::test]
async fn all_attempts_together_have_a_timeout_too() {
    let clock = ManualClock::new();
    let job = Job::every("slow", HOUR, |ctx: JobContext| async move {
        ctx.cancelled().await;
        Err::<(), _>("told to stop")
    })
    .timeout(Duration::from_secs(10))
    .timeout_total(Duration::from_secs(15))
    .retries(9)
    .backoff(Duration::from_millis(1), Duration::from_millis(2));
    let scheduler = on(&clock).job(job).start().await.expect("started");
    clock.advance(HOUR);
    wait_until_async("it is over", BOUND, async || {
        clock.advance(SECOND / 20);
        let lines = scheduler.ledger("slow", 9).await.expect("a ledger");
        lines.iter().any(|line| !line.retried)
    })
    .await;
    let lines = ledger(&scheduler, "slow", 2).await;
    let ends: Vec<_> = lines
        .iter()
        .map(|line| (line.outcome, line.retried))
        .collect();
    assert_eq!(
        ends,
        [(Outcome::TimedOut, true), (Outcome::TimedOut, false)]
    );
}

#[tokio::test]
async fn only_what_retry_on_names_is_tried_again() {
    let clock = ManualClock::new();
    let only_panics = RetryOn::NONE.with_panic(true);
    let job = Job::every("picky", HOUR, || async { Err::<(), _>("no luck") })
        .retries(3)
        .retry_on(only_panics);
    let scheduler = on(&clock).job(job).start().await.expect("started");
    clock.advance(HOUR);
    let lines = ledger(&scheduler, "picky", 1).await;
    assert_eq!(
        (lines[0].outcome, lines[0].retried),
        (Outcome::Failed, false)
    );
}
