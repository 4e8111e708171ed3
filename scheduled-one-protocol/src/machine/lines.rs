//! What the protocol writes into the ledger.

use super::{Now, Record};
use crate::message::{Caller, Finish, LedgerRecord, Missed, Outcome, Watched, without_place};

pub(super) fn missed_line(missed: &Missed, unit: &str, caller: &Caller, now: Now) -> LedgerRecord {
    LedgerRecord {
        unit: without_place(unit).to_owned(),
        retried: false,
        tick_ms: missed.first_ms,
        last_tick_ms: missed.last_ms,
        count: missed.count,
        outcome: missed.outcome,
        reason: missed.reason.clone(),
        node: caller.name.clone(),
        token: 0,
        attempt: 0,
        fired_at_ms: 0,
        ended_at_ms: now.ms(),
        error: String::new(),
    }
}

pub(super) fn skipped_line(
    unit: &str,
    tick_ms: i64,
    reason: &str,
    caller: &Caller,
    now: Now,
) -> LedgerRecord {
    LedgerRecord {
        unit: without_place(unit).to_owned(),
        retried: false,
        tick_ms,
        last_tick_ms: tick_ms,
        count: 1,
        outcome: Outcome::Skipped,
        reason: reason.to_owned(),
        node: caller.name.clone(),
        token: 0,
        attempt: 0,
        fired_at_ms: 0,
        ended_at_ms: now.ms(),
        error: String::new(),
    }
}

pub(super) fn finished_line(finish: &Finish, outcome: Outcome, caller: &Caller) -> LedgerRecord {
    let reason = if outcome == finish.outcome {
        finish.reason.clone()
    } else {
        format!("reported {} after its lease", finish.outcome)
    };
    LedgerRecord {
        unit: without_place(&finish.run.unit).to_owned(),
        retried: finish.retried && outcome != Outcome::FinishedWithoutLease,
        tick_ms: finish.run.tick_ms,
        last_tick_ms: finish.run.tick_ms,
        count: 1,
        outcome,
        reason,
        node: caller.name.clone(),
        token: finish.run.token,
        attempt: finish.run.attempt,
        fired_at_ms: finish.fired_at_ms,
        ended_at_ms: finish.ended_at_ms,
        error: finish.error.clone(),
    }
}

pub(super) fn lost_line(
    record: &Record,
    watched: &Watched,
    taken_over: bool,
    caller: &Caller,
    now: Now,
) -> LedgerRecord {
    let outcome = match taken_over {
        true => Outcome::TakenOver,
        false => Outcome::Lost,
    };
    LedgerRecord {
        unit: without_place(&watched.unit).to_owned(),
        retried: taken_over,
        tick_ms: record.run.tick_ms,
        last_tick_ms: record.run.tick_ms,
        count: 1,
        outcome,
        reason: format!("no sign of life, seen by {}", caller.name),
        node: record.run.owner.clone(),
        token: record.run.token,
        attempt: record.run.attempt,
        fired_at_ms: record.run.granted_at_ms,
        ended_at_ms: now.ms(),
        error: String::new(),
    }
}
