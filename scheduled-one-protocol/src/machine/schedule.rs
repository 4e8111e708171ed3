//! One schedule at a time decides the ticks of a unit: the one that was registered last.

use super::damage::MAX_AHEAD_MS;
use super::meta::unit_quarantined;
use super::{Meta, Now, Record};
use crate::message::{Caller, Occasion, Register};
use crate::schedule::{DecidingSchedule, ScheduleId};
use crate::value::TickMs;

/// Takes a registration into account: first what its node saw of other registrations, then its own.
pub(super) fn register_schedule(
    meta: &Meta,
    record: &mut Record,
    register: &Register,
    caller: &Caller,
    now: Now,
    lives: impl Fn(&str) -> bool,
) {
    if let Some(seen) = &register.decides {
        merge(record, seen, now);
    }
    let Some(id) = register.schedule else {
        return;
    };
    // The heartbeats of all nodes are forgotten, too.
    let is_quarantined =
        || unit_quarantined(meta, record, register.lease_ms, caller, now).is_some();
    let takes_over = match (register.occasion, &record.decides) {
        (Occasion::Start { valid_until_ms }, decides) => {
            let gives_way = |decides: &DecidingSchedule| {
                let is_other = decides.id != id && decides.id != ScheduleId::NONE;
                is_other && decides.generation > register.generation
            };
            now.ms() <= valid_until_ms && !decides.as_ref().is_some_and(gives_way)
        }
        // A unit that nobody has registered cannot go.
        (Occasion::Gone, None) => return,
        (Occasion::Again, _) | (Occasion::Succession, None) => false,
        (Occasion::Succession, Some(decides)) => {
            let is_free = decides.id == ScheduleId::NONE
                || *decides.node == *caller.node
                || decides.generation < register.generation
                || !lives(&decides.node);
            is_free && !is_quarantined()
        }
        // A node that has the job may have started since.
        (Occasion::Gone, Some(decides)) => {
            register.decides.as_ref() == Some(decides) && !is_quarantined()
        }
    };
    let own = (id, register.generation);
    decide(record, own, takes_over, caller, now);
}

/// A node with this schedule registers a unit; `takes_over`: its schedule decides from now on.
fn decide(
    record: &mut Record,
    (id, mut generation): (ScheduleId, u32),
    takes_over: bool,
    caller: &Caller,
    now: Now,
) {
    let (before_ms, since_ms) = match &record.decides {
        None => (0, 0),
        Some(_) if !takes_over => return,
        Some(decides) if decides.id == id => {
            generation = generation.max(decides.generation);
            (decides.registered_ms, decides.since_ms)
        }
        Some(decides) => {
            // Ticks of this schedule from before were never ticks of the job.
            record.marks.decided = record.marks.decided.max(Some(TickMs(now.ms())));
            (decides.registered_ms, now.ms())
        }
    };
    record.decides = Some(DecidingSchedule {
        id,
        // Also if the store's clock went back since. Nothing bounds what somebody edited.
        registered_ms: now.ms().max(before_ms.saturating_add(1)),
        since_ms,
        node: caller.node.as_str().into(),
        generation,
    });
}

/// Another node saw this schedule decide, perhaps in what the store forgot: the later registration counts.
fn merge(record: &mut Record, seen: &DecidingSchedule, now: Now) {
    let far_ms = now.ms() + MAX_AHEAD_MS - 1;
    let seen = DecidingSchedule {
        registered_ms: seen.registered_ms.min(far_ms),
        since_ms: seen.since_ms.min(far_ms),
        ..seen.clone()
    };
    let Some(here) = record.decides.clone() else {
        record.decides = Some(seen);
        return;
    };
    let order = |schedule: &DecidingSchedule| (schedule.registered_ms, schedule.id);
    let (mut newer, older) = match order(&seen) > order(&here) {
        true => (seen, here),
        false => (here, seen),
    };
    if newer.id == older.id {
        newer.since_ms = newer.since_ms.max(older.since_ms);
    } else {
        if newer.since_ms == 0 {
            newer.since_ms = newer.registered_ms;
        }
        // Nothing from before the newer one took the place of the older is run.
        let since_ms = newer.since_ms.min(now.ms());
        record.marks.decided = record.marks.decided.max(Some(TickMs(since_ms)));
    }
    record.decides = Some(newer);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registration_that_somebody_edited_is_followed_by_others() {
        let now = Now { us: 7_000_000 };
        let caller = Caller {
            node: "new".to_owned(),
            name: "new".to_owned(),
            quarantine_ms: 0,
            margin_ms: 0,
            ledger_limit: 9,
            buckets: 1,
        };
        let mut record = Record {
            decides: DecidingSchedule::parse("00000000000000ab:9223372036854775807:0:old"),
            ..Record::default()
        };
        let new = ScheduleId(0xcd);
        decide(&mut record, (new, 0), true, &caller, now);
        let decides = record.decides.unwrap();
        assert_eq!((decides.id, &*decides.node), (new, "new"));
    }
}
