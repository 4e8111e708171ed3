//! A run as the watchdog, the scheduler and the run's own task share it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use crate::lease::{CancelReason, Lease};
use scheduled_one_protocol::message::RunId;
use scheduled_one_protocol::{FencingToken, Start, UnitName};

/// A run whose lease is renewed until it is [`end`](ActiveRun::end)ed.
#[derive(Debug)]
pub(crate) struct ActiveRun {
    id: RunId,
    pub(crate) lease: Arc<Lease>,
    /// Current attempt. Retries count it up from the attempt that was granted.
    attempt: AtomicU32,
    /// Last attempt whose function was called; 0 before the first call.
    begun: AtomicU32,
    ended: AtomicBool,
}

impl ActiveRun {
    pub(crate) fn new(id: RunId, lease: Arc<Lease>) -> Self {
        ActiveRun {
            attempt: AtomicU32::new(id.attempt),
            begun: AtomicU32::new(0),
            id,
            lease,
            ended: AtomicBool::new(false),
        }
    }

    /// The run, in its current attempt.
    pub(crate) fn id(&self) -> RunId {
        RunId {
            attempt: self.attempt.load(Ordering::Acquire),
            ..self.id.clone()
        }
    }

    /// Fencing token of the run.
    pub(crate) fn token(&self) -> FencingToken {
        self.id.token
    }

    /// Name of the run's unit.
    pub(crate) fn unit(&self) -> &UnitName {
        &self.id.unit
    }

    /// Makes the next attempt the current one.
    pub(crate) fn start_next_attempt(&self) {
        self.attempt.fetch_add(1, Ordering::AcqRel);
    }

    /// Notes that the function is called in the current attempt.
    pub(crate) fn mark_begun(&self) {
        let attempt = self.attempt.load(Ordering::Acquire);
        self.begun.store(attempt, Ordering::Release);
    }

    /// Whether the function was called in the current attempt.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Acquire) == self.attempt.load(Ordering::Acquire)
    }

    /// The unit and the last attempt that began, `None` before the first. An attempt that is still to begin may yet
    /// be made by another node.
    pub(crate) fn newest_start(&self) -> Option<(UnitName, Start)> {
        let started = Start {
            tick: self.id.tick,
            attempt: self.begun.load(Ordering::Acquire),
        };
        (started.attempt > 0).then(|| (self.id.unit.clone(), started))
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Ends the run: no renewal is sent from now on. A renewal that is under way changes nothing, because the store
    /// renews no run that has ended.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.lease.cancel(CancelReason::Ended);
    }

    /// Whether the run needs no further renewal at `now`: it has ended, or nobody polls it any more. A run that may
    /// continue without its lease is renewed all the same, because it may get the lease back.
    pub(crate) fn needs_no_renewal(&self, now: Duration) -> bool {
        let is_dropped = !self.lease.runs_without_lease() && now >= self.lease.deadline();
        self.has_ended() || is_dropped
    }
}
