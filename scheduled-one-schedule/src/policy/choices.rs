//! The keys that take one word. Below each type stand its words in the attribute, with what other schedulers
//! call them.

use super::form::{Meaning, Value, Word};

/// What becomes of a tick that comes due while the previous run of its unit (the job, or a shard of it) is
/// still going, on whichever node. Default: [`Skip`](Self::Skip).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overlap {
    /// The tick is skipped, and recorded as skipped; no node runs it later.
    #[default]
    Skip,
    /// The tick waits until the run has ended; while one tick waits, others are skipped.
    QueueOne,
    /// The tick waits; at most this many ticks wait (1 to 1,000), others are skipped.
    QueueAll(u32),
    /// The run is cancelled, on whichever node it goes, and the tick starts when that run has ended. An earlier
    /// tick that waited for the same run is skipped.
    CancelRunning,
    /// The tick runs in parallel to the others, under a lease of its own; at most this many runs go at once
    /// (2 to 32), other ticks are skipped.
    Allow(u32),
}

#[rustfmt::skip]
pub(super) const OVERLAP: &[Word] = &[
    Word { word: "skip", means: Meaning::Alone(Value::Overlap(Overlap::Skip)),
           aliases: &["forbid", "drop", "none"] },
    Word { word: "queue_one", means: Meaning::Alone(Value::Overlap(Overlap::QueueOne)),
           aliases: &["queue", "wait", "coalesce"] },
    Word { word: "queue_all",
           means: Meaning::Counted { name: "n", least: 1, most: 1_000, example: 10,
                                     make: |n| Value::Overlap(Overlap::QueueAll(n)) },
           aliases: &[] },
    Word { word: "cancel_running", means: Meaning::Alone(Value::Overlap(Overlap::CancelRunning)),
           aliases: &["replace", "cancel", "restart", "cancel_previous"] },
    Word { word: "allow",
           means: Meaning::Counted { name: "n", least: 2, most: 32, example: 2,
                                     make: |n| Value::Overlap(Overlap::Allow(n)) },
           aliases: &["concurrent", "parallel"] },
];

/// What becomes of ticks that came due while no node could run them: all nodes or the store were down, or the
/// store was in quarantine. Default: [`Skip`](Self::Skip).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Misfire {
    /// The ticks are missed. (The newest still starts within its start deadline.)
    #[default]
    Skip,
    /// The newest tick within the catch-up window runs, and knows how many others it stands for; those are
    /// recorded as missed.
    RunOnce,
    /// Each tick within the catch-up window runs, oldest first, one after another.
    RunAll,
}

#[rustfmt::skip]
pub(super) const MISFIRE: &[Word] = &[
    Word { word: "skip", means: Meaning::Alone(Value::Misfire(Misfire::Skip)),
           aliases: &["do_nothing", "ignore", "drop"] },
    Word { word: "run_once", means: Meaning::Alone(Value::Misfire(Misfire::RunOnce)),
           aliases: &["once", "coalesce", "fire_once_now", "fire_and_proceed"] },
    Word { word: "run_all", means: Meaning::Alone(Value::Misfire(Misfire::RunAll)),
           aliases: &["all", "catch_up", "backfill"] },
];

/// What becomes of a run whose node died. Default: [`Record`](Self::Record).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnNodeLoss {
    /// The run is recorded as lost.
    #[default]
    Record,
    /// Another node makes another attempt, with a higher fencing token; at most this often for one tick
    /// (1 to 100), then the run is lost.
    Rerun(u32),
}

#[rustfmt::skip]
pub(super) const ON_NODE_LOSS: &[Word] = &[
    Word { word: "record", means: Meaning::Alone(Value::OnNodeLoss(OnNodeLoss::Record)),
           aliases: &["skip", "ignore", "lost"] },
    Word { word: "rerun",
           means: Meaning::Counted { name: "max", least: 1, most: 100, example: 1,
                                     make: |max| Value::OnNodeLoss(OnNodeLoss::Rerun(max)) },
           aliases: &["retry", "restart", "run"] },
];

/// What becomes of a run whose lease cannot be proven any more. Default: [`Cancel`](Self::Cancel).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnLeaseLost {
    /// The run is cancelled before another run can start.
    #[default]
    Cancel,
    /// The run goes on, though another run may go at the same time: for idempotent work only. If another run
    /// has its slot when it ends, its end is recorded as finished without lease.
    Finish,
}

#[rustfmt::skip]
pub(super) const ON_LEASE_LOST: &[Word] = &[
    Word { word: "cancel", means: Meaning::Alone(Value::OnLeaseLost(OnLeaseLost::Cancel)),
           aliases: &["abort", "stop"] },
    Word { word: "finish", means: Meaning::Alone(Value::OnLeaseLost(OnLeaseLost::Finish)),
           aliases: &["continue", "ignore", "go_on"] },
];

/// Where each tick runs. Default: [`One`](Self::One).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// On one node of the cluster.
    #[default]
    One,
    /// On each node, by itself: no claim, no lease, no fencing token.
    EveryNode,
}

#[rustfmt::skip]
pub(super) const SCOPE: &[Word] = &[
    Word { word: "one", means: Meaning::Alone(Value::Scope(Scope::One)),
           aliases: &["cluster", "one_node", "single"] },
    Word { word: "every_node", means: Meaning::Alone(Value::Scope(Scope::EveryNode)),
           aliases: &["all", "every", "each", "node", "broadcast", "all_nodes", "each_node"] },
];

/// Which of the nodes that have a job runs its ticks. Default: [`Sticky`](Self::Sticky).
///
/// It is a preference: a node that is gone, or does not claim, is replaced by another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Route {
    /// The same node for as long as it lives: it may keep something in memory from run to run. Jobs and shards are
    /// spread evenly over the nodes.
    #[default]
    Sticky,
    /// Another node for each tick, evenly.
    Spread,
    /// Whichever node is first: each claims each tick. Costs the store one claim for each node.
    Fastest,
    /// As [`Sticky`](Self::Sticky), but a node with more active runs than others is passed over until it is no longer
    /// above the mean. Nodes report their active runs once a second.
    LeastLoaded,
}

#[rustfmt::skip]
pub(super) const ROUTE: &[Word] = &[
    Word { word: "sticky", means: Meaning::Alone(Value::Route(Route::Sticky)),
           aliases: &["consistent_hash", "hash", "same_node", "affinity"] },
    Word { word: "spread", means: Meaning::Alone(Value::Route(Route::Spread)),
           aliases: &["round_robin", "round", "random", "rotate"] },
    Word { word: "fastest", means: Meaning::Alone(Value::Route(Route::Fastest)),
           aliases: &["any", "first", "race"] },
    Word { word: "least_loaded", means: Meaning::Alone(Value::Route(Route::LeastLoaded)),
           aliases: &["busyover", "least_busy", "load", "health_first", "least_connections"] },
];
