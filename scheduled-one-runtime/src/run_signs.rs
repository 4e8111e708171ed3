//! Signs of the runs of schedules, for who watches from outside: when one starts, and when it has ended.

use std::time::Duration;

use crate::active_run::RunKind;
use crate::run::{NewRun, Runner};
use crate::run_result::RunResult;

/// Who takes the signs. It is called by the task of a run, so it never waits.
pub(crate) trait RunSigns: Send + Sync {
    /// The function of a run is about to be called for the first time on this node.
    fn started(&self, run: &NewRun, started_ms: i64);

    /// A run that had started has ended, after the last attempt on this node.
    fn ended(&self, run: &NewRun, result: &RunResult, took: Duration, ended_ms: i64);
}

impl Runner {
    pub(crate) fn sign_start(&self, new: &NewRun) {
        if let Some(signs) = self.signs_of(new) {
            signs.started(new, self.cluster.now_ms());
        }
    }

    /// `took` is none of a run that did not start.
    pub(crate) fn sign_end(&self, new: &NewRun, result: &RunResult, took: Option<Duration>) {
        if let (Some(signs), Some(took)) = (self.signs_of(new), took) {
            signs.ended(new, result, took, self.cluster.now_ms());
        }
    }

    /// Runs that somebody asked for say nothing of the schedule. Those of a job that each node runs by itself would
    /// answer for each other: the other nodes hide that one of them is dead.
    fn signs_of(&self, new: &NewRun) -> Option<&dyn RunSigns> {
        let signs = self.signs.as_deref()?;
        let is_leased = matches!(new.kind, RunKind::Leased { .. });
        let is_tick = is_leased && new.id.origin.is_none() && !new.id.unit.is_lane();
        is_tick.then_some(signs)
    }
}
