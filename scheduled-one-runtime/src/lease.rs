//! The right to run until an instant, as the node that holds it reckons it.
//!
//! All instants are of the boot clock and counted from *before the request was
//! sent*, so the node's idea of its lease always ends before the store's.
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

use tokio::sync::watch;

use scheduled_one_protocol::clock::Clock;

/// The lease of a job that asks for none.
pub(crate) const DEFAULT_LEASE: Duration = Duration::from_secs(5);

/// Part of the lease, in percent, after which a run that could not renew is
/// told to stop.
const CANCEL_AT_PERCENT: u32 = 60;
/// Part of the lease, in percent, after which it is not polled any more. The
/// rest covers a clock *rate* 1 % off and a poll that is under way.
const DEADLINE_PERCENT: u32 = 80;

/// Why a run is told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cancel {
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
    /// The run has ended; whatever it left behind should end too.
    Ended,
}

impl Cancel {
    /// For the ledger and the logs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Cancel::LeaseUnproven => "lease could not be renewed",
            Cancel::LeaseLost => "lease lost",
            Cancel::Timeout => "timeout",
            Cancel::Shutdown => "shutdown",
            Cancel::Superseded => "superseded by the next tick",
            Cancel::Ended => "ended",
        }
    }
}

/// The lease of one run. Shared by its guard, its context and the watchdog.
#[derive(Debug)]
pub(crate) struct Lease {
    clock: Arc<dyn Clock>,
    length: Duration,
    /// The run goes on when the lease cannot be proven any more.
    goes_on: bool,
    /// There never was one to prove.
    unlimited: bool,
    /// When the request was sent that was last answered well, in ns.
    proven_ns: AtomicU64,
    cancelled: watch::Sender<Option<Cancel>>,
}

impl Lease {
    /// A lease granted to a request sent at `sent`.
    pub(crate) fn new(clock: Arc<dyn Clock>, length: Duration, sent: Duration) -> Self {
        Lease {
            clock,
            length,
            goes_on: false,
            unlimited: false,
            proven_ns: AtomicU64::new(sent.as_nanos() as u64),
            cancelled: watch::Sender::new(None),
        }
    }

    /// Of a run that needs no lease, because each node makes its own: `budget`
    /// is how long it may take to end when it is told to.
    pub(crate) fn unlimited(clock: Arc<dyn Clock>, budget: Duration) -> Self {
        let length = budget * 100 / (DEADLINE_PERCENT - CANCEL_AT_PERCENT);
        let sent = clock.boottime();
        Lease {
            unlimited: true,
            ..Lease::new(clock, length, sent).going_on()
        }
    }

    /// The run was started under its lease, and goes on without it.
    pub(crate) fn going_on(self) -> Self {
        Lease {
            goes_on: true,
            ..self
        }
    }

    pub(crate) fn goes_on(&self) -> bool {
        self.goes_on
    }

    /// Whether the run may be polled at `now` as far as the lease goes.
    pub(crate) fn allows(&self, now: Duration, started: bool) -> bool {
        self.unlimited || (self.goes_on && started) || now < self.deadline()
    }

    /// The store answered well to a renewal sent at `sent`. An older answer
    /// that arrives late changes nothing.
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

    /// When the run is told to stop, unless renewed before.
    pub(crate) fn cancel_at(&self) -> Duration {
        self.proven() + cancel_after(self.length)
    }

    /// When the run is polled no more, unless renewed before.
    pub(crate) fn deadline(&self) -> Duration {
        self.proven() + deadline_after(self.length)
    }

    /// How long a cancelled run may take to end by itself: what is between
    /// the signal and the deadline of a lease that cannot be renewed.
    pub(crate) fn cancel_budget(&self) -> Duration {
        self.length * (DEADLINE_PERCENT - CANCEL_AT_PERCENT) / 100
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Tells the run to stop; the first reason stays, but for a lost lease,
    /// which outranks all: it leaves no time to end gracefully.
    pub(crate) fn cancel(&self, reason: Cancel) {
        if self.goes_on && matches!(reason, Cancel::LeaseLost | Cancel::LeaseUnproven) {
            return;
        }
        self.cancelled.send_if_modified(|current| {
            let changes = match *current {
                None => true,
                Some(Cancel::Ended | Cancel::LeaseLost) => false,
                Some(_) => matches!(reason, Cancel::LeaseLost | Cancel::Ended),
            };
            if changes {
                *current = Some(reason);
            }
            changes
        });
    }

    /// Why the run was told to stop, if it was. Looks at the clock too: a
    /// thread that wakes up after a pause learns at once that it is too late.
    pub(crate) fn cancelled(&self) -> Option<Cancel> {
        if let Some(reason) = *self.cancelled.borrow() {
            return Some(reason);
        }
        let unproven = !self.goes_on && self.clock.boottime() >= self.cancel_at();
        unproven.then_some(Cancel::LeaseUnproven)
    }

    /// To be woken when the run is told to stop.
    pub(crate) fn watch(&self) -> watch::Receiver<Option<Cancel>> {
        self.cancelled.subscribe()
    }
}

/// How long after the last proof of a lease its run is told to stop.
pub(crate) fn cancel_after(lease: Duration) -> Duration {
    lease * CANCEL_AT_PERCENT / 100
}

/// How long after the last proof of a lease its run is polled no more.
pub(crate) fn deadline_after(lease: Duration) -> Duration {
    lease * DEADLINE_PERCENT / 100
}

/// How often a lease is renewed.
pub(crate) fn renew_every(lease: Duration) -> Duration {
    lease / 5
}

/// After how long without an answer another attempt to renew goes out.
pub(crate) fn renew_patience(lease: Duration) -> Duration {
    (lease / 8).clamp(Duration::from_millis(50), Duration::from_millis(500))
}

#[cfg(test)]
mod tests {
    use super::*;
    use scheduled_one_protocol::clock::ManualClock;

    fn lease(clock: &ManualClock) -> Lease {
        let sent = clock.boottime();
        Lease::new(Arc::new(clock.clone()), Duration::from_secs(10), sent)
    }

    #[test]
    fn is_told_to_stop_at_60_percent_and_dropped_at_80() {
        let clock = ManualClock::new();
        let lease = lease(&clock);
        let sent = clock.boottime();
        assert_eq!(lease.cancel_at() - sent, Duration::from_secs(6));
        assert_eq!(lease.deadline() - sent, Duration::from_secs(8));
        assert_eq!(lease.cancel_budget(), Duration::from_secs(2));
        clock.advance(Duration::from_millis(5_999));
        assert_eq!(lease.cancelled(), None);
        clock.advance(Duration::from_millis(1));
        assert_eq!(lease.cancelled(), Some(Cancel::LeaseUnproven));
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
        lease.cancel(Cancel::Timeout);
        lease.cancel(Cancel::Shutdown);
        assert_eq!(lease.cancelled(), Some(Cancel::Timeout));
        lease.cancel(Cancel::LeaseLost);
        assert_eq!(lease.cancelled(), Some(Cancel::LeaseLost));
        lease.cancel(Cancel::Ended);
        assert_eq!(lease.cancelled(), Some(Cancel::LeaseLost));
    }
}
