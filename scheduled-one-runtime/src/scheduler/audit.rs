//! Collects what an audit is computed from.

use std::ops::Range;

use jiff::Timestamp;
use scheduled_one_schedule::policy::Scope;

use crate::audit::{AuditInput, AuditedTick, UnitState};
use crate::compiled_job::CompiledJob;
use crate::error::Error;
use crate::ledger::LedgerEntry;
use crate::scheduler::bucket_worker::BucketWorker;
use crate::scheduler::{MAX_LEDGER_LINES, Scheduler};
use crate::user_code;
use scheduled_one_protocol::message::{ControlRequest, Overlap};
use scheduled_one_protocol::{Directive, PastPause, TickMs, UnitName};

impl Scheduler {
    /// Each tick of a job of this node in a range of time, by its schedule,
    /// oldest first, with its status: no tick is left out. At most
    /// 10,000 ticks of each shard. Where each node runs the job by itself, nodes
    /// are distinguished by identity, which is new with each start, and each
    /// accounts for the ticks from its first line to its last: a run in between
    /// whose outcome was not recorded is
    /// [`TickStatus::Unknown`](crate::TickStatus::Unknown). The ledger keeps
    /// 1,000 lines a job: what is older is
    /// [`TickStatus::NoLongerKept`](crate::TickStatus::NoLongerKept).
    ///
    /// A tick counts by the schedule and the time zone the job has now, and
    /// only from when the job was first seen.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownJob`] if this node has no such job; [`Error::Store`] if
    /// the store does not reply.
    pub async fn audit(
        &self,
        job: &str,
        range: Range<Timestamp>,
    ) -> Result<Vec<AuditedTick>, Error> {
        let found = self.jobs.iter().find(|known| *known.name == *job);
        let found = found.ok_or_else(|| self.unknown(job))?;
        let worker = self.worker(job).ok_or_else(|| self.unknown(job))?;
        // The state first: a run that ends in between is in the ledger by then.
        let mut units = Vec::new();
        if found.rules.scope == Scope::One {
            for (shard, unit) in found.units().enumerate() {
                units.push((shard as u32, unit_state(worker, found, &unit).await?));
            }
        }
        let read = || self.store(job).ledger(job, MAX_LEDGER_LINES);
        let lines = user_code::request(read).await?;
        let most = worker.client.caller.ledger_limit.min(MAX_LEDGER_LINES);
        let input = AuditInput {
            full: lines.len() >= most,
            lines: lines.into_iter().rev().map(LedgerEntry::of).collect(),
            units,
            pauses: pauses(worker, job).await?,
        };
        let from_ms = range.start.as_millisecond() - 1;
        let now_ms = worker.now_ms();
        let to_ms = (range.end.as_millisecond() - 1).min(now_ms);
        Ok(input.audit(&found.schedule, from_ms, to_ms))
    }
}

/// The pauses of a job, by its own directive and by that for all jobs.
async fn pauses(worker: &BucketWorker, job: &str) -> Result<Vec<PastPause>, Error> {
    let client = &worker.client;
    if client.health_now().control_version == 0 {
        return Ok(Vec::new());
    }
    let nothing = ControlRequest::default();
    let reply = client.request(|store, caller| store.control(caller, &nothing));
    let directives = reply.await?.body.directives;
    let now_ms = worker.now_ms();
    let of_one = |directive: &Directive| {
        let holding = directive.pause.filter(|pause| pause.holds(now_ms));
        let holding = holding.map(|pause| PastPause {
            from_ms: pause.since_ms,
            to_ms: pause.until_ms.unwrap_or(i64::MAX),
        });
        let past: Vec<PastPause> = directive.past_pauses(now_ms).collect();
        past.into_iter().chain(holding)
    };
    Ok(directives.of(job).flat_map(of_one).collect())
}

/// What the store knows of a unit, and of its slots, now.
async fn unit_state(
    worker: &BucketWorker,
    job: &CompiledJob,
    unit: &UnitName,
) -> Result<UnitState, Error> {
    let slots = match job.rules.overlap {
        Overlap::Allow(most) => most,
        _ => 0,
    };
    let units: Vec<UnitName> = (0..=slots).map(|slot| unit.with_slot(slot)).collect();
    let inspected = worker
        .client
        .request(|store, caller| store.inspect(caller, &units))
        .await?
        .body;
    let marks = inspected.first().map(|own| own.marks).unwrap_or_default();
    let decides = inspected.first().and_then(|own| own.decides.as_ref());
    let since_ms = decides.map_or(0, |decides| decides.since_ms);
    let waiting = inspected.iter().flat_map(|unit| &unit.waiting);
    Ok(UnitState {
        decided_to_ms: marks.decided_to().map_or(0, TickMs::ms),
        // Ticks of this schedule from before it took the place of another one were never ticks of the job.
        first_seen_ms: marks.first_seen_ms.unwrap_or(0).max(since_ms),
        waiting: waiting.map(|tick| tick.ms()).collect(),
        running: inspected
            .iter()
            .filter_map(|unit| unit.running.map(TickMs::ms))
            .collect(),
    })
}
