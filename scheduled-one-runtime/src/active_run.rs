//! A run as the watchdog, the scheduler and the run's own task share it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use crate::lease::{CancelReason, Lease};
use scheduled_one_protocol::message::RunId;
use scheduled_one_protocol::{FencingToken, Start, UnitName};

/// How a run is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunKind {
    /// The store granted it: its lease is renewed, and its end is reported. Its claim was first sent at `claim_sent`,
    /// by the boot clock.
    Leased { claim_sent: Duration },
    /// It is a run of a job with `scope = every_node`, without a lease. Its ledger lines are reported.
    Local,
}

/// A run whose lease is renewed until it is [`end`](ActiveRun::end)ed.
#[derive(Debug)]
pub(crate) struct ActiveRun {
    id: RunId,
    pub(crate) lease: Arc<Lease>,
    /// Current attempt. Retries count it up from the attempt that was granted.
    attempt: AtomicU32,
    /// Last attempt whose function was called; 0 before the first call.
    begun: AtomicU32,
    /// When it was called, by the cluster's clock.
    fired_at_ms: AtomicI64,
    ended: AtomicBool,
    /// Whether its end is on its way to the store.
    reported: AtomicBool,
    /// Whether the end and the statements of its job are on their way to the store, in one request.
    committing: AtomicBool,
}

impl ActiveRun {
    pub(crate) fn new(id: RunId, lease: Arc<Lease>) -> Self {
        ActiveRun {
            attempt: AtomicU32::new(id.attempt),
            begun: AtomicU32::new(0),
            fired_at_ms: AtomicI64::new(0),
            id,
            lease,
            ended: AtomicBool::new(false),
            reported: AtomicBool::new(false),
            committing: AtomicBool::new(false),
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

    /// Notes that the function is called in the current attempt, at `fired_at_ms`.
    pub(crate) fn mark_begun(&self, fired_at_ms: i64) {
        let attempt = self.attempt.load(Ordering::Acquire);
        self.fired_at_ms.store(fired_at_ms, Ordering::Release);
        self.begun.store(attempt, Ordering::Release);
    }

    /// When the function was called in the current attempt; `None` if it was not.
    pub(crate) fn fired_at_ms(&self) -> Option<i64> {
        let begun = self.begun.load(Ordering::Acquire) == self.attempt.load(Ordering::Acquire);
        begun.then(|| self.fired_at_ms.load(Ordering::Acquire))
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

    /// Notes that the end of the run is reported.
    pub(crate) fn mark_reported(&self) {
        self.reported.store(true, Ordering::Release);
    }

    /// Whether the end of the run is reported.
    pub(crate) fn is_reported(&self) -> bool {
        self.reported.load(Ordering::Acquire)
    }

    /// Notes that its end is committed, with statements, or that this has come to nothing.
    pub(crate) fn mark_committing(&self, is_committing: bool) {
        self.committing.store(is_committing, Ordering::Release);
    }

    /// Whether its end may be committed although no reply says so yet: then the store renews it no more, and it has
    /// lost nothing.
    pub(crate) fn is_committing(&self) -> bool {
        self.committing.load(Ordering::Acquire)
    }

    /// Whether the run needs no further renewal at `now`: it has ended, or nobody polls it any more. A run that may
    /// continue without its lease is renewed all the same, because it may get the lease back.
    pub(crate) fn needs_no_renewal(&self, now: Duration) -> bool {
        let is_dropped = !self.lease.runs_without_lease() && now >= self.lease.deadline();
        self.has_ended() || is_dropped
    }
}
