//! The facts of this node's jobs: what the store has of their units, and which tick is due.

use std::sync::Arc;

use scheduled_one_alerts::{SourceError, UnitFacts, Unreadable};
use scheduled_one_protocol::message::{ControlRequest, MAX_BATCH, Overlap, UnitStatus};
use scheduled_one_protocol::{ALL_JOBS, Directives, FencingToken, ScheduleId, StoreError};
use scheduled_one_protocol::{UnitName, hash};
use scheduled_one_schedule::policy::Scope;

use super::AlertSource;
use crate::compiled_job::CompiledJob;
use crate::metrics::labels::Op;
use crate::request_each::Repeat;
use crate::scheduler::bucket_worker::BucketWorker;

/// The facts of units, and the units that cannot be read.
pub(super) type OwnUnits = (Vec<UnitFacts>, Vec<Unreadable>);

/// A unit to look at, with its slots, and then its lane.
struct Looked<'a> {
    job: &'a CompiledJob,
    unit: UnitName,
    slots: Vec<UnitName>,
}

impl AlertSource {
    /// The facts of the jobs of this node in one bucket.
    pub(super) async fn own_units(&self, worker: &BucketWorker) -> Result<OwnUnits, SourceError> {
        let bucket = worker.client.bucket;
        let jobs = self.jobs.iter().map(Arc::as_ref);
        let looked: Vec<Looked<'_>> = jobs
            .filter(|job| self.bucket(&job.name) == bucket)
            .flat_map(looked)
            .collect();
        let everything = ControlRequest::default();
        let control = worker.client.request(Op::Control, |store, caller| {
            store.control(caller, &everything)
        });
        let directives = control.await?.body.directives;
        let names: Vec<UnitName> = looked.iter().flat_map(|it| it.slots.clone()).collect();
        // One record that somebody edited keeps no other job from being looked at.
        let mut found = Vec::new();
        for batch in names.chunks(MAX_BATCH) {
            let inspected = worker.client.request_each(
                Op::Inspect,
                batch,
                Repeat::Never,
                |store, caller, batch| store.inspect(caller, batch),
            );
            for read in inspected.await {
                match read {
                    Ok(replied) => found.push(Ok(replied.body)),
                    Err(error @ StoreError::Refused(_)) => found.push(Err(error)),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        let now_ms = worker.now_ms();
        let (mut facts, mut unreadable) = (Vec::new(), Vec::new());
        let mut found = found.into_iter();
        for it in &looked {
            let own: Vec<_> = found.by_ref().take(it.slots.len()).collect();
            let own: Result<Vec<UnitStatus>, StoreError> = own.into_iter().collect();
            let own = match own {
                Ok(own) => own,
                Err(error) => {
                    unreadable.push(Unreadable {
                        what: it.unit.as_str().to_owned(),
                        error: error.to_string(),
                    });
                    continue;
                }
            };
            let claims_from_ms = self.outlook.of(&it.job.name).claims_from_ms;
            let pause = paused_since(it.job, &directives, now_ms);
            facts.push(facts_of(it, &own, pause, claims_from_ms <= now_ms));
        }
        Ok((facts, unreadable))
    }
}

/// The units of a job; none are in the store of a job that each node runs by itself.
fn looked(job: &CompiledJob) -> impl Iterator<Item = Looked<'_>> {
    let slots = match (job.rules.scope, job.rules.overlap) {
        (Scope::One, Overlap::Allow(most)) => 0..most + 1,
        (Scope::One, _) => 0..1,
        (_, _) => 0..0,
    };
    job.units().map(move |unit| {
        let lane = (job.rules.scope == Scope::One).then(|| unit.lane());
        let slots = slots.clone().map(|slot| unit.with_slot(slot));
        Looked {
            job,
            slots: slots.chain(lane).collect(),
            unit,
        }
    })
}

/// Since when nothing of a job's schedule starts, because an operator wants that.
fn paused_since(job: &CompiledJob, directives: &Directives, now_ms: i64) -> Option<i64> {
    let own = [&*job.name, ALL_JOBS].map(|subject| directives.get(subject)?.pause);
    let holding = own.into_iter().flatten().filter(|it| it.holds(now_ms));
    holding.map(|pause| pause.since_ms).min()
}

/// Since when the run of a unit is active: since its tick, or since its grant if that was later. A fencing token is the
/// instant of the grant in microseconds, unless the clock went back.
pub(super) fn running_since(status: &UnitStatus) -> Option<i64> {
    let tick_ms = status.running?.ms();
    let granted_us = status.token.map_or(0, FencingToken::get);
    Some(tick_ms.max((granted_us / 1_000) as i64))
}

/// A digest of what the store has of a unit.
pub(super) fn mark(status: &[UnitStatus]) -> u64 {
    hash(&format!("{status:?}"), 0)
}

/// The status is that of the unit, then of its slots, then of its lane.
fn facts_of(
    looked: &Looked<'_>,
    status: &[UnitStatus],
    paused_since_ms: Option<i64>,
    may_start: bool,
) -> UnitFacts {
    let schedule = looked.job.schedule();
    let own = status.first();
    // Another schedule may decide the ticks: this node does not know them then.
    let ours = ScheduleId(looked.job.schedules.own().identity().as_u64());
    let decides = own.and_then(|own| own.decides.as_ref());
    let decided = decides.is_none_or(|it| it.id == ours).then_some(own);
    let decided_ms = decided.flatten().and_then(|own| own.marks.decided_to());
    let since_ms = decides.map_or(i64::MIN, |it| it.since_ms);
    let since_ms = since_ms.max(looked.job.since_ms());
    let next = decided_ms.and_then(|to| schedule.next_after(to.ms().max(since_ms)));
    // Requests that wait in the lane are not due by the schedule.
    let of_schedule = status.split_last().map_or(status, |(_lane, slots)| slots);
    let waiting = of_schedule.iter().flat_map(|it| &it.waiting);
    let waiting = waiting.map(|tick| tick.ms());
    let ticks = looked.job.ticks();
    let due_ms = waiting.chain(next).min().map(|tick| ticks.due_ms(tick));
    let running = status.iter().filter_map(running_since);
    UnitFacts {
        name: looked.unit.as_str().to_owned(),
        zone: Some(schedule.zone().name().to_owned()),
        first_seen_ms: own.and_then(|own| own.marks.first_seen_ms),
        due_ms: due_ms.filter(|_| may_start),
        running_since_ms: running.min(),
        paused_since_ms,
        is_disabled: !looked.job.rules.enabled,
        mark: (!status.is_empty()).then(|| mark(status)),
        ..UnitFacts::default()
    }
}
