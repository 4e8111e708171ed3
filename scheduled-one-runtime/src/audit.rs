//! The audit as users read it.

use std::time::Duration;

use jiff::Timestamp;
use scheduled_one_control::audit;

pub use scheduled_one_control::audit::TickStatus;

/// The ticks of a job in a range of time, each with what became of it, by
/// [`Scheduler::audit`](crate::Scheduler::audit).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Audit {
    /// The ticks, the oldest first.
    pub ticks: Vec<AuditedTick>,
    /// After this instant no tick is left out: since then the job has had the schedule that it has now. Of the time up
    /// to then those ticks are listed of which the ledger has a line, and those that run or wait. `None` if no tick of
    /// the range is left out.
    pub complete_since: Option<Timestamp>,
}

impl Audit {
    pub(crate) fn of(audit: audit::Audit) -> Self {
        let since = audit.complete_since.map(Timestamp::try_from);
        Audit {
            ticks: audit.ticks.into_iter().map(AuditedTick::of).collect(),
            complete_since: since.map(Result::unwrap_or_default),
        }
    }
}

/// What became of one tick, by [`Scheduler::audit`](crate::Scheduler::audit).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditedTick {
    /// The tick.
    pub tick: Timestamp,
    /// Which shard of it, from 0; 0 if the job has none.
    pub shard: u32,
    /// On which node, if each node runs the job by itself, or where it ran.
    pub node: Option<String>,
    /// The identity of that node, if each node runs the job by itself: several nodes may have one name.
    pub identity: Option<String>,
    /// What became of it.
    pub status: TickStatus,
    /// Why, in words; may be empty.
    pub reason: String,
    /// How late its last attempt started, if one did.
    pub late_by: Option<Duration>,
    /// How many attempts were made.
    pub attempts: u32,
    /// How many of them were taken over from a node that died.
    pub taken_over: u32,
}

impl AuditedTick {
    pub(crate) fn of(tick: audit::AuditedTick) -> Self {
        AuditedTick {
            tick: Timestamp::try_from(tick.tick).unwrap_or_default(),
            shard: tick.shard,
            node: tick.node,
            identity: tick.identity,
            status: tick.status,
            reason: tick.reason,
            late_by: tick.late_by,
            attempts: tick.attempts,
            taken_over: tick.taken_over,
        }
    }
}
