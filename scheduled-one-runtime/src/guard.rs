//! A job's future under its lease: before *each* poll the boot clock is held
//! against the deadline, so that a process that was stopped for a minute does
//! not execute one more poll of a run whose lease has ended. Panics are
//! caught, timeouts and cancellation end the run.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::attempt::Attempt;
use crate::event;
use crate::handler::BoxError;
use crate::lease::Cancel;
use scheduled_one_protocol::BoxFuture;
use scheduled_one_protocol::{MAX_ERROR_BYTES, Outcome};

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) outcome: Outcome,
    pub(crate) reason: String,
    pub(crate) error: String,
}

/// The future of a job function.
pub(crate) type Job = BoxFuture<'static, Result<(), BoxError>>;

/// Completes with the end of the run; polls the job only under its lease.
pub(crate) struct Guard {
    /// None once it has ended.
    job: Option<Job>,
    attempt: Attempt,
    /// Polled once at least.
    started: bool,
    timeout_at: Option<Duration>,
    /// When a run that was told to stop is dropped.
    stop_at: Option<Duration>,
    /// Made when the job is first pending: most runs never need them.
    alarm: Option<(Duration, BoxFuture<'static, ()>)>,
    signal: Option<BoxFuture<'static, ()>>,
}

impl Guard {
    pub(crate) fn new(job: Job, attempt: Attempt, timeout_at: Option<Duration>) -> Self {
        Guard {
            job: Some(job),
            attempt,
            started: false,
            timeout_at,
            stop_at: None,
            alarm: None,
            signal: None,
        }
    }

    fn now(&self) -> Duration {
        self.attempt.lease().clock().boottime()
    }

    /// Whether the job may be polled at `now`; else why it is dropped.
    fn judge(&mut self, now: Duration) -> Result<(), Cancel> {
        let lease = self.attempt.lease();
        if !lease.allows(now, self.started) {
            lease.cancel(Cancel::LeaseUnproven);
            return Err(Cancel::LeaseUnproven);
        }
        if self.timeout_at.is_some_and(|at| now >= at) {
            self.attempt.stop(Cancel::Timeout);
        }
        let Some(reason) = self.attempt.cancelled() else {
            self.started = true;
            return Ok(());
        };
        if reason == Cancel::LeaseLost {
            return Err(reason); // another run may be going already
        }
        if self.stop_at.is_none() {
            event::cancelling(reason);
            self.attempt.stop(reason); // wakes `ctx.cancelled()`
        }
        let budget = self.attempt.lease().cancel_budget();
        let stop_at = *self.stop_at.get_or_insert(now + budget);
        if now >= stop_at {
            return Err(reason);
        }
        self.started = true;
        Ok(())
    }

    /// The next instant at which [`judge`](Self::judge) may say something new.
    fn next_alarm(&self) -> Option<Duration> {
        let lease = self.attempt.lease();
        let of_lease = match self.stop_at {
            _ if lease.goes_on() => None,
            Some(_) => Some(lease.deadline()),
            None => Some(lease.cancel_at()),
        };
        let of_attempt = self.stop_at.or(self.timeout_at);
        of_lease.into_iter().chain(of_attempt).min()
    }

    /// Arranges to be woken at the next alarm or signal. True if one of them
    /// has come already.
    fn arm(&mut self, cx: &mut Context<'_>, now: Duration) -> bool {
        self.arm_alarm(cx, now) || self.arm_signal(cx)
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

    fn arm_signal(&mut self, cx: &mut Context<'_>) -> bool {
        if self.stop_at.is_some() {
            return false; // told to stop already
        }
        let attempt = &self.attempt;
        let signal = self.signal.get_or_insert_with(|| {
            let attempt = attempt.clone();
            Box::pin(async move { attempt.wait_cancelled().await })
        });
        signal.as_mut().poll(cx).is_ready()
    }

    /// Drops what is left of the job; its destructors may panic.
    fn drop_job(&mut self) {
        let job = self.job.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(job)));
    }

    /// The job returned. If it had been told to stop, that is why.
    fn returned(&self, result: Result<(), BoxError>) -> End {
        let error = result.err().map(|error| error_text(&*error));
        match (self.attempt.cancelled(), error) {
            (Some(reason), error) => stopped(reason, true, error.unwrap_or_default()),
            (None, None) => End::of(Outcome::Ok),
            (None, Some(error)) => End {
                error,
                ..End::of(Outcome::Failed)
            },
        }
    }
}

impl End {
    pub(crate) fn of(outcome: Outcome) -> Self {
        End {
            outcome,
            reason: String::new(),
            error: String::new(),
        }
    }
}

impl Future for Guard {
    type Output = End;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End> {
        let guard = &mut *self;
        loop {
            if let Err(reason) = guard.judge(guard.now()) {
                guard.drop_job();
                return Poll::Ready(stopped(reason, false, String::new()));
            }
            let Some(job) = &mut guard.job else {
                // Polled after its end, which no executor does.
                return Poll::Pending;
            };
            match catch_unwind(AssertUnwindSafe(|| job.as_mut().poll(cx))) {
                Ok(Poll::Pending) => {}
                Ok(Poll::Ready(result)) => {
                    let end = guard.returned(result);
                    guard.drop_job();
                    return Poll::Ready(end);
                }
                Err(panic) => {
                    guard.drop_job();
                    return Poll::Ready(panicked(&*panic));
                }
            }
            let now = guard.now();
            if !guard.arm(cx, now) {
                return Poll::Pending;
            }
        }
    }
}

/// The end of a run that was told to stop.
fn stopped(reason: Cancel, by_itself: bool, error: String) -> End {
    let outcome = match reason {
        Cancel::Timeout => Outcome::TimedOut,
        _ => Outcome::Cancelled,
    };
    let how = if by_itself { "returned" } else { "dropped" };
    End {
        outcome,
        reason: format!("{}; {how}", reason.as_str()),
        error,
    }
}

/// The end of a run that panicked.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> End {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned());
    End {
        error: cut(text),
        ..End::of(Outcome::Panicked)
    }
}

/// The error and what caused it, in one line of at most [`MAX_ERROR_BYTES`].
fn error_text(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        if text.len() > MAX_ERROR_BYTES {
            break;
        }
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    cut(text)
}

fn cut(mut text: String) -> String {
    if text.len() > MAX_ERROR_BYTES {
        const MARK: &str = "…";
        let mut end = MAX_ERROR_BYTES - MARK.len();
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str(MARK);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, Mutex};
    use std::task::Waker;

    use super::*;
    use crate::lease::Lease;
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
            let lease = Arc::new(Lease::new(Arc::new(clock.clone()), LEASE, sent));
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

    fn poll(guard: &mut Guard) -> Poll<End> {
        let mut cx = Context::from_waker(Waker::noop());
        Pin::new(guard).poll(&mut cx)
    }

    fn end(guard: &mut Guard) -> End {
        match poll(guard) {
            Poll::Ready(end) => end,
            Poll::Pending => panic!("the run goes on"),
        }
    }

    #[test]
    fn not_one_more_poll_after_the_deadline() {
        let bench = Bench::new();
        let mut guard = bench.endless(None);
        assert!(poll(&mut guard).is_pending());
        let before = bench.polls();
        // The process is stopped for a minute and goes on.
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
    fn is_signalled_at_60_percent_and_goes_on_until_80() {
        let bench = Bench::new();
        let mut guard = bench.endless(None);
        bench.clock.advance(Duration::from_secs(6));
        assert!(poll(&mut guard).is_pending());
        assert_eq!(bench.attempt.cancelled(), Some(Cancel::LeaseUnproven));
        bench.clock.advance(Duration::from_millis(1_999));
        assert!(poll(&mut guard).is_pending());
        bench.clock.advance(Duration::from_millis(1));
        assert_eq!(
            end(&mut guard).reason,
            "lease could not be renewed; dropped"
        );
    }

    #[test]
    fn a_renewed_run_goes_on() {
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
        bench.lease.cancel(Cancel::LeaseLost);
        assert_eq!(end(&mut guard).reason, "lease lost; dropped");
    }

    #[test]
    fn a_timeout_signals_then_drops() {
        let bench = Bench::new();
        let mut guard = bench.endless(Some(Duration::from_secs(1)));
        assert!(poll(&mut guard).is_pending());
        bench.clock.advance(Duration::from_secs(1));
        assert!(poll(&mut guard).is_pending());
        assert_eq!(bench.attempt.cancelled(), Some(Cancel::Timeout));
        bench.clock.advance(Duration::from_secs(2));
        assert_eq!(end(&mut guard).outcome, Outcome::TimedOut);
    }

    #[test]
    fn a_run_that_may_goes_on_without_its_lease_once_it_has_started() {
        let bench = Bench::new();
        let sent = bench.clock.boottime();
        let lease = Lease::new(Arc::new(bench.clock.clone()), LEASE, sent).going_on();
        let attempt = Attempt::new(Arc::new(lease));
        let job = || -> Job { Box::pin(std::future::pending()) };
        let mut started = Guard::new(job(), attempt.clone(), None);
        let mut not_started = Guard::new(job(), attempt.clone(), None);
        assert!(poll(&mut started).is_pending());
        bench.clock.advance(Duration::from_secs(60));
        attempt.lease().cancel(Cancel::LeaseLost);
        assert!(poll(&mut started).is_pending());
        assert_eq!(end(&mut not_started).outcome, Outcome::Cancelled);
        attempt.lease().cancel(Cancel::Shutdown);
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
        bench.lease.cancel(Cancel::LeaseLost);
        assert_eq!(end(&mut guard).outcome, Outcome::Cancelled);
        assert!(*dropped.lock().expect("lock"), "it was dropped");
    }

    #[test]
    fn long_errors_are_cut_between_characters() {
        let text = cut("é".repeat(1000));
        assert!(text.len() <= MAX_ERROR_BYTES);
        assert!(text.ends_with("é…"));
        assert_eq!(cut("short".to_owned()), "short");
    }
}
