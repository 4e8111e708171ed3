//! Units: what is known of them, registered, shown, recorded.

use crate::schedule::{DecidingSchedule, ScheduleId};
use crate::unit::UnitName;
use crate::value::{FencingToken, Start, TickMs};

/// What the store knows of a unit. Every answer about a unit carries it: the caller remembers the highest values and
/// sends them as [`LowerBounds`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Watermarks {
    /// When the unit was first seen; `None` if it never was.
    pub first_seen_ms: Option<i64>,
    /// High-water mark: the newest tick decided.
    pub decided: Option<TickMs>,
    /// The highest token given out.
    pub token: FencingToken,
    /// The newest start. A claim's answer has it only if the token is news to its caller.
    pub start: Option<Start>,
}

impl Watermarks {
    /// No tick up to this instant is still to be decided. `None` if the unit is unknown.
    pub fn decided_to(&self) -> Option<TickMs> {
        self.decided.or(self.first_seen_ms.map(TickMs))
    }

    /// What a caller that has seen these watermarks knows.
    pub fn bounds(&self) -> LowerBounds {
        LowerBounds {
            decided: self.decided,
            token: self.token,
            start: self.start,
        }
    }
}

/// What the caller ever saw decided of a unit: each living node is a replica of it. A store that knows less has
/// forgotten, and raises its watermarks to these bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LowerBounds {
    /// The newest tick that the caller saw decided.
    pub decided: Option<TickMs>,
    /// The highest token that the caller saw.
    pub token: FencingToken,
    /// The newest start that the caller saw.
    pub start: Option<Start>,
}

/// Makes a unit known to the store, with what the caller saw decided.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Register {
    /// The unit.
    pub unit: UnitName,
    /// When the caller first knew the unit: ticks up to then were not missed.
    pub first_seen_ms: i64,
    /// The lease of the unit's runs, as the caller has it. In a quarantine, no run starts before the longest lease that
    /// was stated is over.
    pub lease_ms: i64,
    /// The identity of the job's schedule, as the caller has it; `None` for a caller without a schedule.
    pub schedule: Option<ScheduleId>,
    /// The generation of the schedule, at most [`MAX_GENERATION`](crate::MAX_GENERATION): a higher one takes the place
    /// of
    /// a lower one whichever was registered last, and leaves its place to none that is lower while its node lives.
    pub generation: u32,
    /// Why the unit is registered now.
    pub occasion: Occasion,
    /// The schedule that decides, as far as the caller saw: a store that forgot it learns it from that.
    pub decides: Option<DecidingSchedule>,
    /// What the caller saw decided.
    pub bounds: LowerBounds,
    /// When the next tick may start that the caller has not seen decided; `None` if there is none.
    pub next_due_ms: Option<i64>,
    /// Of a lane: requests that the caller granted or ended.
    pub requests: Vec<KnownRequest>,
}

/// Why a unit is registered. The schedule that was registered last decides, so a repetition must not count as another
/// registration: the nodes of two releases would take the ticks from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Occasion {
    /// The node starts: its schedule decides from now on.
    Start {
        /// A registration that arrives later is a repetition.
        valid_until_ms: i64,
    },
    /// The store may have forgotten: nothing is new.
    Again,
    /// The node stands aside, and the node is gone that registered the deciding schedule last. If that is so, the
    /// caller's schedule decides from now on.
    Succession,
    /// No living node has the job, as far as the caller saw. If nobody has registered it since
    /// [`Register::decides`], no schedule decides from now on: the caller's is [`ScheduleId::NONE`].
    Gone,
}

/// The reply to a [`Register`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RegisteredUnit {
    /// What was decided.
    pub marks: Watermarks,
    /// The schedule that decides.
    pub decides: Option<DecidingSchedule>,
}

/// What is stored of a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct UnitStatus {
    /// What was decided.
    pub marks: Watermarks,
    /// The tick whose run is going on.
    pub running: Option<TickMs>,
    /// The fencing token of that run.
    pub token: Option<FencingToken>,
    /// Ticks that wait, first come first served.
    pub waiting: Vec<TickMs>,
    /// The schedule that decides.
    pub decides: Option<DecidingSchedule>,
}

/// The answer to one line that was to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// The line is in the ledger.
    Written,
    /// The ledger does not take the line, for this reason; other lines were recorded.
    Lost(String),
}

/// A request that a node granted or ended: a store that forgot its id learns it from that.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KnownRequest {
    /// Id of the request.
    pub id: String,
    /// Its tick in the lane.
    pub tick: TickMs,
}
