//! The active runs of a node: counted, awaited, cancelled.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::active_run::ActiveRun;
use crate::lease::CancelReason;
use crate::signal::Signal;
use scheduled_one_protocol::message::RunId;
use scheduled_one_protocol::{Start, UnitName};

/// The active runs of a node, in all its buckets.
#[derive(Clone, Debug, Default)]
pub(crate) struct ActiveRuns {
    shared: Arc<SharedRuns>,
}

#[derive(Debug, Default)]
struct SharedRuns {
    runs: Mutex<Runs>,
    count: Signal<usize>,
}

#[derive(Debug, Default)]
struct Runs {
    /// How many runs became active so far; the number of a run is its key.
    entered: u64,
    active: BTreeMap<u64, Arc<ActiveRun>>,
}

impl SharedRuns {
    fn runs(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes how many runs are active. If that is none, tasks of the program are woken, so the runs are not locked
    /// meanwhile. They are counted when it is published, so the last to publish has the last count.
    fn publish_count(&self) {
        self.count.change(|count| {
            *count = self.runs().active.len();
            *count == 0
        });
    }
}

impl ActiveRuns {
    /// Adds a run, until the guard is dropped.
    pub(crate) fn enter(&self, run: Arc<ActiveRun>) -> RunGuard {
        let mut runs = self.shared.runs();
        runs.entered += 1;
        let number = runs.entered;
        runs.active.insert(number, Arc::clone(&run));
        drop(runs);
        self.shared.publish_count();
        RunGuard {
            number,
            run,
            shared: Arc::clone(&self.shared),
        }
    }

    /// The newest start of each active run, with its unit.
    pub(crate) fn newest_starts(&self) -> Vec<(UnitName, Start)> {
        let runs = self.shared.runs();
        let active = runs.active.values();
        active.filter_map(|run| run.newest_start()).collect()
    }

    /// The active runs, each in its current attempt.
    pub(crate) fn ids(&self) -> Vec<RunId> {
        let runs = self.shared.runs();
        runs.active.values().map(|run| run.id()).collect()
    }

    /// How many runs are active.
    pub(crate) fn count(&self) -> usize {
        self.shared.count.read(|count| *count)
    }

    /// How many runs have ended so far.
    pub(crate) fn count_ended(&self) -> usize {
        let runs = self.shared.runs();
        runs.entered as usize - runs.active.len()
    }

    /// Completes when no run is active.
    pub(crate) async fn wait_idle(&self) {
        self.shared.count.wait_for(|count| *count == 0).await;
    }

    /// How long a cancelled run may take to return, at most.
    pub(crate) fn longest_cancel_budget(&self) -> Duration {
        let runs = self.shared.runs();
        let budgets = runs.active.values().map(|run| run.lease.cancel_budget());
        budgets.max().unwrap_or_default()
    }

    /// All active runs. They are not locked: cancelling one wakes tasks of the program.
    fn all(&self) -> Vec<Arc<ActiveRun>> {
        self.shared.runs().active.values().cloned().collect()
    }

    /// Cancels all runs.
    pub(crate) fn cancel_all(&self, reason: CancelReason) {
        for run in self.all() {
            run.lease.cancel(reason.clone());
        }
    }

    /// Cancels all runs, which are dropped by the instant `drop_by` of the boot clock. Returns how many there are.
    pub(crate) fn cancel_all_by(&self, reason: CancelReason, drop_by: Duration) -> usize {
        let runs = self.all();
        for run in &runs {
            run.lease.cancel_by(reason.clone(), drop_by);
        }
        runs.len()
    }
}

/// Keeps a run among the active ones until it is dropped. It is dropped with the run's task, also when the Tokio
/// runtime goes away.
pub(crate) struct RunGuard {
    number: u64,
    run: Arc<ActiveRun>,
    shared: Arc<SharedRuns>,
}

impl Drop for RunGuard {
    fn drop(&mut self) {
        self.run.end();
        self.shared.runs().active.remove(&self.number);
        self.shared.publish_count();
    }
}
