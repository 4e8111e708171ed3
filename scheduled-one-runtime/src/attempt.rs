//! One attempt of a run. A run whose attempt failed or timed out may make
//! another one under the same lease, so an attempt is cancelled by itself.

use std::sync::Arc;

use tokio::sync::watch;

use crate::lease::{CancelReason, Lease};

/// The lease of the run and the cancelling of one attempt: a job's context and
/// its guard share it.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    lease: Arc<Lease>,
    cancelled: Arc<watch::Sender<Option<CancelReason>>>,
}

impl Attempt {
    pub(crate) fn new(lease: Arc<Lease>) -> Self {
        Attempt {
            lease,
            cancelled: Arc::new(watch::Sender::new(None)),
        }
    }

    pub(crate) fn lease(&self) -> &Arc<Lease> {
        &self.lease
    }

    /// Cancels this attempt; the run may make another one. The first reason stays.
    pub(crate) fn cancel(&self, reason: CancelReason) {
        self.cancelled.send_if_modified(|cancelled| {
            let first = cancelled.is_none();
            if first {
                *cancelled = Some(reason);
            }
            first
        });
    }

    /// Why the attempt is cancelled, if it is.
    pub(crate) fn cancelled(&self) -> Option<CancelReason> {
        match self.lease.cancelled() {
            // A lost lease replaces a timeout: it leaves no time.
            Some(CancelReason::LeaseLost) => Some(CancelReason::LeaseLost),
            of_run => self.cancelled.borrow().clone().or(of_run),
        }
    }

    /// Completes when the attempt is cancelled.
    pub(crate) async fn wait_cancelled(&self) {
        let mut of_run = self.lease.subscribe();
        let mut of_attempt = self.cancelled.subscribe();
        // Both senders live as long as `self`.
        tokio::select! {
            biased;
            _ = of_run.wait_for(Option::is_some) => {}
            _ = of_attempt.wait_for(Option::is_some) => {}
        }
    }
}
