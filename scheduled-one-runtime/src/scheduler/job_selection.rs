//! Which jobs a node runs: those of the attribute and those made by hand, without
//! the ones that the program leaves out. They are checked and compiled here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::compiled_job::{Compiled, CompiledJob};
use crate::error::Error;
use crate::event;
use crate::job::Job;
use crate::job::when::Schedules;
use crate::registry::registered_jobs;
use crate::scheduler::program::Program;
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
    /// Jobs of the scheduler's own, which are no choice of the program.
    pub(super) internal: Vec<Job>,
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
        limits: &BTreeMap<String, u32>,
    ) -> Result<ChosenJobs, Error> {
        let mut jobs = registered_jobs()?;
        jobs.extend(self.jobs);
        let program = Program::of(&jobs);
        // Jobs of the same name stay in their order.
        jobs.sort_by(|a, b| a.name().cmp(b.name()));
        check_names(&jobs)?;
        if jobs.is_empty() {
            return Err(Error::NoJobs);
        }
        for name in self.only.iter().flatten().chain(&self.without) {
            if jobs.binary_search_by(|job| job.name().cmp(name)).is_err() {
                return Err(unknown_job(name, jobs.iter().map(Job::name)));
            }
        }
        for group in limits.keys() {
            check_group(group, jobs.iter().filter_map(Job::group_name))?;
        }
        let names = |names: &[String], job: &Job| names.iter().any(|name| name == job.name());
        jobs.retain(|job| {
            let only = self.only.as_ref().is_none_or(|only| names(only, job));
            only && !names(&self.without, job)
        });
        if jobs.is_empty() {
            return Err(Error::Setting {
                setting: "only/without",
                message: "they leave no job to run on this node".to_owned(),
            });
        }
        // Their names are in front of all others.
        jobs.splice(0..0, self.internal);
        let mut chosen = ChosenJobs {
            program,
            ..ChosenJobs::default()
        };
        let mut schedules = Schedules::new(zones, calendars);
        for job in jobs {
            match job.compile(states, &mut schedules)? {
                Compiled::Job(mut job) => {
                    job.describe_limit(limits);
                    if !job.rules.enabled {
                        chosen.disabled.push(job.name.to_string());
                    }
                    chosen.jobs.push(Arc::from(job));
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

/// Refuses two jobs of the same name; they are sorted.
fn check_names(jobs: &[Job]) -> Result<(), Error> {
    let mut neighbours = jobs.windows(2);
    match neighbours.find(|pair| pair[0].name() == pair[1].name()) {
        Some(same) => Err(Error::DuplicateJob {
            job: same[0].name().to_owned(),
            first: same[0].declared_at(),
            second: same[1].declared_at(),
        }),
        None => Ok(()),
    }
}

/// Refuses the limit of a group in which no job of the program is.
fn check_group<'a>(group: &str, known: impl Iterator<Item = &'a str>) -> Result<(), Error> {
    let known: BTreeSet<&str> = known.collect();
    if known.contains(group) {
        return Ok(());
    }
    let known: Vec<&str> = known.into_iter().take(10).collect();
    let known = match known.is_empty() {
        true => "no job has a `group`".to_owned(),
        false => format!("the groups are {}", known.join(", ")),
    };
    Err(Error::Setting {
        setting: "max_running_of",
        message: format!("no job is in the group `{group}`; {known}"),
    })
}

/// The jobs of this node, ordered by name.
#[derive(Default)]
pub(super) struct ChosenJobs {
    pub(super) jobs: Vec<Arc<CompiledJob>>,
    /// Names of the disabled jobs, with those that are left out.
    pub(super) disabled: Vec<String>,
    /// All jobs of the program.
    pub(super) program: Program,
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
