//! The protocol as a pure state machine: record, request and time in; record,
//! reply and ledger lines out. No I/O and no clock.
//!
//! Everything else is held against this file: the memory store runs it under
//! a mutex, the Redis scripts are its port (a property test feeds both the
//! same operations and compares replies and records). `docs/protocol.md`
//! tells the why of each rule.

use std::collections::VecDeque;

use super::message::{
    Caller, Enroll, Finish, Finished, Inspected, LedgerRecord, Marks, Outcome, Renew, Renewed,
    RunId, Started, Watched, WrittenOff,
};
use lines::{finished_line, lost_line};

mod claim;
pub mod damage;
mod lines;

pub use claim::{Unit, claim};

/// Version of the stored form. A namespace with a newer one is refused.
pub const VERSION: u64 = 1;

/// No quarantine lasts longer: leases are an hour at most.
pub const MAX_QUARANTINE_MS: i64 = 86_400_000;

/// How much of its lease a run may be without a renewal before a beat reports it
/// as overdue: renewals come every fifth of the lease, give or take a tenth of that.
pub const OVERDUE_PERCENT: i64 = 23;

/// The store's clock at one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Now {
    /// Microseconds since the Unix epoch.
    pub us: u64,
}

impl Now {
    /// Milliseconds since the Unix epoch.
    pub fn ms(self) -> i64 {
        (self.us / 1000) as i64
    }
}

/// What is stored once for a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Meta {
    /// Protocol version, 0 while the namespace was never used.
    pub version: u64,
    /// The serving process and replication history seen last.
    pub serving: String,
    /// When a change of `serving` was seen.
    pub quarantine_from_ms: i64,
    /// Until when nothing is granted because of it.
    pub quarantine_until_ms: i64,
    /// How many buckets the namespace has, 0 while it was never used.
    pub buckets: u32,
}

/// The namespace was written by a newer version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NewerProtocol {
    /// The version found.
    pub found: u64,
}

/// Why a request is not even looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoEntry {
    /// See there.
    NewerProtocol(NewerProtocol),
    /// The namespace has another number of buckets than the caller believes.
    OtherBuckets {
        /// The number found.
        found: u32,
        /// The caller's.
        ours: u32,
    },
}

/// What is stored for a unit: one job, or one shard of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Record {
    /// What was decided. Of the newest start only what callers told, if that is
    /// newer than the run below: then the record was rolled back behind it.
    pub marks: Marks,
    /// Whether the run below is going.
    pub running: bool,
    /// The current or last run; its nonce is empty when it was written off.
    pub run: Run,
    /// The run whose end was recorded last: a repetition of that is known when
    /// another run has its place already.
    pub done: String,
    /// Decided to run, but not started yet; first come, first served.
    pub waiting: VecDeque<Waiting>,
}

/// A tick, or another attempt at one, that waits for its unit to be free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Waiting {
    /// The tick.
    pub tick_ms: i64,
    /// The attempt it will be.
    pub attempt: u32,
    /// How often its run may be taken over.
    pub reruns: u32,
}

impl Waiting {
    /// The start that it waits for.
    fn start(&self) -> Started {
        Started {
            tick_ms: self.tick_ms,
            attempt: self.attempt,
        }
    }
}

/// The current or last run of a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Run {
    /// Its tick.
    pub tick_ms: i64,
    /// Name of the node that runs it.
    pub owner: String,
    /// The claim it was granted to.
    pub nonce: String,
    /// Its fencing token.
    pub token: u64,
    /// Its attempt.
    pub attempt: u32,
    /// Its lease.
    pub lease_ms: i64,
    /// When it was granted.
    pub granted_at_ms: i64,
    /// When its lease ends unless renewed.
    pub until_ms: i64,
    /// Counts its renewals, from 1: who sees it stand still sees a dead run.
    pub seq: u64,
    /// How often it may still be taken over.
    pub reruns: u32,
    /// It was told to stop, because another tick waits for it.
    pub stop: bool,
}

impl Record {
    /// Each living node is a replica of what it saw decided. Raising the marks
    /// is always safe, so it is done before anything else is looked at. What a
    /// store that was rolled back still has waiting, although it has started,
    /// is dropped.
    fn raise(&mut self, floor_hwm_ms: i64, floor_token: u64, floor_started: Started) {
        let floor_hwm_ms = floor_hwm_ms.max(floor_started.tick_ms); // it was decided
        self.marks.hwm_ms = self.marks.hwm_ms.max(floor_hwm_ms);
        self.marks.token = self.marks.token.max(floor_token);
        if floor_started > self.started() {
            self.marks.started = floor_started;
            self.waiting
                .retain(|waiting| waiting.start() > floor_started);
        }
    }

    /// The newest start: that of the run, unless callers know better.
    fn started(&self) -> Started {
        let run = &self.run;
        let of_run = Started {
            tick_ms: run.tick_ms,
            attempt: run.attempt,
        };
        self.marks.started.max(of_run)
    }

    /// The marks, with the newest start.
    fn all_marks(&self) -> Marks {
        Marks {
            started: self.started(),
            ..self.marks
        }
    }

    /// When a beat starts to report the run as overdue: see [`OVERDUE_PERCENT`].
    pub fn overdue_at_ms(&self) -> i64 {
        self.run.until_ms - self.run.lease_ms + self.run.lease_ms * OVERDUE_PERCENT / 100
    }

    /// Something waits and nothing is in its way.
    pub fn ready(&self) -> bool {
        !self.running && !self.waiting.is_empty()
    }

    /// How many ticks wait, without one that is to be taken over.
    fn ticks_waiting(&self) -> usize {
        let ticks = self.waiting.iter().filter(|waiting| waiting.attempt == 1);
        ticks.count()
    }

    /// Nothing runs and nothing waits.
    fn free(&self) -> bool {
        !self.running && self.waiting.is_empty()
    }

    /// The lease of its run has ended, but nobody has written it off.
    fn stale(&self, now: Now) -> bool {
        self.running && self.run.until_ms <= now.ms()
    }

    /// What there is to tell of it.
    pub fn inspect(&self) -> Inspected {
        Inspected {
            marks: self.all_marks(),
            running_ms: self.running.then_some(self.run.tick_ms),
            waiting_ms: self.waiting.iter().map(|waiting| waiting.tick_ms).collect(),
        }
    }

    /// The run as a watcher sees it.
    pub fn watched(&self, unit: &str) -> Watched {
        Watched {
            unit: unit.to_owned(),
            nonce: self.run.nonce.clone(),
            seq: self.run.seq,
            lease_ms: self.run.lease_ms,
        }
    }

    fn start(&mut self, run: &RunId, owner: &str, now: Now) {
        self.running = true;
        self.marks.hwm_ms = self.marks.hwm_ms.max(run.tick_ms);
        self.marks.token = run.token;
        self.run = Run {
            tick_ms: run.tick_ms,
            owner: owner.to_owned(),
            nonce: run.nonce.clone(),
            token: run.token,
            attempt: run.attempt,
            lease_ms: run.lease_ms,
            granted_at_ms: run.granted_at_ms,
            until_ms: now.ms() + run.lease_ms,
            seq: 1,
            reruns: run.reruns,
            stop: false,
        };
    }

    /// Writes a run back that the store forgot. What a store that was rolled
    /// back still has waiting, this run shows to have started already.
    fn readopt(&mut self, run: &RunId, owner: &str, now: Now) {
        let started = Started {
            tick_ms: run.tick_ms,
            attempt: run.attempt,
        };
        self.waiting.retain(|waiting| waiting.start() > started);
        self.start(run, owner, now);
    }

    /// The run of this nonce is going and none came after it. (After a
    /// rollback, floors can tell of a newer token than that of the run.)
    fn holds(&self, nonce: &str) -> bool {
        self.running && self.run.nonce == nonce && self.run.token == self.marks.token
    }

    /// The store has no newer run than this one: it forgot it (was flushed,
    /// restarted or rolled back). A run that was written off is not forgotten,
    /// because writing off takes the next token.
    fn forgot(&self, run: &RunId) -> bool {
        self.run.nonce != run.nonce && self.marks.token <= run.token
    }
}

/// Start of every request: refuses a newer protocol and another number of
/// buckets, and puts a store that is not the one seen last into quarantine,
/// because it may have forgotten. How many buckets there are, the first says
/// that comes to a namespace, or to what is left of it.
pub fn enter(meta: &mut Meta, serving: &str, caller: &Caller, now: Now) -> Result<(), NoEntry> {
    if meta.version > VERSION {
        return Err(NoEntry::NewerProtocol(NewerProtocol {
            found: meta.version,
        }));
    }
    let buckets = match (meta.buckets, meta.version) {
        (0, 0) => caller.buckets,
        (0, _) => 1, // used before buckets were counted
        (buckets, _) => buckets,
    };
    if buckets != caller.buckets {
        return Err(NoEntry::OtherBuckets {
            found: buckets,
            ours: caller.buckets,
        });
    }
    meta.buckets = buckets;
    meta.version = VERSION;
    let clock_went_back = now.ms() < meta.quarantine_from_ms;
    let longest_ms = caller.quarantine_ms.max(MAX_QUARANTINE_MS);
    let lasts_ms = meta
        .quarantine_until_ms
        .saturating_sub(meta.quarantine_from_ms);
    // No caller has asked for such a one: somebody edited it. It might never be over.
    let is_none_of_ours = !(0..=longest_ms).contains(&lasts_ms);
    if meta.serving != serving || clock_went_back || is_none_of_ours {
        meta.serving = serving.to_owned();
        meta.quarantine_from_ms = now.ms();
        meta.quarantine_until_ms = now.ms() + caller.quarantine_ms;
    } else if quarantined(meta, now) {
        // A node with longer leases than the one that noticed the change.
        meta.quarantine_until_ms = meta
            .quarantine_until_ms
            .max(meta.quarantine_from_ms + caller.quarantine_ms);
    }
    Ok(())
}

/// Whether the store may have forgotten decisions.
pub fn quarantined(meta: &Meta, now: Now) -> bool {
    now.ms() < meta.quarantine_until_ms
}

/// Extends a lease, or writes a run back that the store forgot.
pub fn renew(record: &mut Record, renew: &Renew, caller: &Caller, now: Now) -> Renewed {
    let run = &renew.run;
    if now.ms() > renew.valid_until_ms {
        return Renewed::Late;
    }
    if record.holds(&run.nonce) {
        record.run.until_ms = record.run.until_ms.max(now.ms() + run.lease_ms);
        record.run.seq += 1;
        // A store that was rolled back may have forgotten attempts of the run.
        record.run.attempt = record.run.attempt.max(run.attempt);
        return match record.run.stop {
            true => Renewed::Stop(record.run.until_ms),
            false => Renewed::Until(record.run.until_ms),
        };
    }
    if record.forgot(run) {
        record.readopt(run, &caller.name, now);
        return Renewed::Readopted(record.run.until_ms);
    }
    Renewed::Lost
}

/// Ends a run, or an attempt of it, and records what came of it.
pub fn finish(
    record: &mut Record,
    finish: &Finish,
    caller: &Caller,
    now: Now,
    ledger: &mut Vec<LedgerRecord>,
) -> Finished {
    let recorded = end(record, finish, caller, now, ledger);
    Finished {
        recorded,
        ready: record.ready(),
    }
}

fn end(
    record: &mut Record,
    finish: &Finish,
    caller: &Caller,
    now: Now,
    ledger: &mut Vec<LedgerRecord>,
) -> bool {
    let run = &finish.run;
    let same = record.run.nonce == run.nonce;
    let ended = same && (!record.running || record.run.attempt > run.attempt);
    if ended || record.done == run.nonce {
        return true; // by an earlier request of the same
    }
    let outcome = if record.holds(&run.nonce) {
        finish.outcome
    } else if record.forgot(run) {
        record.readopt(run, &caller.name, now);
        finish.outcome
    } else {
        Outcome::FinishedWithoutLease
    };
    let without_lease = outcome == Outcome::FinishedWithoutLease;
    if record.run.nonce == run.nonce {
        record.running = finish.retried && !without_lease;
        // A store that was rolled back may have forgotten attempts of the run.
        record.run.attempt = record.run.attempt.max(run.attempt) + u32::from(record.running);
    }
    if !finish.retried || without_lease {
        record.done.clone_from(&run.nonce);
    }
    ledger.push(finished_line(finish, outcome, caller));
    !without_lease
}

/// Makes a unit known, and the store know what the caller saw.
pub fn enroll(record: &mut Record, enroll: &Enroll, now: Now) -> Marks {
    record.raise(
        enroll.floor_hwm_ms,
        enroll.floor_token,
        enroll.floor_started,
    );
    let seen_ms = enroll.first_seen_ms.min(now.ms());
    let marks = &mut record.marks;
    if marks.born_ms == 0 || seen_ms < marks.born_ms {
        marks.born_ms = seen_ms;
    }
    record.all_marks()
}

/// Records a run as lost, or has it taken over, that the caller saw stand still
/// for nine tenths of its lease, by its own clock.
pub fn write_off(
    meta: &Meta,
    record: &mut Record,
    watched: &Watched,
    caller: &Caller,
    now: Now,
    ledger: &mut Vec<LedgerRecord>,
) -> WrittenOff {
    if quarantined(meta, now) {
        return WrittenOff::Quarantined;
    }
    let run = &record.run;
    let same = record.running && run.nonce == watched.nonce && run.seq == watched.seq;
    if !same || run.until_ms > now.ms() {
        return WrittenOff::Changed;
    }
    // One that was told to make room does not come back. Nor does one that a
    // later tick has followed: the record was rolled back behind its end.
    let started = record.started();
    let taken_over = run.reruns > 0 && !run.stop && started.tick_ms <= run.tick_ms;
    ledger.push(lost_line(record, watched, taken_over, caller, now));
    record.running = false;
    record.run.nonce.clear();
    // The old run is refused from now on: it is older than what is stored.
    record.marks.token += 1;
    if !taken_over {
        return WrittenOff::Lost;
    }
    record.waiting.push_front(Waiting {
        tick_ms: record.run.tick_ms,
        attempt: started.attempt + 1,
        reruns: record.run.reruns - 1,
    });
    WrittenOff::TakenOver
}
