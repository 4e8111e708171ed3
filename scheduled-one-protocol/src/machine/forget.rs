//! Forgets a job that no living node has, or takes back what a clock that was ahead has decided of it.

use std::collections::HashMap;

use super::meta::quarantined;
use super::{CONTROL_VERSION, Meta, Now, Record};
use crate::catalog::Catalog;
use crate::directive::{Backfill, Directive};
use crate::message::{EARLY_TOLERANCE_MS, Forget, ForgetRequest, Forgotten};
use crate::trail::TrailEntry;
use crate::unit::UnitName;
use crate::value::TickMs;

/// Forgets a job of which [`forget_refused`] says nothing: the catalog has it no more, its directives are empty, and
/// the trail has an entry; the store removes the rest.
pub fn forget(
    meta: &mut Meta,
    catalog: &mut Catalog,
    request: &ForgetRequest,
    now: Now,
) -> TrailEntry {
    catalog.remove(&request.job);
    let (version, before) = empty(meta, &request.job, &request.directive, now);
    empty(
        meta,
        &Backfill::subject(&request.job),
        &request.directive,
        now,
    );
    TrailEntry::of_forget(request, version, before, now.ms())
}

/// Takes back what is decided of a unit ahead of the clock. Returns whether anything was.
///
/// Ticks up to now stay decided, so none of them starts a second time at its own time; one after now that ran while the
/// clock was ahead runs when it is due. Tokens are not lowered. A run that is recorded as active is one whose node
/// died: it is written off as usual, and not taken over if its tick is after now.
///
/// A lane in which requests wait or run keeps them, and so its ticks: nothing waits there for an instant.
pub fn take_back(unit: &UnitName, record: &mut Record, now: Now) -> bool {
    let (now_ms, far_ms) = (now.ms(), now.ms() + EARLY_TOLERANCE_MS);
    let keeps_requests = unit.is_lane() && !record.free();
    let decided_ms = record.marks.decided.map_or(0, TickMs::ms);
    let is_decided_ahead = decided_ms > far_ms && !keeps_requests;
    if !is_decided_ahead && !is_leased_ahead(record, far_ms) {
        return false;
    }
    let Record { marks, run, .. } = record;
    run.granted_at_ms = run.granted_at_ms.min(now_ms);
    run.until_ms = run.until_ms.min(now_ms);
    if keeps_requests {
        return true;
    }
    let to_now = |tick: &mut TickMs| *tick = TickMs(tick.ms().min(now_ms));
    if marks.decided > Some(TickMs(now_ms)) {
        record.waiting.clear();
        record.quarantine_until_ms = 0;
        record.decides = None;
    }
    if run.tick.ms() > now_ms {
        run.takeovers = 0;
    }
    marks.first_seen_ms = marks.first_seen_ms.map(|ms| ms.min(now_ms));
    marks.decided.iter_mut().for_each(to_now);
    marks
        .start
        .iter_mut()
        .for_each(|start| to_now(&mut start.tick));
    to_now(&mut run.tick);
    true
}

/// Whether a clock that was ahead has granted or renewed the run: no claim and no renewal reaches so far.
fn is_leased_ahead(record: &Record, far_ms: i64) -> bool {
    record.running && record.run.until_ms - record.run.lease_ms > far_ms
}

/// Why a job is not forgotten, and nothing of it taken back; `None` if nothing is in the way.
///
/// Nodes are seen before they describe or register anything, so a job that a node is about to have is not forgotten.
pub fn forget_refused(
    meta: &Meta,
    with_job: Vec<String>,
    catalog: &Catalog,
    records: &HashMap<UnitName, Record>,
    request: &ForgetRequest,
    now: Now,
) -> Option<Forgotten> {
    // Also the nodes and the catalog may be forgotten.
    if quarantined(meta, now) {
        return Some(Forgotten::Quarantined(meta.quarantine_until_ms));
    }
    // Nodes of older releases describe nothing.
    let described_ms = catalog.get(&request.job).map(|entry| entry.last_ms);
    if described_ms.is_none() && request.described_ms != 0 {
        return Some(Forgotten::Unknown);
    }
    if !with_job.is_empty() {
        return Some(Forgotten::Lives(with_job));
    }
    if described_ms.unwrap_or_default() != request.described_ms {
        return Some(Forgotten::Described);
    }
    let may_be_ahead = request.what == Forget::MarksAhead;
    let is_active = |unit: &&UnitName| {
        records.get(*unit).is_some_and(|record| {
            let is_excused = may_be_ahead && is_leased_ahead(record, now.ms() + EARLY_TOLERANCE_MS);
            record.running && record.run.until_ms > now.ms() && !is_excused
        })
    };
    let active = request.units.iter().filter(is_active).min();
    active.cloned().map(Forgotten::Running)
}

/// A directive that is stored becomes an empty one: nodes would repeat it if it were deleted. Returns its version now
/// and before; 0 if there was none.
fn empty(meta: &mut Meta, subject: &str, empty: &Directive, now: Now) -> (u64, u64) {
    let Some(before) = meta.directives.get(subject).map(|stored| stored.version) else {
        return (0, 0);
    };
    let version = now.us.max(meta.control_version + 1);
    let directive = Directive {
        version,
        ..empty.clone()
    };
    meta.directives.put(subject, directive);
    meta.control_version = version;
    meta.version = meta.version.max(CONTROL_VERSION);
    (version, before)
}

#[cfg(test)]
mod tests;
