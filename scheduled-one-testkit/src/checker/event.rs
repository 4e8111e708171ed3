//! What an observer saw of a run.

use std::fmt;

/// What happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// The store granted the run.
    Grant,
    /// The function was polled for the first time in this attempt.
    #[default]
    Start,
    /// The function was polled again.
    Poll,
    /// The function returned well.
    End,
    /// The function returned an error.
    Fail,
    /// The function panicked.
    Panic,
    /// The function was dropped before it returned: no sign that it ran until then.
    Drop,
    /// The sink accepted the run's write: the token was higher than all before.
    Accepted,
    /// The sink rejected the run's write.
    Rejected,
}

impl EventKind {
    /// Whether the function ran at that instant.
    pub(super) fn is_sign(self) -> bool {
        matches!(self, EventKind::Start | EventKind::Poll) || self.is_end()
    }

    fn is_end(self) -> bool {
        matches!(self, EventKind::End | EventKind::Fail | EventKind::Panic)
    }
}

/// One observation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// When, by the shared clock.
    pub at_us: u64,
    /// How far `at_us` may be wrong, where observers do not share a clock exactly.
    pub uncertainty_us: u64,
    /// On which node.
    pub node: String,
    /// In which job.
    pub job: String,
    /// Which shard of it, from 0.
    pub shard: u32,
    /// The tick.
    pub tick_ms: i64,
    /// The attempt, from 1.
    pub attempt: u32,
    /// The fencing token; 0 for a local run, which has none.
    pub token: u64,
    /// How many missed ticks the run stands for.
    pub coalesced: u64,
    /// Id of the request that the run is for; empty for a run of the schedule.
    pub request: String,
    /// The deadline of the run's lease at that instant, if the observer knows it.
    pub deadline: Option<Deadline>,
}

/// Until when a run may be polled, as far as its node knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// The instant, by the shared clock.
    pub at_us: u64,
    /// How far it may be wrong.
    pub uncertainty_us: u64,
}

impl Default for Event {
    fn default() -> Self {
        Event {
            kind: EventKind::default(),
            at_us: 0,
            uncertainty_us: 0,
            node: "node".to_owned(),
            job: "job".to_owned(),
            shard: 0,
            tick_ms: 0,
            attempt: 1,
            token: 0,
            coalesced: 0,
            request: String::new(),
            deadline: None,
        }
    }
}

impl Event {
    /// The earliest instant at which it can have happened.
    pub(super) fn earliest_us(&self) -> u64 {
        self.at_us.saturating_sub(self.uncertainty_us)
    }

    /// The latest instant at which it can have happened.
    pub(super) fn latest_us(&self) -> u64 {
        self.at_us.saturating_add(self.uncertainty_us)
    }
}

/// Kind, instant, node, job, shard, tick, attempt, token, coalesced ticks; and the id of the request, if there is one.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} {} {} {} {} {} {} {} {}",
            self.kind,
            self.at_us,
            self.node,
            self.job,
            self.shard,
            self.tick_ms,
            self.attempt,
            self.token,
            self.coalesced
        )?;
        match self.request.as_str() {
            "" => Ok(()),
            request => write!(f, " {request}"),
        }
    }
}
