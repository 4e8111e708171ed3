//! Random requests, steered by what the model holds towards rare verdicts.

use scheduled_one_protocol::machine::Record;
use scheduled_one_protocol::message::{
    Caller, Claim, Finish, Heartbeat, Intent, JobList, Labels, Load, LowerBounds, Occasion,
    OverdueRun, Register, Renew, Room, RunId, Target,
};
use scheduled_one_protocol::{FencingToken, Outcome, Start, TickMs, UnitName};

use super::workload::Workload;

/// The jobs that requests are about; one has the name of an internal job.
pub const JOBS: [&str; 4] = ["$mail", "bill/0", "a.b:c", "x"];
/// A job is a unit, or has several of them.
const SHARDS: [(&str, u32); 5] = [
    ("$mail", 0),
    ("bill/0", 0),
    ("a.b:c", 0),
    ("x", 0),
    ("x", 11),
];
pub(super) const SLOTS: u32 = 3;
/// The longest margin of a caller.
pub(super) const MOST_MARGIN_MS: i64 = 3;
/// The longest quarantine that a caller asks for.
pub(super) const MOST_QUARANTINE_MS: i64 = 1 + 6 * MOST_MARGIN_MS;
pub(super) const NONCES: [&str; 6] = ["n0", "n1", "n2", "n3", "n4", "n5"];
pub(super) const TEXTS: [&str; 5] = ["", "down", "ä \"quoted\" {x}", "two\r\nlines", "1.5e3"];

/// All units that requests are about, with slots and lanes.
pub fn units() -> Vec<UnitName> {
    let mut units = slots();
    units.extend(lanes());
    units
}

/// All units without lanes, with and without slots.
fn slots() -> Vec<UnitName> {
    let of_shard =
        |(job, shard)| (0..=SLOTS).map(move |slot| UnitName::new(job, shard).with_slot(slot));
    SHARDS.into_iter().flat_map(of_shard).collect()
}

/// All lanes.
pub(super) fn lanes() -> Vec<UnitName> {
    let lane = |(job, shard)| UnitName::new(job, shard).lane();
    SHARDS.into_iter().map(lane).collect()
}

impl Workload {
    pub(super) fn caller(&mut self) -> Caller {
        let i = self.random.range(0, MOST_MARGIN_MS);
        let quarantine_ms = self.time_ms(1 + i * 6, 1 + i * 6);
        Caller {
            node: format!("node-{i}"),
            name: format!("Node {i}"),
            quarantine_ms,
            margin_ms: i,
            // Mostly enough for all lines between two comparisons.
            ledger_limit: match self.random.range(0, 29) {
                few @ 0..=2 => few as usize,
                _ => [50, 8, 80, 40][i as usize],
            },
            buckets: self.buckets(),
        }
    }

    /// How many buckets the namespace has; any number, if nothing says so.
    fn buckets(&mut self) -> u32 {
        let meta = &self.model.meta;
        match (meta.buckets, meta.version) {
            (0, 0) => self.random.range(1, 3) as u32,
            (0, _) => 1,
            (buckets, _) => buckets,
        }
    }

    /// What a caller may have seen: mostly nothing, or what is so; without a start.
    pub(super) fn bounds(&mut self, record: &Record) -> LowerBounds {
        let hwm = record.marks.decided.map_or(0, TickMs::ms);
        let token = record.marks.token.get();
        let decided = match self.random.range(0, 199) {
            0 => self.now_ms + self.random.range(0, 200),
            1..60 => hwm,
            60..70 => hwm + self.random.range(-20, 20),
            _ => 0,
        };
        let token = match self.random.range(0, 399) {
            0 => (1 << 53) - (1 << 40) - self.random.number() % 1000, // hostile, and still exact
            1..100 => token,
            100..120 => token + self.random.number() % 3,
            120..124 => (self.now_ms * 1000) as u64 + self.random.number() % 100_000,
            _ => 0,
        };
        LowerBounds {
            decided: Some(TickMs(decided)).filter(|tick| tick.ms() > 0),
            token: FencingToken(token),
            start: None,
        }
    }

    /// Mostly nothing; else about what waits or runs.
    pub(super) fn start(&mut self, record: &Record) -> Option<Start> {
        let waits = record.waiting.get(self.random.range(0, 1) as usize);
        let tick_ms = match (self.random.range(0, 19), waits) {
            (0..=3, Some(waits)) => waits.tick.ms(),
            (4, _) => record.run.tick.ms() + self.random.range(-1, 1),
            (5 | 7, _) => record.run.tick.ms(),
            (6, _) => self.now_ms - self.random.range(0, 30),
            _ => return None,
        };
        let attempt = self.random.range(1, 3) as u32;
        (tick_ms > 0).then_some(Start {
            tick: TickMs(tick_ms),
            attempt,
        })
    }

    pub(super) fn shard(&mut self) -> UnitName {
        let (job, shard) = *self.random.pick(&SHARDS);
        UnitName::new(job, shard)
    }

    fn slot(&mut self) -> u32 {
        self.random.range(0, SLOTS.into()) as u32
    }

    /// Any unit, with or without slot.
    fn unit_or_slot(&mut self) -> UnitName {
        let (shard, slot) = (self.shard(), self.slot());
        shard.with_slot(slot)
    }

    /// Any unit, slot or lane.
    pub(super) fn unit(&mut self) -> UnitName {
        match self.random.one_in(4) {
            true => self.shard().lane(),
            false => self.unit_or_slot(),
        }
    }

    /// A unit, slot or lane of which that is true, if there is one; one in three is any.
    pub(super) fn unit_with(&mut self, wanted: impl Fn(&Record) -> bool) -> UnitName {
        self.one_of(units(), wanted)
    }

    /// A unit or slot of which that is true, if there is one; one in three is any.
    fn slot_with(&mut self, wanted: impl Fn(&Record) -> bool) -> UnitName {
        self.one_of(slots(), wanted)
    }

    fn one_of(&mut self, mut units: Vec<UnitName>, wanted: impl Fn(&Record) -> bool) -> UnitName {
        units.retain(|unit| self.model.records.get(unit).is_some_and(&wanted));
        match units.is_empty() || self.random.one_in(3) {
            true => self.unit_or_slot(),
            false => self.random.pick(&units).clone(),
        }
    }

    pub(super) fn claim(&mut self) -> Claim {
        let intent = match self.random.range(0, 19) {
            0..=10 => Some(Intent::Run),
            11..=12 => Some(Intent::CatchUp),
            13..=15 => Some(Intent::MarkMissed),
            _ => None, // a claim from the queue
        };
        let unit = match intent {
            // A unit that is free while several ticks wait is rare.
            None if self.random.one_in(3) => {
                self.slot_with(|record| record.ready() && record.waiting.len() > 1)
            }
            None => self.slot_with(|record| !record.waiting.is_empty()),
            _ if self.random.one_in(30) => self.unit_or_slot(), // no node claims ticks of a slot
            _ if self.random.one_in(3) => {
                let unit = self.slot_with(|record| !record.waiting.is_empty());
                unit.without_slot()
            }
            _ => self.shard(),
        };
        let record = self.record(&unit);
        let target = match intent {
            None => Target::Queued {
                oldest: self.oldest(&record),
            },
            Some(intent) => Target::Tick(self.due_tick(intent, &unit, &record)),
        };
        let nonce = match self.random.one_in(5) {
            true => {
                let slot = self.slot();
                self.record(&unit.with_slot(slot)).run.nonce
            }
            false => self.random.pick(&NONCES).to_string(),
        };
        let mut bounds = self.bounds(&record);
        if self.random.one_in(8) {
            bounds.start = self.start(&record);
        }
        let control = self.claimed_control(&unit);
        Claim {
            unit,
            nonce,
            valid_until_ms: self.now_ms + self.time_ms(-1, 20),
            lease_ms: self.time_ms(1, 50),
            takeovers: self.random.range(-1, 2).max(0) as u32,
            schedule: self.claimed_schedule(&record),
            control,
            bounds,
            with_lane: match record.has_lane {
                true => !self.random.one_in(3),
                false => self.random.one_in(4),
            },
            target,
        }
    }

    /// A heartbeat of a node that knows other nodes and their jobs, more or less.
    pub(super) fn heartbeat_request(&mut self) -> Heartbeat {
        let lists = JOBS.map(|job| JobList::new([job, "other"]));
        let list = self.random.pick(&lists).clone();
        Heartbeat {
            leaving: self.random.one_in(4),
            jobs: list.digest(),
            job_list: self.random.one_in(3).then_some(list),
            known_version: match self.random.range(0, 2) {
                0 => 0,
                1 => self.model.meta.membership_version,
                _ => self.random.number() % 9,
            },
            wanted_list: match self.random.range(0, 1) {
                0 => None,
                _ => Some(self.random.pick(&lists).digest()),
            },
            labels: Labels::new(
                match self.random.range(0, 3) {
                    0 => &["big", "gpu"][..],
                    1 => &["gpu"],
                    _ => &[],
                }
                .iter()
                .copied(),
            ),
            load: Load {
                running: self.random.range(0, 9) as u32,
                room: *self.random.pick(&[Room::Free, Room::Busy, Room::Full]),
            },
            wants_load: self.random.one_in(2),
            clock_offset_ms: match self.random.range(0, 3) {
                0 => None, // a node of an older release
                _ => Some(self.random.range(-9, 9) * 100),
            },
        }
    }

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
            lease_ms: self.time_ms(1, 50),
            granted_at_ms: self.now_ms - self.time_ms(0, 50),
            takeovers: self.random.range(0, 2) as u32,
        }
    }

    pub(super) fn renew(&mut self) -> Renew {
        Renew {
            run: self.run(),
            valid_until_ms: self.now_ms + self.time_ms(-1, 10),
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

    pub(super) fn register(&mut self) -> Register {
        let unit = self.unit();
        let record = self.record(&unit);
        let mut bounds = self.bounds(&record);
        bounds.start = self.start(&record);
        if self.random.one_in(8) {
            return self.gone(unit, &record, bounds);
        }
        Register {
            requests: self.known(&unit),
            unit,
            first_seen_ms: self.now_ms + self.random.range(-40, 5),
            lease_ms: self.time_ms(1, 50),
            schedule: self.schedule(),
            generation: self.generation(),
            occasion: match self.random.range(0, 5) {
                0..=1 => Occasion::Start {
                    valid_until_ms: self.now_ms + self.time_ms(-5, 20),
                },
                2..=3 => Occasion::Again,
                _ => Occasion::Succession,
            },
            decides: self.seen_schedule(&record),
            bounds,
            next_due_ms: self.next_due_ms(),
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
