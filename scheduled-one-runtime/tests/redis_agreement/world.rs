//! Random requests, steered by what the model holds towards rare verdicts.

use std::collections::BTreeMap;

use scheduled_one_protocol::machine::{Now, Record};
use scheduled_one_protocol::memory::Namespace;
pub(crate) use scheduled_one_protocol::message::Finish;
use scheduled_one_protocol::message::{
    Caller, Claim, Enroll, Head, Intent, LedgerRecord, Missed, Outcome, Overlap, Renew, RunId,
    Started, Verdict, Watched, place_of, without_place,
};

pub(crate) const JOBS: [&str; 4] = ["mail", "bill/0", "a.b:c", "x"];
/// A job is a unit, or has several of them.
const SHARDS: [&str; 5] = ["mail", "bill/0", "a.b:c", "x#0", "x#11"];
const PLACES: u32 = 3;
const NONCES: [&str; 6] = ["n0", "n1", "n2", "n3", "n4", "n5"];
const TEXTS: [&str; 5] = ["", "down", "ä \"quoted\" {x}", "two\r\nlines", "1.5e3"];

/// All units there are, the places among them.
pub(crate) fn units() -> Vec<String> {
    let of_shard = |shard| (0..=PLACES).map(move |place| place_of(shard, place));
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
    pub(crate) model: Namespace,
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

    pub(crate) fn record(&self, unit: &str) -> Record {
        self.model.units.get(unit).cloned().unwrap_or_default()
    }

    pub(crate) fn floors(&mut self, record: &Record) -> (i64, u64) {
        let (hwm, token) = (record.marks.hwm_ms, record.marks.token);
        let floor_hwm = match self.rng.range(0, 199) {
            0 => self.now_ms + self.rng.range(0, 200),
            1..60 => hwm,
            60..70 => hwm + self.rng.range(-20, 20),
            _ => 0,
        };
        let floor_token = match self.rng.range(0, 399) {
            0 => (1 << 53) - (1 << 40) - self.rng.next() % 1000, // hostile, and still exact
            1..100 => token,
            100..120 => token + self.rng.next() % 3,
            120..124 => (self.now_ms * 1000) as u64 + self.rng.next() % 100_000,
            _ => 0,
        };
        (floor_hwm, floor_token)
    }

    /// Mostly nothing; else about what waits or runs.
    fn floor_started(&mut self, record: &Record) -> Started {
        let waits = record.waiting.get(self.rng.range(0, 1) as usize);
        let tick_ms = match (self.rng.range(0, 19), waits) {
            (0..=3, Some(waits)) => waits.tick_ms,
            (4, _) => record.run.tick_ms + self.rng.range(-1, 1),
            (5 | 7, _) => record.run.tick_ms,
            (6, _) => self.now_ms - self.rng.range(0, 30),
            _ => return Started::default(),
        };
        let attempt = self.rng.range(1, 3) as u32;
        Started { tick_ms, attempt }
    }

    /// Any unit, with or without place.
    pub(crate) fn unit(&mut self) -> String {
        let shard = *self.rng.pick(&SHARDS);
        place_of(shard, self.rng.range(0, PLACES.into()) as u32)
    }

    /// A unit of which that is true, if there is one; one in three is any.
    fn unit_with(&mut self, wanted: impl Fn(&Record) -> bool) -> String {
        let mut units = units();
        units.retain(|unit| self.model.units.get(unit).is_some_and(&wanted));
        match units.is_empty() || self.rng.one_in(3) {
            true => self.unit(),
            false => self.rng.pick(&units).clone(),
        }
    }

    pub(crate) fn claim(&mut self) -> Claim {
        let intent = match self.rng.range(0, 19) {
            0..=10 => Intent::Run,
            11..=12 => Intent::CatchUp,
            13..=15 => Intent::Forgo,
            _ => Intent::Next,
        };
        let unit = match intent {
            Intent::Next => self.unit_with(|record| !record.waiting.is_empty()),
            _ if self.rng.one_in(30) => self.unit(), // nobody claims ticks of a place
            _ if self.rng.one_in(3) => {
                let unit = self.unit_with(|record| !record.waiting.is_empty());
                without_place(&unit).to_owned()
            }
            _ => self.rng.pick(&SHARDS).to_string(),
        };
        let record = self.record(&unit);
        let known = record.marks.decided_to_ms();
        let waits = record.waiting.get(self.rng.range(0, 1) as usize);
        let waits = waits.map_or(0, |waiting| waiting.tick_ms);
        let tick_ms = match (intent, self.rng.range(0, 19)) {
            (Intent::Next, 0..=7) => waits + self.rng.range(0, 2),
            (Intent::Next, 8) => waits + 1_000,
            (Intent::Next, 9..=11) => record.waiting.back().map_or(0, |last| last.tick_ms),
            (Intent::Next, _) => 0,
            (_, 0) => known,
            (_, 1) => self.now_ms + self.rng.range(145, 200),
            (_, 2) if self.rng.one_in(3) => self.now_ms + self.rng.range(1, 9),
            (_, 2) => known - self.rng.range(0, 30),
            _ => (known + 1).max(self.now_ms - self.rng.range(0, 3)),
        };
        let after_ms = match self.rng.range(0, 9) {
            0 => known + self.rng.range(-2, 2),
            _ => known,
        };
        let (floor_hwm_ms, floor_token) = self.floors(&record);
        let missed = self.rng.one_in(4).then(|| Missed {
            first_ms: after_ms + 1,
            last_ms: tick_ms - 1,
            count: self.rng.next() % 1_000_000,
            outcome: *self.rng.pick(&[Outcome::Missed, Outcome::Skipped]),
            reason: self.rng.pick(&TEXTS).to_string(),
        });
        // Mostly, a job has its policy; that of all can change.
        let most = self.rng.range(0, 5).clamp(1, PLACES.into()) as u32;
        let beside = ["a.b:c", "x#0"].contains(&unit.as_str());
        let overlap = match self.rng.range(0, 9) {
            0 => Overlap::Skip,
            1 => Overlap::Queue(0),
            2 if !unit.contains('~') => Overlap::Allow(most),
            _ if beside => Overlap::Allow(most),
            2..=5 => Overlap::Skip,
            6..=7 => Overlap::Queue(most),
            _ => Overlap::CancelRunning,
        };
        let nonce = match self.rng.one_in(5) {
            true => {
                let place = self.rng.range(0, PLACES.into()) as u32;
                self.record(&place_of(without_place(&unit), place))
                    .run
                    .nonce
            }
            false => self.rng.pick(&NONCES).to_string(),
        };
        Claim {
            unit,
            tick_ms,
            due_ms: match self.rng.range(0, 9) {
                0 => tick_ms + self.rng.range(-20, 200),
                1 => tick_ms + self.rng.range(0, 9),
                // So late that a job which catches up waits.
                2 => tick_ms - 300,
                3..=5 if intent == Intent::CatchUp => tick_ms - 300,
                _ => tick_ms,
            },
            after_ms,
            floor_hwm_ms,
            floor_token,
            floor_started: match self.rng.one_in(8) {
                true => self.floor_started(&record),
                false => Started::default(),
            },
            nonce,
            valid_until_ms: self.now_ms + self.rng.range(-1, 20),
            lease_ms: self.rng.range(1, 50),
            intent,
            overlap,
            reruns: self.rng.range(-1, 2).max(0) as u32,
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
        RunId {
            unit,
            tick_ms: record.run.tick_ms + if hostile { self.rng.range(0, 9) } else { 0 },
            nonce: match hostile {
                true => self.rng.pick(&NONCES).to_string(),
                false => record.run.nonce,
            },
            token: match self.rng.range(0, 9) {
                0 => record.marks.token + 1,
                1 => record.marks.token.saturating_sub(1),
                2 => record.marks.token,
                _ => record.run.token,
            },
            attempt: match self.rng.one_in(3) {
                true => self.rng.range(1, 3) as u32,
                false => record.run.attempt,
            },
            lease_ms: self.rng.range(1, 50),
            granted_at_ms: self.now_ms - self.rng.range(0, 50),
            reruns: self.rng.range(0, 2) as u32,
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
            fired_at_ms: self.now_ms - self.rng.range(0, 9),
            ended_at_ms: self.now_ms,
        }
    }

    pub(crate) fn enroll(&mut self) -> Enroll {
        let unit = self.unit();
        let record = self.record(&unit);
        let (floor_hwm_ms, floor_token) = self.floors(&record);
        Enroll {
            unit,
            first_seen_ms: self.now_ms + self.rng.range(-40, 5),
            floor_hwm_ms,
            floor_token,
            floor_started: self.floor_started(&record),
        }
    }

    pub(crate) fn write_off(&mut self) -> Watched {
        let now_ms = self.now_ms;
        let unit = self.unit_with(|record| record.running && record.run.until_ms <= now_ms);
        let mut watched = self.record(&unit).watched(&unit);
        match self.rng.range(0, 9) {
            0 => watched.seq += 1,
            1 => watched.nonce = self.rng.pick(&NONCES).to_string(),
            _ => {}
        }
        watched
    }

    /// A line of a run that needed no lease.
    pub(crate) fn line(&mut self) -> LedgerRecord {
        LedgerRecord {
            unit: self.rng.pick(&SHARDS).to_string(),
            tick_ms: self.now_ms - self.rng.range(0, 9),
            last_tick_ms: self.now_ms,
            count: self.rng.next() % 1_000,
            outcome: *self.rng.pick(&Outcome::ALL),
            retried: self.rng.one_in(2),
            reason: self.rng.pick(&TEXTS).to_string(),
            node: self.rng.pick(&TEXTS).to_string(),
            token: self.rng.next() >> 20,
            attempt: self.rng.range(0, 9) as u32,
            fired_at_ms: self.now_ms - self.rng.range(0, 9),
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
        self.model.serving = head.serving.clone();
        self.model.enter(caller, now).expect("version 1");
        assert_eq!(*head, self.model.head(now), "head");
        now
    }

    pub(crate) fn remember(&mut self, claim: &Claim, verdict: &Verdict) {
        let Verdict::Granted { place, .. } = *verdict else {
            return;
        };
        let unit = place_of(&claim.unit, place);
        let run = self.record(&unit).run;
        if self.runs.len() == 20 {
            self.runs.remove(0);
        }
        self.runs.push(RunId {
            unit,
            tick_ms: run.tick_ms,
            nonce: run.nonce,
            token: run.token,
            attempt: run.attempt,
            lease_ms: run.lease_ms,
            granted_at_ms: run.granted_at_ms,
            reruns: run.reruns,
        });
    }
}
