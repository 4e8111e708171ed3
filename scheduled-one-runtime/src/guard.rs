//! A future under a lease: before *each* poll the boot clock is compared to the
//! deadline, so that a process that was stopped for a minute does not execute
//! one more poll of a run whose lease has ended. Panics are results, timeouts and
//! cancelling end the run, and a poll that blocks is reported.
//!
//! Most of these futures are those of job functions. The others are waits that
//! must not outlast the lease: for the tick to be due, and for an attempt to be
//! recorded.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::attempt::Attempt;
use crate::event;
use crate::handler::BoxError;
use crate::lease::CancelReason;
use crate::log_throttle::LogThrottle;
use crate::run_result::RunResult;
use crate::user_code::{self, Held};
use scheduled_one_protocol::{BoxFuture, Outcome, UnitName};

/// A future that a guard polls: a job function's, or a wait under the same lease.
pub(crate) type GuardedFuture = BoxFuture<'static, Result<(), BoxError>>;

/// Polls a future as long as its lease allows, and completes with the way it ended.
pub(crate) struct Guard {
    /// Empty once the future has ended.
    future: Held<GuardedFuture>,
    attempt: Attempt,
    /// Reports polls that block. `None` for waits of our own, which do not.
    slow_polls: Option<SlowPolls>,
    /// Whether the future was polled at least once.
    started: bool,
    timeout_at: Option<Duration>,
    /// When a cancelled future is dropped; `None` while it is not cancelled.
    drop_at: Option<Duration>,
    /// Wakes the guard at an instant. Made when the future is first pending: most runs never need it.
    alarm: Option<(Duration, BoxFuture<'static, ()>)>,
    /// Wakes the guard when the attempt is cancelled; if it is (true), when it is to be dropped sooner. Made as late
    /// as the alarm.
    cancel_signal: Option<(bool, BoxFuture<'static, ()>)>,
}

/// Reports polls of a job that took too long.
pub(crate) struct SlowPolls {
    pub(crate) unit: UnitName,
    pub(crate) throttle: Arc<LogThrottle>,
}

impl Guard {
    /// A guard of a wait of our own.
    pub(crate) fn of_wait(future: GuardedFuture, attempt: Attempt) -> Self {
        Guard {
            future: Held::new(future),
            attempt,
            slow_polls: None,
            started: false,
            timeout_at: None,
            drop_at: None,
            alarm: None,
            cancel_signal: None,
        }
    }

    /// A guard of a job's future.
    pub(crate) fn of_job(
        future: GuardedFuture,
        attempt: Attempt,
        timeout_at: Option<Duration>,
        slow_polls: SlowPolls,
    ) -> Self {
        Guard {
            slow_polls: Some(slow_polls),
            timeout_at,
            ..Self::of_wait(future, attempt)
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
        let Some(reason) = self.attempt.cancelled_at(now) else {
            self.started = true;
            return Ok(());
        };
        if reason == CancelReason::LeaseLost {
            return Err(reason); // another run may be active already
        }
        if self.drop_at.is_none() {
            event::cancelling(&reason);
            self.attempt.cancel(reason.clone()); // wakes `ctx.cancelled()`
        }
        if now >= self.drop_at(now) {
            return Err(reason);
        }
        self.started = true;
        Ok(())
    }

    /// When the cancelled future is dropped: when its budget is spent, or sooner if the scheduler ends before.
    fn drop_at(&mut self, now: Duration) -> Duration {
        let lease = self.attempt.lease();
        let of_budget = self.drop_at.unwrap_or(now + lease.cancel_budget());
        let drop_at = lease.drop_by().map_or(of_budget, |by| by.min(of_budget));
        *self.drop_at.insert(drop_at)
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
        let (attempt, cancelled) = (&self.attempt, self.drop_at.is_some());
        let signal = match &mut self.cancel_signal {
            Some((of_cancelled, signal)) if *of_cancelled == cancelled => signal,
            slot => {
                let (attempt, seen) = (attempt.clone(), attempt.lease().drop_by());
                let signal: BoxFuture<'static, ()> = match cancelled {
                    false => Box::pin(async move { attempt.wait_cancelled().await }),
                    true => Box::pin(async move { attempt.lease().wait_drop_by(seen).await }),
                };
                &mut slot.insert((cancelled, signal)).1
            }
        };
        let signalled = signal.as_mut().poll(cx).is_ready();
        if signalled {
            self.cancel_signal = None;
        }
        signalled
    }

    /// Reports a poll that took longer than a cancelled run may take to end: as long as a poll blocks, the job can be
    /// neither signalled nor dropped.
    fn report_slow_poll(&self, before: Duration, now: Duration) {
        let took = now.saturating_sub(before);
        let budget = self.attempt.lease().cancel_budget();
        let Some(slow_polls) = self.slow_polls.as_ref().filter(|_| took > budget) else {
            return;
        };
        if slow_polls.throttle.allows(slow_polls.unit.to_string(), now) {
            event::slow_poll(&slow_polls.unit, took, budget);
        }
    }

    /// The result of a future that returned. If it was cancelled, it returned because of that.
    fn returned(&self, result: Result<(), BoxError>, now: Duration) -> RunResult {
        let error = result.err().map(user_code::error_text);
        match (self.attempt.cancelled_at(now), error) {
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
            let before = guard.now();
            if let Err(reason) = guard.judge(before) {
                let dropped = guard.future.release();
                return Poll::Ready(RunResult::dropped(reason).and_dropped(dropped));
            }
            let Some(future) = guard.future.get_mut() else {
                // Polled after its end, which no executor does.
                return Poll::Pending;
            };
            let polled = user_code::call(|| future.as_mut().poll(cx));
            let now = guard.now();
            let end = match polled {
                Ok(Poll::Pending) => None,
                Ok(Poll::Ready(result)) => Some(guard.returned(result, now)),
                Err(panic) => Some(RunResult::panicked(panic)),
            };
            let end = end.map(|end| end.and_dropped(guard.future.release()));
            guard.report_slow_poll(before, now);
            if let Some(end) = end {
                return Poll::Ready(end);
            }
            if !guard.arm(cx, now) {
                return Poll::Pending;
            }
        }
    }
}

#[cfg(test)]
mod tests;
