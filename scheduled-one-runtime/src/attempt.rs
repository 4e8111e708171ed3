//! One attempt of a run. A run whose attempt failed or timed out may make
//! another one under the same lease, so an attempt is cancelled by itself.

use std::sync::Arc;
use std::time::Duration;

use crate::lease::{CancelReason, Lease};
use crate::signal::Signal;

/// The lease of the run and the cancelling of one attempt: a job's context and
/// its guard share it.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    lease: Arc<Lease>,
    cancelled: Arc<Signal<Option<CancelReason>>>,
}

impl Attempt {
    pub(crate) fn new(lease: Arc<Lease>) -> Self {
        Attempt {
            lease,
            cancelled: Arc::new(Signal::new(None)),
        }
    }

    pub(crate) fn lease(&self) -> &Arc<Lease> {
        &self.lease
    }

    /// Cancels this attempt; the run may make another one. The first reason stays.
    pub(crate) fn cancel(&self, reason: CancelReason) {
        self.cancelled.change(|cancelled| {
            let first = cancelled.is_none();
            if first {
                *cancelled = Some(reason);
            }
            first
        });
    }

    /// Why the attempt is cancelled, if it is.
    pub(crate) fn cancelled(&self) -> Option<CancelReason> {
        self.cancelled_at(self.lease.clock().boottime())
    }

    /// The same at `now`, by the boot clock, which has just been read.
    pub(crate) fn cancelled_at(&self, now: Duration) -> Option<CancelReason> {
        match self.lease.cancelled_at(now) {
            // A lost lease replaces a timeout: it leaves no time.
            Some(CancelReason::LeaseLost) => Some(CancelReason::LeaseLost),
            of_run => self.cancelled.read(Option::clone).or(of_run),
        }
    }

    /// Completes when the attempt is cancelled.
    pub(crate) async fn wait_cancelled(&self) {
        tokio::select! {
            biased;
            () = self.lease.wait_cancelled() => {}
            () = self.cancelled.wait_for(Option::is_some) => {}
        }
    }
}
