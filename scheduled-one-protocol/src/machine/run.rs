//! The rules for runs and units: renew, finish, register, write off.

use super::meta::{state_lease, unit_quarantined};
use super::schedule::register_schedule;
use super::{Meta, Now, Record, Waiting};
use crate::ledger::LedgerRecord;
use crate::message::{
    Caller, Finish, Finished, Occasion, OverdueRun, Register, RegisteredUnit, Renew, Renewed,
    WrittenOff,
};
use crate::outcome::Outcome;

/// Extends a lease, or writes back a run that the store forgot.
pub fn renew(record: &mut Record, renew: &Renew, caller: &Caller, now: Now) -> Renewed {
    let run = &renew.run;
    if now.ms() > renew.valid_until_ms {
        return Renewed::Late;
    }
    if record.holds(&run.nonce) {
        record.run.until_ms = record.run.until_ms.max(now.ms() + run.lease_ms);
        record.run.seq += 1;
        // A store that was rolled back may have forgotten attempts of the run.
        record.run.attempt = record.run.attempt.max(run.attempt);
        let until_ms = record.run.until_ms;
        return match (record.run.stop, record.run.stop_why.as_str()) {
            (false, _) => Renewed::Until(until_ms),
            (true, "") => Renewed::Stop(until_ms),
            (true, why) => Renewed::Cancelled {
                until_ms,
                why: why.to_owned(),
            },
        };
    }
    if record.forgot(run) {
        record.readopt(run, &caller.name, now);
        return Renewed::Readopted(record.run.until_ms);
    }
    Renewed::Lost
}

/// Ends a run, or an attempt of it, and records the outcome.
pub fn finish(
    record: &mut Record,
    finish: &Finish,
    caller: &Caller,
    now: Now,
    ledger: &mut Vec<LedgerRecord>,
) -> Finished {
    let recorded = end(record, finish, caller, now, ledger);
    Finished {
        recorded,
        ready: record.ready(),
    }
}

fn end(
    record: &mut Record,
    finish: &Finish,
    caller: &Caller,
    now: Now,
    ledger: &mut Vec<LedgerRecord>,
) -> bool {
    let run = &finish.run;
    let same = record.run.nonce == run.nonce;
    let ended = same && (!record.running || record.run.attempt > run.attempt);
    if ended || record.done == run.nonce {
        return true; // an earlier copy of this request
    }
    let outcome = if record.holds(&run.nonce) {
        finish.outcome
    } else if record.forgot(run) {
        record.readopt(run, &caller.name, now);
        finish.outcome
    } else {
        Outcome::FinishedWithoutLease
    };
    let without_lease = outcome == Outcome::FinishedWithoutLease;
    if record.run.nonce == run.nonce {
        record.running = finish.retried && !without_lease;
        // A store that was rolled back may have forgotten attempts of the run.
        record.run.attempt = record.run.attempt.max(run.attempt) + u32::from(record.running);
    }
    if !finish.retried || without_lease {
        record.done.clone_from(&run.nonce);
    }
    ledger.push(LedgerRecord::finished(finish, outcome, &caller.name));
    !without_lease
}

/// Makes a unit known, and raises its watermarks to what the caller saw. `lives`: whether a node is alive.
pub fn register(
    meta: &Meta,
    record: &mut Record,
    register: &Register,
    caller: &Caller,
    now: Now,
    lives: impl Fn(&str) -> bool,
) -> RegisteredUnit {
    if register.occasion == Occasion::Gone && record.decides.is_none() {
        // Somebody has forgotten the job meanwhile: nothing is stored of it again.
        return RegisteredUnit {
            marks: record.all_marks(),
            decides: None,
        };
    }
    state_lease(meta, record, register.lease_ms, caller, now);
    let started = register.bounds.start.map(|start| start.tick);
    let seen_decided = register.bounds.decided.max(started);
    let seen_ms = register.first_seen_ms.min(now.ms());
    let first_seen_ms = record.marks.first_seen_ms.unwrap_or(seen_ms);
    // Of a unit of which nothing is decided, a tick may be due since the unit was seen first.
    let has_seen_all = seen_decided >= record.marks.decided
        && (seen_decided.is_some() || seen_ms <= first_seen_ms);
    record.raise(&register.bounds);
    record.marks.first_seen_ms = Some(first_seen_ms.min(seen_ms));
    let decided_before = record.decides.as_ref().map(|decides| decides.id);
    register_schedule(meta, record, register, caller, now, lives);
    // A caller that has seen every decision knows when the next tick is due, if its schedule decides; so does one whose
    // schedule decides from now on. What another one believes is too early, and better than nothing.
    let decides = record.decides.as_ref().map(|decides| decides.id);
    let takes_over = decided_before.is_some() && decided_before != decides;
    let knows_due = has_seen_all || takes_over || record.next_due_ms.is_none();
    if knows_due && (decides.is_none() || decides == register.schedule) {
        record.next_due_ms = register.next_due_ms;
    }
    RegisteredUnit {
        marks: record.all_marks(),
        decides: record.decides.clone(),
    }
}

/// Records a run as lost, or queues its takeover. The caller saw the run stand still for nine tenths of its lease, by
/// its own clock.
pub fn write_off(
    meta: &Meta,
    record: &mut Record,
    overdue: &OverdueRun,
    caller: &Caller,
    now: Now,
    ledger: &mut Vec<LedgerRecord>,
) -> WrittenOff {
    let lease_ms = record.run.lease_ms;
    if unit_quarantined(meta, record, lease_ms, caller, now).is_some() {
        return WrittenOff::Quarantined;
    }
    let run = &record.run;
    let same = record.running && run.nonce == overdue.nonce && run.seq == overdue.seq;
    if !same || run.until_ms > now.ms() {
        return WrittenOff::Changed;
    }
    // A run that had to make room does not come back. Nor does a run that a later tick has followed: the record was
    // rolled back behind its end.
    let newest = record.newest_start();
    let followed = newest.is_some_and(|start| start.tick > run.tick);
    // A takeover that a rollback of the record lost was one, too.
    let same_tick = newest.filter(|start| start.tick == run.tick);
    let made = same_tick.map_or(0, |start| start.attempt.saturating_sub(run.attempt));
    let takeovers = run.takeovers.saturating_sub(made);
    let taken_over = takeovers > 0 && !run.stop && !followed;
    ledger.push(LedgerRecord::lost(
        &overdue.unit,
        run,
        taken_over,
        &caller.name,
        now.ms(),
    ));
    record.running = false;
    record.run.nonce.clear();
    // From now on the store refuses the old run: its token is lower than the stored one.
    record.marks.token = record.marks.token.next();
    if !taken_over {
        return WrittenOff::Lost;
    }
    record.waiting.push_front(Waiting {
        tick: record.run.tick,
        attempt: newest.map_or(0, |start| start.attempt) + 1,
        takeovers: takeovers - 1,
    });
    WrittenOff::TakenOver
}

#[cfg(test)]
mod tests;
