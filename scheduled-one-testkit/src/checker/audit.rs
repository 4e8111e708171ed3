//! What the store says became of ticks.

use std::fmt;
use std::ops::Range;

use scheduled_one_protocol::Outcome;

/// One look at the ledger and the audit of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// The job.
    pub job: String,
    /// The time between its ticks; 0 if it is not constant.
    pub every_ms: i64,
    /// The first tick that must be accounted for; `None`: the first of [`ticks`](Self::ticks), of each shard.
    pub from_ms: Option<i64>,
    /// Ticks before this must be accounted for; `None`: up to the last of [`ticks`](Self::ticks).
    pub to_ms: Option<i64>,
    /// At least so many ticks of each shard must be accounted for: an empty audit proves nothing.
    pub at_least: usize,
    /// What became of each tick.
    pub ticks: Vec<AuditTick>,
    /// The lines of the ledger: no tick may have two outcomes in them.
    pub ledger: Vec<LedgerLine>,
}

/// What became of one tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditTick {
    /// Which shard, from 0.
    pub shard: u32,
    /// The node; of local jobs alone.
    pub node: Option<String>,
    /// The tick.
    pub tick_ms: i64,
    /// What became of it.
    pub status: TickStatus,
}

/// The status of a tick, as far as a rule is about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TickStatus {
    /// It has this outcome.
    Decided(Outcome),
    /// It is due, waits, or its run is active.
    Open,
    /// The ledger has dropped its line.
    NoLongerKept,
    /// It was decided, and its outcome is not known.
    Unknown,
}

/// One line of a ledger. Build it with `..LedgerLine::default()`: fields may be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerLine {
    /// Which shard, from 0.
    pub shard: u32,
    /// The tick; of several missed ones, the oldest.
    pub first_ms: i64,
    /// The tick; of several missed ones, the newest.
    pub last_ms: i64,
    /// What became of it, or of an attempt.
    pub outcome: Outcome,
    /// Another attempt follows.
    pub retried: bool,
    /// Id of the request that the run was for; empty if the line is about ticks of the schedule.
    pub request: String,
    /// The token of the run; 0 if there was none.
    pub token: u64,
    /// An operator had the run cancelled.
    pub by_operator: bool,
}

impl Default for LedgerLine {
    fn default() -> Self {
        LedgerLine {
            shard: 0,
            first_ms: 0,
            last_ms: 0,
            outcome: Outcome::Ok,
            retried: false,
            request: String::new(),
            token: 0,
            by_operator: false,
        }
    }
}

impl LedgerLine {
    /// Whether it is what became of its ticks in the end.
    pub(super) fn is_outcome(&self) -> bool {
        self.request.is_empty() && self.is_final()
    }

    /// Whether neither another attempt follows, nor it is a note.
    pub(super) fn is_final(&self) -> bool {
        !self.retried && self.outcome != Outcome::FinishedWithoutLease
    }

    pub(super) fn covers(&self, tick_ms: i64) -> bool {
        (self.first_ms..=self.last_ms).contains(&tick_ms)
    }
}

impl fmt::Display for LedgerLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let retried = if self.retried { ", retried" } else { "" };
        let (first, last) = (self.first_ms, self.last_ms);
        write!(
            f,
            "ledger: shard {}, {first} to {last}: {}{retried}",
            self.shard, self.outcome
        )?;
        match self.request.as_str() {
            "" => Ok(()),
            request => write!(f, ", request {request}"),
        }
    }
}

impl Audit {
    /// The audit of a job without shards that follows from its ledger alone: the status of each tick from `from_ms`
    /// (a tick) up to and without `to_ms`.
    pub fn of_ledger(
        job: &str,
        every_ms: i64,
        from_ms: i64,
        to_ms: i64,
        ledger: Vec<LedgerLine>,
    ) -> Self {
        let due = (from_ms..to_ms).step_by(every_ms.max(1) as usize);
        let ticks = due.filter_map(|tick_ms| status(&ledger, tick_ms)).collect();
        Audit {
            job: job.to_owned(),
            every_ms,
            from_ms: Some(from_ms),
            to_ms: Some(to_ms),
            at_least: 0,
            ticks,
            ledger,
        }
    }

    /// The same of these ticks, oldest first, such as those of a range in which several schedules were in force, one
    /// after the other. What became of a tick without a line is unknown.
    pub fn of_ticks(
        job: &str,
        due: impl IntoIterator<Item = i64>,
        range_ms: Range<i64>,
        ledger: Vec<LedgerLine>,
    ) -> Self {
        let unknown = |tick_ms| AuditTick {
            shard: 0,
            node: None,
            tick_ms,
            status: TickStatus::Unknown,
        };
        let due = due.into_iter();
        let ticks = due.map(|tick_ms| status(&ledger, tick_ms).unwrap_or(unknown(tick_ms)));
        Audit {
            job: job.to_owned(),
            every_ms: 0,
            from_ms: Some(range_ms.start),
            to_ms: Some(range_ms.end),
            at_least: 0,
            ticks: ticks.collect(),
            ledger,
        }
    }
}

/// What the ledger says of a tick.
fn status(ledger: &[LedgerLine], tick_ms: i64) -> Option<AuditTick> {
    let mut lines = ledger.iter().rev();
    let line = lines.find(|line| line.is_outcome() && line.covers(tick_ms))?;
    Some(AuditTick {
        shard: line.shard,
        node: None,
        tick_ms,
        status: TickStatus::Decided(line.outcome),
    })
}
