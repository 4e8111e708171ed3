//! The protocol as a pure state machine: record, request and time in; record,
//! reply and ledger lines out. No I/O and no clock.
//!
//! Everything else is held against this file: the memory store runs it under
//! a mutex, the Redis scripts are its port (a property test feeds both the
//! same operations and compares replies and records). `docs/protocol.md`
//! tells the why of each rule.

use super::message::{
    Caller, Claim, Claimed, EARLY_TOLERANCE_MS, Enroll, Finish, Finished, Intent, LedgerRecord,
    Marks, Missed, Outcome, Renew, Renewed, RunId, Verdict, Watched, WrittenOff,
};

/// Version of the stored form. A namespace with a newer one is refused.
pub const VERSION: u64 = 1;

/// The store's clock at one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Protocol version, 0 while the namespace was never used.
    pub version: u64,
    /// The serving process and replication history seen last.
    pub serving: String,
    /// When a change of `serving` was seen.
    pub quarantine_from_ms: i64,
    /// Until when nothing is granted because of it.
    pub quarantine_until_ms: i64,
}

/// The namespace was written by a newer version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewerProtocol {
    /// The version found.
    pub found: u64,
}

/// What is stored for a unit: one job, or one shard of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// What was decided.
    pub marks: Marks,
    /// Whether the run below is going.
    pub running: bool,
    /// The current or last run; its nonce is empty when it was written off.
    pub run: Run,
}

/// The current or last run of a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
}

impl Record {
    /// Each living node is a replica of what it saw decided. Raising the marks
    /// is always safe, so it is done before anything else is looked at.
    fn raise(&mut self, floor_hwm_ms: i64, floor_token: u64) {
        self.marks.hwm_ms = self.marks.hwm_ms.max(floor_hwm_ms);
        self.marks.token = self.marks.token.max(floor_token);
    }

    /// When a beat starts to report the run as overdue: renewals come every
    /// fifth of the lease, give or take a tenth of that.
    pub fn overdue_at_ms(&self) -> i64 {
        self.run.until_ms - self.run.lease_ms + self.run.lease_ms * 23 / 100
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
        };
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

/// Start of every request: refuses a newer protocol, and puts a store that is
/// not the one seen last into quarantine, because it may have forgotten.
pub fn enter(
    meta: &mut Meta,
    serving: &str,
    caller: &Caller,
    now: Now,
) -> Result<(), NewerProtocol> {
    if meta.version > VERSION {
        return Err(NewerProtocol {
            found: meta.version,
        });
    }
    meta.version = VERSION;
    let clock_went_back = now.ms() < meta.quarantine_from_ms;
    if meta.serving != serving || clock_went_back {
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

/// Decides one tick.
pub fn claim(
    meta: &Meta,
    record: &mut Record,
    claim: &Claim,
    caller: &Caller,
    now: Now,
    ledger: &mut Vec<LedgerRecord>,
) -> Claimed {
    record.raise(claim.floor_hwm_ms, claim.floor_token);
    let verdict = decide(meta, record, claim, caller, now, ledger);
    Claimed {
        marks: record.marks,
        verdict,
    }
}

fn decide(
    meta: &Meta,
    record: &mut Record,
    claim: &Claim,
    caller: &Caller,
    now: Now,
    ledger: &mut Vec<LedgerRecord>,
) -> Verdict {
    if record.holds(&claim.nonce) {
        return Verdict::Granted {
            token: record.run.token,
            until_ms: record.run.until_ms,
            attempt: record.run.attempt,
        };
    }
    if now.ms() > claim.valid_until_ms {
        return Verdict::Late;
    }
    if quarantined(meta, now) {
        return Verdict::Quarantined;
    }
    if claim.tick_ms > now.ms() + EARLY_TOLERANCE_MS {
        return Verdict::Early {
            by_ms: claim.tick_ms - now.ms(),
        };
    }
    let decided_to_ms = record.marks.decided_to_ms();
    if claim.tick_ms <= decided_to_ms {
        return Verdict::Decided {
            owner: record.run.owner.clone(),
        };
    }
    if decided_to_ms > 0 && claim.after_ms != decided_to_ms {
        return Verdict::Moved;
    }
    if claim.intent == Intent::Run && record.running && record.run.until_ms <= now.ms() {
        return Verdict::Stale(record.watched(&claim.unit));
    }
    // From here on the tick is decided.
    if let Some(missed) = &claim.missed {
        ledger.push(missed_line(missed, caller, now));
    }
    record.marks.hwm_ms = claim.tick_ms;
    if claim.intent == Intent::Forgo {
        return Verdict::Forgone;
    }
    if record.running {
        ledger.push(skipped_line(claim, caller, now));
        return Verdict::Skipped;
    }
    grant(record, claim, caller, now)
}

fn grant(record: &mut Record, claim: &Claim, caller: &Caller, now: Now) -> Verdict {
    let run = RunId {
        unit: claim.unit.clone(),
        tick_ms: claim.tick_ms,
        nonce: claim.nonce.clone(),
        token: (record.marks.token + 1).max(now.us),
        attempt: 1,
        lease_ms: claim.lease_ms,
        granted_at_ms: now.ms(),
    };
    record.start(&run, &caller.name, now);
    Verdict::Granted {
        token: run.token,
        until_ms: record.run.until_ms,
        attempt: run.attempt,
    }
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
        return Renewed::Until(record.run.until_ms);
    }
    if record.forgot(run) {
        record.start(run, &caller.name, now);
        return Renewed::Readopted(record.run.until_ms);
    }
    Renewed::Lost
}

/// Ends a run and records what came of it.
pub fn finish(
    record: &mut Record,
    finish: &Finish,
    caller: &Caller,
    now: Now,
    ledger: &mut Vec<LedgerRecord>,
) -> Finished {
    let run = &finish.run;
    if record.run.nonce == run.nonce && !record.running {
        return Finished::Recorded; // by an earlier request of the same
    }
    let outcome = if record.holds(&run.nonce) {
        finish.outcome
    } else if record.forgot(run) {
        record.start(run, &caller.name, now);
        finish.outcome
    } else {
        Outcome::FinishedWithoutLease
    };
    if record.run.nonce == run.nonce {
        record.running = false;
    }
    ledger.push(finished_line(finish, outcome, caller));
    if outcome == Outcome::FinishedWithoutLease {
        return Finished::Refused;
    }
    Finished::Recorded
}

/// Makes a unit known, and the store know what the caller saw.
pub fn enroll(record: &mut Record, enroll: &Enroll, now: Now) -> Marks {
    record.raise(enroll.floor_hwm_ms, enroll.floor_token);
    let seen_ms = enroll.first_seen_ms.min(now.ms());
    let marks = &mut record.marks;
    if marks.born_ms == 0 || seen_ms < marks.born_ms {
        marks.born_ms = seen_ms;
    }
    *marks
}

/// Records a run as lost that the caller saw stand still for a whole lease of
/// its own clock.
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
    ledger.push(lost_line(record, caller, now));
    record.running = false;
    record.run.nonce.clear();
    // The old run is refused from now on: it is older than what is stored.
    record.marks.token += 1;
    WrittenOff::Lost
}

fn missed_line(missed: &Missed, caller: &Caller, now: Now) -> LedgerRecord {
    LedgerRecord {
        tick_ms: missed.first_ms,
        last_tick_ms: missed.last_ms,
        count: missed.count,
        outcome: Outcome::Missed,
        reason: missed.reason.clone(),
        node: caller.name.clone(),
        token: 0,
        attempt: 0,
        fired_at_ms: 0,
        ended_at_ms: now.ms(),
        error: String::new(),
    }
}

fn skipped_line(claim: &Claim, caller: &Caller, now: Now) -> LedgerRecord {
    LedgerRecord {
        tick_ms: claim.tick_ms,
        last_tick_ms: claim.tick_ms,
        count: 1,
        outcome: Outcome::Skipped,
        reason: "overlap".to_owned(),
        node: caller.name.clone(),
        token: 0,
        attempt: 0,
        fired_at_ms: 0,
        ended_at_ms: now.ms(),
        error: String::new(),
    }
}

fn finished_line(finish: &Finish, outcome: Outcome, caller: &Caller) -> LedgerRecord {
    let reason = if outcome == finish.outcome {
        finish.reason.clone()
    } else {
        format!("reported {} after its lease", finish.outcome)
    };
    LedgerRecord {
        tick_ms: finish.run.tick_ms,
        last_tick_ms: finish.run.tick_ms,
        count: 1,
        outcome,
        reason,
        node: caller.name.clone(),
        token: finish.run.token,
        attempt: finish.run.attempt,
        fired_at_ms: finish.fired_at_ms,
        ended_at_ms: finish.ended_at_ms,
        error: finish.error.clone(),
    }
}

fn lost_line(record: &Record, caller: &Caller, now: Now) -> LedgerRecord {
    LedgerRecord {
        tick_ms: record.run.tick_ms,
        last_tick_ms: record.run.tick_ms,
        count: 1,
        outcome: Outcome::Lost,
        reason: format!("no sign of life for a whole lease, seen by {}", caller.name),
        node: record.run.owner.clone(),
        token: record.run.token,
        attempt: record.run.attempt,
        fired_at_ms: record.run.granted_at_ms,
        ended_at_ms: now.ms(),
        error: String::new(),
    }
}
