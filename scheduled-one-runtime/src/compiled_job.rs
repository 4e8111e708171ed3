//! A job that passed every check: its schedule, its policies with all defaults
//! filled in, and its function.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use scheduled_one_schedule::policy::Scope;
use scheduled_one_schedule::{Schedule, ZoneData};

use crate::handler::AnyHandler;
use crate::job_schedules::{JobSchedules, Rescheduled};
use crate::metrics::job_metrics::JobMetrics;
use crate::rules::Rules;
use crate::tick::Ticks;
use scheduled_one_protocol::{JobDescriptor, ScheduleOverride, UnitName};

/// What becomes of a job when it is checked.
pub(crate) enum Compiled {
    Job(Box<CompiledJob>),
    /// A disabled job whose schedule cannot be used. It is no reason to keep the others from starting.
    LeftOut {
        job: String,
        why: String,
    },
}

/// On which nodes a job runs.
#[derive(Debug)]
pub(crate) struct Placement {
    /// The group whose active runs may be limited.
    pub(crate) group: Option<Arc<str>>,
    /// Labels of the nodes that run it, the preferred ones first; none stands for every node.
    pub(crate) on: Vec<String>,
}

/// A job that passed every check.
pub(crate) struct CompiledJob {
    pub(crate) name: Arc<str>,
    /// Whether the scheduler brings it itself: then it is not among the jobs of the program.
    pub(crate) is_internal: bool,
    pub(crate) schedules: JobSchedules,
    /// `None` of a job of no group that runs on every node.
    pub(crate) placement: Option<Arc<Placement>>,
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

    /// Whether this node cannot use the schedule that operators want.
    pub(crate) fn is_schedule_unknown(&self) -> bool {
        self.schedules.in_force().is_unknown
    }

    /// Takes into account what operators want. Returns what became of that, if it is news.
    pub(crate) fn reschedule(
        &self,
        wanted: Option<&ScheduleOverride>,
        zones: &ZoneData,
    ) -> Option<Rescheduled> {
        self.schedules.follow(wanted, zones)
    }

    /// The lease of its runs.
    pub(crate) fn lease(&self, default: Duration) -> Duration {
        self.rules.lease.unwrap_or(default)
    }

    /// The names of its units: the job itself, or each of its shards.
    pub(crate) fn units(&self) -> impl Iterator<Item = UnitName> {
        (0..self.rules.shards).map(|index| UnitName::new(&self.name, index))
    }

    /// The group whose limit holds for its runs: those on every node need no permit.
    pub(crate) fn group(&self) -> Option<&Arc<str>> {
        let group = self.placement.as_ref()?.group.as_ref();
        group.filter(|_| self.rules.scope == Scope::One)
    }

    /// Adds the limit of its group to what the catalog is to have of it.
    pub(crate) fn describe_limit(&mut self, limits: &BTreeMap<String, u32>) {
        let limit = self.group().and_then(|group| limits.get(&**group));
        if let Some(limit) = limit {
            let mut job = JobDescriptor::from_text(&self.descriptor);
            job.say("max_running_of_group", limit.to_string());
            self.descriptor = job.to_text().into();
        }
    }

    /// Labels of the nodes that run it; none stands for every node.
    pub(crate) fn labels(&self) -> &[String] {
        self.placement
            .as_ref()
            .map_or(&[], |placement| &placement.on)
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
