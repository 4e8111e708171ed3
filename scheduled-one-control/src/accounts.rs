//! Reads what an audit is computed from.

use std::ops::Range;
use std::time::SystemTime;

use scheduled_one_protocol::message::MAX_BATCH;
use scheduled_one_protocol::{Directive, Directives, LedgerRecord, PastPause, TickMs, UnitName};
use scheduled_one_schedule::Schedule;

use crate::ask::ask;
use crate::audit::{AuditInput, AuditedTick, UnitState};
use crate::catalog::{CatalogedJob, ms, zones};
use crate::control::Control;
use crate::error::Error;

/// Lines of a ledger that are looked at.
const LINES: usize = 10_000;
/// Lines that a ledger keeps, unless its nodes say otherwise: a ledger with fewer has lost none.
const USUAL_LINES: usize = 1_000;

/// A job with all that is known of its ticks.
pub(crate) struct Accounts {
    pub(crate) schedule: Schedule,
    pub(crate) now_ms: i64,
    /// The ledger, the oldest line first, as is the rest of what an audit needs.
    pub(crate) input: AuditInput,
}

impl Accounts {
    /// The ticks of a range, its end left out, that are due.
    pub(crate) fn audit(&self, range: Range<i64>) -> Vec<AuditedTick> {
        let to_ms = (range.end - 1).min(self.now_ms);
        self.input.audit(&self.schedule, range.start - 1, to_ms)
    }
}

impl Control {
    /// Each tick of a job in a range, its end left out, oldest first, with what became of it: no tick is left out, up to
    /// now by the store's clock. At most 10,000 ticks of each shard. No program with the job is needed.
    ///
    /// A tick counts by the schedule that the catalog has, and only from when the job was first seen. What is older than
    /// the lines that the ledger keeps (1,000, unless the nodes were given another limit) is
    /// [`NoLongerKept`](crate::audit::TickStatus::NoLongerKept). Runs that somebody asked for are no outcome of a tick.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownJob`], [`Error::Store`]; [`Error::Schedule`] if this process cannot compute the ticks.
    pub async fn audit(
        &self,
        job: &str,
        range: Range<SystemTime>,
    ) -> Result<Vec<AuditedTick>, Error> {
        let accounts = self.accounts(job).await?;
        Ok(accounts.audit(ms(range.start)..ms(range.end)))
    }

    pub(crate) async fn accounts(&self, job: &str) -> Result<Accounts, Error> {
        let (cataloged, now_ms) = self.cataloged(job).await?;
        let schedule = cataloged.schedule(job, &zones(job)?)?;
        // The state first: a run that ends in between is in the ledger by then.
        let units = self.unit_states(job, &cataloged).await?;
        let store = self.store(job);
        let lines: Vec<LedgerRecord> = ask(|| store.ledger(job, LINES)).await?;
        let directives = self.read(store).await?.body.directives;
        Ok(Accounts {
            schedule,
            now_ms,
            input: AuditInput {
                full: lines.len() >= USUAL_LINES,
                lines: lines.into_iter().rev().collect(),
                units,
                pauses: pauses(&directives, job, now_ms),
            },
        })
    }

    /// What the store knows of the units of a job now, by shard; of a job that each node runs by itself, nothing.
    async fn unit_states(
        &self,
        job: &str,
        cataloged: &CatalogedJob,
    ) -> Result<Vec<(u32, UnitState)>, Error> {
        if cataloged.descriptor.get("scope") == Some("every_node") {
            return Ok(Vec::new());
        }
        let slots = slots(cataloged);
        let mut states = Vec::new();
        for shard in 0..self.shards(job).await?.max(1) {
            let unit = UnitName::new(job, shard);
            let units: Vec<UnitName> = (0..=slots).map(|slot| unit.with_slot(slot)).collect();
            let mut inspected = Vec::with_capacity(units.len());
            for batch in units.chunks(MAX_BATCH) {
                let store = self.store(job);
                inspected.extend(ask(|| store.inspect(&self.caller, batch)).await?.body);
            }
            let marks = inspected.first().map(|own| own.marks).unwrap_or_default();
            let decides = inspected.first().and_then(|own| own.decides.as_ref());
            let since_ms = decides.map_or(0, |decides| decides.since_ms);
            let waiting = inspected.iter().flat_map(|unit| &unit.waiting);
            let running = inspected.iter().filter_map(|unit| unit.running);
            let state = UnitState {
                decided_to_ms: marks.decided_to().map_or(0, TickMs::ms),
                // Ticks from before this schedule took the place of another one were never ticks of the job.
                first_seen_ms: marks.first_seen_ms.unwrap_or(0).max(since_ms),
                waiting: waiting.map(|tick| tick.ms()).collect(),
                running: running.map(TickMs::ms).collect(),
            };
            states.push((shard, state));
        }
        Ok(states)
    }
}

/// How many slots a job has: the `n` of `overlap = allow(n)`.
fn slots(cataloged: &CatalogedJob) -> u32 {
    let overlap = cataloged.descriptor.get("overlap").unwrap_or_default();
    let number = overlap
        .strip_prefix("allow(")
        .and_then(|rest| rest.strip_suffix(')'));
    number
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}

/// The pauses of a job, by its own directive and by that for all jobs.
fn pauses(directives: &Directives, job: &str, now_ms: i64) -> Vec<PastPause> {
    let of_one = |directive: &Directive| {
        let holding = directive.pause.filter(|pause| pause.holds(now_ms));
        let holding = holding.map(|pause| PastPause {
            from_ms: pause.since_ms,
            to_ms: pause.until_ms.unwrap_or(i64::MAX),
        });
        let past: Vec<PastPause> = directive.past_pauses(now_ms).collect();
        past.into_iter().chain(holding)
    };
    directives.of(job).flat_map(of_one).collect()
}
