//! Ticks without an outcome, of the jobs of this node: the audit of the last hour, a few jobs with each evaluation.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use scheduled_one_alerts::{Facts, SourceError};
use scheduled_one_schedule::policy::Scope;

use super::{AlertSource, Away};
use crate::audit_reads::unit_states;
use crate::compiled_job::CompiledJob;
use crate::scheduler::audit::pauses;
use scheduled_one_control::audit::{AuditInput, TickStatus};

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

impl AlertSource {
    /// Audits the next jobs, and adds what is found to the facts.
    pub(super) async fn count_gaps(&self, facts: &mut Facts, away: &Away) {
        for job in self.next_jobs() {
            // Of a job that cannot be read, what was found before is kept.
            let is_away = away.contains_key(&self.bucket(&job.name).index());
            let Some(gaps) = (match is_away {
                true => None,
                false => self.gaps_of(&job, facts).await.ok(),
            }) else {
                continue;
            };
            let mut found = self.gaps.0.lock().unwrap_or_else(PoisonError::into_inner);
            found.ticks.insert(job.name.to_string(), gaps);
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

    fn next_jobs(&self) -> Vec<Arc<CompiledJob>> {
        let audited = |job: &&Arc<CompiledJob>| job.rules.scope == Scope::One;
        let jobs: Vec<&Arc<CompiledJob>> = self.jobs.iter().filter(audited).collect();
        let mut found = self.gaps.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = found.next;
        found.next = (first + AUDITED) % jobs.len().max(1);
        let turn = jobs
            .iter()
            .cycle()
            .skip(first)
            .take(AUDITED.min(jobs.len()));
        turn.map(|job| Arc::clone(job)).collect()
    }

    /// The ticks of an hour that are decided and have no outcome, by shard.
    async fn gaps_of(
        &self,
        job: &CompiledJob,
        facts: &Facts,
    ) -> Result<BTreeMap<u32, u64>, SourceError> {
        let Some(worker) = self.worker(&job.name) else {
            return Ok(BTreeMap::new());
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
            return Ok(BTreeMap::new());
        }
        // The state first: a run that ends in between is in the ledger by then.
        let units = unit_states(client, job).await?;
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
        Ok(gaps)
    }
}
