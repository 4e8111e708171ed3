//! What was done to a cluster, and what that excuses.

use std::time::Duration;

/// Something that was done to a cluster, and undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultWindow {
    /// What, in the words of the plan.
    pub what: String,
    /// What rules conclude from it.
    pub kind: FaultKind,
    /// The node it was done to; `None` is all of them.
    pub node: Option<String>,
    /// When it had certainly begun, by the shared clock.
    pub from_us: u64,
    /// When it began to end.
    pub to_us: u64,
}

/// What a [`FaultWindow`] means for the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// The process died.
    Killed,
    /// The process did not run.
    Paused,
    /// No request of the node could be acknowledged.
    Isolated,
    /// The store may have lost what it acknowledged before the end.
    MemoryLoss,
    /// Two servers may have acted as the store.
    SplitBrain,
    /// Connections broke and requests failed, but others were served at once: no excuse for anything.
    Flaky,
    /// Something that may cost ticks, and from which no rule concludes anything else.
    Other,
}

impl FaultWindow {
    pub(super) fn is_of(&self, node: &str) -> bool {
        self.node.as_deref().is_none_or(|of| of == node)
    }

    pub(super) fn lasted_us(&self) -> u64 {
        self.to_us.saturating_sub(self.from_us)
    }
}

/// Bounds of what faults excuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tolerance {
    /// How long after a fault its consequences last: reconnecting, a quarantine, a lease, a slow machine. For a job
    /// with a longer lease, so much longer.
    pub aftermath: Duration,
    /// How long before a fault a run may have begun that the fault ends.
    pub longest_run: Duration,
    /// A poll that was under way when its process was paused ends when the process continues: one event, within this
    /// time. Zero if no poll can be under way then.
    pub wake_up: Duration,
    /// Ticks of a schedule that were due for less than this, and not decided, when another one took its place have no
    /// outcome: a known gap of the protocol.
    pub changeover: Duration,
    /// Takeovers in slots of `allow(n)` that one request grants may share a token: a known gap of the protocol.
    pub slot_takeovers_share_tokens: bool,
}

impl Default for Tolerance {
    fn default() -> Self {
        Tolerance {
            aftermath: Duration::from_secs(8),
            longest_run: Duration::from_secs(8),
            wake_up: Duration::from_millis(100),
            changeover: Duration::from_secs(3),
            slot_takeovers_share_tokens: false,
        }
    }
}
