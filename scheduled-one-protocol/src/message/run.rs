//! Runs: renewed, finished, overdue, written off.

use super::Origin;
use crate::outcome::Outcome;
use crate::unit::UnitName;
use crate::value::{FencingToken, TickMs};

/// Everything that a store needs to write back a run that it forgot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RunId {
    /// The unit, with its slot.
    pub unit: UnitName,
    /// The tick.
    pub tick: TickMs,
    /// Nonce of the claim that was granted.
    pub nonce: String,
    /// The fencing token.
    pub token: FencingToken,
    /// The attempt, from 1.
    pub attempt: u32,
    /// The length of the lease.
    pub lease_ms: i64,
    /// When the run was granted.
    pub granted_at_ms: i64,
    /// How often the run may still be taken over when its node dies.
    pub takeovers: u32,
    /// Where the run comes from; `None` if the schedule asked for it.
    pub origin: Option<Origin>,
}

/// Extends the lease of a run, or writes the run back into a store that forgot it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Renew {
    /// The run.
    pub run: RunId,
    /// A renewal that arrives later than this does nothing.
    pub valid_until_ms: i64,
}

/// The answer to one [`Renew`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Renewed {
    /// The lease is good until this instant.
    Until(i64),
    /// The lease is good until this instant, and the run has to stop: another tick waits for it.
    Stop(i64),
    /// The lease is good until this instant, and the run has to stop: somebody cancelled it.
    Cancelled {
        /// End of the lease.
        until_ms: i64,
        /// By whom and why.
        why: String,
    },
    /// The store had forgotten the run; the run is written back and its lease is good until this instant.
    Readopted(i64),
    /// The run has ended, or another run has taken its unit.
    Lost,
    /// The renewal arrived after [`Renew::valid_until_ms`]; nothing was done.
    Late,
}

/// Ends a run, or one attempt of it, and records its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Finish {
    /// The run.
    pub run: RunId,
    /// The outcome.
    pub outcome: Outcome,
    /// Another attempt follows under the same lease: the run goes on.
    pub retried: bool,
    /// Why, in words for a reader; may be empty.
    pub reason: String,
    /// Error text, at most [`MAX_ERROR_BYTES`](crate::MAX_ERROR_BYTES).
    pub error: String,
    /// When the function was called; `None` if it never was.
    pub fired_at_ms: Option<i64>,
    /// When the attempt ended.
    pub ended_at_ms: i64,
}

/// The answer to one [`Finish`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Finished {
    /// The outcome is recorded, by this request or an earlier copy of it. Otherwise the run no longer had its lease,
    /// and the ledger has the note "finished without lease".
    pub recorded: bool,
    /// Something waits in the unit and can start now.
    pub ready: bool,
}

/// A run whose renewal is overdue, as the store shows it now. A node that sees the same nonce and `seq` for nine
/// tenths of the lease, by its own clock, may write the run off.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OverdueRun {
    /// The unit, with its slot.
    pub unit: UnitName,
    /// Nonce of the run's claim.
    pub nonce: String,
    /// How often the run was renewed.
    pub seq: u64,
    /// The length of its lease.
    pub lease_ms: i64,
}

/// The answer to a write-off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WrittenOff {
    /// The run is recorded as lost; its unit is free.
    Lost,
    /// The run is to be taken over: its next attempt waits in the unit.
    TakenOver,
    /// The run was renewed, finished or written off in the meantime.
    Changed,
    /// The store may have forgotten renewals of the unit; nothing was done.
    Quarantined,
}
