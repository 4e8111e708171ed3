//! A job that passed every check: its schedule, its policies with all defaults
//! filled in, and its function.

use std::sync::Arc;
use std::time::Duration;

use scheduled_one_schedule::{Schedule, ZoneData, name};

use crate::handler::AnyHandler;
use crate::job_schedules::{JobSchedules, Rescheduled};
use crate::metrics::job_metrics::JobMetrics;
use crate::rules::Rules;
use crate::tick::Ticks;
use scheduled_one_protocol::{ScheduleOverride, UnitName};

/// What becomes of a job when it is checked.
pub(crate) enum Compiled {
    Job(Box<CompiledJob>),
    /// A disabled job whose schedule cannot be used. It is no reason to keep the others from starting.
    LeftOut {
        job: String,
        why: String,
    },
}

/// A job that passed every check.
pub(crate) struct CompiledJob {
    pub(crate) name: Arc<str>,
    pub(crate) schedules: JobSchedules,
    pub(crate) rules: Arc<Rules>,
    pub(crate) description: Option<Box<str>>,
    /// What the catalog is to have of it.
    pub(crate) descriptor: Box<str>,
    pub(crate) handler: Arc<dyn AnyHandler>,
    /// What this node has counted of it.
    pub(crate) metrics: JobMetrics,
}

impl CompiledJob {
    /// The schedule in force: that in the code, unless operators want another one.
    pub(crate) fn schedule(&self) -> Schedule {
        self.schedules.in_force().schedule
    }

    /// The schedule in force has no tick up to this instant; 0 if it is that in the code since the beginning.
    pub(crate) fn since_ms(&self) -> i64 {
        self.schedules.in_force().since_ms
    }

    /// Takes into account what operators want. Returns what became of that, if it is news.
    pub(crate) fn reschedule(
        &self,
        wanted: Option<&ScheduleOverride>,
        zones: &ZoneData,
    ) -> Option<Rescheduled> {
        self.schedules.follow(wanted, zones)
    }

    /// Whether the scheduler brings it itself: then it is not among the jobs of the program.
    pub(crate) fn is_internal(&self) -> bool {
        name::is_internal(&self.name)
    }

    /// The lease of its runs.
    pub(crate) fn lease(&self, default: Duration) -> Duration {
        self.rules.lease.unwrap_or(default)
    }

    /// The names of its units: the job itself, or each of its shards.
    pub(crate) fn units(&self) -> impl Iterator<Item = UnitName> {
        (0..self.rules.shards).map(|index| UnitName::new(&self.name, index))
    }

    /// Its ticks, as its rules see them.
    pub(crate) fn ticks(&self) -> Ticks<'_> {
        Ticks {
            job: &self.name,
            schedule: self.schedule(),
            rules: &self.rules,
        }
    }
}
