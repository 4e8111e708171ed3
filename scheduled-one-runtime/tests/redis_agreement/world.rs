//! Random requests, steered by what the model holds towards rare verdicts.

use std::collections::BTreeMap;

use scheduled_one_runtime::store::memory::Namespace;
use scheduled_one_runtime::store::message::{
    Caller, Claim, Enroll, Finish, Head, Intent, Missed, Outcome, Renew, RunId, Verdict, Watched,
};
use scheduled_one_runtime::store::protocol::{Now, Record};

pub(crate) const UNITS: [&str; 5] = ["mail", "bill/0", "bill/1", "a.b:c", "x"];
const NONCES: [&str; 6] = ["n0", "n1", "n2", "n3", "n4", "n5"];
const TEXTS: [&str; 5] = ["", "down", "ä \"quoted\" {x}", "two\r\nlines", "1.5e3"];
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
    pub(crate) seen: BTreeMap<&'static str, u64>,
}

impl World {
    pub(crate) fn caller(&mut self) -> Caller {
        let i = self.rng.range(0, 3);
        Caller {
            node: format!("node-{i}"),
            name: format!("Node {i}"),
            quarantine_ms: 1 + i * 3,
            ledger_limit: [5, 1, 8, 0][i as usize],
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

    pub(crate) fn claim(&mut self) -> Claim {
        let unit = *self.rng.pick(&UNITS);
        let record = self.record(unit);
        let known = record.marks.decided_to_ms();
        let tick_ms = match self.rng.range(0, 19) {
            0 => known,
            1 => self.now_ms + self.rng.range(5, 60),
            2 => known - self.rng.range(0, 30),
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
            reason: self.rng.pick(&TEXTS).to_string(),
        });
        Claim {
            unit: unit.to_owned(),
            tick_ms,
            after_ms,
            floor_hwm_ms,
            floor_token,
            nonce: match self.rng.one_in(6) {
                true => record.run.nonce,
                false => self.rng.pick(&NONCES).to_string(),
            },
            valid_until_ms: self.now_ms + self.rng.range(-1, 20),
            lease_ms: self.rng.range(1, 50),
            intent: match self.rng.one_in(5) {
                true => Intent::Forgo,
                false => Intent::Run,
            },
            missed,
        }
    }

    /// A run that is going, was going, or never was.
    pub(crate) fn run(&mut self) -> RunId {
        if !self.runs.is_empty() && self.rng.one_in(3) {
            return self.rng.pick(&self.runs).clone();
        }
        let unit = *self.rng.pick(&UNITS);
        let record = self.record(unit);
        let hostile = self.rng.one_in(6);
        RunId {
            unit: unit.to_owned(),
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
            attempt: self.rng.range(1, 3) as u32,
            lease_ms: self.rng.range(1, 50),
            granted_at_ms: self.now_ms - self.rng.range(0, 50),
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
            reason: self.rng.pick(&TEXTS).to_string(),
            error: self.rng.pick(&TEXTS).to_string(),
            fired_at_ms: self.now_ms - self.rng.range(0, 9),
            ended_at_ms: self.now_ms,
        }
    }

    pub(crate) fn enroll(&mut self) -> Enroll {
        let unit = *self.rng.pick(&UNITS);
        let record = self.record(unit);
        let (floor_hwm_ms, floor_token) = self.floors(&record);
        Enroll {
            unit: unit.to_owned(),
            first_seen_ms: self.now_ms + self.rng.range(-40, 5),
            floor_hwm_ms,
            floor_token,
        }
    }

    pub(crate) fn write_off(&mut self) -> Watched {
        let unit = *self.rng.pick(&UNITS);
        let mut watched = self.record(unit).watched(unit);
        match self.rng.range(0, 9) {
            0 => watched.seq += 1,
            1 => watched.nonce = self.rng.pick(&NONCES).to_string(),
            _ => {}
        }
        watched
    }

    pub(crate) fn batch<T>(
        &mut self,
        one: impl Fn(&mut Self) -> T,
        unit: impl Fn(&T) -> &str,
    ) -> Vec<T> {
        let items: Vec<T> = (0..self.rng.range(1, 9)).map(|_| one(self)).collect();
        let mut units: Vec<&str> = items.iter().map(unit).collect();
        units.sort_unstable();
        if units.windows(2).any(|pair| pair[0] == pair[1]) {
            self.count("unit twice in a batch");
        }
        items
    }

    pub(crate) fn count(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
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
        let Verdict::Granted { token, attempt, .. } = *verdict else {
            return;
        };
        if self.runs.len() == 20 {
            self.runs.remove(0);
        }
        self.runs.push(RunId {
            unit: claim.unit.clone(),
            tick_ms: claim.tick_ms,
            nonce: claim.nonce.clone(),
            token,
            attempt,
            lease_ms: claim.lease_ms,
            granted_at_ms: self.now_ms,
        });
    }
}
