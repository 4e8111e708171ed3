//! What a job was promised.

use std::time::Duration;

use scheduled_one_schedule::policy::{OnLeaseLost, OnNodeLoss, Overlap, Scope};

/// The policies of a job that rules depend on. Build it with `..JobRules::default()`: fields may be added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobRules {
    /// Its name.
    pub name: String,
    /// The lease of its runs; without it, faults show no violation of S4.
    pub lease: Option<Duration>,
    /// What happens to a tick that is due while a run is active.
    pub overlap: Overlap,
    /// What happens to a run whose node died.
    pub on_node_loss: OnNodeLoss,
    /// How often a run may be retried.
    pub retries: u32,
    /// What happens to a run whose lease is not proven.
    pub on_lease_lost: OnLeaseLost,
    /// Where each tick runs.
    pub scope: Scope,
    /// How many shards each tick has; 0 counts as 1.
    pub shards: u32,
}

impl JobRules {
    /// How many runs of a unit may overlap.
    pub(super) fn most_at_once(&self) -> usize {
        match self.overlap {
            Overlap::Allow(most) => most as usize,
            _ => 1,
        }
    }

    /// How many attempts of a tick there can be: each run makes its retries, and so does each takeover.
    pub(super) fn most_attempts(&self) -> u32 {
        let takeovers = match self.on_node_loss {
            OnNodeLoss::Rerun(most) => most,
            _ => 0,
        };
        self.retries
            .saturating_add(1)
            .saturating_mul(takeovers.saturating_add(1))
    }

    /// Each node runs it without the store.
    pub(super) fn is_local(&self) -> bool {
        self.scope == Scope::EveryNode
    }

    /// A run ends before its lease can be given to another one.
    pub(super) fn ends_with_its_lease(&self) -> bool {
        self.on_lease_lost != OnLeaseLost::Finish
    }
}
