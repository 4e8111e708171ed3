//! The facts that this node has not by itself: the nodes, how they differ, jobs that no node has, and jobs of other
//! nodes, as the catalog and the stores have them.

use std::collections::{BTreeMap, BTreeSet};

use scheduled_one_alerts::{Facts, UnitFacts, Unreadable};
use scheduled_one_control::{CatalogedJob, Error, JobGlance, JobSummary};
use scheduled_one_protocol::{BoxFuture, UnitName};
use scheduled_one_schedule::alert::JobRules;
use scheduled_one_schedule::parse_duration;

use super::drift::drift;
use super::own::{mark, running_since};
use super::{AlertSource, Away};
use crate::join_all::join_all;

/// All jobs of a bucket, and those that this node does not have.
type JobsOfBucket = (Vec<JobSummary>, Vec<Other>);

/// A job that this node does not have, and what it looks like.
type Other = (JobSummary, JobGlance);

impl AlertSource {
    /// Adds the buckets that cannot be read to those that are away; of the others, the facts are there. Returns the
    /// jobs that this node does not have.
    pub(super) async fn elsewhere(&self, facts: &mut Facts, away: &mut Away) -> Vec<JobSummary> {
        let buckets = (0..self.stores.len() as u32).filter(|bucket| !away.contains_key(bucket));
        let buckets: Vec<u32> = buckets.collect();
        let reading = buckets.iter().map(|bucket| {
            Box::pin(self.jobs_in(*bucket)) as BoxFuture<'_, Result<JobsOfBucket, Error>>
        });
        let (mut jobs, mut elsewhere) = (Vec::new(), Vec::new());
        for (bucket, read) in buckets.iter().zip(join_all(reading).await) {
            match read {
                Ok((all, others)) => {
                    jobs.extend(all);
                    self.add_others(facts, &others);
                    elsewhere.extend(others.into_iter().map(|(job, _)| job));
                }
                Err(error) => drop(away.insert(*bucket, error.to_string())),
            }
        }
        let nodes = match away.is_empty() {
            true => self.control.living_nodes().await.ok(),
            false => None,
        };
        facts.drift = drift(&jobs, nodes.as_deref().unwrap_or_default());
        if away.is_empty() {
            facts.jobs = Some(self.with_own(jobs));
        }
        if let Some(nodes) = nodes {
            let nodes = nodes.into_iter();
            let identities: BTreeSet<String> = nodes.map(|node| node.identity).collect();
            facts.nodes = u32::try_from(identities.len()).ok();
            facts.identities = Some(identities);
        }
        elsewhere
    }

    /// All jobs with the most shards that a living node has of each, this node included, also if the store has no
    /// heartbeat of it.
    fn with_own(&self, jobs: Vec<JobSummary>) -> BTreeMap<String, Option<u32>> {
        let jobs = jobs.into_iter().map(|job| (job.job, job.shards));
        let mut known: BTreeMap<String, Option<u32>> = jobs.collect();
        for own in &self.jobs {
            let shards = known.entry(own.name.to_string()).or_default();
            *shards = Some(own.rules.shards).max(*shards);
        }
        known
    }

    /// The jobs of a bucket, and what those look like that this node does not have.
    async fn jobs_in(&self, bucket: u32) -> Result<JobsOfBucket, Error> {
        let jobs = self.control.jobs_of_bucket(bucket).await?;
        // This node has its own, also if the store has no heartbeat of it.
        let own: BTreeSet<&str> = self.jobs.iter().map(|own| &*own.name).collect();
        let others = jobs.iter().filter(|job| !own.contains(&*job.job)).cloned();
        let others: Vec<JobSummary> = others.collect();
        let names: Vec<String> = others.iter().map(|job| job.job.clone()).collect();
        let glances = self.control.glance(&names).await?;
        Ok((jobs, others.into_iter().zip(glances).collect()))
    }

    fn add_others(&self, facts: &mut Facts, others: &[Other]) {
        for (job, glance) in others {
            if let Some(error) = glance.refused.clone() {
                let what = job.job.clone();
                facts.unreadable.push(Unreadable { what, error });
            } else if is_gone(job, glance) {
                facts.gone.extend(units(job));
            } else if let Some(cataloged) = &job.cataloged {
                let rules = JobRules::from_said(|key| cataloged.descriptor.get(key));
                if !rules.is_empty() {
                    facts.declared.insert(job.job.clone(), rules);
                }
                facts.units.push(self.unit_of(job, cataloged, glance));
            }
        }
    }

    /// A job that this node does not have. Of one with several shards, the first.
    fn unit_of(&self, job: &JobSummary, cataloged: &CatalogedJob, glance: &JobGlance) -> UnitFacts {
        let status = &glance.scheduled;
        // A schedule that this process cannot make again, or that is not in force, says nothing of what is due.
        let schedule = cataloged.schedule(&job.job, &self.zones).ok();
        let is_sure = job.nodes > 0 && job.schedules.len() < 2 && !job.is_overridden;
        let schedule = schedule.filter(|_| is_sure);
        let decided = status.marks.decided_to();
        let next = decided.zip(schedule.as_ref());
        let next = next.and_then(|(decided, schedule)| schedule.next_after(decided.ms()));
        let waiting = status.waiting.iter().map(|tick| tick.ms());
        // Which tick is spread by how much is not known here: the longest.
        let jitter = cataloged.descriptor.get("jitter");
        let jitter = jitter.and_then(|text| parse_duration(text).ok());
        let jitter_ms = jitter.map_or(0, |jitter| jitter.as_millis() as i64);
        let running = [status, &glance.requested].map(running_since);
        // Of a job with shards or slots, a glance shows a part.
        let said = |key| cataloged.descriptor.get(key);
        let is_whole = said("shards").is_none_or(|it| it == "1")
            && said("overlap").is_none_or(|it| !it.starts_with("allow"))
            && said("scope") != Some("every_node");
        let mark = is_whole.then(|| mark(&[status.clone(), glance.requested.clone()]));
        let zone = cataloged.descriptor.get("tz");
        let is_off = cataloged.is_disabled();
        UnitFacts {
            name: job.job.clone(),
            zone: zone.map(str::to_owned),
            first_seen_ms: status.marks.first_seen_ms,
            due_ms: waiting.chain(next).min().map(|tick| tick + jitter_ms),
            running_since_ms: running.into_iter().flatten().min(),
            paused_since_ms: job.paused_since_ms,
            is_disabled: is_off,
            mark,
            no_node_has: is_missing(job),
            ..UnitFacts::default()
        }
    }
}

/// Whether a release has dropped the job: no schedule decides its ticks, so nothing of it is late or missing.
fn is_gone(job: &JobSummary, glance: &JobGlance) -> bool {
    let decides = glance.scheduled.decides.as_ref();
    job.nodes == 0 && decides.is_some_and(|decides| decides.gone_since_ms().is_some())
}

/// The names of a job's units.
fn units(job: &JobSummary) -> impl Iterator<Item = String> {
    let said = job.cataloged.as_ref();
    let said = said.and_then(|cataloged| cataloged.descriptor.get("shards")?.parse().ok());
    let shards: u32 = said.unwrap_or(1);
    let unit = |shard| UnitName::new(&job.job, shard).as_str().to_owned();
    (0..shards).map(unit)
}

/// Whether the store knows a job that no living node has, and that may have ticks.
fn is_missing(job: &JobSummary) -> bool {
    job.cataloged.is_some() && job.is_missing()
}
