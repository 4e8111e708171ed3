//! The policies of a job with all defaults filled in.

use std::sync::Arc;
use std::time::Duration;

use once_cell::sync::Lazy;
use scheduled_one_schedule::policy::{
    Backoff, MAX_DURATION, Misfire, OnLeaseLost, OnNodeLoss, Overlap, Policies, RetryOn, Route,
    Scope,
};

use scheduled_one_protocol::message;

/// The policies of a job with all defaults filled in.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) lease: Option<Duration>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) timeout_total: Option<Duration>,
    pub(crate) overlap: message::Overlap,
    pub(crate) misfire: Misfire,
    pub(crate) catch_up: Duration,
    pub(crate) start_deadline: Duration,
    /// How long a tick may wait for the run before it. Without a
    /// `start_deadline` of the job's own, as long as that takes.
    pub(crate) waits: Duration,
    pub(crate) takeovers: u32,
    pub(crate) on_lease_lost: OnLeaseLost,
    pub(crate) retries: u32,
    pub(crate) backoff: Backoff,
    pub(crate) retry_on: RetryOn,
    /// How many failed runs in a row pause the job.
    pub(crate) pause_after: Option<u32>,
    pub(crate) jitter: Duration,
    pub(crate) scope: Scope,
    pub(crate) route: Route,
    pub(crate) shards: u32,
    pub(crate) enabled: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Rules::of(&Policies::default(), true)
    }
}

/// The rules of jobs that say nothing: most jobs share them.
static USUAL: Lazy<Arc<Rules>> = Lazy::new(Arc::default);

impl Rules {
    /// What the policies come to.
    pub(crate) fn shared(policies: &Policies, enabled: bool) -> Arc<Self> {
        match enabled && *policies == Policies::default() {
            true => Arc::clone(&USUAL),
            false => Arc::new(Self::of(policies, enabled)),
        }
    }

    fn of(policies: &Policies, enabled: bool) -> Self {
        let overlap = match policies.overlap() {
            Overlap::QueueOne => message::Overlap::Queue(1),
            Overlap::QueueAll(most) => message::Overlap::Queue(most),
            Overlap::CancelRunning => message::Overlap::CancelRunning,
            Overlap::Allow(most) => message::Overlap::Allow(most),
            _ => message::Overlap::Skip,
        };
        let takeovers = match policies.on_node_loss() {
            OnNodeLoss::Rerun(most) => most,
            _ => 0,
        };
        Rules {
            lease: policies.lease(),
            timeout: policies.timeout(),
            timeout_total: policies.timeout_total(),
            overlap,
            misfire: policies.misfire(),
            catch_up: policies.catch_up(),
            start_deadline: policies.start_deadline(),
            waits: policies.start_deadline.unwrap_or(MAX_DURATION),
            takeovers,
            on_lease_lost: policies.on_lease_lost(),
            retries: policies.retries(),
            backoff: policies.backoff(),
            retry_on: policies.retry_on(),
            pause_after: policies.pause_after(),
            jitter: policies.jitter(),
            scope: policies.scope(),
            route: policies.route(),
            shards: policies.shards(),
            enabled,
        }
    }
}
