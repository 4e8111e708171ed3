//! What the workers of a node share: its identity, its runs, and that it stops.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::active_runs::ActiveRuns;
use crate::alarm::Alarm;
use crate::bucket_mismatch::BucketMismatch;
use crate::compiled_job::CompiledJob;
use crate::error::Error;
use crate::log_throttle::LogThrottle;
use crate::metrics::Metrics;
use crate::node::outlook::Outlook;
use crate::permits::Permits;
use crate::run::Stopping;
use crate::run_signs::RunSigns;
use crate::scheduler::builder::SchedulerBuilder;
use crate::scheduler::program::Program;
use crate::state::States;
use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::message::Labels;
use scheduled_one_schedule::ZoneData;

/// What the workers of a node share.
pub(super) struct NodeShared {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) alarm: Alarm,
    /// Random identity of the node.
    pub(super) identity: String,
    /// Label of the node.
    pub(super) node: Arc<str>,
    pub(super) default_lease: Duration,
    pub(super) ledger_limit: usize,
    pub(super) states: Arc<States>,
    pub(super) active_runs: ActiveRuns,
    pub(super) permits: Permits,
    /// What the node is labelled with.
    pub(super) labels: Labels,
    pub(super) stopping: watch::Sender<Option<Stopping>>,
    pub(super) slow_polls: Arc<LogThrottle>,
    pub(super) bucket_mismatch: BucketMismatch,
    pub(super) outlook: Outlook,
    pub(super) metrics: Arc<Metrics>,
    /// Who takes signs of runs.
    pub(super) signs: Option<Arc<dyn RunSigns>>,
    pub(super) program: Arc<Program>,
    pub(super) zones: ZoneData,
}

impl SchedulerBuilder {
    /// Makes what the workers of a node share, with an identity for the node.
    pub(super) fn share(
        &mut self,
        jobs: &[Arc<CompiledJob>],
        program: Program,
        zones: &ZoneData,
    ) -> Result<NodeShared, Error> {
        let identity = match self.identity.take() {
            Some(identity) => identity,
            None => random_identity()?,
        };
        let (active_runs, outlook) = (ActiveRuns::default(), Outlook::default());
        let metrics = Metrics::new(
            &self.namespace,
            self.buckets,
            jobs,
            active_runs.clone(),
            outlook.clone(),
            self.metrics_off,
        );
        Ok(NodeShared {
            clock: Arc::clone(&self.clock),
            alarm: Alarm::start(&self.clock),
            node: self.node_name.as_deref().unwrap_or(&identity).into(),
            identity,
            default_lease: self.lease,
            ledger_limit: self.ledger_limit,
            states: Arc::new(std::mem::take(&mut self.states)),
            active_runs,
            permits: self.limits.permits(),
            labels: self.limits.words(&self.labels, jobs),
            stopping: watch::Sender::new(None),
            slow_polls: Arc::default(),
            bucket_mismatch: BucketMismatch::default(),
            outlook,
            metrics: Arc::new(metrics),
            signs: self.signs.take(),
            program: Arc::new(
                program
                    .named(self.application.as_deref(), self.generation)
                    .versioned(self.version.as_deref()),
            ),
            zones: zones.clone(),
        })
    }
}

/// New with each start: a node that restarts is another one.
fn random_identity() -> Result<String, Error> {
    let random = getrandom::u64().map_err(|error| Error::Identity(error.to_string()))?;
    Ok(format!("{random:016x}"))
}
