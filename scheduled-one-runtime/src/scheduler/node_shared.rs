//! What the workers of a node share: its identity, its runs, and that it stops.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::active_runs::ActiveRuns;
use crate::error::Error;
use crate::log_throttle::LogThrottle;
use crate::node::outlook::Outlook;
use crate::run::Stopping;
use crate::scheduler::builder::SchedulerBuilder;
use crate::state::States;
use crate::store_client::BucketMismatch;
use scheduled_one_protocol::clock::Clock;

/// What the workers of a node share.
pub(super) struct NodeShared {
    pub(super) clock: Arc<dyn Clock>,
    /// Random identity of the node.
    pub(super) identity: String,
    /// Label of the node.
    pub(super) node: Arc<str>,
    pub(super) default_lease: Duration,
    pub(super) ledger_limit: usize,
    pub(super) states: Arc<States>,
    pub(super) active_runs: ActiveRuns,
    pub(super) stopping: watch::Sender<Option<Stopping>>,
    pub(super) slow_polls: Arc<LogThrottle>,
    pub(super) bucket_mismatch: BucketMismatch,
    pub(super) outlook: Outlook,
}

impl SchedulerBuilder {
    /// Makes what the workers of a node share, with an identity for the node.
    pub(super) fn share(&mut self) -> Result<NodeShared, Error> {
        let identity = match self.identity.take() {
            Some(identity) => identity,
            None => random_identity()?,
        };
        Ok(NodeShared {
            clock: Arc::clone(&self.clock),
            node: self.node_name.as_deref().unwrap_or(&identity).into(),
            identity,
            default_lease: self.lease,
            ledger_limit: self.ledger_limit,
            states: Arc::new(std::mem::take(&mut self.states)),
            active_runs: ActiveRuns::default(),
            stopping: watch::Sender::new(None),
            slow_polls: Arc::default(),
            bucket_mismatch: BucketMismatch::default(),
            outlook: Outlook::default(),
        })
    }
}

/// New with each start: a node that restarts is another one.
fn random_identity() -> Result<String, Error> {
    let random = getrandom::u64().map_err(|error| Error::Identity(error.to_string()))?;
    Ok(format!("{random:016x}"))
}
