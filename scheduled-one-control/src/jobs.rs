//! The jobs of a namespace, at a glance.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::SystemTime;

use scheduled_one_protocol::{ALL_JOBS, Backfill, ScheduleId, ScheduleOverride};
use scheduled_one_schedule::name::is_internal;

use crate::catalog::{CatalogedJob, InForce, MAX_TICKS, instant, ms};
use crate::control::Control;
use crate::error::Error;
use crate::reader::Reader;
use crate::reschedule::override_of;

/// A job in a list of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobSummary {
    /// Its name.
    pub job: String,
    /// Whether it is paused now, by itself or with all jobs.
    pub is_paused: bool,
    /// Since when it is paused, ms since the Unix epoch; `None` if it is not.
    pub paused_since_ms: Option<i64>,
    /// How many living nodes say that they have it. A job that none has is listed if a node ever described it, or if
    /// there is a directive for it. 0 does not mean that it is missing: see [`is_missing`](Self::is_missing).
    pub nodes: usize,
    /// The most shards that one of these nodes has of it; `None` if no living node has it.
    pub shards: Option<u32>,
    /// The identities of the schedules that these nodes have: more than one if nodes of two releases live, or have
    /// different zone data.
    pub schedules: BTreeSet<ScheduleId>,
    /// The versions of the program that these nodes say, as [`NodeSummary::versions`](crate::NodeSummary::versions).
    pub versions: BTreeSet<String>,
    /// Operators wanted another schedule in place of one that the code has no more: the code decides.
    pub is_override_void: bool,
    /// Another schedule than that in the code is in force: [`next`](Self::next) and [`matching`](Self::matching) have
    /// its ticks, the catalog has not.
    pub is_overridden: bool,
    /// What operators want in place of the schedule in the code, or wanted last.
    pub wanted: Option<ScheduleOverride>,
    /// What the catalog has of it; `None` if only older nodes, which describe nothing, had it.
    pub cataloged: Option<CatalogedJob>,
}

impl JobSummary {
    /// Whether no living node has it. Of jobs that nodes do not list ([`CatalogedJob::is_listed`]) nobody knows, so
    /// they are not missing.
    pub fn is_missing(&self) -> bool {
        is_missing(self.nodes, self.cataloged.as_ref())
    }

    /// The first `n` ticks of the schedule in force after an instant, at most 100,000. No request is made, so a page of
    /// many jobs costs nothing more; [`Control::next`] knows in addition which ticks are decided already.
    ///
    /// # Errors
    ///
    /// [`Error::Schedule`] if this process cannot compute them.
    pub fn next(&self, after: SystemTime, n: usize) -> Result<Vec<SystemTime>, Error> {
        let in_force = self.in_force()?;
        let ticks = in_force.after(ms(after)).take(n.min(MAX_TICKS));
        Ok(ticks.map(instant).collect())
    }

    /// The ticks of the schedule in force in a range, its end left out; at most the first 100,000. One that was asked
    /// for in place of that in the code counts from then on. No request is made.
    ///
    /// # Errors
    ///
    /// As those of [`next`](Self::next).
    pub fn matching(&self, range: Range<SystemTime>) -> Result<Vec<SystemTime>, Error> {
        let in_force = self.in_force()?;
        let ticks = in_force.ticks(ms(range.start)..ms(range.end));
        Ok(ticks.take(MAX_TICKS).map(instant).collect())
    }

    pub(crate) fn in_force(&self) -> Result<InForce, Error> {
        let cataloged = self.cataloged.as_ref().ok_or_else(|| Error::Schedule {
            job: self.job.clone(),
            why: "no node has described it".to_owned(),
        })?;
        InForce::of(&self.job, (cataloged.clone(), 0), self.wanted.as_ref())
    }
}

/// Whether so few living nodes say that they have a job that it is missing.
pub(crate) fn is_missing(nodes: usize, cataloged: Option<&CatalogedJob>) -> bool {
    nodes == 0 && cataloged.is_none_or(CatalogedJob::is_listed)
}

impl Control {
    /// All jobs that nodes have or had, or operators have asked something of, by name; without those that schedulers
    /// bring themselves, such as `$alerts`. It costs a few requests a
    /// bucket, however many jobs there are.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn jobs(&self) -> Result<Vec<JobSummary>, Error> {
        let mut jobs = self.all_jobs().await?;
        jobs.retain(|job| {
            let cataloged = job.cataloged.as_ref();
            self.sees(&job.job, cataloged.and_then(|it| it.group.as_deref()))
        });
        Ok(jobs)
    }

    /// The same, whether they may be seen or not.
    pub(crate) async fn all_jobs(&self) -> Result<Vec<JobSummary>, Error> {
        self.all_jobs_of(self.readers()).await
    }

    /// The same of one bucket, by its number from 0: a bucket whose store is away keeps nobody from looking at the
    /// others. None for a number that no bucket has.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn jobs_of_bucket(&self, bucket: u32) -> Result<Vec<JobSummary>, Error> {
        let reader = self.readers().nth(bucket as usize);
        let mut jobs = self.all_jobs_of(reader.into_iter()).await?;
        jobs.retain(|job| {
            let cataloged = job.cataloged.as_ref();
            self.sees(&job.job, cataloged.and_then(|it| it.group.as_deref()))
        });
        Ok(jobs)
    }

    async fn all_jobs_of<'a>(
        &'a self,
        stores: impl Iterator<Item = Reader<'a>>,
    ) -> Result<Vec<JobSummary>, Error> {
        let mut jobs: BTreeMap<String, JobSummary> = BTreeMap::new();
        for store in stores {
            let reply = self.read_catalog(store).await?;
            let now_ms = (reply.head.now_us / 1_000) as i64;
            let directives = reply.body.directives;
            let catalog = reply.body.catalog.unwrap_or_default();
            let mut here: BTreeMap<String, JobSummary> = BTreeMap::new();
            let is_of_job =
                |subject: &str| subject != ALL_JOBS && Backfill::job_of(subject).is_none();
            for (subject, _) in directives
                .iter()
                .filter(|(subject, directive)| is_of_job(subject) && !directive.is_empty())
            {
                here.entry(subject.to_owned()).or_default();
            }
            for (job, entry) in &catalog {
                let summary = here.entry(job.clone()).or_default();
                summary.cataloged = Some(CatalogedJob::of(entry, &self.calendars));
            }
            for node in self.nodes(store).await? {
                for (job, schedule) in node.jobs {
                    let version = node.releases.of_job(&job).map(str::to_owned);
                    let shards = node.shards.get(&job).copied().unwrap_or(1);
                    let summary = here.entry(job).or_default();
                    summary.versions.extend(version);
                    summary.nodes += 1;
                    summary.shards = summary.shards.max(Some(shards));
                    summary.schedules.extend(schedule);
                }
            }
            for (job, summary) in &mut here {
                let wanted = directives.get(job).and_then(|own| own.schedule.as_ref());
                summary.wanted = wanted.cloned();
                let wanted = override_of(wanted, summary.cataloged.as_ref());
                summary.is_override_void = wanted.as_ref().is_some_and(|it| it.is_void);
                summary.is_overridden = wanted.is_some_and(|it| it.is_in_force());
                summary.is_paused = directives.in_force(job, now_ms).paused;
                let pauses = directives.of(job).filter_map(|directive| directive.pause);
                let holding = pauses.filter(|pause| pause.holds(now_ms));
                summary.paused_since_ms = holding.map(|pause| pause.since_ms).min();
                summary.job.clone_from(job);
            }
            here.retain(|job, _| !is_internal(job));
            jobs.extend(here);
        }
        Ok(jobs.into_values().collect())
    }

    /// The jobs that are in a group now, by name.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if there is none; [`Error::Store`].
    pub async fn group(&self, group: &str) -> Result<Vec<String>, Error> {
        in_group(self.jobs().await?, group)
    }

    /// The same, whether they may be seen or not.
    pub(crate) async fn all_in_group(&self, group: &str) -> Result<Vec<String>, Error> {
        in_group(self.all_jobs().await?, group)
    }
}

/// Which of these jobs are in a group.
fn in_group(jobs: Vec<JobSummary>, group: &str) -> Result<Vec<String>, Error> {
    let in_group = jobs.into_iter().filter(|job| {
        let cataloged = job.cataloged.as_ref();
        cataloged.is_some_and(|job| job.group.as_deref() == Some(group))
    });
    let names: Vec<String> = in_group.map(|job| job.job).collect();
    match names.is_empty() {
        false => Ok(names),
        true => Err(Error::Argument {
            argument: "group",
            message: format!("no job is in the group {group}; `jobs` shows the group of each"),
        }),
    }
}
