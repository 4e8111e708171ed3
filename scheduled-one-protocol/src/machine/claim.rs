//! Decides ticks: the rules of a claim, in their order.

use std::collections::VecDeque;

use super::lines::{missed_line, skipped_line};
use super::{Meta, Now, Record, Waiting, quarantined};
use crate::message::{
    Caller, Claim, Claimed, EARLY_TOLERANCE_MS, Intent, LATE_MS, LedgerRecord, Missed, Outcome,
    Overlap, RunId, Started, Verdict, Watched, place_of,
};

/// A unit and its places: the records in which runs go side by side where
/// [`Overlap::Allow`] lets them. Elsewhere there are none, and runs go in the
/// unit's own record.
#[derive(Debug)]
pub struct Unit<'a> {
    /// The unit's own record.
    pub record: &'a mut Record,
    /// Its places, the first of them number 1.
    pub places: &'a mut [Record],
}

/// Decides one tick.
pub fn claim(
    meta: &Meta,
    unit: &mut Unit<'_>,
    claim: &Claim,
    caller: &Caller,
    now: Now,
    ledger: &mut Vec<LedgerRecord>,
) -> Claimed {
    unit.record
        .raise(claim.floor_hwm_ms, claim.floor_token, claim.floor_started);
    let verdict = match granted_before(unit, claim) {
        Some(granted) => granted,
        None if now.ms() > claim.valid_until_ms => Verdict::Late,
        None if quarantined(meta, now) => Verdict::Quarantined,
        None if claim.intent == Intent::Next => next(unit.record, claim, caller, now, ledger),
        None => decide(unit, claim, caller, now, ledger),
    };
    let mut marks = unit.record.all_marks();
    if marks.token <= claim.floor_token {
        marks.started = Started::default(); // each start has a token: no news
    }
    Claimed {
        marks,
        ready: unit.record.ready(),
        verdict,
    }
}

/// A repeated claim is answered as before: it must not claim twice.
fn granted_before(unit: &Unit<'_>, claim: &Claim) -> Option<Verdict> {
    let records = std::iter::once(&*unit.record).chain(unit.places.iter());
    let (place, record) = records
        .enumerate()
        .find(|(_, record)| record.holds(&claim.nonce))?;
    Some(granted(record, place))
}

fn granted(record: &Record, place: usize) -> Verdict {
    Verdict::Granted {
        tick_ms: record.run.tick_ms,
        token: record.run.token,
        until_ms: record.run.until_ms,
        attempt: record.run.attempt,
        place: place as u32,
    }
}

fn decide(
    unit: &mut Unit<'_>,
    claim: &Claim,
    caller: &Caller,
    now: Now,
    ledger: &mut Vec<LedgerRecord>,
) -> Verdict {
    let decided_to_ms = unit.record.marks.decided_to_ms();
    if claim.due_ms > now.ms() + EARLY_TOLERANCE_MS {
        return Verdict::Early {
            by_ms: claim.due_ms - now.ms(),
        };
    }
    if claim.tick_ms <= decided_to_ms {
        return Verdict::Decided {
            owner: unit.record.run.owner.clone(),
        };
    }
    if decided_to_ms > 0 && claim.after_ms != decided_to_ms {
        return Verdict::Moved;
    }
    let free = free_place(unit);
    if free.is_none() && claim.intent != Intent::Forgo {
        if claim.due_ms > now.ms() {
            // Claimed ahead: whether it overlaps shows when it is due.
            return Verdict::Early {
                by_ms: claim.due_ms - now.ms(),
            };
        }
        if let Some(stale) = stale_place(unit, claim, now) {
            return Verdict::Stale(stale);
        }
        if claim.intent == Intent::CatchUp && catches_up(unit, claim, now) {
            return Verdict::Busy;
        }
    }
    // From here on the tick is decided.
    if let Some(missed) = &claim.missed {
        ledger.push(missed_line(missed, &claim.unit, caller, now));
    }
    unit.record.marks.hwm_ms = claim.tick_ms;
    match free {
        _ if claim.intent == Intent::Forgo => Verdict::Forgone,
        Some(place) => grant(unit, place, claim, caller, now),
        None => overlap(unit.record, claim, caller, now, ledger),
    }
}

/// In which place a run can start: 0 is the unit itself.
fn free_place(unit: &Unit<'_>) -> Option<usize> {
    if !unit.record.free() {
        return None;
    }
    if unit.places.is_empty() {
        return Some(0);
    }
    let free = unit.places.iter().position(Record::free)?;
    Some(free + 1)
}

/// A run in the way that nobody renews any more.
fn stale_place(unit: &Unit<'_>, claim: &Claim, now: Now) -> Option<Watched> {
    let records = std::iter::once(&*unit.record).chain(unit.places.iter());
    let (place, record) = records.enumerate().find(|(_, record)| record.stale(now))?;
    Some(record.watched(&place_of(&claim.unit, place as u32)))
}

/// The tick is late, or what is in its way was.
fn catches_up(unit: &Unit<'_>, claim: &Claim, now: Now) -> bool {
    let late_run =
        |record: &Record| record.running && record.run.granted_at_ms - record.run.tick_ms > LATE_MS;
    now.ms() - claim.due_ms > LATE_MS || late_run(unit.record) || unit.places.iter().any(late_run)
}

/// The tick is decided and the unit is busy.
fn overlap(
    record: &mut Record,
    claim: &Claim,
    caller: &Caller,
    now: Now,
    ledger: &mut Vec<LedgerRecord>,
) -> Verdict {
    let waits = Waiting {
        tick_ms: claim.tick_ms,
        attempt: 1,
        reruns: claim.reruns,
    };
    let reason = match claim.overlap {
        Overlap::Queue(most) if record.ticks_waiting() < most as usize => {
            record.waiting.push_back(waits);
            return Verdict::Queued;
        }
        Overlap::CancelRunning => {
            // What was taken over goes on; a tick that waited gives way.
            let (kept, gone) = record.waiting.drain(..).partition(|old| old.attempt > 1);
            record.waiting = kept;
            let gone: VecDeque<Waiting> = gone;
            for old in gone {
                let line = skipped_line(&claim.unit, old.tick_ms, "superseded", caller, now);
                ledger.push(line);
            }
            record.run.stop = record.running;
            record.waiting.push_back(waits);
            return Verdict::Queued;
        }
        Overlap::Queue(_) => "queue full",
        Overlap::Skip | Overlap::Allow(_) => "overlap",
    };
    ledger.push(skipped_line(
        &claim.unit,
        claim.tick_ms,
        reason,
        caller,
        now,
    ));
    Verdict::Skipped
}

/// Starts what waits.
fn next(
    record: &mut Record,
    claim: &Claim,
    caller: &Caller,
    now: Now,
    ledger: &mut Vec<LedgerRecord>,
) -> Verdict {
    if record.stale(now) {
        return Verdict::Stale(record.watched(&claim.unit));
    }
    if record.running {
        return Verdict::Busy;
    }
    if record.run.nonce == claim.nonce || record.done == claim.nonce {
        // A copy of this claim was under way for longer than its run took.
        return Verdict::Nothing;
    }
    while let Some(waiting) = record.waiting.pop_front() {
        if waiting.attempt == 1 && waiting.tick_ms < claim.tick_ms {
            let missed = Missed {
                first_ms: waiting.tick_ms,
                last_ms: waiting.tick_ms,
                count: 1,
                outcome: Outcome::Missed,
                reason: "waited past its start deadline".to_owned(),
            };
            ledger.push(missed_line(&missed, &claim.unit, caller, now));
            continue;
        }
        let run = RunId {
            tick_ms: waiting.tick_ms,
            attempt: waiting.attempt,
            reruns: waiting.reruns,
            ..run_of(claim, record.marks.token, now)
        };
        record.start(&run, &caller.name, now);
        return granted(record, 0);
    }
    Verdict::Nothing
}

fn grant(unit: &mut Unit<'_>, place: usize, claim: &Claim, caller: &Caller, now: Now) -> Verdict {
    // What is taken over in a place takes tokens that the unit does not see.
    let tokens = unit.places.iter().map(|place| place.marks.token);
    let newest = tokens.fold(unit.record.marks.token, u64::max);
    let run = run_of(claim, newest, now);
    unit.record.marks.token = run.token;
    let record = match place {
        0 => &mut *unit.record,
        _ => &mut unit.places[place - 1],
    };
    record.start(&run, &caller.name, now);
    granted(record, place)
}

fn run_of(claim: &Claim, token: u64, now: Now) -> RunId {
    RunId {
        unit: claim.unit.clone(),
        tick_ms: claim.tick_ms,
        nonce: claim.nonce.clone(),
        token: (token + 1).max(now.us),
        attempt: 1,
        lease_ms: claim.lease_ms,
        granted_at_ms: now.ms(),
        reruns: claim.reruns,
    }
}
