//! The right to run a unit until an instant, as the node that holds it computes it.
//!
//! All instants are of the boot clock and counted from *before the request was
//! sent*, so a lease always ends on its node before it ends in the store.
//!
//! ```text
//! sent                      60 %            80 %          100 %
//!  |-------------------------|---------------|-------------|
//!  renew every fifth      cancel          drop        the store may
//!                        (signalled)   (no more polls)  give it away
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::signal::Signal;
use scheduled_one_protocol::clock::Clock;

/// Lease of a job without `lease`, unless the scheduler has another default.
pub(crate) const DEFAULT_LEASE: Duration = Duration::from_secs(5);

/// Part of the lease, in percent, after which a run that could not renew is
/// cancelled.
const CANCEL_AT_PERCENT: u32 = 60;
/// Part of the lease, in percent, after which the run is not polled any more.
/// The rest covers a clock *rate* that is 1 % off, and a poll that is under way.
const DEADLINE_PERCENT: u32 = 80;

/// Longest time that a cancelled run may take to end by itself, however long its lease is.
const MAX_CANCEL_BUDGET: Duration = Duration::from_secs(5);

/// Longest time between two renewals, however long the lease is.
const MAX_RENEW_EVERY: Duration = Duration::from_secs(5);

/// Why a run is cancelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CancelReason {
    /// The lease could not be renewed in time.
    LeaseUnproven,
    /// The store says that the lease is gone.
    LeaseLost,
    /// The job's timeout has passed.
    Timeout,
    /// The scheduler shuts down and the grace has passed.
    Shutdown,
    /// The next tick of the job is to run instead.
    Superseded,
    /// Somebody cancelled the run: by whom, and why.
    Requested(Arc<str>),
    /// The run has ended; tasks that it spawned should end too.
    Ended,
}

impl CancelReason {
    /// The reason in words, for the ledger and the logs.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            CancelReason::LeaseUnproven => "lease could not be renewed",
            CancelReason::LeaseLost => "lease lost",
            CancelReason::Timeout => "timeout",
            CancelReason::Shutdown => "shutdown",
            CancelReason::Superseded => "superseded by the next tick",
            CancelReason::Requested(why) => why,
            CancelReason::Ended => "ended",
        }
    }
}

/// What happens to a run whose lease is not proven in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeaseMode {
    /// The run is cancelled, and dropped at the deadline.
    Cancel,
    /// The run continues, if it had started under its lease.
    Continue,
    /// The run has no lease to prove: each node makes a run of its own.
    Unlimited,
}

/// The lease of one run. Its guard, its context and the watchdog share it.
#[derive(Debug)]
pub(crate) struct Lease {
    clock: Arc<dyn Clock>,
    length: Duration,
    mode: LeaseMode,
    /// Boot clock, in ns, when the last acknowledged request was sent.
    proven_ns: AtomicU64,
    cancelled: Signal<Option<CancelReason>>,
    /// When the run is dropped at the latest once it is cancelled, by the boot clock: the scheduler ends then.
    drop_by: Signal<Option<Duration>>,
}

impl Lease {
    /// A lease that was granted to a request sent at `sent`.
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        length: Duration,
        sent: Duration,
        mode: LeaseMode,
    ) -> Self {
        Lease {
            clock,
            length,
            mode,
            proven_ns: AtomicU64::new(sent.as_nanos() as u64),
            cancelled: Signal::new(None),
            drop_by: Signal::new(None),
        }
    }

    /// The lease of a local job, which never ends. A cancelled run is dropped after `budget`.
    pub(crate) fn unlimited(clock: Arc<dyn Clock>, budget: Duration) -> Self {
        let length = budget * 100 / (DEADLINE_PERCENT - CANCEL_AT_PERCENT);
        let sent = clock.boottime();
        Lease::new(clock, length, sent, LeaseMode::Unlimited)
    }

    /// Whether a run that has started continues when its lease is not proven.
    pub(crate) fn runs_without_lease(&self) -> bool {
        self.mode != LeaseMode::Cancel
    }

    /// Whether the run may be polled at `now` as far as the lease goes.
    pub(crate) fn allows(&self, now: Duration, started: bool) -> bool {
        let without_lease = match self.mode {
            LeaseMode::Cancel => false,
            LeaseMode::Continue => started,
            LeaseMode::Unlimited => true,
        };
        without_lease || now < self.deadline()
    }

    /// The store acknowledged a renewal sent at `sent`. The reply to an older
    /// renewal that arrives late changes nothing.
    pub(crate) fn extend(&self, sent: Duration) {
        self.proven_ns
            .fetch_max(sent.as_nanos() as u64, Ordering::AcqRel);
    }

    pub(crate) fn length(&self) -> Duration {
        self.length
    }

    fn proven(&self) -> Duration {
        Duration::from_nanos(self.proven_ns.load(Ordering::Acquire))
    }

    /// When the run is cancelled, unless its lease is renewed before.
    pub(crate) fn cancel_at(&self) -> Duration {
        self.proven() + cancel_after(self.length)
    }

    /// When the run is polled no more, unless its lease is renewed before.
    pub(crate) fn deadline(&self) -> Duration {
        self.proven() + deadline_after(self.length)
    }

    /// How long a cancelled run may take to end by itself: what is between
    /// the signal and the deadline of a lease that cannot be renewed, and never
    /// so long that a timeout or a shutdown would mean little.
    pub(crate) fn cancel_budget(&self) -> Duration {
        let of_lease = self.length * (DEADLINE_PERCENT - CANCEL_AT_PERCENT) / 100;
        of_lease.min(MAX_CANCEL_BUDGET)
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Cancels the run. The first reason stays, except that a lost lease
    /// replaces every other: it leaves no time to end gracefully.
    pub(crate) fn cancel(&self, reason: CancelReason) {
        if self.runs_without_lease()
            && matches!(
                reason,
                CancelReason::LeaseLost | CancelReason::LeaseUnproven
            )
        {
            return;
        }
        self.cancelled.change(|current| {
            let changes = match &*current {
                None => true,
                Some(CancelReason::Ended | CancelReason::LeaseLost) => false,
                Some(_) => matches!(reason, CancelReason::LeaseLost | CancelReason::Ended),
            };
            if changes {
                *current = Some(reason);
            }
            changes
        });
    }

    /// Cancels the run, which is dropped by the instant `drop_by` even if its budget is longer.
    pub(crate) fn cancel_by(&self, reason: CancelReason, drop_by: Duration) {
        self.drop_by.change(|current| {
            let sooner = current.is_none_or(|current| drop_by < current);
            if sooner {
                *current = Some(drop_by);
            }
            sooner
        });
        self.cancel(reason);
    }

    /// When the run is dropped at the latest once it is cancelled, if that was said.
    pub(crate) fn drop_by(&self) -> Option<Duration> {
        self.drop_by.read(|drop_by| *drop_by)
    }

    /// Completes when [`drop_by`](Self::drop_by) is not `seen` any more.
    pub(crate) async fn wait_drop_by(&self, seen: Option<Duration>) {
        self.drop_by.wait_for(|drop_by| *drop_by != seen).await;
    }

    /// Why the run is cancelled, if it is. Reads the clock too: a thread that
    /// wakes up after a pause sees at once that it is too late.
    pub(crate) fn cancelled(&self) -> Option<CancelReason> {
        self.cancelled_at(self.clock.boottime())
    }

    /// The same at `now`, by the boot clock, which has just been read.
    pub(crate) fn cancelled_at(&self, now: Duration) -> Option<CancelReason> {
        if let Some(reason) = self.cancelled.read(Option::clone) {
            return Some(reason);
        }
        let unproven = !self.runs_without_lease() && now >= self.cancel_at();
        unproven.then_some(CancelReason::LeaseUnproven)
    }

    /// Completes when the run is cancelled by [`cancel`](Self::cancel). The watchdog does that for a lease that is not
    /// proven in time.
    pub(crate) async fn wait_cancelled(&self) {
        self.cancelled.wait_for(Option::is_some).await;
    }
}

/// How long after the last proof of a lease its run is cancelled.
pub(crate) fn cancel_after(lease: Duration) -> Duration {
    lease * CANCEL_AT_PERCENT / 100
}

/// How long after the last proof of a lease its run is polled no more.
pub(crate) fn deadline_after(lease: Duration) -> Duration {
    lease * DEADLINE_PERCENT / 100
}

/// How often a lease is renewed. The reply to a renewal says that a run is to be cancelled, so a long lease is renewed
/// more often than it has to be.
pub(crate) fn renew_every(lease: Duration) -> Duration {
    (lease / 5).min(MAX_RENEW_EVERY)
}

/// How long a renewal may stay without a reply before another one is sent.
pub(crate) fn renew_patience(lease: Duration) -> Duration {
    (lease / 8).clamp(Duration::from_millis(50), Duration::from_millis(500))
}

#[cfg(test)]
mod tests {
    use super::*;
    use scheduled_one_protocol::clock::ManualClock;

    fn lease(clock: &ManualClock) -> Lease {
        let sent = clock.boottime();
        let length = Duration::from_secs(10);
        Lease::new(Arc::new(clock.clone()), length, sent, LeaseMode::Cancel)
    }

    #[test]
    fn is_cancelled_at_60_percent_and_dropped_at_80() {
        let clock = ManualClock::new();
        let lease = lease(&clock);
        let sent = clock.boottime();
        assert_eq!(lease.cancel_at() - sent, Duration::from_secs(6));
        assert_eq!(lease.deadline() - sent, Duration::from_secs(8));
        assert_eq!(lease.cancel_budget(), Duration::from_secs(2));
        clock.advance(Duration::from_millis(5_999));
        assert_eq!(lease.cancelled(), None);
        clock.advance(Duration::from_millis(1));
        assert_eq!(lease.cancelled(), Some(CancelReason::LeaseUnproven));
    }

    #[test]
    fn a_long_lease_has_a_cancel_budget_of_five_seconds_within_it() {
        let clock = ManualClock::new();
        for (lease_ms, budget_ms) in [
            (200, 40),
            (5_000, 1_000),
            (25_000, 5_000),
            (60_000, 5_000),
            (3_600_000, 5_000),
        ] {
            let (length, sent) = (Duration::from_millis(lease_ms), clock.boottime());
            let lease = Lease::new(Arc::new(clock.clone()), length, sent, LeaseMode::Cancel);
            let budget = Duration::from_millis(budget_ms);
            assert_eq!(lease.cancel_budget(), budget);
            assert!(lease.cancel_at() + budget <= lease.deadline());
            // A run learns within the same time that the next tick is to take its place.
            assert_eq!(renew_every(length), budget);
        }
    }

    #[test]
    fn a_shutdown_shortens_the_time_that_is_left_and_never_lengthens_it() {
        let clock = ManualClock::new();
        let lease = lease(&clock);
        lease.cancel_by(CancelReason::Shutdown, Duration::from_secs(5));
        lease.cancel_by(CancelReason::Shutdown, Duration::from_secs(7));
        assert_eq!(lease.drop_by(), Some(Duration::from_secs(5)));
        assert_eq!(lease.cancelled(), Some(CancelReason::Shutdown));
        lease.cancel_by(CancelReason::Shutdown, Duration::from_secs(3));
        assert_eq!(lease.drop_by(), Some(Duration::from_secs(3)));
    }

    #[test]
    fn an_older_answer_never_shortens_and_extends_only_by_its_send_time() {
        let clock = ManualClock::new();
        let lease = lease(&clock);
        let first = lease.deadline();
        let early = clock.boottime() + Duration::from_secs(1);
        let late = clock.boottime() + Duration::from_secs(2);
        lease.extend(late);
        lease.extend(early);
        assert_eq!(lease.deadline(), first + Duration::from_secs(2));
    }

    #[test]
    fn the_first_reason_stays_unless_the_lease_is_lost() {
        let clock = ManualClock::new();
        let lease = lease(&clock);
        lease.cancel(CancelReason::Timeout);
        lease.cancel(CancelReason::Shutdown);
        assert_eq!(lease.cancelled(), Some(CancelReason::Timeout));
        lease.cancel(CancelReason::LeaseLost);
        assert_eq!(lease.cancelled(), Some(CancelReason::LeaseLost));
        lease.cancel(CancelReason::Ended);
        assert_eq!(lease.cancelled(), Some(CancelReason::LeaseLost));
    }
}
