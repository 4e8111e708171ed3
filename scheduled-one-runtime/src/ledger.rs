//! The ledger as users read it: one line for each decided tick.

use std::time::Duration;

use jiff::Timestamp;

pub use scheduled_one_protocol::Outcome;
pub use scheduled_one_protocol::message::Cause;
use scheduled_one_protocol::{FencingToken, LedgerRecord};

/// One line of the ledger: the outcome of a tick.
///
/// Each decided tick has one line; ticks that were missed in a row share one.
/// A line [`Outcome::FinishedWithoutLease`] is a note in addition to the line of
/// the same tick, never its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LedgerEntry {
    /// The tick; of several missed ones, the oldest. Of a requested run, the instant that the request is for.
    pub tick: Timestamp,
    /// The tick; of several missed ones, the newest.
    pub last_tick: Timestamp,
    /// How many ticks the line stands for: 1 but for missed ones.
    pub count: u64,
    /// The outcome of the tick, or of one attempt.
    pub outcome: Outcome,
    /// Whether another attempt follows (a retry, or a takeover): then this is not
    /// the outcome of the tick in the end.
    pub retried: bool,
    /// Index of the shard, from 0; 0 if the job has no shards.
    pub shard: u32,
    /// The reason in words: "overlap", "store down", "timeout; dropped", …. Of a run that came to an end by itself, how
    /// its node came to run it: "spread, on gpu". May be empty.
    pub reason: String,
    /// Name of the node that ran it, or that decided not to.
    pub node: String,
    /// Identity of that node, random and new with each start, in a line of a job with `scope = every_node`: several
    /// nodes may have one name.
    pub identity: Option<String>,
    /// Fencing token of the run, if it was started.
    pub fencing_token: Option<u64>,
    /// Attempt, if it was started.
    pub attempt: Option<u32>,
    /// When the function was called, by the cluster's clock.
    pub fired_at: Option<Timestamp>,
    /// When the run ended, or the tick was decided without one.
    pub ended_at: Timestamp,
    /// The error or panic text, at most 1 KiB; empty if there was none.
    pub error: String,
    /// Why the run was made, if somebody asked for it; `None` if the schedule did.
    pub cause: Option<Cause>,
    /// Who asked for the run; empty if that was not said, or if the schedule did.
    pub by: String,
    /// Id of the request for the run; `None` if the schedule asked for it.
    pub request: Option<String>,
}

impl LedgerEntry {
    /// How long after its tick the function was called.
    pub fn lateness(&self) -> Option<Duration> {
        Duration::try_from(self.fired_at? - self.tick).ok()
    }

    /// How long the run took.
    pub fn took(&self) -> Option<Duration> {
        Duration::try_from(self.ended_at - self.fired_at?).ok()
    }
}

impl LedgerEntry {
    /// A line of the store.
    pub(crate) fn of(line: LedgerRecord) -> Self {
        LedgerEntry {
            tick: instant(line.tick.ms()),
            last_tick: instant(line.last_tick.ms()),
            count: line.count,
            outcome: line.outcome,
            retried: line.retried,
            shard: line.unit.shard(),
            reason: line.reason,
            node: line.node,
            identity: line.identity,
            fencing_token: line.token.map(FencingToken::get),
            attempt: line.attempt,
            fired_at: line.fired_at_ms.map(instant),
            ended_at: instant(line.ended_at_ms),
            error: line.error,
            cause: line.cause,
            by: line.actor,
            request: Some(line.request).filter(|id| !id.is_empty()),
        }
    }
}

/// An instant of the store. An instant that no calendar can show, from a damaged
/// record, becomes the Unix epoch.
pub(crate) fn instant(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or_default()
}
