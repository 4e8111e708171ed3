//! The lane of a unit: runs that somebody asked for. Its record is like that of a slot; its ticks are the instants of
//! the requests, so that no request is on the axis of the schedule.

use std::collections::BTreeSet;

use super::claim::{UnitRecords, grant_of};
use super::meta::unit_quarantined;
use super::{CONTROL_VERSION, Meta, Now, Record, Waiting};
use crate::ledger::LedgerRecord;
use crate::message::{
    Asked, Caller, Cancel, Cancelled, Claimed, LowerBounds, MAX_WAITING_REQUESTS, OnBusy, Origin,
    OverdueRun, Overlap, Request, RunId, Take, Taken, Verdict,
};
use crate::outcome::{Outcome, SkipReason};
use crate::trail::TrailEntry;
use crate::unit::UnitName;
use crate::value::{FencingToken, TickMs};

impl Record {
    /// Of a lane: a run is active that ticks of the schedule have to wait for.
    pub(super) fn blocks(&self) -> bool {
        let beside = self.run.origin.as_ref().is_some_and(|origin| origin.beside);
        self.running && !beside
    }

    /// Of a lane: the ticks that wait or run.
    pub(crate) fn open_ticks(&self) -> BTreeSet<TickMs> {
        let waiting = self.waiting.iter().map(|waiting| waiting.tick);
        waiting
            .chain(self.running.then_some(self.run.tick))
            .collect()
    }

    /// Of a lane: a request was granted at `granted`, and its id waits once more, because the store had forgotten it
    /// when somebody asked again. Returns whether it waited.
    pub(crate) fn forget_repetition(&mut self, asked_again: TickMs, granted: TickMs) -> bool {
        let before = self.waiting.len();
        let is_it = |waiting: &Waiting| waiting.tick == asked_again && waiting.attempt == 1;
        if asked_again != granted {
            self.waiting.retain(|waiting| !is_it(waiting));
        }
        self.waiting.len() < before
    }

    /// Of a lane: the tick of the run, or of what waits in front for somebody who saw this much.
    pub(crate) fn first_tick(&self, bounds: &LowerBounds) -> Option<TickMs> {
        if self.running {
            return Some(self.run.tick);
        }
        let mut raised = self.clone();
        raised.raise(bounds);
        raised.waiting.front().map(|waiting| waiting.tick)
    }
}

impl UnitRecords<'_> {
    /// Takes what the claim brought of the lane into account: tokens increase over unit and lane together. An empty
    /// lane is left out from the next claim on. (While a run of the unit is active, its token has to stay the highest
    /// of its record, see [`Record::holds`].)
    pub(super) fn merge_lane(&mut self) {
        let Some(lane) = self.lane.as_deref() else {
            return;
        };
        if !self.own.running {
            self.own.marks.token = self.own.marks.token.max(lane.marks.token);
            self.own.has_lane &= !lane.free();
        }
    }

    /// The claim has to bring the lane.
    pub(super) fn needs_lane(&self) -> bool {
        self.own.has_lane && self.lane.is_none()
    }

    /// A run in the lane is in the way of ticks.
    pub(super) fn lane_blocks(&self) -> bool {
        self.lane.as_deref().is_some_and(Record::blocks)
    }

    /// The run in the lane, if it is in the way and its lease has ended.
    pub(super) fn stale_in_lane(&self, unit: &UnitName, now: Now) -> Option<OverdueRun> {
        let lane = self.lane.as_deref()?;
        (lane.blocks() && lane.stale(now)).then(|| lane.overdue_run(&unit.lane()))
    }

    /// The highest token that any record has.
    fn highest_token(&self) -> FencingToken {
        let records = self
            .all()
            .map(|(_, record)| record)
            .chain(self.lane.as_deref());
        records
            .map(|record| record.marks.token)
            .max()
            .unwrap_or_default()
    }
}

/// A request waits: from here on, nodes that know nothing of lanes would not see its run, and start ticks next to it.
pub fn note_lanes(meta: &mut Meta) {
    meta.version = meta.version.max(CONTROL_VERSION);
}

/// Lets a request wait in the lane, if none with its id was known: `known` is the tick of that one.
pub fn ask(own: &mut Record, lane: &mut Record, known: Option<TickMs>, now: Now) -> Asked {
    if let Some(tick) = known {
        return Asked::Known { tick };
    }
    if lane.waiting.len() >= MAX_WAITING_REQUESTS {
        return Asked::Full;
    }
    let after_ms = lane.marks.decided.map_or(0, TickMs::ms);
    let tick = TickMs(now.ms().max(after_ms + 1));
    lane.marks.decided = Some(tick);
    lane.waiting.push_back(Waiting {
        tick,
        attempt: 1,
        takeovers: 0, // the policy comes with the claim
    });
    own.has_lane = true;
    Asked::Queued { tick }
}

/// Starts the first request of a lane. `first` is the request of the first tick that waits, with that tick, if it is
/// stored.
pub fn take(
    meta: &Meta,
    unit: &mut UnitRecords<'_>,
    first: Option<&(TickMs, Request)>,
    take: &Take,
    caller: &Caller,
    now: Now,
    ledger: &mut Vec<LedgerRecord>,
) -> Taken {
    let Some(lane) = unit.lane.as_deref_mut() else {
        return taken(&Record::default(), take, Verdict::QueueEmpty, None);
    };
    lane.raise(&take.bounds);
    let of_tick = |tick: TickMs| {
        first
            .filter(|(at, _)| *at == tick)
            .map(|(_, request)| request)
    };
    let of_unit = unit_quarantined(meta, unit.own, take.lease_ms, caller, now);
    let quarantined = of_unit.max(unit_quarantined(meta, lane, take.lease_ms, caller, now));
    let verdict = if lane.holds(&take.nonce) {
        Verdict::Granted(grant_of(lane, take.lane.clone()))
    } else if now.ms() > take.valid_until_ms {
        Verdict::Late
    } else if let Some(until_ms) = quarantined {
        Verdict::Quarantined { until_ms }
    } else {
        next(meta, unit, of_tick, take, caller, now, ledger)
    };
    let lane = unit.lane.as_deref().cloned().unwrap_or_default();
    let request = match &verdict {
        Verdict::Granted(grant) => of_tick(grant.tick).cloned(),
        _ => None,
    };
    taken(&lane, take, verdict, request)
}

fn taken(lane: &Record, take: &Take, verdict: Verdict, request: Option<Request>) -> Taken {
    let mut marks = lane.all_marks();
    if marks.token <= take.bounds.token {
        marks.start = None;
    }
    let claimed = Claimed {
        marks,
        // What waits for a run of the unit is named by heartbeats.
        ready: lane.ready() && verdict != Verdict::Busy,
        verdict,
    };
    Taken { claimed, request }
}

fn next<'r>(
    meta: &Meta,
    unit: &mut UnitRecords<'_>,
    of_tick: impl Fn(TickMs) -> Option<&'r Request>,
    take: &Take,
    caller: &Caller,
    now: Now,
    ledger: &mut Vec<LedgerRecord>,
) -> Verdict {
    let token = unit.highest_token();
    let paused = meta.directives.in_force(take.lane.job(), now.ms()).paused;
    let busy = is_busy(unit, take.overlap, paused);
    let blocking = unit.all().find(|(_, record)| record.stale(now));
    let blocking = blocking.map(|(slot, record)| record.overdue_run(&take.lane.with_slot(slot)));
    let Some(lane) = unit.lane.as_deref_mut() else {
        return Verdict::QueueEmpty;
    };
    if lane.stale(now) {
        return Verdict::Stale(lane.overdue_run(&take.lane));
    }
    if lane.running {
        return Verdict::Busy;
    }
    if lane.run.nonce == take.nonce || lane.done == take.nonce {
        // A copy of this claim arrived after the end of its run.
        return Verdict::QueueEmpty;
    }
    let Some(waiting) = lane.waiting.front().copied() else {
        return Verdict::QueueEmpty;
    };
    let Some(request) = of_tick(waiting.tick) else {
        lane.waiting.pop_front(); // somebody deleted it, or the store forgot it and only its run was written back
        ledger.extend(forgotten(lane, &waiting, &take.lane, caller, now));
        return Verdict::QueueEmpty;
    };
    let on_busy = request.on_busy.unwrap_or(OnBusy::of_job(take.overlap));
    let beside = request.runs_beside(take.overlap);
    let origin = request.origin(waiting.tick, beside);
    if busy && !beside {
        if let Some(stale) = blocking {
            return Verdict::Stale(stale);
        }
        return held_up(unit, take, &origin, on_busy, caller, now, ledger);
    }
    lane.waiting.pop_front();
    let run = RunId {
        unit: take.lane.clone(),
        tick: waiting.tick,
        nonce: take.nonce.clone(),
        token: token.next().max(FencingToken(now.us)),
        attempt: waiting.attempt,
        lease_ms: take.lease_ms,
        granted_at_ms: now.ms(),
        takeovers: match waiting.attempt {
            1 => take.takeovers,
            _ => waiting.takeovers,
        },
        origin: Some(origin),
    };
    lane.start(&run, &caller.name, now);
    unit.own.has_lane = true;
    let granted = unit
        .lane
        .as_deref()
        .map(|lane| grant_of(lane, take.lane.clone()));
    granted.map_or(Verdict::QueueEmpty, Verdict::Granted)
}

/// The line of a takeover whose request is not stored: what the run in the lane says of it.
fn forgotten(
    lane: &Record,
    waiting: &Waiting,
    name: &UnitName,
    caller: &Caller,
    now: Now,
) -> Option<LedgerRecord> {
    let is_takeover = waiting.attempt > 1 && lane.run.tick == waiting.tick;
    let origin = lane.run.origin.as_ref().filter(|_| is_takeover)?;
    let (node, ends) = (&caller.name, Outcome::Lost);
    let line = LedgerRecord::request_ended(name, origin, ends, "", node, now.ms());
    Some(line)
}

/// The verdict on the first request of a lane whose unit is busy.
fn held_up(
    unit: &mut UnitRecords<'_>,
    take: &Take,
    origin: &Origin,
    on_busy: OnBusy,
    caller: &Caller,
    now: Now,
    ledger: &mut Vec<LedgerRecord>,
) -> Verdict {
    let lane = unit.lane.as_deref_mut();
    // A takeover waits: its request has started before.
    let skipped = lane.filter(|lane| {
        let first = lane.waiting.front();
        on_busy == OnBusy::Skip && first.is_some_and(|first| first.attempt == 1)
    });
    if let Some(lane) = skipped {
        lane.waiting.pop_front();
        let (outcome, reason) = (Outcome::Skipped, SkipReason::Overlap.as_str());
        let node = &caller.name;
        let line = LedgerRecord::request_ended(&take.lane, origin, outcome, reason, node, now.ms());
        ledger.push(line);
        return Verdict::Skipped;
    }
    let run = &mut unit.own.run;
    if on_busy == OnBusy::Cancel && unit.own.running && !run.stop {
        run.stop = true;
        run.stop_why = origin.takes_place();
    }
    Verdict::Busy
}

/// Whether ticks of the schedule are in the way of a request: they go first. What waits in a unit that is `paused` is
/// not, unless it is a takeover.
fn is_busy(unit: &UnitRecords<'_>, overlap: Overlap, paused: bool) -> bool {
    match overlap {
        Overlap::Allow(most) => {
            let running = unit.all().filter(|(_, record)| record.running);
            running.count() >= most as usize
        }
        _ => {
            let first = unit.own.waiting.front();
            unit.own.running || first.is_some_and(|first| first.attempt > 1 || !paused)
        }
    }
}

/// Cancels a run, if it is the active one. The trail has an entry, unless the same was asked for before: a repetition.
pub fn cancel(
    record: &mut Record,
    cancel: &Cancel,
    now: Now,
    trail: &mut Vec<TrailEntry>,
) -> Cancelled {
    if !record.running || record.run.token != cancel.token {
        return Cancelled::Gone;
    }
    let why = cancel.why();
    if !record.run.stop || record.run.stop_why != why {
        trail.push(TrailEntry::of_cancel(cancel, now.ms()));
    }
    record.run.stop = true;
    record.run.stop_why = why;
    Cancelled::Cancelling
}

#[cfg(test)]
mod tests;
