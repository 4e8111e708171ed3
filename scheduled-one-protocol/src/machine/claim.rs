//! Decides ticks: the rules of a claim, in their order.

use std::collections::VecDeque;

use super::meta::unit_quarantined;
use super::{Meta, Now, Record, Waiting};
use crate::ledger::LedgerRecord;
use crate::message::{
    Caller, Cause, Claim, Claimed, DueTick, EARLY_TOLERANCE_MS, Grant, Intent, LATE_MS, Missed,
    OverdueRun, Overlap, RunId, Target, Verdict,
};
use crate::outcome::{Outcome, SkipReason};
use crate::unit::UnitName;
use crate::value::{FencingToken, TickMs};

/// The records of a unit: its own, and those of its slots, in which runs go on at the same time where
/// [`Overlap::Allow`] lets them. A unit without slots runs in its own record.
#[derive(Debug)]
pub struct UnitRecords<'a> {
    /// The unit's own record.
    pub own: &'a mut Record,
    /// The records of its slots; the first has the number 1.
    pub slots: &'a mut [Record],
    /// The record of its lane, if the claim takes it into account.
    pub lane: Option<&'a mut Record>,
}

impl UnitRecords<'_> {
    /// All records by slot number; 0 is the unit itself. Not its lane.
    pub(super) fn all(&self) -> impl Iterator<Item = (u32, &Record)> {
        let slots = (1..).zip(self.slots.iter());
        std::iter::once((0, &*self.own)).chain(slots)
    }
}

/// Decides one tick.
pub fn claim(
    meta: &Meta,
    unit: &mut UnitRecords<'_>,
    claim: &Claim,
    caller: &Caller,
    now: Now,
    ledger: &mut Vec<LedgerRecord>,
) -> Claimed {
    unit.own.raise(&claim.bounds);
    unit.merge_lane();
    let verdict = match granted_before(unit, claim) {
        Some(grant) => Verdict::Granted(grant),
        None if now.ms() > claim.valid_until_ms => Verdict::Late,
        None => match unit_quarantined(meta, unit.own, claim.lease_ms, caller, now) {
            Some(until_ms) => Verdict::Quarantined { until_ms },
            None => match (&claim.target, forbidden(meta, unit.own, claim, now)) {
                (_, Some(verdict)) => verdict,
                (Target::Queued { oldest }, None) => {
                    next(unit, claim, *oldest, caller, now, ledger)
                }
                (Target::Tick(due), None) => decide(unit, claim, due, caller, now, ledger),
            },
        },
    };
    let mut marks = unit.own.all_marks();
    if marks.token <= claim.bounds.token {
        marks.start = None; // each start has a token of its own, so there is no newer start
    }
    Claimed {
        marks,
        // What waits for a run in the lane is named by heartbeats.
        ready: unit.own.ready() && verdict != Verdict::Busy && verdict != Verdict::Lane,
        verdict,
    }
}

/// The verdict if directives keep the claim from deciding anything. The run that goes on is not concerned, and neither
/// are its takeovers, which wait in front of the queue.
fn forbidden(meta: &Meta, record: &Record, claim: &Claim, now: Now) -> Option<Verdict> {
    let in_force = meta.directives.in_force(claim.unit.job(), now.ms());
    match claim.target {
        Target::Queued { .. } => {
            let of_schedule = record.waiting.front().is_some_and(|one| one.attempt == 1);
            (in_force.paused && of_schedule).then_some(Verdict::Paused)
        }
        Target::Tick(_) if in_force.paused => Some(Verdict::Paused),
        Target::Tick(_) => (claim.control != in_force.version).then_some(Verdict::Moved),
    }
}

/// A repeated claim gets the same answer as before: it must not claim twice.
fn granted_before(unit: &UnitRecords<'_>, claim: &Claim) -> Option<Grant> {
    let (slot, record) = unit.all().find(|(_, record)| record.holds(&claim.nonce))?;
    Some(grant_of(record, in_slot(&claim.unit, slot)))
}

/// A claim from the queue of a slot names the slot itself.
fn in_slot(unit: &UnitName, slot: u32) -> UnitName {
    match slot {
        0 => unit.clone(),
        _ => unit.with_slot(slot),
    }
}

pub(super) fn grant_of(record: &Record, unit: UnitName) -> Grant {
    Grant {
        unit,
        tick: record.run.tick,
        token: record.run.token,
        until_ms: record.run.until_ms,
        attempt: record.run.attempt,
    }
}

fn decide(
    unit: &mut UnitRecords<'_>,
    claim: &Claim,
    due: &DueTick,
    caller: &Caller,
    now: Now,
    ledger: &mut Vec<LedgerRecord>,
) -> Verdict {
    if let (Some(own), Some(decides)) = (claim.schedule, &unit.own.decides)
        && decides.id != own
    {
        return Verdict::OtherSchedule(decides.clone());
    }
    let decided_to = unit.own.marks.decided_to();
    let ahead_ms = due.due_ms - now.ms();
    if ahead_ms > EARLY_TOLERANCE_MS {
        return Verdict::Early { by_ms: ahead_ms };
    }
    // No schedule has a tick at or before the epoch.
    if due.tick <= decided_to.unwrap_or_default() {
        return Verdict::Decided {
            owner: unit.own.run.owner.clone(),
        };
    }
    if decided_to.is_some() && due.after != decided_to {
        return Verdict::Conflict;
    }
    if unit.needs_lane() && due.intent != Intent::MarkMissed {
        return Verdict::Lane;
    }
    let free = free_slot(unit, usize::from(unit.lane_blocks()));
    if free.is_none() && due.intent != Intent::MarkMissed {
        if ahead_ms > 0 {
            // Claimed ahead: whether the tick overlaps with the run shows when it is due.
            return Verdict::Early { by_ms: ahead_ms };
        }
        if let Some(stale) = stale_run(unit, claim, now) {
            return Verdict::Stale(stale);
        }
        let catches_up = due.intent == Intent::CatchUp && catches_up(unit, due, now);
        if catches_up || waits_for_backfill(unit, due) {
            return Verdict::Busy;
        }
    }
    // From here on the tick is decided.
    if let Some(missed) = &due.missed {
        ledger.push(LedgerRecord::missed(
            &claim.unit,
            missed,
            &caller.name,
            now.ms(),
        ));
    }
    unit.own.marks.decided = Some(due.tick);
    unit.own.next_due_ms = due.next_due_ms;
    match free {
        _ if due.intent == Intent::MarkMissed => Verdict::MarkedMissed,
        Some(slot) => Verdict::Granted(grant(unit, slot, claim, due, caller, now)),
        None => {
            if let (Overlap::CancelRunning, Some(lane)) = (due.overlap, &mut unit.lane) {
                lane.run.stop |= lane.blocks();
            }
            overlap(unit.own, claim, due, caller, now, ledger)
        }
    }
}

/// The slot in which a run can start while so many runs in the lane are in its way: 0 is the unit itself.
fn free_slot(unit: &UnitRecords<'_>, in_lane: usize) -> Option<usize> {
    if !unit.own.free() {
        return None;
    }
    if unit.slots.is_empty() {
        return (in_lane == 0).then_some(0);
    }
    let mut free = (1..).zip(unit.slots.iter()).filter(|(_, slot)| slot.free());
    // A run in the lane is one of those that may go on at the same time.
    let found = free.next().map(|(slot, _)| slot)?;
    (free.count() + 1 > in_lane).then_some(found)
}

/// A run in the way whose lease has ended.
fn stale_run(unit: &UnitRecords<'_>, claim: &Claim, now: Now) -> Option<OverdueRun> {
    if let Some((slot, record)) = unit.all().find(|(_, record)| record.stale(now)) {
        return Some(record.overdue_run(&in_slot(&claim.unit, slot)));
    }
    unit.stale_in_lane(&claim.unit, now)
}

/// Only a run of a backfill is in the way of a tick that would be skipped: ticks of the schedule go first, so it waits.
fn waits_for_backfill(unit: &UnitRecords<'_>, due: &DueTick) -> bool {
    let is_skipped = matches!(due.overlap, Overlap::Skip | Overlap::Allow(_));
    let lane = unit.lane.as_deref().filter(|lane| lane.blocks());
    let origin = lane.and_then(|lane| lane.run.origin.as_ref());
    let is_backfill = origin.is_some_and(|origin| origin.cause == Cause::Backfill);
    is_skipped && is_backfill && free_slot(unit, 0).is_some()
}

/// The tick is late, or the run in its way started late.
fn catches_up(unit: &UnitRecords<'_>, due: &DueTick, now: Now) -> bool {
    let is_late = |record: &Record| {
        record.running && record.run.granted_at_ms - record.run.tick.ms() > LATE_MS
    };
    now.ms() - due.due_ms > LATE_MS || unit.all().any(|(_, record)| is_late(record))
}

/// The tick is decided and the unit is busy.
fn overlap(
    record: &mut Record,
    claim: &Claim,
    due: &DueTick,
    caller: &Caller,
    now: Now,
    ledger: &mut Vec<LedgerRecord>,
) -> Verdict {
    let waiting = Waiting {
        tick: due.tick,
        attempt: 1,
        takeovers: claim.takeovers,
    };
    let mut skip = |tick: TickMs, reason: SkipReason| {
        ledger.push(LedgerRecord::skipped(
            &claim.unit,
            tick,
            reason,
            &caller.name,
            now.ms(),
        ))
    };
    match due.overlap {
        Overlap::Queue(most) if record.ticks_waiting() < most as usize => {
            record.waiting.push_back(waiting);
            Verdict::Queued
        }
        Overlap::CancelRunning => {
            // A takeover goes on; a tick that waited gives way.
            let (kept, gone): (VecDeque<Waiting>, VecDeque<Waiting>) =
                record.waiting.drain(..).partition(|old| old.attempt > 1);
            record.waiting = kept;
            gone.iter()
                .for_each(|old| skip(old.tick, SkipReason::Superseded));
            record.run.stop = record.running;
            record.waiting.push_back(waiting);
            Verdict::Queued
        }
        Overlap::Queue(_) | Overlap::Skip | Overlap::Allow(_) => {
            skip(due.tick, due.overlap.skip_reason());
            Verdict::Skipped
        }
    }
}

/// Starts what waits.
fn next(
    unit: &mut UnitRecords<'_>,
    claim: &Claim,
    oldest: TickMs,
    caller: &Caller,
    now: Now,
    ledger: &mut Vec<LedgerRecord>,
) -> Verdict {
    if unit.own.stale(now) {
        return Verdict::Stale(unit.own.overdue_run(&claim.unit));
    }
    if unit.own.running {
        return Verdict::Busy;
    }
    if unit.needs_lane() {
        return Verdict::Lane;
    }
    if let Some(stale) = unit.stale_in_lane(&claim.unit, now) {
        return Verdict::Stale(stale);
    }
    if unit.lane_blocks() {
        return Verdict::Busy;
    }
    let record = &mut *unit.own;
    if record.run.nonce == claim.nonce || record.done == claim.nonce {
        // A copy of this claim arrived after the end of its run.
        return Verdict::QueueEmpty;
    }
    while let Some(waiting) = record.waiting.pop_front() {
        if waiting.attempt == 1 && waiting.tick < oldest {
            let missed = Missed {
                first: waiting.tick,
                last: waiting.tick,
                count: 1,
                outcome: Outcome::Missed,
                reason: "waited past its start deadline".to_owned(),
            };
            ledger.push(LedgerRecord::missed(
                &claim.unit,
                &missed,
                &caller.name,
                now.ms(),
            ));
            continue;
        }
        let run = RunId {
            attempt: waiting.attempt,
            takeovers: waiting.takeovers,
            ..run_of(claim, waiting.tick, record.marks.token, now)
        };
        record.start(&run, &caller.name, now);
        return Verdict::Granted(grant_of(record, claim.unit.clone()));
    }
    Verdict::QueueEmpty
}

fn grant(
    unit: &mut UnitRecords<'_>,
    slot: usize,
    claim: &Claim,
    due: &DueTick,
    caller: &Caller,
    now: Now,
) -> Grant {
    // A takeover in a slot uses tokens that the unit's own record does not have.
    let tokens = unit.all().map(|(_, record)| record.marks.token);
    let newest = tokens.max().unwrap_or_default();
    let run = run_of(claim, due.tick, newest, now);
    unit.own.marks.token = run.token;
    let record = match slot {
        0 => &mut *unit.own,
        _ => &mut unit.slots[slot - 1],
    };
    record.start(&run, &caller.name, now);
    grant_of(record, in_slot(&claim.unit, slot as u32))
}

/// The run that starts for the claim, with a token above `token`.
fn run_of(claim: &Claim, tick: TickMs, token: FencingToken, now: Now) -> RunId {
    RunId {
        unit: claim.unit.clone(),
        tick,
        nonce: claim.nonce.clone(),
        token: token.next().max(FencingToken(now.us)),
        attempt: 1,
        lease_ms: claim.lease_ms,
        granted_at_ms: now.ms(),
        takeovers: claim.takeovers,
        origin: None,
    }
}
