//! Claims: a node asks the store to decide a tick.

use super::{LowerBounds, OverdueRun, Watermarks};
use crate::outcome::{Outcome, SkipReason};
use crate::schedule::{DecidingSchedule, ScheduleId};
use crate::unit::UnitName;
use crate::value::{FencingToken, TickMs};

/// Asks the store to decide one tick, or to start what waits in a unit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The job, or one shard of it.
    pub unit: UnitName,
    /// Random id of the claim; the same for each repetition of it.
    pub nonce: String,
    /// A claim that arrives later than this starts nothing.
    pub valid_until_ms: i64,
    /// The lease of a run that starts.
    pub lease_ms: i64,
    /// How often a run may be taken over when its node dies.
    pub takeovers: u32,
    /// The identity of the job's schedule, as the caller has it. One schedule at a time decides ticks. `None` for a
    /// caller without a schedule: its claims are never refused for that.
    pub schedule: Option<ScheduleId>,
    /// The highest version of the directives that the tick was planned with: for the job, and for all jobs. 0 if the
    /// caller knows none.
    pub control: u64,
    /// What the caller saw decided of the unit. A claim from the queue leaves out the newest start only if the caller
    /// knows none.
    pub bounds: LowerBounds,
    /// Whether the claim takes the lane of the unit into account. Usually the lane is empty, and the claim need not:
    /// otherwise the answer is [`Verdict::Lane`], and the claim is made again with the lane.
    pub with_lane: bool,
    /// What is claimed.
    pub target: Target,
}

/// What a [`Claim`] is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A tick that is due.
    Tick(DueTick),
    /// What waits in the unit.
    Queued {
        /// Waiting ticks before this one are too late to start and are recorded as missed.
        oldest: TickMs,
    },
}

/// A tick that is due, and what lies behind it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DueTick {
    /// The tick.
    pub tick: TickMs,
    /// When it may start: the tick, or later by its jitter.
    pub due_ms: i64,
    /// The newest tick that the caller believes decided: behind it there are only `tick` and `missed`. A store that
    /// knows another one answers [`Verdict::Conflict`], and the caller counts again.
    pub after: Option<TickMs>,
    /// When the tick after this one may start; `None` if there is none. The store knows by it which units nobody
    /// claims.
    pub next_due_ms: Option<i64>,
    /// What to do with the tick.
    pub intent: Intent,
    /// What to do with the tick if the unit is busy.
    pub overlap: Overlap,
    /// Ticks between `after` and the claimed one, which is among them if it is to be marked missed.
    pub missed: Option<Missed>,
}

impl DueTick {
    /// A tick that may start at once, of a unit of which nothing is decided: it runs, or is skipped if the unit is
    /// busy.
    pub fn new(tick: TickMs) -> Self {
        DueTick {
            tick,
            due_ms: tick.ms(),
            after: None,
            next_due_ms: None,
            intent: Intent::Run,
            overlap: Overlap::Skip,
            missed: None,
        }
    }
}

/// What to do with a claimed tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Intent {
    /// Start a run; if one is going on, [`Overlap`] decides.
    Run,
    /// The same for a job that catches up with each tick: if the tick is late, or the run in its way started late,
    /// the tick waits, undecided.
    CatchUp,
    /// Start nothing: record the tick as [`DueTick::missed`] says.
    MarkMissed,
}

/// What to do with a tick whose unit is busy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Overlap {
    /// Skip the tick.
    #[default]
    Skip,
    /// Queue the tick if fewer than this many wait already.
    Queue(u32),
    /// Queue the tick and cancel the run; a tick that waited already is skipped.
    CancelRunning,
    /// Run the tick at the same time if fewer than this many runs are going on.
    Allow(u32),
}

impl Overlap {
    /// Why a tick is skipped that comes due while its unit is busy, and cannot wait.
    pub fn skip_reason(self) -> SkipReason {
        match self {
            Overlap::Queue(_) => SkipReason::QueueFull,
            Overlap::Skip | Overlap::CancelRunning | Overlap::Allow(_) => SkipReason::Overlap,
        }
    }
}

/// Ticks that came due while no node could run them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Missed {
    /// The oldest of the ticks.
    pub first: TickMs,
    /// The newest of the ticks.
    pub last: TickMs,
    /// How many ticks, counted by the schedule.
    pub count: u64,
    /// The outcome to record: missed or skipped.
    pub outcome: Outcome,
    /// Why no node could run them.
    pub reason: String,
}

/// The answer to one [`Claim`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Claimed {
    /// The unit's watermarks after the claim.
    pub marks: Watermarks,
    /// Something waits in the unit and can start now.
    pub ready: bool,
    /// The decision.
    pub verdict: Verdict,
}

/// The decision on a [`Claim`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Run it.
    Granted(Grant),
    /// Granted, but fewer than `replicas(n)` replicas acknowledged the grant, so a failover could lose it. The caller
    /// must not run it, and must finish it.
    NotReplicated(Grant),
    /// The unit is busy; the tick was recorded as skipped.
    Skipped,
    /// The unit is busy; the tick waits for it.
    Queued,
    /// The unit is busy; the tick is undecided. The caller claims it again when the unit is free.
    Busy,
    /// Nothing waits in the unit.
    QueueEmpty,
    /// The ticks were recorded as missed, as the claim wanted.
    MarkedMissed,
    /// The tick was decided before.
    Decided {
        /// Name of the node that ran the newest run; empty if there was none.
        owner: String,
    },
    /// The caller's idea of what is decided is out of date: it counts again from the watermarks.
    Conflict,
    /// The tick is still ahead.
    Early {
        /// Milliseconds until it is due.
        by_ms: i64,
    },
    /// The claim arrived after [`Claim::valid_until_ms`].
    Late,
    /// The store may have forgotten decisions on the unit; the caller claims again when the unit's quarantine ends.
    Quarantined {
        /// The end of the quarantine of the unit.
        until_ms: i64,
    },
    /// Another schedule decides the ticks of the unit: a node with it started later. The caller stands aside.
    OtherSchedule(DecidingSchedule),
    /// The job is paused; nothing is decided.
    Paused,
    /// The tick was planned with other directives than those in force; nothing is decided. The caller reads them, and
    /// claims again.
    Moved,
    /// A run is recorded whose lease has ended: the caller watches it.
    Stale(OverdueRun),
    /// Requests may wait or run in the lane of the unit: the claim is made again with the lane.
    Lane,
}

/// A run that the store granted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Grant {
    /// The unit, with the slot that the run has where several may go on at the same time.
    pub unit: UnitName,
    /// The tick to run; of [`Target::Queued`], the one that waited.
    pub tick: TickMs,
    /// The fencing token.
    pub token: FencingToken,
    /// End of the lease.
    pub until_ms: i64,
    /// 1 for the first attempt at the tick.
    pub attempt: u32,
}
