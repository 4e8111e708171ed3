//! Heartbeats: a node shows that it lives, and learns which units it has to attend to.

use super::OverdueRun;
use crate::unit::UnitName;

/// A node's sign of life, one each second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Heartbeat {
    /// The node is up.
    Alive,
    /// The node is leaving.
    Leaving,
}

/// The answer to a [`Heartbeat`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeartbeatReply {
    /// Identities of the living nodes, at most [`MAX_NODES`](super::MAX_NODES).
    pub nodes: Vec<String>,
    /// Units in which something waits and can start, at most [`MAX_BATCH`](super::MAX_BATCH).
    pub ready: Vec<UnitName>,
    /// Runs whose renewal is overdue, at most [`MAX_BATCH`](super::MAX_BATCH), oldest first.
    pub overdue: Vec<OverdueRun>,
}
