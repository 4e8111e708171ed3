//! Reads what an audit is computed from.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::SystemTime;

use scheduled_one_protocol::message::MAX_BATCH;
use scheduled_one_protocol::{
    DecidingSchedule, Directive, Directives, LedgerRecord, PastPause, ScheduleId, TickMs, UnitName,
};
use scheduled_one_schedule::Schedule;

use crate::ask::ask;
use crate::audit::{Audit, AuditInput, AuditedTick, MAX_TICKS, UnitState};
use crate::catalog::{CatalogedJob, ms};
use crate::control::Control;
use crate::error::Error;
use crate::rights::Action;

/// Lines of a ledger that are looked at.
const LINES: usize = 10_000;

/// A job with all that is known of its ticks.
pub(crate) struct Accounts {
    /// The schedule in force.
    pub(crate) schedule: Schedule,
    /// The last instant that can be a tick: now, or when the last node that had the job was gone.
    pub(crate) to_ms: i64,
    /// When each unit was first seen, by shard.
    pub(crate) born_ms: BTreeMap<u32, i64>,
    /// The ledger, the oldest line first, as is the rest of what an audit needs.
    pub(crate) input: AuditInput,
}

impl Accounts {
    /// The ticks of a range, its end left out, that are due.
    pub(crate) fn audit(&self, range: Range<i64>) -> Audit {
        let (from_ms, to_ms) = self.bounds(range);
        self.input.whole(&self.schedule, from_ms, to_ms)
    }

    /// Whether a shard has more ticks in the range than an audit has.
    fn is_too_long(&self, range: Range<i64>) -> bool {
        let (from_ms, to_ms) = self.bounds(range);
        self.input.is_too_long(&self.schedule, from_ms, to_ms)
    }

    /// Those of the schedule in force.
    pub(crate) fn in_force(&self, range: Range<i64>) -> Vec<AuditedTick> {
        let (from_ms, to_ms) = self.bounds(range);
        self.input.audit(&self.schedule, from_ms, to_ms)
    }

    /// The instant before the range, and the last one of it that can be a tick.
    fn bounds(&self, range: Range<i64>) -> (i64, i64) {
        let last_ms = range.end.saturating_sub(1);
        (range.start.saturating_sub(1), last_ms.min(self.to_ms))
    }
}

/// A unit, as [`Control::states_of_shards`] finds it.
pub(crate) struct Found {
    pub(crate) shard: u32,
    pub(crate) state: UnitState,
    pub(crate) born_ms: i64,
    /// The schedule that decides, if the store says so.
    pub(crate) decides: Option<ScheduleId>,
    /// Since when it does; 0 if it has from the beginning.
    pub(crate) since_ms: i64,
    /// Since when no schedule decides.
    pub(crate) gone_since_ms: Option<i64>,
}

impl Control {
    /// Each tick of a job in a range, its end left out, oldest first, with what became of it: no tick is left out, up
    /// to now by the store's clock. A range has at most 10,000 ticks of each shard. No program with the job is needed.
    ///
    /// A tick counts by the schedule in force, and only from when the job was first seen. Of the time before that
    /// schedule took the place of another one, by a deployment or because somebody [asked for it](Self::reschedule),
    /// what the ledger has is listed: [`audit_in_full`](Self::audit_in_full) says since when no tick is left out.
    /// Of a job that no living node has, ticks count until its last node was gone. What is older than the lines that
    /// the ledger keeps is [`NoLongerKept`](crate::audit::TickStatus::NoLongerKept). Runs that somebody asked for are
    /// no outcome of a tick.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownJob`], [`Error::Store`]; [`Error::Argument`] if the range has more ticks;
    /// [`Error::Schedule`] if this process cannot compute the ticks.
    pub async fn audit(
        &self,
        job: &str,
        range: Range<SystemTime>,
    ) -> Result<Vec<AuditedTick>, Error> {
        Ok(self.audit_in_full(job, range).await?.ticks)
    }

    /// The same ticks as of [`audit`](Self::audit), and since when no tick is left out.
    ///
    /// # Errors
    ///
    /// As of [`audit`](Self::audit).
    pub async fn audit_in_full(&self, job: &str, range: Range<SystemTime>) -> Result<Audit, Error> {
        self.check_right(Action::View, job).await?;
        let accounts = self.accounts(job).await?;
        let range = ms(range.start)..ms(range.end);
        if accounts.is_too_long(range.clone()) {
            return Err(Error::Argument {
                argument: "range",
                message: format!(
                    "it holds more than {MAX_TICKS} ticks of {job}; take a shorter one"
                ),
            });
        }
        Ok(accounts.audit(range))
    }

    pub(crate) async fn accounts(&self, job: &str) -> Result<Accounts, Error> {
        let in_force = self.in_force(job).await?;
        let cataloged = &in_force.cataloged;
        // The state first: a run that ends in between is in the ledger by then.
        let found = self.unit_states(job, cataloged).await?;
        let store = self.reader(job);
        let mut lines: Vec<LedgerRecord> = ask(|| store.ledger(job, LINES)).await?;
        lines.reverse();
        let directives = self.read(store).await?.body.directives;
        let full = may_be_trimmed(lines.len(), cataloged);
        let unit = |found: &Found| UnitState {
            first_seen_ms: found.born_ms,
            since_ms: found.since_ms.max(in_force.since_ms),
            ..found.state.clone()
        };
        let input = AuditInput {
            full,
            lines,
            units: found.iter().map(|one| (one.shard, unit(one))).collect(),
            pauses: pauses(&directives, job, in_force.now_ms),
        };
        let gone = found.iter().map(|one| one.gone_since_ms);
        let gone_since_ms = gone.collect::<Option<Vec<i64>>>();
        let gone_since_ms = gone_since_ms.and_then(|all| all.into_iter().max());
        Ok(Accounts {
            schedule: in_force.schedule.clone(),
            to_ms: gone_since_ms.unwrap_or(i64::MAX).min(in_force.now_ms),
            born_ms: found.iter().map(|one| (one.shard, one.born_ms)).collect(),
            input,
        })
    }

    /// What the store knows of the units of a job now, by shard; of a job that each node runs by itself, nothing.
    async fn unit_states(&self, job: &str, cataloged: &CatalogedJob) -> Result<Vec<Found>, Error> {
        if cataloged.is_of_every_node() {
            return Ok(Vec::new());
        }
        let shards = self.shards(job).await?.max(1);
        self.states_of_shards(job, cataloged, shards).await
    }

    /// The same of so many shards.
    pub(crate) async fn states_of_shards(
        &self,
        job: &str,
        cataloged: &CatalogedJob,
        shards: u32,
    ) -> Result<Vec<Found>, Error> {
        let slots = slots(cataloged);
        let mut states = Vec::new();
        for shard in 0..shards {
            let unit = UnitName::new(job, shard);
            let units: Vec<UnitName> = (0..=slots).map(|slot| unit.with_slot(slot)).collect();
            let mut inspected = Vec::with_capacity(units.len());
            for batch in units.chunks(MAX_BATCH) {
                let store = self.reader(job);
                inspected.extend(ask(|| store.inspect(&self.caller, batch)).await?.body);
            }
            let marks = inspected.first().map(|own| own.marks).unwrap_or_default();
            let decides = inspected.first().and_then(|own| own.decides.as_ref());
            let gone_since_ms = decides.and_then(DecidingSchedule::gone_since_ms);
            let decides = decides.filter(|_| gone_since_ms.is_none());
            let waiting = inspected.iter().flat_map(|unit| &unit.waiting);
            let running = inspected.iter().filter_map(|unit| unit.running);
            let state = UnitState {
                decided_to_ms: marks.decided_to().map_or(0, TickMs::ms),
                first_seen_ms: 0,
                since_ms: 0,
                waiting: waiting.map(|tick| tick.ms()).collect(),
                running: running.map(TickMs::ms).collect(),
            };
            states.push(Found {
                shard,
                state,
                born_ms: marks.first_seen_ms.unwrap_or(0),
                decides: decides.map(|decides| decides.id),
                since_ms: decides.map_or(0, |decides| decides.since_ms),
                gone_since_ms,
            });
        }
        Ok(states)
    }
}

/// Whether a ledger with so many lines may have had older ones: it has as many as its nodes keep, or as were read, or
/// nobody said how many are kept.
pub(crate) fn may_be_trimmed(lines: usize, cataloged: &CatalogedJob) -> bool {
    let limit = cataloged.descriptor.get("ledger_limit");
    let limit = limit.and_then(|limit| limit.parse::<usize>().ok());
    limit.is_none_or(|limit| lines >= limit.min(LINES))
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
pub(crate) fn pauses(directives: &Directives, job: &str, now_ms: i64) -> Vec<PastPause> {
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

#[cfg(test)]
mod tests;
