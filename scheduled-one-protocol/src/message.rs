//! What nodes ask of the store and what it answers. Plain data: both the
//! in-memory store and the Redis scripts speak exactly these messages.
//!
//! Times of the store are UTC milliseconds of *its* clock (`*_ms`), but for
//! `now_us`, which is in microseconds. Zero stands for "never".

pub use crate::outcome::{LedgerRecord, MAX_ERROR_BYTES, Outcome};

/// Ticks claimed in one call, at most. A script that touches more units than
/// this blocks Redis for longer than a renewal may wait.
pub const MAX_BATCH: usize = 256;

/// How long a tick may lie in the store's future and still be claimed: nodes
/// claim a little ahead, and start when it is due. More is refused as early.
pub const EARLY_TOLERANCE_MS: i64 = 150;

/// A tick, or a run, that is later than this is one that is caught up with.
pub const LATE_MS: i64 = 250;

/// What every request carries.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    /// How many buckets the caller believes the namespace has: one that has
    /// another number refuses it.
    pub buckets: u32,
}

/// What every reply carries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Head {
    /// The store's clock when it decided.
    pub now_us: u64,
    /// Identity of the serving process and its replication history.
    pub serving: String,
    /// Nothing is granted or written off before this instant.
    pub quarantine_until_ms: i64,
}

/// A reply and its head.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reply<T> {
    /// The store's clock and state.
    pub head: Head,
    /// What was asked for.
    pub body: T,
}

/// What is to become of the claimed tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Intent {
    /// Start a run of it; if one is going, [`Overlap`] decides.
    Run,
    /// As [`Intent::Run`], of a job that catches up with each tick: if this one
    /// is late, or the run in its way started late, it waits, undecided.
    CatchUp,
    /// It is not to run: record it as [`Claim::missed`] says.
    Forgo,
    /// Start what waits in the unit. Waiting ticks before `tick_ms` are too
    /// late to start and are recorded as missed.
    Next,
}

/// What becomes of a tick whose unit is busy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Overlap {
    /// It is skipped.
    #[default]
    Skip,
    /// It waits for the run, if fewer than so many wait already.
    Queue(u32),
    /// It waits for the run, which is told to stop; one that waited already
    /// is skipped.
    CancelRunning,
    /// It runs beside the others, if fewer than so many are going.
    Allow(u32),
}

/// Ticks that came due while nobody could run them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Missed {
    /// The oldest of them.
    pub first_ms: i64,
    /// The newest of them.
    pub last_ms: i64,
    /// How many, counted by the schedule.
    pub count: u64,
    /// What to record: missed or skipped.
    pub outcome: Outcome,
    /// Why nobody could.
    pub reason: String,
}

/// Asks to decide one tick.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The job, or one shard of it.
    pub unit: String,
    /// The tick.
    pub tick_ms: i64,
    /// When it may start: the tick, or later by its jitter.
    pub due_ms: i64,
    /// The newest tick the caller believes decided: `tick_ms` and `missed`
    /// are all there is behind it. If the store knows better, it answers
    /// [`Verdict::Moved`] and the caller counts again.
    pub after_ms: i64,
    /// The newest tick the caller ever saw decided: it is a replica of this.
    pub floor_hwm_ms: i64,
    /// The highest token the caller ever saw of the unit.
    pub floor_token: u64,
    /// The newest start the caller ever saw of the unit; told by claims of
    /// what waits, which may have started in a store that was rolled back.
    pub floor_started: Started,
    /// Random id of this claim; the same for each repetition of it.
    pub nonce: String,
    /// A claim that arrives later than this starts nothing.
    pub valid_until_ms: i64,
    /// The lease asked for.
    pub lease_ms: i64,
    /// Run it, or only record it.
    pub intent: Intent,
    /// What becomes of it if the unit is busy.
    pub overlap: Overlap,
    /// How often a run may be taken over when its node dies.
    pub reruns: u32,
    /// Ticks between `after_ms` and the claimed one (with it, if forgone).
    pub missed: Option<Missed>,
}

/// What the store knows of a unit, told with every answer about it: the
/// caller remembers the highest and sends them as floors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Marks {
    /// When the unit was first seen.
    pub born_ms: i64,
    /// High-water mark: the newest tick decided, 0 before the first.
    pub hwm_ms: i64,
    /// The highest token given out.
    pub token: u64,
    /// The newest start. A claim is told of it only with a token that is news
    /// to its caller.
    pub started: Started,
}

/// A tick and which attempt at it: runs of a unit start in this order, where
/// they do not go side by side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Started {
    /// The tick, 0 before the first.
    pub tick_ms: i64,
    /// The attempt, from 1.
    pub attempt: u32,
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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Claimed {
    /// The unit's marks after the claim.
    pub marks: Marks,
    /// Something waits in the unit and can start now.
    pub ready: bool,
    /// What became of the claim.
    pub verdict: Verdict,
}

/// What became of a [`Claim`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Run it.
    Granted {
        /// The tick to run: of [`Intent::Next`], the one that waited.
        tick_ms: i64,
        /// Its fencing token.
        token: u64,
        /// End of the lease.
        until_ms: i64,
        /// 1 for the first attempt of the tick.
        attempt: u32,
        /// Where several runs may go at once, in which place this one goes
        /// (from 1): its unit is then [`place_of`]. 0 elsewhere.
        place: u32,
    },
    /// It was granted as told in here, and too few replicas have it: a store
    /// that takes the place of this one may not know it. Not to be run, but
    /// to be finished.
    Unreplicated(Box<Verdict>),
    /// The unit is busy; the tick was recorded as skipped.
    Skipped,
    /// The unit is busy; the tick waits for it.
    Queued,
    /// The unit is busy; the tick is undecided. Ask again when it is not.
    Busy,
    /// Nothing waits.
    Nothing,
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
/// and `seq` for nine tenths of its lease, by its own clock, may write it off.
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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Renew {
    /// The run.
    pub run: RunId,
    /// A renewal that arrives later than this does nothing.
    pub valid_until_ms: i64,
}

/// Everything needed to write a run back into a store that forgot it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    /// How often it may still be taken over when its node dies.
    pub reruns: u32,
}

/// The answer to one [`Renew`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Renewed {
    /// The lease is good until then.
    Until(i64),
    /// So it is, but the run is told to stop: another tick waits for it.
    Stop(i64),
    /// The store had forgotten the run; it is written back, good until then.
    Readopted(i64),
    /// The run has ended or another one has its place.
    Lost,
    /// The request was under way for too long; nothing was done.
    Late,
}

/// Ends a run, or one attempt of it, and records its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Finish {
    /// The run.
    pub run: RunId,
    /// What came of it.
    pub outcome: Outcome,
    /// Another attempt follows under the same lease: the run goes on.
    pub retried: bool,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Finished {
    /// Recorded, now or by an earlier request of the same. If not, the run no
    /// longer had its lease: noted as "finished without lease".
    pub recorded: bool,
    /// Something waits in the unit and can start now.
    pub ready: bool,
}

/// Makes a unit known and tells the store what the caller saw decided.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Enroll {
    /// The unit.
    pub unit: String,
    /// When the caller first knew the unit; ticks up to then were not missed.
    pub first_seen_ms: i64,
    /// The newest tick the caller ever saw decided.
    pub floor_hwm_ms: i64,
    /// The highest token the caller ever saw.
    pub floor_token: u64,
    /// The newest start the caller ever saw.
    pub floor_started: Started,
}

/// What is stored of a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Inspected {
    /// What was decided.
    pub marks: Marks,
    /// The tick whose run is going, if one is.
    pub running_ms: Option<i64>,
    /// Ticks that wait, first come first.
    pub waiting_ms: Vec<i64>,
}

/// What became of a line that was to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is in the ledger.
    Written,
    /// Its ledger does not take it, and says why; others were taken.
    Lost(String),
}

/// The answer to a write-off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WrittenOff {
    /// The run is recorded as lost; its unit is free.
    Lost,
    /// The run is to be taken over: its next attempt waits in the unit.
    TakenOver,
    /// It was renewed, finished or written off meanwhile.
    Changed,
    /// Not now: the store may have forgotten renewals.
    Quarantined,
}

/// A node's sign of life.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Beat {
    /// The node is up.
    Alive,
    /// The node is leaving.
    Leaving,
}

/// The answer to a [`Beat`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pulse {
    /// The nodes that beat lately, by identity, at most [`MAX_NODES`].
    pub nodes: Vec<String>,
    /// Units in which something waits and can start, at most [`MAX_BATCH`].
    pub ready: Vec<String>,
    /// Runs whose renewal is overdue, at most [`MAX_BATCH`], oldest first.
    pub overdue: Vec<Watched>,
}

/// A node without a heartbeat for this long is no longer counted among the living: it missed three.
pub const NODE_GONE_MS: i64 = 3_500;

/// Nodes that a [`Pulse`] names.
pub const MAX_NODES: usize = 1_000;

/// The unit of one place of a unit in which several runs may go at once.
pub fn place_of(unit: &str, place: u32) -> String {
    match place {
        0 => unit.to_owned(),
        _ => format!("{unit}~{place}"),
    }
}

/// The unit of one shard of a job. The first is the job itself, so that a job
/// that gets shards (or loses them) does not run that one twice.
pub fn shard_of(job: &str, index: u32) -> String {
    match index {
        0 => job.to_owned(),
        _ => format!("{job}#{index}"),
    }
}

/// The unit without its place: `#` and `~` are in no name.
pub fn without_place(unit: &str) -> &str {
    unit.split('~').next().unwrap_or_default()
}

/// The job of a unit, and with it the ledger it is recorded in.
pub fn job_of(unit: &str) -> &str {
    unit.split(['#', '~']).next().unwrap_or_default()
}

/// Which shard of its job a unit is.
pub fn shard_index(unit: &str) -> u32 {
    let shard = without_place(unit).split_once('#');
    shard.and_then(|(_, index)| index.parse().ok()).unwrap_or(0)
}
