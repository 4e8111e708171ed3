//! Random requests, and the model that predicts the replies.

use std::collections::BTreeMap;
use std::fmt::Debug;

use scheduled_one_protocol::machine::{self, Now, Record};
use scheduled_one_protocol::memory::BucketState;
use scheduled_one_protocol::message::{Caller, Head, MAX_BATCH, RunId, Verdict};
use scheduled_one_protocol::{UnitName, Wanted, WorkingSet};

use super::Breach;
use super::requests::{MOST_QUARANTINE_MS, units};

/// Random numbers that come again with the same seed: SplitMix64 (Steele, Lea, Flood: *Fast splittable pseudorandom
/// number generators*, OOPSLA 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers of this seed.
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub fn range(&mut self, low: i64, high: i64) -> i64 {
        low + (self.number() % (high - low + 1) as u64) as i64
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.number().is_multiple_of(n)
    }

    /// One of several.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[(self.number() % items.len() as u64) as usize]
    }
}

/// Random requests and the model that predicts their replies. What the model holds steers the requests towards rare
/// verdicts.
#[derive(Debug)]
pub struct Workload {
    /// Where the requests come from.
    pub random: Random,
    /// What a store must hold that carried out the requests.
    pub model: BucketState,
    /// The store's clock at the last reply.
    pub now_ms: i64,
    /// One request in so many has the greatest batch; none if it is 0.
    pub full_batch_one_in: u64,
    /// Runs granted lately: some of them are old by now.
    pub(super) runs: Vec<RunId>,
    /// How many ids of requests were used.
    pub(super) ids: i64,
    pace: Pace,
    seen: BTreeMap<String, u64>,
}

/// How many milliseconds leases and quarantines of the requests are stretched to for each one of a fast store: so the
/// store sees about as many requests within each of them, however slow it is.
#[derive(Clone, Copy, Debug)]
struct Pace {
    factor: i64,
    /// How many replies came since `since_ms`.
    replies: i64,
    since_ms: i64,
}

impl Pace {
    /// The pace is measured anew after so many replies.
    const REPLIES: i64 = 32;
    /// A store that takes no longer for a reply, on average, is a fast one.
    const FAST_MS: i64 = 2;
    const MOST: i64 = 20;

    fn replied(&mut self, now_ms: i64) {
        self.replies += 1;
        if self.replies == Pace::REPLIES {
            let took_ms = now_ms - self.since_ms;
            self.factor = (took_ms / Pace::REPLIES / Pace::FAST_MS).clamp(1, Pace::MOST);
            (self.replies, self.since_ms) = (0, now_ms);
        }
    }
}

impl Workload {
    /// The requests of this seed, to a store that was never used and cannot know that it is new. Its clock shows about
    /// `now_ms`.
    pub fn new(seed: u64, now_ms: i64) -> Self {
        Workload {
            random: Random::new(seed),
            model: BucketState::default(),
            now_ms,
            full_batch_one_in: 0,
            runs: Vec::new(),
            ids: 0,
            pace: Pace {
                factor: 1,
                replies: 0,
                since_ms: now_ms,
            },
            seen: BTreeMap::new(),
        }
    }

    /// A time from `low_ms` to `high_ms`, stretched for a slow store.
    pub(super) fn time_ms(&mut self, low_ms: i64, high_ms: i64) -> i64 {
        let factor = self.pace.factor;
        self.random.range(low_ms * factor, high_ms * factor)
    }

    /// The longest quarantine of a caller.
    pub(super) fn most_quarantine_ms(&self) -> i64 {
        MOST_QUARANTINE_MS * self.pace.factor
    }

    /// What the model holds of a unit.
    pub fn record(&self, unit: &UnitName) -> Record {
        self.model.records.get(unit).cloned().unwrap_or_default()
    }

    /// How often what happened, in words.
    pub fn seen(&self) -> &BTreeMap<String, u64> {
        &self.seen
    }

    /// Counts something that happened.
    pub fn count(&mut self, what: &str) {
        *self.seen.entry(what.to_owned()).or_default() += 1;
    }

    pub(super) fn count_if(&mut self, it_is: bool, what: &str) {
        if it_is {
            self.count(what);
        }
    }

    /// Of few units, so that many come twice.
    pub(super) fn batch<T>(&mut self, one: impl Fn(&mut Self) -> T) -> Vec<T> {
        let is_full = self.full_batch_one_in > 0 && self.random.one_in(self.full_batch_one_in);
        let items = match is_full {
            true => MAX_BATCH as i64,
            false => self.random.range(1, 9),
        };
        (0..items).map(|_| one(self)).collect()
    }

    /// Brings the model to where the store was when it decided.
    pub(super) fn enter(
        &mut self,
        request: &dyn Debug,
        caller: &Caller,
        head: &Head,
    ) -> Result<Now, Breach> {
        let now = Now { us: head.now_us };
        self.now_ms = now.ms();
        self.pace.replied(self.now_ms);
        self.model.serving.clone_from(&head.serving);
        let meta = &mut self.model.meta;
        if let Err(refused) = machine::enter(meta, &head.serving, caller, now) {
            let what = "the request had to be refused";
            return Err(Breach::new(what, request, &refused, head));
        }
        let expected = Head {
            now_us: now.us,
            serving: meta.serving.clone(),
            quarantine_from_ms: meta.quarantine_from_ms,
            quarantine_until_ms: meta.quarantine_until_ms,
            control_version: meta.control_version,
        };
        Breach::unless_same("the head of the reply", request, &expected, head)?;
        Ok(now)
    }

    /// One step of the model, on all that it holds.
    pub(super) fn decide<T>(
        &mut self,
        caller: &Caller,
        now: Now,
        step: impl FnOnce(&mut WorkingSet) -> T,
    ) -> T {
        self.decide_on(Wanted::default(), caller, now, step)
    }

    /// One step of the model, on all that it holds, and what is wanted of requests.
    pub(super) fn decide_on<T>(
        &mut self,
        requests: Wanted,
        caller: &Caller,
        now: Now,
        step: impl FnOnce(&mut WorkingSet) -> T,
    ) -> T {
        let wanted = Wanted {
            nodes: true,
            units: units().into_iter().collect(),
            ..requests
        };
        let (mut step, mut decided) = (Some(step), None);
        let model = &mut self.model;
        let done = model.transact(now, &wanted, caller.ledger_limit, &mut |set| {
            decided = step.take().map(|step| step(set));
            Ok(())
        });
        done.expect("no error");
        decided.expect("one step")
    }

    pub(super) fn remember(&mut self, verdict: &Verdict) {
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
            origin: run.origin,
        });
    }
}
