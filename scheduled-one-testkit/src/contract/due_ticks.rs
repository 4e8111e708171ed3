//! Random ticks that are due.

use scheduled_one_protocol::machine::Record;
use scheduled_one_protocol::message::{DueTick, Intent, Missed, Overlap, UNCLAIMED_MS};
use scheduled_one_protocol::{Outcome, TickMs, UnitName};

use super::requests::{SLOTS, TEXTS};
use super::workload::Workload;

impl Workload {
    /// The oldest tick that may still start from the queue of a record.
    pub(super) fn oldest(&mut self, record: &Record) -> TickMs {
        if record.waiting.len() > 1 && self.random.one_in(2) {
            // The last one starts, and the others are too late.
            return record.waiting[record.waiting.len() - 1].tick;
        }
        let waits = record.waiting.get(self.random.range(0, 1) as usize);
        let waits = waits.map_or(0, |waiting| waiting.tick.ms());
        TickMs(match self.random.range(0, 19) {
            0..=7 => waits + self.random.range(0, 2),
            8 => waits + 1_000,
            9..=11 => record.waiting.back().map_or(0, |last| last.tick.ms()),
            _ => 0,
        })
    }

    pub(super) fn due_tick(&mut self, intent: Intent, unit: &UnitName, record: &Record) -> DueTick {
        let known = record.marks.decided_to().map_or(0, TickMs::ms);
        let tick_ms = match self.random.range(0, 19) {
            0 => known,
            1 => self.now_ms + self.random.range(145, 200),
            2 if self.random.one_in(3) => self.now_ms + self.random.range(1, 9),
            2 => known - self.random.range(0, 30),
            _ => (known + 1).max(self.now_ms - self.random.range(0, 3)),
        };
        let after_ms = match self.random.range(0, 9) {
            0 => known + self.random.range(-2, 2),
            _ => known,
        };
        let missed = self.random.one_in(4).then(|| Missed {
            first: TickMs(after_ms + 1),
            last: TickMs(tick_ms - 1),
            count: self.random.number() % 1_000_000,
            outcome: *self.random.pick(&[Outcome::Missed, Outcome::Skipped]),
            reason: self.random.pick(&TEXTS).to_string(),
        });
        // Mostly, a job has its policy; that of all can change.
        let most = self.random.range(0, 5).clamp(1, SLOTS.into()) as u32;
        let allows =
            (unit.job() == "a.b:c" || unit.job() == "x" && unit.shard() == 0) && unit.slot() == 0;
        let overlap = match self.random.range(0, 9) {
            0 => Overlap::Skip,
            1 => Overlap::Queue(0),
            2 if unit.slot() == 0 => Overlap::Allow(most),
            _ if allows => Overlap::Allow(most),
            2..=5 => Overlap::Skip,
            6..=7 => Overlap::Queue(most),
            _ => Overlap::CancelRunning,
        };
        DueTick {
            tick: TickMs(tick_ms),
            due_ms: match self.random.range(0, 9) {
                0 => tick_ms + self.random.range(-20, 200),
                1 => tick_ms + self.random.range(0, 9),
                // So late that a job which catches up waits.
                2 => tick_ms - 300,
                3..=5 if intent == Intent::CatchUp => tick_ms - 300,
                _ => tick_ms,
            },
            after: Some(TickMs(after_ms)).filter(|tick| tick.ms() != 0),
            next_due_ms: self.next_due_ms(),
            intent,
            overlap,
            missed,
        }
    }

    /// Around the instant at which a unit begins to count as unclaimed.
    pub(super) fn next_due_ms(&mut self) -> Option<i64> {
        let near_ms = self.now_ms - UNCLAIMED_MS + self.random.range(-20, 60);
        Some(near_ms).filter(|_| !self.random.one_in(9))
    }
}
