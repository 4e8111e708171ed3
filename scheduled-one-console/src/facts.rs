//! What a process knows of its own jobs, and the store does not.

use std::sync::Arc;
use std::time::SystemTime;

/// Tells what this process knows of a job.
pub(crate) type Facts = Arc<dyn Fn(&str) -> Option<JobFacts> + Send + Sync>;

/// What a process knows of one of its jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobFacts {
    /// When it is due, in words.
    pub schedule: String,
    /// What it is for.
    pub description: Option<String>,
    /// Its next ticks, the nearest first.
    pub next_ticks: Vec<SystemTime>,
}

impl JobFacts {
    /// A job with this schedule, in words.
    pub fn new(schedule: impl Into<String>) -> Self {
        JobFacts {
            schedule: schedule.into(),
            ..JobFacts::default()
        }
    }

    /// What the job is for.
    pub fn description(mut self, description: Option<String>) -> Self {
        self.description = description;
        self
    }

    /// Its next ticks, the nearest first: of any type of instants that becomes a `SystemTime`.
    pub fn next_ticks<T: TryInto<SystemTime>>(
        mut self,
        ticks: impl IntoIterator<Item = T>,
    ) -> Self {
        let ticks = ticks.into_iter().filter_map(|tick| tick.try_into().ok());
        self.next_ticks = ticks.collect();
        self
    }
}
