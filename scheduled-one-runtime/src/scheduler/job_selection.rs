//! Which jobs a node runs: those of the attribute and those made by hand, without
//! the ones that the program leaves out. They are checked and compiled here.

use std::collections::HashMap;
use std::sync::Arc;

use crate::compiled_job::{Compiled, CompiledJob};
use crate::error::Error;
use crate::event;
use crate::job::Job;
use crate::registry::registered_jobs;
use crate::state::States;
use scheduled_one_schedule::{Calendar, ZoneData};

/// The jobs of a program, as the builder was given them.
#[derive(Debug, Default)]
pub(super) struct JobSelection {
    /// Jobs made by hand.
    pub(super) jobs: Vec<Job>,
    /// The only jobs that run on this node, if the program names them.
    pub(super) only: Option<Vec<String>>,
    /// Jobs that do not run on this node.
    pub(super) without: Vec<String>,
}

impl JobSelection {
    /// All jobs of the program, also those that do not run on this node.
    pub(super) fn all(self) -> Result<impl Iterator<Item = Job>, Error> {
        Ok(registered_jobs()?.into_iter().chain(self.jobs))
    }

    /// Compiles the chosen jobs.
    pub(super) fn compile(
        self,
        states: &States,
        zones: &ZoneData,
        calendars: &[Calendar],
    ) -> Result<ChosenJobs, Error> {
        let mut by_name: HashMap<String, Job> = HashMap::new();
        for job in registered_jobs()?.into_iter().chain(self.jobs) {
            let second = job.declared_at();
            if let Some(first) = by_name.insert(job.name().to_owned(), job) {
                return Err(Error::DuplicateJob {
                    job: first.name().to_owned(),
                    first: first.declared_at(),
                    second,
                });
            }
        }
        if by_name.is_empty() {
            return Err(Error::NoJobs);
        }
        for name in self.only.iter().flatten().chain(&self.without) {
            if !by_name.contains_key(name) {
                return Err(unknown_job(name, by_name.keys().map(String::as_str)));
            }
        }
        let chosen = |name: &String| {
            let only = self.only.as_ref().is_none_or(|only| only.contains(name));
            only && !self.without.contains(name)
        };
        let mut of_node: Vec<Job> = by_name
            .into_values()
            .filter(|job| chosen(&job.name().to_owned()))
            .collect();
        if of_node.is_empty() {
            return Err(Error::Setting {
                setting: "only/without",
                message: "they leave no job to run on this node".to_owned(),
            });
        }
        of_node.sort_by(|a, b| a.name().cmp(b.name()));
        let mut chosen = ChosenJobs::default();
        for job in of_node {
            match job.compile(states, zones, calendars)? {
                Compiled::Job(job) => {
                    if !job.rules.enabled {
                        chosen.disabled.push(job.name.to_string());
                    }
                    chosen.jobs.push(Arc::new(job));
                }
                Compiled::LeftOut { job, why } => {
                    event::left_out(&job, &why);
                    chosen.disabled.push(job);
                }
            }
        }
        Ok(chosen)
    }
}

/// The jobs of this node, ordered by name.
#[derive(Default)]
pub(super) struct ChosenJobs {
    pub(super) jobs: Vec<Arc<CompiledJob>>,
    /// Names of the disabled jobs, with those that are left out.
    pub(super) disabled: Vec<String>,
}

/// The error for a name that no job has; lists at most ten names.
pub(super) fn unknown_job<'a>(job: &str, known: impl Iterator<Item = &'a str>) -> Error {
    let mut known: Vec<&str> = known.collect();
    known.sort_unstable();
    known.truncate(10);
    Error::UnknownJob {
        job: job.to_owned(),
        known: known.join(", "),
    }
}
