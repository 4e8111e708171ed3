//! Random requests for runs, claims of them, cancels, and lines of ledgers.

use scheduled_one_protocol::machine::Record;
use scheduled_one_protocol::message::{
    Ask, Cancel, Cause, KnownRequest, OnBusy, Origin, Overlap, Request, Take,
};
use scheduled_one_protocol::{FencingToken, LedgerRecord, Outcome, TickMs, UnitName};

use super::requests::{NONCES, SLOTS, TEXTS, lanes};
use super::workload::Workload;

const ACTORS: [&str; 3] = ["", "ann", "bob of ops"];
/// Ids that come again, of this many.
const RECENT_IDS: i64 = 8;

impl Workload {
    /// A new id, or one that was used before.
    fn id(&mut self) -> String {
        let is_new = !self.random.one_in(4);
        self.ids += i64::from(is_new);
        let back = if is_new {
            0
        } else {
            self.random.range(0, RECENT_IDS)
        };
        format!("q{}", (self.ids - back).max(0))
    }

    pub(super) fn ask(&mut self) -> Ask {
        Ask {
            unit: self.shard(),
            request: Request {
                id: self.id(),
                cause: *self.random.pick(&Cause::ALL),
                actor: self.random.pick(&ACTORS).to_string(),
                note: self.random.pick(&TEXTS).to_string(),
                logical: self
                    .random
                    .one_in(3)
                    .then(|| TickMs(self.now_ms - self.random.range(0, 90_000))),
                on_busy: self
                    .random
                    .one_in(2)
                    .then(|| *self.random.pick(&OnBusy::ALL)),
                parameters: match self.random.range(0, 9) {
                    0 => format!("[{}]", "7,".repeat(40)),
                    1..=4 => "{\"a\": \"ä\"}".to_owned(),
                    _ => String::new(),
                },
            },
        }
    }

    /// A lane of which that is true, if there is one; one in three is any.
    fn lane_with(&mut self, wanted: impl Fn(&Record) -> bool) -> UnitName {
        let mut found = lanes();
        found.retain(|lane| self.model.records.get(lane).is_some_and(&wanted));
        match found.is_empty() || self.random.one_in(3) {
            true => self.shard().lane(),
            false => self.random.pick(&found).clone(),
        }
    }

    pub(super) fn take(&mut self) -> Take {
        let lane = match self.random.one_in(4) {
            true => self.lane_with(|record| record.running),
            false => self.lane_with(Record::ready),
        };
        let record = self.record(&lane);
        let nonce = match self.random.one_in(5) {
            true => record.run.nonce.clone(),
            false => self.random.pick(&NONCES).to_string(),
        };
        let mut bounds = self.bounds(&record);
        if self.random.one_in(8) {
            bounds.start = self.start(&record);
        }
        let allows = lane.job() == "a.b:c" || lane.job() == "x" && lane.shard() == 0;
        let most = self.random.range(1, SLOTS.into()) as u32;
        Take {
            lane,
            nonce,
            valid_until_ms: self.now_ms + self.time_ms(-1, 20),
            lease_ms: self.random.range(1, 50),
            takeovers: self.random.range(-1, 2).max(0) as u32,
            bounds,
            overlap: match self.random.range(0, 9) {
                0..=3 if allows => Overlap::Allow(most),
                0..=3 => Overlap::Skip,
                4..=6 => Overlap::Queue(most),
                7..=8 => Overlap::CancelRunning,
                _ => Overlap::Allow(most),
            },
        }
    }

    /// A batch of claims of requests: each lane is in it once.
    pub(super) fn takes(&mut self) -> Vec<Take> {
        let mut takes = self.batch(Workload::take);
        takes.sort_by(|a, b| a.lane.cmp(&b.lane));
        takes.dedup_by(|a, b| a.lane == b.lane);
        takes
    }

    pub(super) fn cancel(&mut self) -> Cancel {
        let unit = self.unit_with(|record| record.running);
        let token = self.record(&unit).run.token;
        Cancel {
            unit,
            token: match self.random.range(0, 5) {
                0 => token.next(),
                _ => token,
            },
            by: self.random.pick(&ACTORS).to_string(),
            note: self.random.pick(&TEXTS).to_string(),
        }
    }

    /// Where a run in a lane comes from, as its node says; of other runs nothing.
    pub(super) fn origin(&mut self, unit: &UnitName, record: &Record) -> Option<Origin> {
        if !unit.is_lane() {
            return None;
        }
        match self.random.range(0, 5) {
            0 => None,
            1 => {
                let beside = self.random.one_in(2);
                let tick = TickMs(self.now_ms);
                Some(self.ask().request.origin(tick, beside))
            }
            _ => record.run.origin.clone(),
        }
    }

    /// Requests that a node was granted.
    pub(super) fn known(&mut self, unit: &UnitName) -> Vec<KnownRequest> {
        let count = if unit.is_lane() {
            self.random.range(0, 3)
        } else {
            0
        };
        let one = |_| KnownRequest {
            id: self.id(),
            tick: TickMs(self.now_ms - self.random.range(0, 90)),
        };
        (0..count).map(one).collect()
    }

    /// A line of a run that needed no lease.
    pub(super) fn line(&mut self) -> LedgerRecord {
        let request = self.random.one_in(3).then(|| self.ask().request);
        LedgerRecord {
            cause: request.as_ref().map(|request| request.cause),
            actor: request
                .as_ref()
                .map_or_else(String::new, |request| request.actor.clone()),
            request: request.map_or_else(String::new, |request| request.id),
            unit: self.shard(),
            tick: TickMs(self.now_ms - self.random.range(0, 9)),
            last_tick: TickMs(self.now_ms),
            count: self.random.number() % 1_000,
            outcome: *self.random.pick(&Outcome::ALL),
            retried: self.random.one_in(2),
            reason: self.random.pick(&TEXTS).to_string(),
            node: self.random.pick(&TEXTS).to_string(),
            identity: Some(self.random.pick(&TEXTS).to_string()).filter(|text| !text.is_empty()),
            token: Some(FencingToken(self.random.number() >> 20)).filter(|token| token.get() > 0),
            attempt: Some(self.random.range(0, 9) as u32).filter(|attempt| *attempt > 0),
            fired_at_ms: Some(self.now_ms - self.random.range(0, 9)),
            ended_at_ms: self.now_ms,
            error: self.random.pick(&TEXTS).to_string(),
        }
    }
}
