//! What nodes ask of the store and what it answers. Plain data: both the
//! in-memory store and the Redis scripts speak exactly these messages.
//!
//! Times of the store are UTC milliseconds of *its* clock (`*_ms`), but for
//! `now_us`, which is in microseconds. Zero stands for "never".

use std::fmt;

/// Ticks claimed in one call, at most. A script that touches more units than
/// this blocks Redis for longer than a renewal may wait.
pub const MAX_BATCH: usize = 256;

/// How long a tick may lie in the store's future and still be claimed. Covers
/// the error of a node's idea of the store's clock; more is refused as early.
pub const EARLY_TOLERANCE_MS: i64 = 10;

/// What every request carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Random identity of the started scheduler.
    pub node: String,
    /// The label its records are shown with.
    pub name: String,
    /// How long the store has to grant nothing after it lost its memory: the
    /// longest lease of the caller's jobs, and a margin to reconnect.
    pub quarantine_ms: i64,
    /// How many lines a job's ledger keeps.
    pub ledger_limit: usize,
}

/// What every reply carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The store's clock when it decided.
    pub now_us: u64,
    /// Identity of the serving process and its replication history.
    pub serving: String,
    /// Nothing is granted or written off before this instant.
    pub quarantine_until_ms: i64,
}

/// A reply and its head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply<T> {
    /// The store's clock and state.
    pub head: Head,
    /// What was asked for.
    pub body: T,
}

/// Whether the claimed tick should run or only be accounted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Start a run of the tick.
    Run,
    /// The tick is too late to start: record it as missed.
    Forgo,
}

/// Ticks that came due while nobody could run them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// The oldest of them.
    pub first_ms: i64,
    /// The newest of them.
    pub last_ms: i64,
    /// How many, counted by the schedule.
    pub count: u64,
    /// Why nobody could.
    pub reason: String,
}

/// Asks to decide one tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The job, or one shard of it.
    pub unit: String,
    /// The tick.
    pub tick_ms: i64,
    /// The newest tick the caller believes decided: `tick_ms` and `missed`
    /// are all there is behind it. If the store knows better, it answers
    /// [`Verdict::Moved`] and the caller counts again.
    pub after_ms: i64,
    /// The newest tick the caller ever saw decided: it is a replica of this.
    pub floor_hwm_ms: i64,
    /// The highest token the caller ever saw of the unit.
    pub floor_token: u64,
    /// Random id of this claim; the same for each repetition of it.
    pub nonce: String,
    /// A claim that arrives later than this starts nothing.
    pub valid_until_ms: i64,
    /// The lease asked for.
    pub lease_ms: i64,
    /// Run it, or only record it.
    pub intent: Intent,
    /// Ticks between `after_ms` and the claimed one (with it, if forgone).
    pub missed: Option<Missed>,
}

/// What the store knows of a unit, told with every answer about it: the
/// caller remembers the highest and sends them as floors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// When the unit was first seen.
    pub born_ms: i64,
    /// High-water mark: the newest tick decided, 0 before the first.
    pub hwm_ms: i64,
    /// The highest token given out.
    pub token: u64,
}

impl Marks {
    /// No tick up to this one is still to be decided.
    pub fn decided_to_ms(&self) -> i64 {
        if self.hwm_ms > 0 {
            self.hwm_ms
        } else {
            self.born_ms
        }
    }
}

/// The answer to one [`Claim`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The unit's marks after the claim.
    pub marks: Marks,
    /// What became of the claim.
    pub verdict: Verdict,
}

/// What became of a [`Claim`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Run it.
    Granted {
        /// Its fencing token.
        token: u64,
        /// End of the lease.
        until_ms: i64,
        /// 1 for the first attempt of the tick.
        attempt: u32,
    },
    /// The previous run is still going; the tick was recorded as skipped.
    Skipped,
    /// The ticks were recorded as missed, as asked.
    Forgone,
    /// The tick was decided before, by the node of that name.
    Decided {
        /// Name of the node that ran the newest run, if there was one.
        owner: String,
    },
    /// The unit is not where the caller believed it: count again from its marks.
    Moved,
    /// The tick is still ahead, by so much.
    Early {
        /// Milliseconds until it is due.
        by_ms: i64,
    },
    /// The request was under way for too long.
    Late,
    /// The store may have forgotten decisions; ask again when it ends.
    Quarantined,
    /// A run is recorded whose lease has ended: watch it.
    Stale(Watched),
}

/// A run whose renewal is overdue, as seen now. Whoever sees the same nonce
/// and `seq` for a whole lease of its own clock may write it off.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Watched {
    /// The unit.
    pub unit: String,
    /// The run.
    pub nonce: String,
    /// How often it was renewed.
    pub seq: u64,
    /// Its lease.
    pub lease_ms: i64,
}

/// Extends the lease of a run, or writes it back where the store forgot it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renew {
    /// The run.
    pub run: RunId,
    /// A renewal that arrives later than this does nothing.
    pub valid_until_ms: i64,
}

/// Everything needed to write a run back into a store that forgot it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunId {
    /// The unit.
    pub unit: String,
    /// The tick.
    pub tick_ms: i64,
    /// The claim that was granted.
    pub nonce: String,
    /// Its fencing token.
    pub token: u64,
    /// Its attempt.
    pub attempt: u32,
    /// Its lease.
    pub lease_ms: i64,
    /// When it was granted.
    pub granted_at_ms: i64,
}

/// The answer to one [`Renew`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// The lease is good until then.
    Until(i64),
    /// The store had forgotten the run; it is written back, good until then.
    Readopted(i64),
    /// The run has ended or another one has its place.
    Lost,
    /// The request was under way for too long; nothing was done.
    Late,
}

/// Ends a run and records its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finish {
    /// The run.
    pub run: RunId,
    /// What came of it.
    pub outcome: Outcome,
    /// Why, in words for a reader; may be empty.
    pub reason: String,
    /// Error text, at most [`MAX_ERROR_BYTES`].
    pub error: String,
    /// When the function started, 0 if it never did.
    pub fired_at_ms: i64,
    /// When it ended.
    pub ended_at_ms: i64,
}

/// The answer to one [`Finish`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    /// Recorded (now, or by an earlier request of the same).
    Recorded,
    /// The run no longer had its lease: noted as "finished without lease".
    Refused,
}

/// Makes a unit known and tells the store what the caller saw decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enroll {
    /// The unit.
    pub unit: String,
    /// When the caller first knew the unit; ticks up to then were not missed.
    pub first_seen_ms: i64,
    /// The newest tick the caller ever saw decided.
    pub floor_hwm_ms: i64,
    /// The highest token the caller ever saw.
    pub floor_token: u64,
}

/// The answer to a write-off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrittenOff {
    /// The run is recorded as lost; its unit is free.
    Lost,
    /// It was renewed, finished or written off meanwhile.
    Changed,
    /// Not now: the store may have forgotten renewals.
    Quarantined,
}

/// A node's sign of life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beat {
    /// The node is up.
    Alive,
    /// The node is leaving.
    Leaving,
}

/// The answer to a [`Beat`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// How many nodes beat lately.
    pub nodes: u64,
    /// Runs whose renewal is overdue, at most [`MAX_BATCH`], oldest first.
    pub overdue: Vec<Watched>,
}

/// Error texts in the ledger are cut to this many bytes.
pub const MAX_ERROR_BYTES: usize = 1024;

/// What became of a tick, or of one attempt at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// Ran and returned well.
    Ok,
    /// Ran and returned an error.
    Failed,
    /// Ran and panicked.
    Panicked,
    /// Ran for longer than its timeout.
    TimedOut,
    /// Ran and was cancelled: shutdown, or a lease that could not be proven.
    Cancelled,
    /// Did not run: the reason says why (overlap).
    Skipped,
    /// Came due while nobody could run it.
    Missed,
    /// Was started; what came of it is unknown, because its node is gone.
    Lost,
    /// A note, not an outcome: a run that had been written off as lost
    /// reported its end after all.
    FinishedWithoutLease,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Outcome; 9] = [
        Outcome::Ok,
        Outcome::Failed,
        Outcome::Panicked,
        Outcome::TimedOut,
        Outcome::Cancelled,
        Outcome::Skipped,
        Outcome::Missed,
        Outcome::Lost,
        Outcome::FinishedWithoutLease,
    ];

    /// The word that stands for it in the ledger, in logs and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Failed => "failed",
            Outcome::Panicked => "panicked",
            Outcome::TimedOut => "timed_out",
            Outcome::Cancelled => "cancelled",
            Outcome::Skipped => "skipped",
            Outcome::Missed => "missed",
            Outcome::Lost => "lost",
            Outcome::FinishedWithoutLease => "finished_without_lease",
        }
    }

    /// The outcome a word of the ledger stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|o| o.as_str() == word)
    }

    /// Whether the tick's function was started.
    pub fn ran(self) -> bool {
        !matches!(self, Outcome::Skipped | Outcome::Missed)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One line of a job's ledger, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerRecord {
    /// The tick; of several missed ones, the oldest.
    pub tick_ms: i64,
    /// The same, but of several missed ones the newest.
    pub last_tick_ms: i64,
    /// How many ticks the line stands for: 1, but for missed ones.
    pub count: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, in words; may be empty.
    pub reason: String,
    /// Name of the node that decided or ran it.
    pub node: String,
    /// Fencing token of the run, 0 where there was none.
    pub token: u64,
    /// Attempt, 0 where there was no run.
    pub attempt: u32,
    /// When the function started, 0 if it did not.
    pub fired_at_ms: i64,
    /// When the run ended, or the tick was decided.
    pub ended_at_ms: i64,
    /// What the function said when it failed.
    pub error: String,
}
