//! Random requests, steered by what the model holds towards rare verdicts.

use std::collections::BTreeMap;

use scheduled_one_protocol::machine::{self, Now, Record};
use scheduled_one_protocol::memory::BucketState;
pub(crate) use scheduled_one_protocol::message::Finish;
use scheduled_one_protocol::message::{
    Caller, Claim, DueTick, Head, Intent, LowerBounds, Missed, OverdueRun, Overlap, Register,
    Renew, RunId, Target, Verdict,
};
use scheduled_one_protocol::{
    FencingToken, LedgerRecord, Outcome, Start, TickMs, UnitName, Wanted, WorkingSet,
};

pub(crate) const JOBS: [&str; 4] = ["mail", "bill/0", "a.b:c", "x"];
/// A job is a unit, or has several of them.
const SHARDS: [(&str, u32); 5] = [
    ("mail", 0),
    ("bill/0", 0),
    ("a.b:c", 0),
    ("x", 0),
    ("x", 11),
];
const SLOTS: u32 = 3;
const NONCES: [&str; 6] = ["n0", "n1", "n2", "n3", "n4", "n5"];
const TEXTS: [&str; 5] = ["", "down", "ä \"quoted\" {x}", "two\r\nlines", "1.5e3"];

/// All units there are, the slots among them.
pub(crate) fn units() -> Vec<UnitName> {
    let of_shard =
        |(job, shard)| (0..=SLOTS).map(move |slot| UnitName::new(job, shard).with_slot(slot));
    SHARDS.into_iter().flat_map(of_shard).collect()
}

/// splitmix64: small, and the same everywhere.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn range(&mut self, low: i64, high: i64) -> i64 {
        low + (self.next() % (high - low + 1) as u64) as i64
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[(self.next() % items.len() as u64) as usize]
    }
}

/// What is generated from: the model's state steers towards rare verdicts.
pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) model: BucketState,
    pub(crate) now_ms: i64,
    /// Runs granted lately: some of them are old by now.
    pub(crate) runs: Vec<RunId>,
    pub(crate) seen: BTreeMap<String, u64>,
}

impl World {
    pub(crate) fn caller(&mut self) -> Caller {
        let i = self.rng.range(0, 3);
        Caller {
            node: format!("node-{i}"),
            name: format!("Node {i}"),
            quarantine_ms: 1 + i * 3,
            // Mostly enough for all lines between two comparisons.
            ledger_limit: match self.rng.range(0, 29) {
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
            (0, 0) => self.rng.range(1, 3) as u32,
            (0, _) => 1,
            (buckets, _) => buckets,
        }
    }

    pub(crate) fn record(&self, unit: &UnitName) -> Record {
        self.model.records.get(unit).cloned().unwrap_or_default()
    }

    /// What a caller may have seen: mostly nothing, or what is so; without a start.
    pub(crate) fn bounds(&mut self, record: &Record) -> LowerBounds {
        let hwm = record.marks.decided.map_or(0, TickMs::ms);
        let token = record.marks.token.get();
        let decided = match self.rng.range(0, 199) {
            0 => self.now_ms + self.rng.range(0, 200),
            1..60 => hwm,
            60..70 => hwm + self.rng.range(-20, 20),
            _ => 0,
        };
        let token = match self.rng.range(0, 399) {
            0 => (1 << 53) - (1 << 40) - self.rng.next() % 1000, // hostile, and still exact
            1..100 => token,
            100..120 => token + self.rng.next() % 3,
            120..124 => (self.now_ms * 1000) as u64 + self.rng.next() % 100_000,
            _ => 0,
        };
        LowerBounds {
            decided: Some(TickMs(decided)).filter(|tick| tick.ms() > 0),
            token: FencingToken(token),
            start: None,
        }
    }

    /// Mostly nothing; else about what waits or runs.
    fn start(&mut self, record: &Record) -> Option<Start> {
        let waits = record.waiting.get(self.rng.range(0, 1) as usize);
        let tick_ms = match (self.rng.range(0, 19), waits) {
            (0..=3, Some(waits)) => waits.tick.ms(),
            (4, _) => record.run.tick.ms() + self.rng.range(-1, 1),
            (5 | 7, _) => record.run.tick.ms(),
            (6, _) => self.now_ms - self.rng.range(0, 30),
            _ => return None,
        };
        let attempt = self.rng.range(1, 3) as u32;
        (tick_ms > 0).then_some(Start {
            tick: TickMs(tick_ms),
            attempt,
        })
    }

    fn shard(&mut self) -> UnitName {
        let (job, shard) = *self.rng.pick(&SHARDS);
        UnitName::new(job, shard)
    }

    fn slot(&mut self) -> u32 {
        self.rng.range(0, SLOTS.into()) as u32
    }

    /// Any unit, with or without slot.
    pub(crate) fn unit(&mut self) -> UnitName {
        let (shard, slot) = (self.shard(), self.slot());
        shard.with_slot(slot)
    }

    /// A unit of which that is true, if there is one; one in three is any.
    fn unit_with(&mut self, wanted: impl Fn(&Record) -> bool) -> UnitName {
        let mut units = units();
        units.retain(|unit| self.model.records.get(unit).is_some_and(&wanted));
        match units.is_empty() || self.rng.one_in(3) {
            true => self.unit(),
            false => self.rng.pick(&units).clone(),
        }
    }

    pub(crate) fn claim(&mut self) -> Claim {
        let intent = match self.rng.range(0, 19) {
            0..=10 => Some(Intent::Run),
            11..=12 => Some(Intent::CatchUp),
            13..=15 => Some(Intent::MarkMissed),
            _ => None, // a claim from the queue
        };
        let unit = match intent {
            None => self.unit_with(|record| !record.waiting.is_empty()),
            _ if self.rng.one_in(30) => self.unit(), // no node claims ticks of a slot
            _ if self.rng.one_in(3) => {
                let unit = self.unit_with(|record| !record.waiting.is_empty());
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
        let nonce = match self.rng.one_in(5) {
            true => {
                let slot = self.slot();
                self.record(&unit.with_slot(slot)).run.nonce
            }
            false => self.rng.pick(&NONCES).to_string(),
        };
        let mut bounds = self.bounds(&record);
        if self.rng.one_in(8) {
            bounds.start = self.start(&record);
        }
        Claim {
            unit,
            nonce,
            valid_until_ms: self.now_ms + self.rng.range(-1, 20),
            lease_ms: self.rng.range(1, 50),
            takeovers: self.rng.range(-1, 2).max(0) as u32,
            bounds,
            target,
        }
    }

    /// The oldest tick that may still start from the queue of a record.
    fn oldest(&mut self, record: &Record) -> TickMs {
        let waits = record.waiting.get(self.rng.range(0, 1) as usize);
        let waits = waits.map_or(0, |waiting| waiting.tick.ms());
        TickMs(match self.rng.range(0, 19) {
            0..=7 => waits + self.rng.range(0, 2),
            8 => waits + 1_000,
            9..=11 => record.waiting.back().map_or(0, |last| last.tick.ms()),
            _ => 0,
        })
    }

    fn due_tick(&mut self, intent: Intent, unit: &UnitName, record: &Record) -> DueTick {
        let known = record.marks.decided_to().map_or(0, TickMs::ms);
        let tick_ms = match self.rng.range(0, 19) {
            0 => known,
            1 => self.now_ms + self.rng.range(145, 200),
            2 if self.rng.one_in(3) => self.now_ms + self.rng.range(1, 9),
            2 => known - self.rng.range(0, 30),
            _ => (known + 1).max(self.now_ms - self.rng.range(0, 3)),
        };
        let after_ms = match self.rng.range(0, 9) {
            0 => known + self.rng.range(-2, 2),
            _ => known,
        };
        let missed = self.rng.one_in(4).then(|| Missed {
            first: TickMs(after_ms + 1),
            last: TickMs(tick_ms - 1),
            count: self.rng.next() % 1_000_000,
            outcome: *self.rng.pick(&[Outcome::Missed, Outcome::Skipped]),
            reason: self.rng.pick(&TEXTS).to_string(),
        });
        // Mostly, a job has its policy; that of all can change.
        let most = self.rng.range(0, 5).clamp(1, SLOTS.into()) as u32;
        let allows =
            (unit.job() == "a.b:c" || unit.job() == "x" && unit.shard() == 0) && unit.slot() == 0;
        let overlap = match self.rng.range(0, 9) {
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
            due_ms: match self.rng.range(0, 9) {
                0 => tick_ms + self.rng.range(-20, 200),
                1 => tick_ms + self.rng.range(0, 9),
                // So late that a job which catches up waits.
                2 => tick_ms - 300,
                3..=5 if intent == Intent::CatchUp => tick_ms - 300,
                _ => tick_ms,
            },
            after: Some(TickMs(after_ms)).filter(|tick| tick.ms() != 0),
            intent,
            overlap,
            missed,
        }
    }

    /// A run that is going, was going, or never was.
    pub(crate) fn run(&mut self) -> RunId {
        if !self.runs.is_empty() && self.rng.one_in(3) {
            return self.rng.pick(&self.runs).clone();
        }
        let unit = self.unit_with(|record| record.running);
        let record = self.record(&unit);
        let hostile = self.rng.one_in(6);
        let tick_ms = record.run.tick.ms() + if hostile { self.rng.range(0, 9) } else { 0 };
        RunId {
            unit,
            tick: TickMs(tick_ms.max(1)), // no schedule has a tick at the epoch
            nonce: match hostile {
                true => self.rng.pick(&NONCES).to_string(),
                false => record.run.nonce,
            },
            token: match self.rng.range(0, 9) {
                0 => record.marks.token.next(),
                1 => FencingToken(record.marks.token.get().saturating_sub(1)),
                2 => record.marks.token,
                _ => record.run.token,
            },
            attempt: match self.rng.one_in(3) {
                true => self.rng.range(1, 3) as u32,
                false => record.run.attempt,
            },
            lease_ms: self.rng.range(1, 50),
            granted_at_ms: self.now_ms - self.rng.range(0, 50),
            takeovers: self.rng.range(0, 2) as u32,
        }
    }

    pub(crate) fn renew(&mut self) -> Renew {
        Renew {
            run: self.run(),
            valid_until_ms: self.now_ms + self.rng.range(-1, 10),
        }
    }

    pub(crate) fn finish(&mut self) -> Finish {
        Finish {
            run: self.run(),
            outcome: *self.rng.pick(&Outcome::ALL),
            retried: self.rng.one_in(3),
            reason: self.rng.pick(&TEXTS).to_string(),
            error: self.rng.pick(&TEXTS).to_string(),
            fired_at_ms: Some(self.now_ms - self.rng.range(0, 9)),
            ended_at_ms: self.now_ms,
        }
    }

    pub(crate) fn register(&mut self) -> Register {
        let unit = self.unit();
        let record = self.record(&unit);
        let mut bounds = self.bounds(&record);
        bounds.start = self.start(&record);
        Register {
            unit,
            first_seen_ms: self.now_ms + self.rng.range(-40, 5),
            bounds,
        }
    }

    pub(crate) fn write_off(&mut self) -> OverdueRun {
        let now_ms = self.now_ms;
        let unit = self.unit_with(|record| record.running && record.run.until_ms <= now_ms);
        let mut run = self.record(&unit).overdue_run(&unit);
        match self.rng.range(0, 9) {
            0 => run.seq += 1,
            1 => run.nonce = self.rng.pick(&NONCES).to_string(),
            _ => {}
        }
        run
    }

    /// A line of a run that needed no lease.
    pub(crate) fn line(&mut self) -> LedgerRecord {
        LedgerRecord {
            unit: self.shard(),
            tick: TickMs(self.now_ms - self.rng.range(0, 9)),
            last_tick: TickMs(self.now_ms),
            count: self.rng.next() % 1_000,
            outcome: *self.rng.pick(&Outcome::ALL),
            retried: self.rng.one_in(2),
            reason: self.rng.pick(&TEXTS).to_string(),
            node: self.rng.pick(&TEXTS).to_string(),
            token: Some(FencingToken(self.rng.next() >> 20)).filter(|token| token.get() > 0),
            attempt: Some(self.rng.range(0, 9) as u32).filter(|attempt| *attempt > 0),
            fired_at_ms: Some(self.now_ms - self.rng.range(0, 9)),
            ended_at_ms: self.now_ms,
            error: self.rng.pick(&TEXTS).to_string(),
        }
    }

    /// Of few units, so that many come twice.
    pub(crate) fn batch<T>(&mut self, one: impl Fn(&mut Self) -> T) -> Vec<T> {
        (0..self.rng.range(1, 9)).map(|_| one(self)).collect()
    }

    pub(crate) fn count(&mut self, what: &str) {
        *self.seen.entry(what.to_owned()).or_default() += 1;
    }

    pub(crate) fn count_if(&mut self, it_is: bool, what: &str) {
        if it_is {
            self.count(what);
        }
    }

    /// Brings the model to where Redis was when it decided.
    pub(crate) fn enter(&mut self, caller: &Caller, head: &Head) -> Now {
        let now = Now { us: head.now_us };
        self.now_ms = now.ms();
        self.model.serving.clone_from(&head.serving);
        let meta = &mut self.model.meta;
        machine::enter(meta, &head.serving, caller, now).expect("version 1");
        let expected = Head {
            now_us: now.us,
            serving: meta.serving.clone(),
            quarantine_until_ms: meta.quarantine_until_ms,
        };
        assert_eq!(*head, expected, "head");
        now
    }

    /// One step of the model, on what a store loads for it.
    pub(crate) fn decide<T>(
        &mut self,
        caller: &Caller,
        now: Now,
        wanted: &Wanted,
        step: impl FnOnce(&mut WorkingSet) -> T,
    ) -> T {
        let (mut step, mut decided) = (Some(step), None);
        let model = &mut self.model;
        let done = model.transact(now, wanted, caller.ledger_limit, &mut |set| {
            decided = step.take().map(|step| step(set));
            Ok(())
        });
        done.expect("no error");
        decided.expect("one step")
    }

    pub(crate) fn remember(&mut self, verdict: &Verdict) {
        let Verdict::Granted(grant) = verdict else {
            return;
        };
        let run = self.record(&grant.unit).run;
        if self.runs.len() == 20 {
            self.runs.remove(0);
        }
        self.runs.push(RunId {
            unit: grant.unit.clone(),
            tick: run.tick,
            nonce: run.nonce,
            token: run.token,
            attempt: run.attempt,
            lease_ms: run.lease_ms,
            granted_at_ms: run.granted_at_ms,
            takeovers: run.takeovers,
        });
    }
}
