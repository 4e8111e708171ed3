//! The store: the real protocol over one record, and what it may lose.

use crate::history::Loss;
use scheduled_one_protocol::machine::{self, Meta, Now, Record, Unit};
use scheduled_one_protocol::message::{
    Caller, Claim, Claimed, Enroll, Finish, Finished, Head, LedgerRecord, Marks, Outcome, Renew,
    Renewed, Reply, Watched, WrittenOff,
};

/// A request of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// Tell what was seen decided.
    Enroll(Enroll),
    /// Decide a tick, or start what waits.
    Claim(Box<Claim>),
    /// Extend a lease.
    Renew(Renew),
    /// Record an outcome.
    Finish(Box<Finish>),
    /// Record a run as lost.
    WriteOff(Watched),
    /// Tell what is overdue and what is ready.
    Beat,
}

/// The answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Body {
    /// To `Enroll`.
    Enrolled(Marks),
    /// To `Claim`.
    Claimed(Claimed),
    /// To `Renew`.
    Renewed(Renewed),
    /// To `Finish`.
    Finished(Finished),
    /// To `WriteOff`.
    WrittenOff(WrittenOff),
    /// To `Beat`: something waits and can start; a run that is overdue.
    Pulse(bool, Option<Watched>),
}

/// What became of a tick, as far as the ledger tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Line {
    /// The tick, or the first of several.
    pub first_ms: i64,
    /// The last of them.
    pub last_ms: i64,
    /// What became of it.
    pub outcome: Outcome,
    /// Another attempt follows.
    pub retried: bool,
}

impl Line {
    /// It tells what became of the tick in the end.
    pub fn is_final(&self) -> bool {
        !self.retried && self.outcome != Outcome::FinishedWithoutLease
    }
}

/// All that is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Memory {
    /// Of the namespace.
    pub meta: Meta,
    /// Of the unit.
    pub record: Record,
    /// Its ledger, as far as properties need it.
    pub ledger: Vec<Line>,
}

/// A process with a memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    /// What it holds.
    pub memory: Memory,
    /// What it held before the newest changes, oldest first: a failover may
    /// bring one of them back.
    pub before: Vec<Memory>,
    /// Its identity.
    pub serving: u8,
}

impl Server {
    /// A new one, known to be new: without quarantine.
    pub fn new() -> Self {
        let mut memory = Memory::default();
        memory.meta.serving = identity(0);
        Server {
            memory,
            before: Vec::new(),
            serving: 0,
        }
    }

    /// Executes a request; `keep` changes can be lost.
    pub fn serve(
        &mut self,
        request: &Request,
        caller: &Caller,
        now_ms: i64,
        keep: usize,
    ) -> Reply<Body> {
        let before = (keep > 0).then(|| self.memory.clone());
        let now = Now {
            us: now_ms as u64 * 1_000,
        };
        let memory = &mut self.memory;
        machine::enter(&mut memory.meta, &identity(self.serving), caller, now)
            .expect("there is one version");
        let mut lines = Vec::new();
        let record = &mut memory.record;
        let body = match request {
            Request::Enroll(enroll) => Body::Enrolled(machine::enroll(record, enroll, now)),
            Request::Claim(claim) => {
                let mut unit = Unit {
                    record,
                    places: &mut [],
                };
                let (meta, lines) = (&memory.meta, &mut lines);
                Body::Claimed(machine::claim(meta, &mut unit, claim, caller, now, lines))
            }
            Request::Renew(renew) => Body::Renewed(machine::renew(record, renew, caller, now)),
            Request::Finish(finish) => {
                Body::Finished(machine::finish(record, finish, caller, now, &mut lines))
            }
            Request::WriteOff(watched) => Body::WrittenOff(machine::write_off(
                &memory.meta,
                record,
                watched,
                caller,
                now,
                &mut lines,
            )),
            Request::Beat => Body::Pulse(record.ready(), overdue(record, now_ms)),
        };
        memory.ledger.extend(lines.into_iter().map(line));
        memory
            .ledger
            .sort_by_key(|line| (line.first_ms, line.outcome as u8));
        if let Some(before) = before
            && before != self.memory
        {
            self.before.push(before);
            if self.before.len() > keep {
                self.before.remove(0);
            }
        }
        Reply {
            head: Head {
                now_us: now.us,
                serving: self.memory.meta.serving.clone(),
                quarantine_until_ms: self.memory.meta.quarantine_until_ms,
            },
            body,
        }
    }

    /// Whether a request has come since it serves, or was flushed.
    pub fn noticed(&self) -> bool {
        self.memory.meta.serving == identity(self.serving)
    }

    /// Whether it knows of that start.
    pub fn knows(&self, loss: &Loss) -> bool {
        let record = &self.memory.record;
        let of_run = (record.run.tick_ms, record.run.attempt);
        let told = (record.marks.started.tick_ms, record.marks.started.attempt);
        let (tick_ms, attempt) = of_run.max(told);
        loss.is_known(record.marks.token, tick_ms, attempt)
    }

    /// What a beat at `now_ms` would name.
    pub fn overdue(&self, now_ms: i64) -> Option<Watched> {
        overdue(&self.memory.record, now_ms)
    }

    /// Another process serves, which has not seen the newest `lost` changes.
    pub fn fail_over(&mut self, lost: usize) {
        let kept = self.before.len() - lost;
        self.memory = self.before[kept].clone();
        self.before.clear();
        self.serving += 1;
    }

    /// Everything is gone.
    pub fn flush(&mut self) {
        self.memory = Memory::default();
        self.before.clear();
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

/// The name of a serving process.
pub fn identity(serving: u8) -> String {
    format!("s{serving}")
}

fn overdue(record: &Record, now_ms: i64) -> Option<Watched> {
    let overdue = record.running && record.overdue_at_ms() <= now_ms;
    overdue.then(|| record.watched("job"))
}

fn line(record: LedgerRecord) -> Line {
    Line {
        first_ms: record.tick_ms,
        last_ms: record.last_tick_ms,
        outcome: record.outcome,
        retried: record.retried,
    }
}
