//! The runs of a node that are going: counted, waited for, cancelled.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::lease::Cancel;
use crate::renewal::ActiveRun;
use scheduled_one_protocol::Start;
use scheduled_one_protocol::UnitName;

/// The runs of a node that are going.
#[derive(Clone, Debug, Default)]
pub(crate) struct Going {
    shared: Arc<GoingShared>,
}

#[derive(Debug)]
struct GoingShared {
    runs: Mutex<(u64, BTreeMap<u64, Arc<ActiveRun>>)>,
    count: watch::Sender<usize>,
}

impl Default for GoingShared {
    fn default() -> Self {
        GoingShared {
            runs: Mutex::default(),
            count: watch::Sender::new(0),
        }
    }
}

impl GoingShared {
    fn runs(&self) -> MutexGuard<'_, (u64, BTreeMap<u64, Arc<ActiveRun>>)> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Going {
    pub(super) fn enter(&self, run: Arc<ActiveRun>) -> Ticket {
        let mut runs = self.shared.runs();
        runs.0 += 1;
        let serial = runs.0;
        runs.1.insert(serial, Arc::clone(&run));
        self.shared.count.send_replace(runs.1.len());
        Ticket {
            serial,
            run,
            going: Arc::clone(&self.shared),
        }
    }

    /// The newest start of each run that is going, with its unit.
    pub(crate) fn starts(&self) -> Vec<(UnitName, Start)> {
        let runs = self.shared.runs();
        runs.1.values().filter_map(|run| run.started()).collect()
    }

    /// How many runs are going.
    pub(crate) fn count(&self) -> usize {
        *self.shared.count.borrow()
    }

    /// How many runs have ended so far.
    pub(crate) fn ended(&self) -> usize {
        let runs = self.shared.runs();
        runs.0 as usize - runs.1.len()
    }

    /// Completes when no run is going.
    pub(crate) async fn none(&self) {
        let mut count = self.shared.count.subscribe();
        let _ = count.wait_for(|count| *count == 0).await;
    }

    /// Tells all runs to stop; returns how many there were, and the longest
    /// time one of them may take.
    pub(crate) fn cancel_all(&self, reason: Cancel) -> (usize, Duration) {
        let runs = self.shared.runs();
        let mut budget = Duration::ZERO;
        for run in runs.1.values() {
            run.lease.cancel(reason);
            budget = budget.max(run.lease.cancel_budget());
        }
        (runs.1.len(), budget)
    }
}

/// A run that is going, until dropped: also when its runtime goes away.
pub(super) struct Ticket {
    serial: u64,
    run: Arc<ActiveRun>,
    going: Arc<GoingShared>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.run.end();
        let mut runs = self.going.runs();
        runs.1.remove(&self.serial);
        self.going.count.send_replace(runs.1.len());
    }
}
