//! The record of a unit, and the questions that the rules ask of it.

use std::collections::VecDeque;

use super::{Now, OVERDUE_PERCENT, damage};
use crate::message::{
    LowerBounds, Origin, OverdueRun, RunId, UNCLAIMED_MS, UnitStatus, Watermarks,
};
use crate::schedule::DecidingSchedule;
use crate::unit::UnitName;
use crate::value::{FencingToken, Start, TickMs};

/// What is stored for a unit: one job, or one shard of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Record {
    /// What was decided. The newest start stands here only if a caller reported one that is newer than the run below:
    /// then the record was rolled back behind it.
    pub marks: Watermarks,
    /// Whether the run below is active.
    pub running: bool,
    /// The current or last run; its nonce is empty after a write-off.
    pub run: Run,
    /// Nonce of the run whose end was recorded last. A repeated report of that end is recognized by it when another run
    /// has taken the unit already.
    pub done: String,
    /// Ticks that are decided and wait for the run before; first come, first served.
    pub waiting: VecDeque<Waiting>,
    /// The end of the unit's last quarantine, as far as registrations have stated leases; 0 if none did. A unit for
    /// which nobody registered waits for the lease of its claim.
    pub quarantine_until_ms: i64,
    /// The schedule that decides the ticks; `None` if no node has registered one.
    pub decides: Option<DecidingSchedule>,
    /// When the next tick may start, as far as the nodes have said; `None` if there is none.
    pub next_due_ms: Option<i64>,
    /// A request may wait or run in the lane of the unit. A claim that finds the lane empty takes this back.
    pub has_lane: bool,
}

/// A tick, or another attempt at one, that waits for its unit to be free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Waiting {
    /// The tick.
    pub tick: TickMs,
    /// The attempt that will start.
    pub attempt: u32,
    /// How often its run may be taken over.
    pub takeovers: u32,
}

impl Waiting {
    /// The start that the tick waits for.
    pub(super) fn start(&self) -> Start {
        Start {
            tick: self.tick,
            attempt: self.attempt,
        }
    }
}

/// The current or last run of a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Run {
    /// The tick.
    pub tick: TickMs,
    /// Name of the node that runs the tick.
    pub owner: String,
    /// Nonce of the claim that was granted.
    pub nonce: String,
    /// The fencing token.
    pub token: FencingToken,
    /// The attempt, from 1.
    pub attempt: u32,
    /// The length of the lease.
    pub lease_ms: i64,
    /// When the run was granted.
    pub granted_at_ms: i64,
    /// When the lease ends unless renewed.
    pub until_ms: i64,
    /// Counts the renewals, from 1. A run whose count stands still is stalled.
    pub seq: u64,
    /// How often the run may still be taken over.
    pub takeovers: u32,
    /// The run has to stop, because another tick waits for it, or because somebody cancelled it.
    pub stop: bool,
    /// By whom it was cancelled, and why; empty if it stops for another tick.
    pub stop_why: String,
    /// Where it comes from; `None` if the schedule asked for it.
    pub origin: Option<Origin>,
}

impl Run {
    /// The start of the run; `None` before the first run of a unit, when all fields are zero.
    pub(super) fn start(&self) -> Option<Start> {
        let is_some = self.tick.ms() != 0 || self.attempt != 0;
        is_some.then_some(Start {
            tick: self.tick,
            attempt: self.attempt,
        })
    }
}

impl Record {
    /// Raises the watermarks to what a caller saw decided: each living node is a replica of that. Raising them is
    /// always safe, so it comes before every other step. A waiting tick that has started, in a store that was rolled
    /// back since, is dropped.
    pub(super) fn raise(&mut self, bounds: &LowerBounds) {
        let started = bounds.start.map(|start| start.tick); // a tick that started was decided
        self.marks.decided = self.marks.decided.max(bounds.decided).max(started);
        self.marks.token = self.marks.token.max(bounds.token);
        if bounds.start > self.newest_start() {
            self.marks.start = bounds.start;
            self.waiting
                .retain(|waiting| Some(waiting.start()) > bounds.start);
        }
    }

    /// The newest start: that of the run, unless a caller reported a newer one. A start that no request can have stored
    /// counts as none: a start was decided, so its tick is not after the high-water mark.
    pub(super) fn newest_start(&self) -> Option<Start> {
        let decided = self.marks.decided.unwrap_or_default();
        let is_sound = |start: &Start| {
            (TickMs(0)..=decided).contains(&start.tick) && start.attempt <= damage::MAX_COUNT
        };
        let reported = self.marks.start.filter(is_sound);
        reported.max(self.run.start().filter(is_sound))
    }

    /// The watermarks, with the newest start.
    pub(super) fn all_marks(&self) -> Watermarks {
        Watermarks {
            start: self.newest_start(),
            ..self.marks
        }
    }

    /// When a heartbeat starts to report the run as overdue: renewals come every fifth of the lease, give or take a
    /// tenth of that. Also of a record that somebody edited, and that nobody has looked at yet.
    pub fn overdue_at_ms(&self) -> i64 {
        let began_ms = self.run.until_ms.saturating_sub(self.run.lease_ms);
        began_ms.saturating_add(self.run.lease_ms.saturating_mul(OVERDUE_PERCENT) / 100)
    }

    /// A tick was due a while ago and is undecided: the node that was to claim it does not.
    pub fn unclaimed(&self, now: Now) -> bool {
        self.next_due_ms
            .is_some_and(|due_ms| due_ms <= now.ms() - UNCLAIMED_MS)
    }

    /// A tick waits and the unit is free.
    pub fn ready(&self) -> bool {
        !self.running && !self.waiting.is_empty()
    }

    /// How many ticks wait; a takeover does not count.
    pub(super) fn ticks_waiting(&self) -> usize {
        let ticks = self.waiting.iter().filter(|waiting| waiting.attempt == 1);
        ticks.count()
    }

    /// No run is active and no tick waits.
    pub(super) fn free(&self) -> bool {
        !self.running && self.waiting.is_empty()
    }

    /// The lease of the run has ended, and the run is not written off.
    pub(super) fn stale(&self, now: Now) -> bool {
        self.running && self.run.until_ms <= now.ms()
    }

    /// What a reader may know of the unit.
    pub fn status(&self) -> UnitStatus {
        UnitStatus {
            marks: self.all_marks(),
            running: self.running.then_some(self.run.tick),
            token: self.running.then_some(self.run.token),
            waiting: self.waiting.iter().map(|waiting| waiting.tick).collect(),
            decides: self.decides.clone(),
        }
    }

    /// The run as a watcher sees it.
    pub fn overdue_run(&self, unit: &UnitName) -> OverdueRun {
        OverdueRun {
            unit: unit.clone(),
            nonce: self.run.nonce.clone(),
            seq: self.run.seq,
            lease_ms: self.run.lease_ms,
        }
    }

    pub(super) fn start(&mut self, run: &RunId, owner: &str, now: Now) {
        self.running = true;
        self.marks.decided = self.marks.decided.max(Some(run.tick));
        self.marks.token = run.token;
        self.run = Run {
            tick: run.tick,
            owner: owner.to_owned(),
            nonce: run.nonce.clone(),
            token: run.token,
            attempt: run.attempt,
            lease_ms: run.lease_ms,
            granted_at_ms: run.granted_at_ms,
            until_ms: now.ms() + run.lease_ms,
            seq: 1,
            takeovers: run.takeovers,
            stop: false,
            stop_why: String::new(),
            origin: run.origin.clone(),
        };
    }

    /// Writes back a run that the store forgot. A waiting tick up to the run's start has started already, in a store
    /// that was rolled back since, and is dropped.
    pub(super) fn readopt(&mut self, run: &RunId, owner: &str, now: Now) {
        let started = Start {
            tick: run.tick,
            attempt: run.attempt,
        };
        self.waiting.retain(|waiting| waiting.start() > started);
        self.start(run, owner, now);
    }

    /// The run of this nonce is active and no later run is known. (After a rollback, a lower bound can be a newer token
    /// than that of the run.)
    pub(super) fn holds(&self, nonce: &str) -> bool {
        self.running && self.run.nonce == nonce && self.run.token == self.marks.token
    }

    /// The store knows no newer run than this one, and not this one: it forgot it (it was flushed, restarted or rolled
    /// back). A run that was written off is not forgotten, because a write-off uses the next token.
    pub(super) fn forgot(&self, run: &RunId) -> bool {
        self.run.nonce != run.nonce && self.marks.token <= run.token
    }
}
