//! The values that the protocol is about, as types: a tick is no deadline, and a fencing token is no counter.

use std::fmt;

/// A scheduled instant of a job: UTC milliseconds since the Unix epoch.
///
/// A tick is computed from the schedule, never read from a clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TickMs(pub i64);

impl TickMs {
    /// The milliseconds since the Unix epoch.
    pub const fn ms(self) -> i64 {
        self.0
    }
}

impl fmt::Display for TickMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A number that grows with each run of a unit. A resource that remembers the highest token it has seen refuses the
/// writes of a run that lost its lease (Kleppmann, "How to do distributed locking", 2016).
///
/// The default is lower than every token that a store gives out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FencingToken(pub u64);

impl FencingToken {
    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The lowest token above this one.
    #[must_use]
    pub const fn next(self) -> Self {
        FencingToken(self.0 + 1)
    }
}

impl fmt::Display for FencingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A tick and an attempt at it. Runs of a unit start in this order, except where they run at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Start {
    /// The tick.
    pub tick: TickMs,
    /// The attempt, from 1; 0 if the tick was granted and no attempt began.
    pub attempt: u32,
}
