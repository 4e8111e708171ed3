//! The next ticks of a job, or why it has none.

use std::fmt;
use std::time::SystemTime;

use crate::catalog::{CatalogedJob, InForce, decided_ms, instant};
use crate::describe::PauseOf;
use crate::error::Error;
use scheduled_one_protocol::ScheduleOverride;
use scheduled_one_protocol::message::UnitStatus;

/// Next ticks that a description has.
const DESCRIBED: usize = 10;

/// The next ticks of a job, or why it has none. `Display` says why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NextTicks {
    /// The next ones of the schedule in force, at most ten, without those that are decided already.
    At(Vec<SystemTime>),
    /// None while the job is paused.
    Paused {
        /// When the last of its pauses ends by itself, ms since the Unix epoch; `None` if somebody has to resume it.
        until_ms: Option<i64>,
        /// Those that it has if it is resumed now.
        if_resumed: Vec<SystemTime>,
    },
    /// None, because the job runs only if somebody asks for it.
    Manual,
    /// None, because the program has disabled the job.
    Disabled,
    /// None until a node has the job again: no living node has it.
    Gone,
    /// None any more: the schedule has ended.
    Over,
    /// This process cannot compute them, for this reason.
    Unknown(String),
}

impl NextTicks {
    /// The ticks; none if there is a reason.
    pub fn ticks(&self) -> &[SystemTime] {
        match self {
            NextTicks::At(ticks) => ticks,
            _ => &[],
        }
    }

    /// The same, and of a job that is paused those that it has if it is resumed now.
    pub fn if_resumed(&self) -> &[SystemTime] {
        match self {
            NextTicks::Paused { if_resumed, .. } => if_resumed,
            _ => self.ticks(),
        }
    }

    /// With these pauses.
    pub(crate) fn paused(self, pauses: &[PauseOf]) -> Self {
        let ends = pauses.iter().map(|pause| pause.pause.until_ms);
        let last = ends.map(|until_ms| until_ms.unwrap_or(i64::MAX)).max();
        match (self, last) {
            (NextTicks::At(if_resumed), Some(last)) => NextTicks::Paused {
                until_ms: Some(last).filter(|last| *last < i64::MAX),
                if_resumed,
            },
            (next, _) => next,
        }
    }

    /// Of a job that is neither paused nor gone, whose shards have these records.
    pub(crate) fn of(
        job: &str,
        cataloged: Option<&CatalogedJob>,
        (now_ms, wanted): (i64, Option<&ScheduleOverride>),
        shards: &[&UnitStatus],
    ) -> Self {
        let Some(cataloged) = cataloged else {
            let why = "no node has described the job: its nodes are of an older release";
            return NextTicks::Unknown(why.to_owned());
        };
        if cataloged.is_disabled() {
            return NextTicks::Disabled;
        }
        let in_force = match InForce::of(job, (cataloged.clone(), now_ms), wanted) {
            Ok(in_force) => in_force,
            Err(Error::Schedule { why, .. }) => return NextTicks::Unknown(why),
            Err(error) => return NextTicks::Unknown(error.to_string()),
        };
        // A clock that was ahead may have decided ticks that are still to come: these do not run.
        let after_ms = now_ms.max(decided_ms(shards.iter().copied()));
        let ticks = in_force.after(after_ms).take(DESCRIBED).map(instant);
        let ticks: Vec<SystemTime> = ticks.collect();
        match ticks.is_empty() {
            false => NextTicks::At(ticks),
            true if cataloged.descriptor.get("manual").is_some() => NextTicks::Manual,
            true => NextTicks::Over,
        }
    }
}

impl fmt::Display for NextTicks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NextTicks::At(_) => "as the schedule says",
            NextTicks::Paused { .. } => "none while it is paused",
            NextTicks::Manual => "none: it runs only if somebody asks for it",
            NextTicks::Disabled => "none: the program has disabled it",
            NextTicks::Gone => "none until a node has it again",
            NextTicks::Over => "none any more: its schedule has ended",
            NextTicks::Unknown(why) => return write!(f, "not known here: {why}"),
        })
    }
}
