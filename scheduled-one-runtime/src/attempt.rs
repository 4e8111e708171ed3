//! One attempt of a run. A run whose attempt failed or timed out may try
//! again under the same lease; what an attempt left behind should end with it.

use std::sync::Arc;

use tokio::sync::watch;

use crate::lease::{Cancel, Lease};

/// What a job's context and its guard share: the lease, and whether this
/// attempt was told to stop.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    lease: Arc<Lease>,
    stopped: Arc<watch::Sender<Option<Cancel>>>,
}

impl Attempt {
    pub(crate) fn new(lease: Arc<Lease>) -> Self {
        Attempt {
            lease,
            stopped: Arc::new(watch::Sender::new(None)),
        }
    }

    pub(crate) fn lease(&self) -> &Arc<Lease> {
        &self.lease
    }

    /// Tells this attempt to stop; the run may make another one.
    pub(crate) fn stop(&self, reason: Cancel) {
        self.stopped.send_if_modified(|stopped| {
            let first = stopped.is_none();
            stopped.get_or_insert(reason);
            first
        });
    }

    /// Why it was told to stop, if it was.
    pub(crate) fn cancelled(&self) -> Option<Cancel> {
        match self.lease.cancelled() {
            // Outranks a timeout: it leaves no time.
            Some(Cancel::LeaseLost) => Some(Cancel::LeaseLost),
            of_run => (*self.stopped.borrow()).or(of_run),
        }
    }

    /// Completes when it is told to stop.
    pub(crate) async fn wait_cancelled(&self) {
        let mut of_run = self.lease.watch();
        let mut of_attempt = self.stopped.subscribe();
        // Neither sender goes away while `self` is there.
        tokio::select! {
            biased;
            _ = of_run.wait_for(Option::is_some) => {}
            _ = of_attempt.wait_for(Option::is_some) => {}
        }
    }
}
