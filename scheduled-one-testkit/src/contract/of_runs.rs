//! Random requests about runs: they are renewed, end, and are written off.

use scheduled_one_protocol::message::{Finish, OverdueRun, Renew, RunId};
use scheduled_one_protocol::{FencingToken, Outcome, TickMs};

use super::requests::{NONCES, TEXTS};
use super::workload::Workload;

impl Workload {
    /// A run that is going, was going, or never was.
    pub(super) fn run(&mut self) -> RunId {
        if !self.runs.is_empty() && self.random.one_in(3) {
            return self.random.pick(&self.runs).clone();
        }
        let unit = self.unit_with(|record| record.running);
        let record = self.record(&unit);
        let hostile = self.random.one_in(6);
        let tick_ms = record.run.tick.ms() + if hostile { self.random.range(0, 9) } else { 0 };
        RunId {
            origin: self.origin(&unit, &record),
            unit,
            tick: TickMs(tick_ms.max(1)), // no schedule has a tick at the epoch
            nonce: match hostile {
                true => self.random.pick(&NONCES).to_string(),
                false => record.run.nonce,
            },
            token: match self.random.range(0, 9) {
                0 => record.marks.token.next(),
                1 => FencingToken(record.marks.token.get().saturating_sub(1)),
                2 => record.marks.token,
                _ => record.run.token,
            },
            attempt: match self.random.one_in(3) {
                true => self.random.range(1, 3) as u32,
                false => record.run.attempt,
            },
            lease_ms: self.random.range(1, 50),
            granted_at_ms: self.now_ms - self.random.range(0, 50),
            takeovers: self.random.range(0, 2) as u32,
        }
    }

    pub(super) fn renew(&mut self) -> Renew {
        Renew {
            run: self.run(),
            valid_until_ms: self.now_ms + self.random.range(-1, 10),
        }
    }

    pub(super) fn finish(&mut self) -> Finish {
        Finish {
            run: self.run(),
            outcome: *self.random.pick(&Outcome::ALL),
            retried: self.random.one_in(3),
            reason: self.random.pick(&TEXTS).to_string(),
            error: self.random.pick(&TEXTS).to_string(),
            fired_at_ms: Some(self.now_ms - self.random.range(0, 9)),
            ended_at_ms: self.now_ms,
        }
    }

    pub(super) fn write_off(&mut self) -> OverdueRun {
        let now_ms = self.now_ms;
        let unit = self.unit_with(|record| record.running && record.run.until_ms <= now_ms);
        let mut run = self.record(&unit).overdue_run(&unit);
        match self.random.range(0, 9) {
            0 => run.seq += 1,
            1 => run.nonce = self.random.pick(&NONCES).to_string(),
            _ => {}
        }
        run
    }
}
