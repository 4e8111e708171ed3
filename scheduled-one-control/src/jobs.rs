//! The jobs of a namespace, at a glance.

use std::collections::{BTreeMap, BTreeSet};

use scheduled_one_protocol::{ALL_JOBS, Backfill, ScheduleId};

use crate::catalog::CatalogedJob;
use crate::control::Control;
use crate::error::Error;

/// A job in a list of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobSummary {
    /// Its name.
    pub job: String,
    /// Whether it is paused now, by itself or with all jobs.
    pub is_paused: bool,
    /// How many living nodes have it. A job that none has is listed if a node ever described it, or if there is a
    /// directive for it.
    pub nodes: usize,
    /// The identities of the schedules that these nodes have: more than one if nodes of two releases live, or have
    /// different zone data.
    pub schedules: BTreeSet<ScheduleId>,
    /// What the catalog has of it; `None` if only older nodes, which describe nothing, had it.
    pub cataloged: Option<CatalogedJob>,
}

impl Control {
    /// All jobs that nodes have or had, or operators have asked something of, by name. It costs a few requests a
    /// bucket, however many jobs there are.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn jobs(&self) -> Result<Vec<JobSummary>, Error> {
        let mut jobs: BTreeMap<String, JobSummary> = BTreeMap::new();
        for store in self.stores() {
            let reply = self.read_catalog(&**store).await?;
            let now_ms = (reply.head.now_us / 1_000) as i64;
            let directives = reply.body.directives;
            let catalog = reply.body.catalog.unwrap_or_default();
            let mut here: BTreeMap<String, JobSummary> = BTreeMap::new();
            for (subject, _) in directives
                .iter()
                .filter(|(subject, _)| *subject != ALL_JOBS && Backfill::job_of(subject).is_none())
            {
                here.entry(subject.to_owned()).or_default();
            }
            for (job, entry) in &catalog {
                let summary = here.entry(job.clone()).or_default();
                summary.cataloged = Some(CatalogedJob::of(entry));
            }
            for node in self.nodes(&**store).await? {
                for (job, schedule) in node.jobs {
                    let summary = here.entry(job).or_default();
                    summary.nodes += 1;
                    summary.schedules.extend(schedule);
                }
            }
            for (job, summary) in &mut here {
                summary.is_paused = directives.in_force(job, now_ms).paused;
                summary.job.clone_from(job);
            }
            jobs.extend(here);
        }
        Ok(jobs.into_values().collect())
    }
}
