//! How a node is stopped: what it and its scheduler signal to each other, and how
//! far its end has come.

use std::time::Duration;

use tokio::sync::watch;

use crate::run::Stopping;

/// What a node and its scheduler signal to each other.
pub(crate) struct NodeSignals {
    /// From the scheduler: nothing new starts from now on.
    pub(crate) stop: watch::Receiver<Option<Stopping>>,
    /// To the scheduler: every claim has its reply, so no run starts any more.
    pub(crate) drained: watch::Sender<bool>,
    /// From the scheduler: the outcomes are reported, and the node may end.
    pub(crate) leave: watch::Receiver<bool>,
}

/// How far the end of a node has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// The node claims ticks.
    Working,
    /// The node claims nothing. It waits for the replies to its claims, until an instant of the boot clock, and runs
    /// what they grant.
    Draining { until: Duration },
    /// No run starts any more, but some may be active. The watermarks stay registered, and heartbeats say that the
    /// node leaves, so that no shard waits for it.
    Leaving,
}
