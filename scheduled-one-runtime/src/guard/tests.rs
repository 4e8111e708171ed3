//! Tests of the guard, in time that they move.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;

use super::*;
use crate::lease::{Lease, LeaseMode};
use scheduled_one_protocol::clock::{Clock, ManualClock};

const LEASE: Duration = Duration::from_secs(10);

struct Bench {
    clock: ManualClock,
    lease: Arc<Lease>,
    attempt: Attempt,
    polls: Arc<AtomicU32>,
}

impl Bench {
    fn new() -> Self {
        let clock = ManualClock::new();
        let sent = clock.boottime();
        let lease = Lease::new(Arc::new(clock.clone()), LEASE, sent, LeaseMode::Cancel);
        let lease = Arc::new(lease);
        Bench {
            attempt: Attempt::new(Arc::clone(&lease)),
            lease,
            clock,
            polls: Arc::default(),
        }
    }

    /// A job that never ends and counts its polls.
    fn endless(&self, timeout: Option<Duration>) -> Guard {
        let polls = Arc::clone(&self.polls);
        let job = Box::pin(std::future::poll_fn(move |_| {
            polls.fetch_add(1, Ordering::Relaxed);
            Poll::Pending
        }));
        let timeout_at = timeout.map(|timeout| self.clock.boottime() + timeout);
        guarded(job, &self.attempt, timeout_at)
    }

    fn polls(&self) -> u32 {
        self.polls.load(Ordering::Relaxed)
    }
}

fn guarded(job: GuardedFuture, attempt: &Attempt, timeout_at: Option<Duration>) -> Guard {
    let slow_polls = SlowPolls {
        unit: UnitName::new("job", 0),
        throttle: Arc::default(),
    };
    Guard::of_job(job, attempt.clone(), timeout_at, slow_polls)
}

fn poll(guard: &mut Guard) -> Poll<RunResult> {
    let mut cx = Context::from_waker(Waker::noop());
    Pin::new(guard).poll(&mut cx)
}

fn end(guard: &mut Guard) -> RunResult {
    match poll(guard) {
        Poll::Ready(end) => end,
        Poll::Pending => panic!("the run is still active"),
    }
}

#[test]
fn not_one_more_poll_after_the_deadline() {
    let bench = Bench::new();
    let mut guard = bench.endless(None);
    assert!(poll(&mut guard).is_pending());
    let before = bench.polls();
    // The process is stopped for a minute and continues.
    bench.clock.advance(Duration::from_secs(60));
    let end = end(&mut guard);
    assert_eq!(end.outcome, Outcome::Cancelled);
    assert_eq!(bench.polls(), before);
}

#[test]
fn not_even_the_first_poll_after_the_deadline() {
    let bench = Bench::new();
    let mut guard = bench.endless(None);
    bench.clock.advance(Duration::from_secs(8));
    assert_eq!(end(&mut guard).outcome, Outcome::Cancelled);
    assert_eq!(bench.polls(), 0);
}

#[test]
fn is_signalled_at_60_percent_and_polled_until_80() {
    let bench = Bench::new();
    let mut guard = bench.endless(None);
    bench.clock.advance(Duration::from_secs(6));
    assert!(poll(&mut guard).is_pending());
    assert_eq!(bench.attempt.cancelled(), Some(CancelReason::LeaseUnproven));
    bench.clock.advance(Duration::from_millis(1_999));
    assert!(poll(&mut guard).is_pending());
    bench.clock.advance(Duration::from_millis(1));
    assert_eq!(
        end(&mut guard).reason,
        "lease could not be renewed; dropped"
    );
}

#[test]
fn a_renewed_run_continues() {
    let bench = Bench::new();
    let mut guard = bench.endless(None);
    for _ in 0..10 {
        assert!(poll(&mut guard).is_pending());
        bench.clock.advance(Duration::from_secs(5));
        bench.lease.extend(bench.clock.boottime());
    }
    assert!(poll(&mut guard).is_pending());
}

#[test]
fn a_lost_lease_leaves_no_time() {
    let bench = Bench::new();
    let mut guard = bench.endless(None);
    assert!(poll(&mut guard).is_pending());
    bench.lease.cancel(CancelReason::LeaseLost);
    assert_eq!(end(&mut guard).reason, "lease lost; dropped");
}

#[test]
fn a_timeout_signals_then_drops() {
    let bench = Bench::new();
    let mut guard = bench.endless(Some(Duration::from_secs(1)));
    assert!(poll(&mut guard).is_pending());
    bench.clock.advance(Duration::from_secs(1));
    assert!(poll(&mut guard).is_pending());
    assert_eq!(bench.attempt.cancelled(), Some(CancelReason::Timeout));
    bench.clock.advance(Duration::from_secs(2));
    assert_eq!(end(&mut guard).outcome, Outcome::TimedOut);
}

#[test]
fn the_end_of_a_shutdown_shortens_the_budget_also_of_a_run_that_is_cancelled_already() {
    let bench = Bench::new();
    let start = bench.clock.boottime();
    let ms = |ms| start + Duration::from_millis(ms);
    let mut guard = bench.endless(Some(Duration::from_secs(1)));
    assert!(poll(&mut guard).is_pending());
    bench.clock.advance(Duration::from_secs(1));
    assert!(poll(&mut guard).is_pending());
    assert_eq!(guard.next_alarm(), Some(ms(3_000)));
    bench.lease.cancel_by(CancelReason::Shutdown, ms(1_500));
    assert!(poll(&mut guard).is_pending());
    assert_eq!(guard.next_alarm(), Some(ms(1_500)));
    bench.clock.advance(Duration::from_millis(500));
    assert_eq!(end(&mut guard).reason, "timeout; dropped");
}

#[test]
fn the_end_of_a_shutdown_never_outlasts_the_lease() {
    let bench = Bench::new();
    let mut guard = bench.endless(None);
    assert!(poll(&mut guard).is_pending());
    let later = bench.clock.boottime() + Duration::from_secs(60);
    bench.lease.cancel_by(CancelReason::Shutdown, later);
    assert!(poll(&mut guard).is_pending());
    let before = bench.polls();
    bench.clock.advance(Duration::from_secs(8));
    assert_eq!(end(&mut guard).outcome, Outcome::Cancelled);
    assert_eq!(bench.polls(), before);
}

#[tokio::test]
async fn a_guard_that_waits_is_woken_when_the_end_comes_sooner() {
    let bench = Bench::new();
    let start = bench.clock.boottime();
    let guard = bench.endless(None);
    bench.lease.cancel(CancelReason::Superseded);
    let ended = tokio::spawn(guard);
    tokio::task::yield_now().await;
    // No time passes from here on.
    bench.lease.cancel_by(CancelReason::Shutdown, start);
    let ended = ended.await.expect("no panic");
    assert_eq!(ended.reason, "superseded by the next tick; dropped");
}

#[test]
fn a_run_that_may_continues_without_its_lease_once_it_has_started() {
    let bench = Bench::new();
    let sent = bench.clock.boottime();
    let clock = Arc::new(bench.clock.clone());
    let lease = Lease::new(clock, LEASE, sent, LeaseMode::Continue);
    let attempt = Attempt::new(Arc::new(lease));
    let job = || -> GuardedFuture { Box::pin(std::future::pending()) };
    let mut started = guarded(job(), &attempt, None);
    let mut not_started = guarded(job(), &attempt, None);
    assert!(poll(&mut started).is_pending());
    bench.clock.advance(Duration::from_secs(60));
    attempt.lease().cancel(CancelReason::LeaseLost);
    assert!(poll(&mut started).is_pending());
    assert_eq!(end(&mut not_started).outcome, Outcome::Cancelled);
    attempt.lease().cancel(CancelReason::Shutdown);
    assert!(poll(&mut started).is_pending());
    bench.clock.advance(Duration::from_secs(2));
    assert_eq!(end(&mut started).reason, "shutdown; dropped");
}

#[test]
fn a_panic_is_an_outcome_and_so_is_one_in_a_destructor() {
    struct Bomb(Arc<Mutex<bool>>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            *self.0.lock().expect("lock") = true;
            panic!("in drop");
        }
    }
    let bench = Bench::new();
    let job = Box::pin(async { panic!("boom {}", 1) });
    let mut guard = guarded(job, &bench.attempt, None);
    let end_of_panic = end(&mut guard);
    assert_eq!(end_of_panic.outcome, Outcome::Panicked);
    assert_eq!(end_of_panic.error, "boom 1");

    let dropped = Arc::new(Mutex::new(false));
    let bomb = Bomb(Arc::clone(&dropped));
    let job = Box::pin(async move {
        let _bomb = bomb;
        std::future::pending().await
    });
    let mut guard = guarded(job, &bench.attempt, None);
    assert!(poll(&mut guard).is_pending());
    bench.lease.cancel(CancelReason::LeaseLost);
    assert_eq!(end(&mut guard).outcome, Outcome::Cancelled);
    assert!(*dropped.lock().expect("lock"), "it was dropped");
}
