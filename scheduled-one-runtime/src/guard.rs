//! A job's future under its lease: before *each* poll the boot clock is held
//! against the deadline, so that a process that was stopped for a minute does
//! not execute one more poll of a run whose lease has ended. Panics are
//! caught, timeouts and cancellation end the run.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::event;
use crate::handler::BoxError;
use crate::lease::{Cancel, Lease};
use crate::store::BoxFuture;
use crate::store::message::{MAX_ERROR_BYTES, Outcome};

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
    lease: Arc<Lease>,
    timeout_at: Option<Duration>,
    /// When a run that was told to stop is dropped.
    stop_at: Option<Duration>,
    /// Made when the job is first pending: most runs never need them.
    alarm: Option<(Duration, BoxFuture<'static, ()>)>,
    signal: Option<BoxFuture<'static, ()>>,
}

impl Guard {
    pub(crate) fn new(job: Job, lease: Arc<Lease>, timeout: Option<Duration>) -> Self {
        let timeout_at = timeout.map(|timeout| lease.clock().boottime() + timeout);
        Guard {
            job: Some(job),
            lease,
            timeout_at,
            stop_at: None,
            alarm: None,
            signal: None,
        }
    }

    /// Whether the job may be polled at `now`; else why it is dropped.
    fn judge(&mut self, now: Duration) -> Result<(), Cancel> {
        if now >= self.lease.deadline() {
            self.lease.cancel(Cancel::LeaseUnproven);
            return Err(Cancel::LeaseUnproven);
        }
        if self.timeout_at.is_some_and(|at| now >= at) {
            self.lease.cancel(Cancel::Timeout);
        }
        let Some(reason) = self.lease.cancelled() else {
            return Ok(());
        };
        if reason == Cancel::LeaseLost {
            return Err(reason); // another run may be going already
        }
        if self.stop_at.is_none() {
            event::cancelling(reason);
            self.lease.cancel(reason); // wakes `ctx.cancelled()`
        }
        let stop_at = *self.stop_at.get_or_insert(now + self.lease.cancel_budget());
        if now >= stop_at { Err(reason) } else { Ok(()) }
    }

    /// The next instant at which [`judge`](Self::judge) may say something new.
    fn next_alarm(&self) -> Duration {
        let mut at = self.lease.deadline();
        match self.stop_at {
            Some(stop_at) => at = at.min(stop_at),
            None => {
                at = at.min(self.lease.cancel_at());
                at = self.timeout_at.map_or(at, |timeout_at| at.min(timeout_at));
            }
        }
        at
    }

    /// Arranges to be woken at the next alarm or signal. True if one of them
    /// has come already.
    fn arm(&mut self, cx: &mut Context<'_>, now: Duration) -> bool {
        let at = self.next_alarm();
        let alarm = match &mut self.alarm {
            Some((set_at, alarm)) if *set_at == at => alarm,
            slot => {
                let sleep = self.lease.clock().sleep(at.saturating_sub(now));
                &mut slot.insert((at, sleep)).1
            }
        };
        if alarm.as_mut().poll(cx).is_ready() {
            self.alarm = None;
            return true;
        }
        if self.stop_at.is_some() && self.signal.is_none() {
            return false; // told to stop, and the signal is used up
        }
        let lease = &self.lease;
        let signal = self.signal.get_or_insert_with(|| {
            let mut cancelled = lease.watch();
            Box::pin(async move {
                let _ = cancelled.wait_for(Option::is_some).await;
            })
        });
        if signal.as_mut().poll(cx).is_ready() {
            self.signal = None;
            return self.stop_at.is_none();
        }
        false
    }

    /// Drops what is left of the job; its destructors may panic.
    fn drop_job(&mut self) {
        let job = self.job.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(job)));
    }

    /// The job returned. If it had been told to stop, that is why.
    fn returned(&self, result: Result<(), BoxError>) -> End {
        let error = result.err().map(|error| error_text(&*error));
        match (self.lease.cancelled(), error) {
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
            if let Err(reason) = guard.judge(guard.lease.clock().boottime()) {
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
            let now = guard.lease.clock().boottime();
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
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Waker;

    use super::*;
    use crate::clock::{Clock, ManualClock};

    const LEASE: Duration = Duration::from_secs(10);

    struct Bench {
        clock: ManualClock,
        lease: Arc<Lease>,
        polls: Arc<AtomicU32>,
    }

    impl Bench {
        fn new() -> Self {
            let clock = ManualClock::new();
            let sent = clock.boottime();
            Bench {
                lease: Arc::new(Lease::new(Arc::new(clock.clone()), LEASE, sent)),
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
            Guard::new(job, Arc::clone(&self.lease), timeout)
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
        let signalled = bench.lease.watch();
        bench.clock.advance(Duration::from_secs(6));
        assert!(poll(&mut guard).is_pending());
        assert_eq!(*signalled.borrow(), Some(Cancel::LeaseUnproven));
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
        assert_eq!(bench.lease.cancelled(), Some(Cancel::Timeout));
        bench.clock.advance(Duration::from_secs(2));
        assert_eq!(end(&mut guard).outcome, Outcome::TimedOut);
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
        let mut guard = Guard::new(job, Arc::clone(&bench.lease), None);
        let end_of_panic = end(&mut guard);
        assert_eq!(end_of_panic.outcome, Outcome::Panicked);
        assert_eq!(end_of_panic.error, "boom 1");

        let dropped = Arc::new(Mutex::new(false));
        let bomb = Bomb(Arc::clone(&dropped));
        let job = Box::pin(async move {
            let _bomb = bomb;
            std::future::pending().await
        });
        let mut guard = Guard::new(job, Arc::clone(&bench.lease), None);
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
