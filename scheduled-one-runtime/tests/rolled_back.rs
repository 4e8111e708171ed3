//! Nodes on a store that was rolled back or replaced, or that disagrees about the number of buckets.

mod test_store;

use std::sync::Arc;
use std::time::Duration;

use scheduled_one_protocol::machine::{self, Meta, Now, Record, Run};
use scheduled_one_protocol::message::{Caller, Finish, RunId, Watermarks, WrittenOff};
use scheduled_one_protocol::{FencingToken, Outcome, Start, TickMs};
use scheduled_one_runtime::clock::ManualClock;
use scheduled_one_runtime::{Job, OnLeaseLost, Scheduler, ShutdownReport, State};
use test_support::wait_until_async;
use tokio::sync::Notify;

use test_store::TestStore;

const BOUND: Duration = Duration::from_secs(20);
const HOUR: Duration = Duration::from_secs(3600);

fn caller() -> Caller {
    Caller {
        node: "node".into(),
        name: "Node".into(),
        quarantine_ms: 0,
        margin_ms: 0,
        ledger_limit: 50,
        buckets: 1,
    }
}

/// A failover brought back the time before the run's first retry.
fn rolled_back() -> Record {
    Record {
        marks: Watermarks {
            decided: Some(TickMs(1_000)),
            token: FencingToken(5),
            ..Watermarks::default()
        },
        running: true,
        run: Run {
            tick: TickMs(1_000),
            nonce: "nonce".into(),
            token: FencingToken(5),
            attempt: 1,
            lease_ms: 5_000,
            until_ms: 6_000,
            seq: 1,
            takeovers: 1,
            ..Run::default()
        },
        ..Record::default()
    }
}

fn finish(record: &mut Record, attempt: u32, retried: bool) {
    let end = Finish {
        run: RunId {
            unit: "job".into(),
            tick: TickMs(1_000),
            nonce: "nonce".into(),
            token: FencingToken(5),
            attempt,
            lease_ms: 5_000,
            granted_at_ms: 1_000,
            takeovers: 1,
            origin: None,
        },
        outcome: Outcome::Failed,
        retried,
        reason: String::new(),
        error: String::new(),
        fired_at_ms: Some(1_000),
        ended_at_ms: 2_000,
    };
    let now = Now { us: 2_000_000 };
    let finished = machine::finish(record, &end, &caller(), now, &mut Vec::new());
    assert!(finished.recorded);
}

#[test]
fn the_end_of_an_attempt_implies_the_attempts_before() {
    let mut record = rolled_back();
    finish(&mut record, 3, true);
    assert_eq!((record.running, record.run.attempt), (true, 4));
    let (watched, now) = (record.overdue_run(&"job".into()), Now { us: 6_000_000 });
    let (meta, ledger) = (Meta::default(), &mut Vec::new());
    let end = machine::write_off(&meta, &mut record, &watched, &caller(), now, ledger);
    assert_eq!(end, WrittenOff::TakenOver);
    assert_eq!(record.waiting[0].attempt, 5, "attempt 4 may have begun");

    let mut record = rolled_back();
    finish(&mut record, 3, false);
    assert_eq!((record.running, record.run.attempt), (false, 3));
}

/// Changes the store identity three times, and returns the newest start that the last registration reports.
async fn newest_start_after_failovers(clock: &ManualClock, store: &TestStore) -> Start {
    for failover in 1..=3 {
        store.fail_over();
        wait_until_async("the node registers its units", BOUND, async || {
            clock.advance(Duration::from_millis(500));
            store.noticed_failovers() >= failover
        })
        .await;
    }
    store.newest_start().expect("a start")
}

/// The store refuses the outcome of the first attempt, as if the run had been written off: the second attempt does not
/// start.
#[tokio::test]
async fn an_attempt_that_never_began_is_not_reported() {
    let clock = ManualClock::new();
    let store = TestStore::new(&clock, true);
    let job = Job::every("again", HOUR, || async { Err::<(), _>("no luck") })
        .retries(3)
        .backoff(Duration::from_millis(1), Duration::from_millis(1));
    let builder = Scheduler::builder("memory://").clock(clock.clone());
    let builder = builder.store(store.clone());
    let scheduler = builder.job(job).start().await.expect("started");
    clock.advance(HOUR);
    wait_until_async("the run has ended", BOUND, async || {
        clock.advance(Duration::from_millis(5));
        store.refused().len() == 2 && scheduler.running() == 0
    })
    .await;
    let ends = store.refused();
    let attempt = |end: &Finish| (end.run.attempt, end.fired_at_ms.is_some());
    assert_eq!(
        (attempt(&ends[0]), attempt(&ends[1])),
        ((1, true), (2, false))
    );
    let newest = newest_start_after_failovers(&clock, &store).await;
    assert_eq!(newest.tick, ends[0].run.tick);
    assert_eq!(newest.attempt, 1);
}

#[tokio::test]
async fn what_a_dispute_held_up_says_so() {
    let clock = ManualClock::new();
    let store = TestStore::new(&clock, false);
    let builder = Scheduler::builder("memory://").clock(clock.clone());
    let builder = builder.store(store.clone());
    let job = Job::every("tick", Duration::from_secs(1), || async {});
    let scheduler = builder.job(job).start().await.expect("started");
    let ledger = async || {
        clock.advance(Duration::from_millis(250));
        scheduler.ledger("tick", 100).await.expect("a ledger")
    };
    wait_until_async("it ticks", BOUND, async || !ledger().await.is_empty()).await;
    store.dispute(true);
    for _ in 0..100 {
        let ticks = ledger().await.len();
        tokio::task::yield_now().await;
        assert!(ticks < 50, "it goes on");
    }
    store.dispute(false);
    let reasons = async || {
        let lines = ledger().await.into_iter();
        let missed = lines.filter(|line| line.outcome == Outcome::Missed);
        missed.map(|line| line.reason).collect::<Vec<_>>()
    };
    let hold_up = |reason: &String| reason == "another number of buckets" || reason == "store down";
    wait_until_async("ticks are missed", BOUND, async || {
        reasons().await.iter().any(hold_up)
    })
    .await;
    let reasons = reasons().await;
    let down = reasons.iter().any(|reason| reason == "store down");
    assert!(!down, "{reasons:?}");
}

/// A run starts only under a proven lease, also where it would continue without one.
#[tokio::test]
async fn a_claim_that_is_answered_too_late_starts_nothing() {
    for (policy, late_percent) in [
        (OnLeaseLost::Cancel, 70),
        (OnLeaseLost::Finish, 70),
        (OnLeaseLost::Finish, 90),
    ] {
        let clock = ManualClock::new();
        let store = TestStore::new(&clock, false);
        let lease = Duration::from_secs(10);
        store.delay_claims(&clock, lease * late_percent / 100);
        let job = Job::every("late", HOUR, || async {})
            .lease(lease)
            .on_lease_lost(policy);
        let builder = Scheduler::builder("memory://").clock(clock.clone());
        let scheduler = builder
            .store(store)
            .job(job)
            .start()
            .await
            .expect("started");
        clock.advance(HOUR);
        let lines = async || scheduler.ledger("late", 9).await.expect("a ledger");
        wait_until_async("the tick is decided", BOUND, async || {
            clock.advance(Duration::from_millis(100));
            !lines().await.is_empty()
        })
        .await;
        let lines = lines().await;
        let (outcome, reason) = (lines[0].outcome, lines[0].reason.as_str());
        let expected = (Outcome::Missed, "the claim was answered too late to start");
        assert_eq!((outcome, reason), expected, "{policy:?} {late_percent} %");
        assert_eq!(lines[0].fired_at, None);
    }
}

/// A scheduler with one job that ends when it is notified, and is running.
async fn with_a_run(clock: &ManualClock, store: &TestStore) -> (Scheduler, Arc<Notify>) {
    let done = Arc::new(Notify::new());
    let builder = Scheduler::builder("memory://").clock(clock.clone());
    let builder = builder.store(store.clone());
    let job = Job::every("long", HOUR, |State(done): State<Arc<Notify>>| async move {
        done.notified().await
    });
    let builder = builder.state(Arc::clone(&done)).lease(HOUR).job(job);
    let scheduler = builder.start().await.expect("started");
    clock.advance(HOUR);
    wait_until_async("it runs", BOUND, async || scheduler.running() == 1).await;
    (scheduler, done)
}

/// A node that shuts down starts nothing, and still registers its units when the store forgets.
#[tokio::test]
async fn a_failover_within_the_grace_is_answered() {
    let clock = ManualClock::new();
    let store = TestStore::new(&clock, false);
    let (scheduler, done) = with_a_run(&clock, &store).await;
    let stop = scheduler.shutdown(HOUR);
    tokio::pin!(stop);
    let newest = tokio::select! {
        _ = &mut stop => panic!("a run goes on"),
        newest = newest_start_after_failovers(&clock, &store) => newest,
    };
    assert_eq!(newest.attempt, 1);
    done.notify_one();
    let report = tokio::time::timeout(BOUND, stop).await.expect("it stops");
    assert_eq!((report.finished, report.recorded), (1, true));
}

#[tokio::test]
async fn a_shutdown_that_was_given_up_goes_on_with_the_next_call() {
    let clock = ManualClock::new();
    let store = TestStore::new(&clock, false);
    let (scheduler, done) = with_a_run(&clock, &store).await;
    let brief = Duration::from_millis(20);
    for _ in 0..2 {
        let stop = tokio::time::timeout(brief, scheduler.shutdown(HOUR));
        assert!(stop.await.is_err(), "a run goes on");
    }
    done.notify_one();
    let stop = tokio::time::timeout(BOUND, scheduler.shutdown(HOUR));
    let report = stop.await.expect("it stops");
    assert_eq!((report.finished, report.cancelled), (1, 0));
    assert!(report.recorded);
    let lines = scheduler.ledger("long", 9).await.expect("a ledger");
    assert_eq!(lines[0].outcome, Outcome::Ok);
}

#[tokio::test]
async fn what_was_not_recorded_is_not_said_to_be_by_the_next_call() {
    let clock = ManualClock::new();
    let store = TestStore::new(&clock, false);
    let (scheduler, done) = with_a_run(&clock, &store).await;
    store.dispute(true); // it answers nothing
    done.notify_one();
    let first = scheduler.shutdown(HOUR);
    let time = async {
        loop {
            clock.advance(Duration::from_millis(100));
            tokio::task::yield_now().await;
        }
    };
    let first = tokio::select! { first = first => first, () = time => unreachable!() };
    assert_eq!((first.finished, first.recorded), (1, false));
    assert_eq!(scheduler.shutdown(HOUR).await, ShutdownReport::default());
}
