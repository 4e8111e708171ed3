//! The store: the real protocol over one record, and what it may lose.

use crate::config::Config;
use crate::history::Loss;
use scheduled_one_protocol::machine::{self, Meta, Now, Record, UnitRecords};
use scheduled_one_protocol::message::{
    Caller, Claim, Claimed, ControlReply, ControlRequest, Finish, Finished, Head, OverdueRun,
    Register, RegisteredUnit, Renew, Renewed, Reply, WrittenOff,
};
use scheduled_one_protocol::{LedgerRecord, Outcome, TickMs};

/// A request of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// Make the unit known, with what was seen decided.
    Register(Register),
    /// Decide a tick, or start what waits.
    Claim(Box<Claim>),
    /// Extend a lease.
    Renew(Renew),
    /// Record an outcome.
    Finish(Box<Finish>),
    /// Record a run as lost.
    WriteOff(OverdueRun),
    /// Read directives, and repeat or change the job's.
    Control(ControlRequest),
    /// Report what is overdue and what is ready.
    Heartbeat,
}

/// The answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Body {
    /// To `Register`.
    Registered(RegisteredUnit),
    /// To `Claim`.
    Claimed(Claimed),
    /// To `Renew`.
    Renewed(Renewed),
    /// To `Finish`.
    Finished(Finished),
    /// To `WriteOff`.
    WrittenOff(WrittenOff),
    /// To `Control`.
    Controlled(ControlReply),
    /// To `Heartbeat`.
    Heartbeat {
        /// Something waits and can start.
        ready: bool,
        /// A run whose renewal is overdue.
        overdue: Option<OverdueRun>,
    },
}

/// A line of the ledger, as far as properties need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Line {
    /// The tick, or the first of several.
    pub first: TickMs,
    /// The last of them.
    pub last: TickMs,
    /// The outcome.
    pub outcome: Outcome,
    /// Another attempt follows.
    pub retried: bool,
}

impl Line {
    /// It has the outcome of the tick in the end.
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
            Request::Register(it) => {
                let (meta, lives) = (&memory.meta, |_: &str| true);
                Body::Registered(machine::register(meta, record, it, caller, now, lives))
            }
            Request::Claim(claim) => {
                let mut unit = UnitRecords {
                    own: record,
                    slots: &mut [],
                    lane: None,
                };
                let (meta, lines) = (&memory.meta, &mut lines);
                Body::Claimed(machine::claim(meta, &mut unit, claim, caller, now, lines))
            }
            Request::Renew(renew) => Body::Renewed(machine::renew(record, renew, caller, now)),
            Request::Finish(finish) => {
                Body::Finished(machine::finish(record, finish, caller, now, &mut lines))
            }
            Request::WriteOff(run) => {
                let (meta, lines) = (&memory.meta, &mut lines);
                Body::WrittenOff(machine::write_off(meta, record, run, caller, now, lines))
            }
            Request::Control(request) => Body::Controlled({
                let mut catalog = Default::default();
                machine::control(
                    &mut memory.meta,
                    &mut catalog,
                    request,
                    now,
                    &mut Vec::new(),
                )
            }),
            Request::Heartbeat => Body::Heartbeat {
                ready: record.ready(),
                overdue: overdue(record, now_ms),
            },
        };
        memory.ledger.extend(lines.into_iter().map(line));
        memory
            .ledger
            .sort_by_key(|line| (line.first, line.outcome as u8));
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
                quarantine_from_ms: self.memory.meta.quarantine_from_ms,
                quarantine_until_ms: self.memory.meta.quarantine_until_ms,
                control_version: self.memory.meta.control_version,
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
        let newest = record.status().marks;
        loss.is_known(newest.token, newest.start)
    }

    /// What a heartbeat at `now_ms` would name.
    pub fn overdue(&self, now_ms: i64) -> Option<OverdueRun> {
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

fn overdue(record: &Record, now_ms: i64) -> Option<OverdueRun> {
    let overdue = record.running && record.overdue_at_ms() <= now_ms;
    overdue.then(|| record.overdue_run(&Config::unit()))
}

fn line(record: LedgerRecord) -> Line {
    Line {
        first: record.tick,
        last: record.last_tick,
        outcome: record.outcome,
        retried: record.retried,
    }
}
