//! The facts that this node has not by itself: the nodes, how they differ, jobs that no node has, and jobs of other
//! nodes, as the catalog and the stores have them.

use std::collections::BTreeSet;

use scheduled_one_alerts::{Facts, SourceError, UnitFacts};
use scheduled_one_control::{CatalogedJob, JobGlance, JobSummary};
use scheduled_one_protocol::{TickMs, UnitName};
use scheduled_one_schedule::alert::JobRules;

use super::AlertSource;

/// How many jobs a text about differences names.
const MAX_NAMED: usize = 5;

impl AlertSource {
    pub(super) async fn elsewhere(&self, facts: &mut Facts) -> Result<(), SourceError> {
        let jobs = self.control.jobs().await?;
        let nodes = self.control.living_nodes().await?;
        let identities: BTreeSet<&str> = nodes.iter().map(|node| &*node.identity).collect();
        facts.nodes = u32::try_from(identities.len()).ok();
        facts.drift = drift(&jobs);
        // This node has its own, also if the store has no heartbeat of it.
        let is_own = |job: &JobSummary| self.jobs.iter().any(|own| *own.name == *job.job);
        let others: Vec<JobSummary> = jobs.into_iter().filter(|job| !is_own(job)).collect();
        let names: Vec<String> = others.iter().map(|job| job.job.clone()).collect();
        let glances = self.control.glance(&names).await?;
        for (job, glance) in others.iter().zip(&glances) {
            if is_gone(job, glance) {
                facts.gone.extend(units(job));
            } else if let Some(cataloged) = &job.cataloged {
                let rules = JobRules::from_said(|key| cataloged.descriptor.get(key));
                if !rules.is_empty() {
                    facts.declared.insert(job.job.clone(), rules);
                }
                facts
                    .units
                    .push(self.unit_of(job, cataloged, glance, facts.at_ms));
            }
        }
        Ok(())
    }

    /// A job that this node does not have. Of one with several shards, the first.
    fn unit_of(
        &self,
        job: &JobSummary,
        cataloged: &CatalogedJob,
        glance: &JobGlance,
        now_ms: i64,
    ) -> UnitFacts {
        let status = &glance.scheduled;
        // A schedule that this process cannot make again, or that is not in force, says nothing of what is due.
        let schedule = cataloged.schedule(&job.job, &self.zones).ok();
        let is_sure = job.nodes > 0 && job.schedules.len() < 2 && !job.is_overridden;
        let schedule = schedule.filter(|_| is_sure);
        let decided = status.marks.decided_to();
        let next = decided.zip(schedule.as_ref());
        let next = next.and_then(|(decided, schedule)| schedule.next_after(decided.ms()));
        let waiting = status.waiting.iter().map(|tick| tick.ms());
        let zone = cataloged.descriptor.get("tz");
        let is_off = cataloged.is_disabled();
        UnitFacts {
            name: job.job.clone(),
            zone: zone.map(str::to_owned),
            first_seen_ms: status.marks.first_seen_ms,
            due_ms: waiting.chain(next).min(),
            running_since_ms: status.running.map(TickMs::ms),
            paused_since_ms: job.paused_since_ms.or(is_off.then_some(now_ms)),
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

/// How nodes differ, if they do.
fn drift(jobs: &[JobSummary]) -> Option<String> {
    let differ: Vec<&str> = jobs
        .iter()
        .filter(|job| job.schedules.len() > 1)
        .map(|job| &*job.job)
        .collect();
    if differ.is_empty() {
        return None;
    }
    let named = differ.iter().take(MAX_NAMED).copied();
    let named = named.collect::<Vec<_>>().join(", ");
    let more = match differ.len().saturating_sub(MAX_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!(
        "living nodes have different schedules of {named}{more}"
    ))
}
