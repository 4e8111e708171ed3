//! A future under a lease: before *each* poll the boot clock is compared to the
//! deadline, so that a process that was stopped for a minute does not execute
//! one more poll of a run whose lease has ended. Panics are caught, timeouts and
//! cancelling end the run.
//!
//! Most of these futures are those of job functions. The others are waits that
//! must not outlast the lease: for the tick to be due, and for an attempt to be
//! recorded.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::attempt::Attempt;
use crate::event;
use crate::handler::BoxError;
use crate::lease::CancelReason;
use crate::run_result::{RunResult, error_text};
use scheduled_one_protocol::{BoxFuture, Outcome};

/// A future that a guard polls: a job function's, or a wait under the same lease.
pub(crate) type GuardedFuture = BoxFuture<'static, Result<(), BoxError>>;

/// Polls a future as long as its lease allows, and completes with the way it ended.
pub(crate) struct Guard {
    /// `None` once the future has ended.
    future: Option<GuardedFuture>,
    attempt: Attempt,
    /// Whether the future was polled at least once.
    started: bool,
    timeout_at: Option<Duration>,
    /// When a cancelled future is dropped; `None` while it is not cancelled.
    drop_at: Option<Duration>,
    /// Wakes the guard at an instant. Made when the future is first pending: most runs never need it.
    alarm: Option<(Duration, BoxFuture<'static, ()>)>,
    /// Wakes the guard when the attempt is cancelled. Made as late as the alarm.
    cancel_signal: Option<BoxFuture<'static, ()>>,
}

impl Guard {
    pub(crate) fn new(
        future: GuardedFuture,
        attempt: Attempt,
        timeout_at: Option<Duration>,
    ) -> Self {
        Guard {
            future: Some(future),
            attempt,
            started: false,
            timeout_at,
            drop_at: None,
            alarm: None,
            cancel_signal: None,
        }
    }

    fn now(&self) -> Duration {
        self.attempt.lease().clock().boottime()
    }

    /// Whether the future may be polled at `now`; otherwise why it is dropped.
    fn judge(&mut self, now: Duration) -> Result<(), CancelReason> {
        let lease = self.attempt.lease();
        if !lease.allows(now, self.started) {
            lease.cancel(CancelReason::LeaseUnproven);
            return Err(CancelReason::LeaseUnproven);
        }
        if self.timeout_at.is_some_and(|at| now >= at) {
            self.attempt.cancel(CancelReason::Timeout);
        }
        let Some(reason) = self.attempt.cancelled() else {
            self.started = true;
            return Ok(());
        };
        if reason == CancelReason::LeaseLost {
            return Err(reason); // another run may be active already
        }
        if self.drop_at.is_none() {
            event::cancelling(reason);
            self.attempt.cancel(reason); // wakes `ctx.cancelled()`
        }
        let budget = self.attempt.lease().cancel_budget();
        let drop_at = *self.drop_at.get_or_insert(now + budget);
        if now >= drop_at {
            return Err(reason);
        }
        self.started = true;
        Ok(())
    }

    /// The next instant at which [`judge`](Self::judge) may decide differently.
    fn next_alarm(&self) -> Option<Duration> {
        let lease = self.attempt.lease();
        let of_lease = match self.drop_at {
            _ if lease.runs_without_lease() => None,
            Some(_) => Some(lease.deadline()),
            None => Some(lease.cancel_at()),
        };
        let of_attempt = self.drop_at.or(self.timeout_at);
        of_lease.into_iter().chain(of_attempt).min()
    }

    /// Arranges to be woken at the next alarm or signal. Returns true if one of
    /// them has come already.
    fn arm(&mut self, cx: &mut Context<'_>, now: Duration) -> bool {
        self.arm_alarm(cx, now) || self.arm_cancel_signal(cx)
    }

    fn arm_alarm(&mut self, cx: &mut Context<'_>, now: Duration) -> bool {
        let Some(at) = self.next_alarm() else {
            return false;
        };
        let alarm = match &mut self.alarm {
            Some((set_at, alarm)) if *set_at == at => alarm,
            slot => {
                let clock = self.attempt.lease().clock();
                let sleep = clock.sleep(at.saturating_sub(now));
                &mut slot.insert((at, sleep)).1
            }
        };
        let rings = alarm.as_mut().poll(cx).is_ready();
        if rings {
            self.alarm = None;
        }
        rings
    }

    fn arm_cancel_signal(&mut self, cx: &mut Context<'_>) -> bool {
        if self.drop_at.is_some() {
            return false; // cancelled already
        }
        let attempt = &self.attempt;
        let signal = self.cancel_signal.get_or_insert_with(|| {
            let attempt = attempt.clone();
            Box::pin(async move { attempt.wait_cancelled().await })
        });
        signal.as_mut().poll(cx).is_ready()
    }

    /// Drops the future; its destructors may panic.
    fn drop_future(&mut self) {
        let future = self.future.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(future)));
    }

    /// The result of a future that returned. If it was cancelled, it returned because of that.
    fn returned(&self, result: Result<(), BoxError>) -> RunResult {
        let error = result.err().map(|error| error_text(&*error));
        match (self.attempt.cancelled(), error) {
            (Some(reason), error) => {
                RunResult::returned_cancelled(reason, error.unwrap_or_default())
            }
            (None, None) => RunResult::with_outcome(Outcome::Ok),
            (None, Some(error)) => RunResult::failed(error),
        }
    }
}

impl Future for Guard {
    type Output = RunResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<RunResult> {
        let guard = &mut *self;
        loop {
            if let Err(reason) = guard.judge(guard.now()) {
                guard.drop_future();
                return Poll::Ready(RunResult::dropped(reason));
            }
            let Some(future) = &mut guard.future else {
                // Polled after its end, which no executor does.
                return Poll::Pending;
            };
            match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
                Ok(Poll::Pending) => {}
                Ok(Poll::Ready(result)) => {
                    let end = guard.returned(result);
                    guard.drop_future();
                    return Poll::Ready(end);
                }
                Err(panic) => {
                    guard.drop_future();
                    return Poll::Ready(RunResult::panicked(&*panic));
                }
            }
            let now = guard.now();
            if !guard.arm(cx, now) {
                return Poll::Pending;
            }
        }
    }
}

#[cfg(test)]
mod tests {
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
            Guard::new(job, self.attempt.clone(), timeout_at)
        }

        fn polls(&self) -> u32 {
            self.polls.load(Ordering::Relaxed)
        }
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
    fn a_run_that_may_continues_without_its_lease_once_it_has_started() {
        let bench = Bench::new();
        let sent = bench.clock.boottime();
        let clock = Arc::new(bench.clock.clone());
        let lease = Lease::new(clock, LEASE, sent, LeaseMode::Continue);
        let attempt = Attempt::new(Arc::new(lease));
        let job = || -> GuardedFuture { Box::pin(std::future::pending()) };
        let mut started = Guard::new(job(), attempt.clone(), None);
        let mut not_started = Guard::new(job(), attempt.clone(), None);
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
        let mut guard = Guard::new(job, bench.attempt.clone(), None);
        let end_of_panic = end(&mut guard);
        assert_eq!(end_of_panic.outcome, Outcome::Panicked);
        assert_eq!(end_of_panic.error, "boom 1");

        let dropped = Arc::new(Mutex::new(false));
        let bomb = Bomb(Arc::clone(&dropped));
        let job = Box::pin(async move {
            let _bomb = bomb;
            std::future::pending().await
        });
        let mut guard = Guard::new(job, bench.attempt.clone(), None);
        assert!(poll(&mut guard).is_pending());
        bench.lease.cancel(CancelReason::LeaseLost);
        assert_eq!(end(&mut guard).outcome, Outcome::Cancelled);
        assert!(*dropped.lock().expect("lock"), "it was dropped");
    }
}
