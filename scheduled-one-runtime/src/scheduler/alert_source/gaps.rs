//! Ticks without an outcome: the audit of the last hour, a few jobs with each evaluation. Of jobs that this node does
//! not have, those whose schedules can be made again from the catalog.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use scheduled_one_alerts::{Facts, SourceError};
use scheduled_one_schedule::policy::Scope;

use super::{AlertSource, Away};
use crate::audit_reads::decided_states;
use crate::compiled_job::CompiledJob;
use crate::scheduler::audit::pauses;
use scheduled_one_control::audit::{AuditInput, TickStatus};
use scheduled_one_control::{Error, JobSummary};

/// How many jobs are audited with one evaluation.
const AUDITED: usize = 16;
/// How far back a tick is looked for.
const WINDOW_MS: i64 = 3_600_000;
/// How long after its latest start, and a lease, a tick should have an outcome.
const SETTLED_MS: i64 = 30_000;
/// Most lines of a ledger that are read.
const MAX_LINES: usize = 2_000;

/// What the audits have found, and which job is next.
#[derive(Default)]
pub(super) struct Gaps(Mutex<Found>);

#[derive(Default)]
struct Found {
    next: usize,
    /// Ticks without an outcome, by job and shard, of the jobs that were audited.
    ticks: BTreeMap<String, BTreeMap<u32, u64>>,
}

/// A job to audit.
enum Audited {
    /// Of this node.
    Own(Arc<CompiledJob>),
    /// Of others.
    Other(Box<JobSummary>),
}

impl Audited {
    fn name(&self) -> &str {
        match self {
            Audited::Own(job) => &job.name,
            Audited::Other(job) => &job.job,
        }
    }
}

impl AlertSource {
    /// Audits the next jobs, and adds what is found to the facts. `others` are those that this node does not have.
    pub(super) async fn count_gaps(&self, facts: &mut Facts, away: &Away, others: Vec<JobSummary>) {
        for job in self.next_jobs(others, away.is_empty()) {
            // Of a job that cannot be read, what was found before is kept.
            let is_away = away.contains_key(&self.bucket(job.name()).index());
            let Some(gaps) = (match (is_away, &job) {
                (true, _) => None,
                (false, Audited::Own(job)) => self.gaps_of(job, facts).await.ok(),
                (false, Audited::Other(job)) => self.gaps_of_other(job).await.ok(),
            }) else {
                continue;
            };
            let mut found = self.gaps.0.lock().unwrap_or_else(PoisonError::into_inner);
            match gaps {
                Some(gaps) => found.ticks.insert(job.name().to_owned(), gaps),
                None => found.ticks.remove(job.name()),
            };
        }
        let found = self.gaps.0.lock().unwrap_or_else(PoisonError::into_inner);
        for unit in &mut facts.units {
            let (job, shard) = unit.name.split_once('#').unwrap_or((&unit.name, "0"));
            let shard: u32 = shard.parse().unwrap_or_default();
            // A node that has not audited a job knows nothing of it: what another one found goes on.
            let of_job = found.ticks.get(job);
            unit.unaccounted = of_job.map(|gaps| gaps.get(&shard).copied().unwrap_or_default());
        }
    }

    /// What was found of jobs that are gone is forgotten, if the others are all there are.
    fn next_jobs(&self, others: Vec<JobSummary>, are_all: bool) -> Vec<Audited> {
        let own = self.jobs.iter().filter(|job| job.rules.scope == Scope::One);
        let own = own.map(|job| Audited::Own(Arc::clone(job)));
        let others = others.into_iter().map(|job| Audited::Other(Box::new(job)));
        let mut jobs: Vec<Audited> = own.chain(others).collect();
        let mut found = self.gaps.0.lock().unwrap_or_else(PoisonError::into_inner);
        if are_all {
            let names: BTreeSet<&str> = jobs.iter().map(Audited::name).collect();
            found.ticks.retain(|job, _| names.contains(job.as_str()));
        }
        if !jobs.is_empty() {
            let first = found.next % jobs.len();
            found.next = (first + AUDITED) % jobs.len();
            jobs.rotate_left(first);
            jobs.truncate(AUDITED);
        }
        jobs
    }

    /// The ticks without an outcome of a job of other nodes, by shard; `None` if this node cannot know. A lease that
    /// the job does not say is taken to be as long as those of this node.
    async fn gaps_of_other(&self, job: &JobSummary) -> Result<Option<BTreeMap<u32, u64>>, Error> {
        let leases = self.workers.iter().map(|it| it.client.caller.quarantine_ms);
        let lease_ms = leases.max().unwrap_or_default();
        let ms = |ms: i64| Duration::from_millis(ms.unsigned_abs());
        self.control
            .unaccounted(job, ms(WINDOW_MS), ms(SETTLED_MS + lease_ms))
            .await
    }

    /// The ticks of an hour that are decided and have no outcome, by shard; `None` if another schedule than that of
    /// this node decides them: a tick of a schedule that stands aside is none of the job.
    async fn gaps_of(
        &self,
        job: &CompiledJob,
        facts: &Facts,
    ) -> Result<Option<BTreeMap<u32, u64>>, SourceError> {
        let Some(worker) = self.worker(&job.name) else {
            return Ok(Some(BTreeMap::new()));
        };
        let client = &worker.client;
        let lease_ms = job
            .rules
            .lease
            .map_or(client.caller.quarantine_ms, |lease| {
                lease.as_millis() as i64
            });
        let deadline_ms = job.rules.start_deadline.as_millis() as i64;
        let to_ms = facts.at_ms - SETTLED_MS - lease_ms - deadline_ms;
        // What a store forgot is no gap: the quarantine says so.
        let forgot_ms = client.health_now().quarantine_from_ms().unwrap_or_default();
        let from_ms = (to_ms - WINDOW_MS).max(forgot_ms);
        if from_ms >= to_ms
            || job
                .schedule()
                .next_after(from_ms)
                .is_none_or(|next_ms| next_ms > to_ms)
        {
            return Ok(Some(BTreeMap::new()));
        }
        // The state first: a run that ends in between is in the ledger by then.
        let Some(units) = decided_states(client, job).await? else {
            return Ok(None);
        };
        let most = client.caller.ledger_limit.min(MAX_LINES);
        let lines = client.ledger(&job.name, most).await?;
        let input = AuditInput {
            full: lines.len() >= most,
            lines: lines.into_iter().rev().collect(),
            units,
            pauses: pauses(worker, &job.name).await?,
        };
        let ticks = input.audit(&job.schedule(), from_ms, to_ms);
        let unknown = ticks
            .iter()
            .filter(|tick| tick.status == TickStatus::Unknown);
        let mut gaps = BTreeMap::new();
        for tick in unknown {
            *gaps.entry(tick.shard).or_default() += 1;
        }
        Ok(Some(gaps))
    }
}
