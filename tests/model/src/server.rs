//! The store: the real protocol over one record, and what it may lose.

mod forget;
mod lane;

use crate::config::{Config, Guards};
use crate::history::Loss;
pub use lane::Lane;
use scheduled_one_protocol::machine::{self, Meta, Nodes, Now, Record, UnitRecords};
use scheduled_one_protocol::message::{
    Ask, Asked, Caller, Cancel, Cancelled, Claim, Claimed, ControlReply, ControlRequest, Finish,
    Finished, ForgetRequest, Forgotten, Head, Heartbeat, OverdueRun, Register, RegisteredUnit,
    Renew, Renewed, Reply, Take, Taken, WrittenOff,
};
use scheduled_one_protocol::{Catalog, LedgerRecord, Outcome, TickMs, UnitName};

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
    Control(Box<ControlRequest>),
    /// Let a request wait in the lane.
    Ask(Box<Ask>),
    /// Start the request that waits there.
    Take(Box<Take>),
    /// Cancel a run.
    Cancel(Cancel),
    /// Report what is overdue and what is ready.
    Heartbeat,
    /// Say that a node lives, and which jobs it has.
    Beat(Box<Heartbeat>),
    /// Describe the job.
    Describe(Box<ControlRequest>),
    /// Forget the job, or take marks back.
    Forget(Box<ForgetRequest>),
}

impl Request {
    /// The unit that it is about, if it is a request of the machine on one record.
    fn unit(&self) -> Option<&UnitName> {
        match self {
            Request::Register(register) => Some(&register.unit),
            Request::Renew(renew) => Some(&renew.run.unit),
            Request::Finish(finish) => Some(&finish.run.unit),
            Request::WriteOff(run) => Some(&run.unit),
            _ => None,
        }
    }

    /// Whether it is about the lane.
    fn is_of_lane(&self) -> bool {
        let asks = matches!(
            self,
            Request::Ask(_) | Request::Take(_) | Request::Cancel(_)
        );
        asks || self.unit().is_some_and(UnitName::is_lane)
    }
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
    /// To `Ask`.
    Asked(Asked),
    /// To `Take`.
    Taken(Taken),
    /// To `Cancel`.
    Cancelled(Cancelled),
    /// To `Beat`: whether the store has the list of jobs.
    Beat(bool),
    /// To `Describe`.
    Described,
    /// To `Forget`.
    Forgotten(Forgotten),
    /// To `Heartbeat`.
    Heartbeat {
        /// Something waits and can start.
        ready: bool,
        /// A request waits and can start.
        lane_ready: bool,
        /// A tick was due a while ago, and is undecided.
        unclaimed: bool,
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
    /// It is about the request.
    pub of_request: bool,
}

impl Line {
    /// It has the outcome of the tick in the end.
    pub fn is_final(&self) -> bool {
        !self.retried && self.outcome != Outcome::FinishedWithoutLease
    }

    /// The same, of a tick of the schedule.
    pub fn is_outcome(&self) -> bool {
        self.is_final() && !self.of_request
    }
}

/// All that is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Memory {
    /// Of the namespace.
    pub meta: Meta,
    /// Of the unit.
    pub record: Record,
    /// Of its lane.
    pub lane: Lane,
    /// Its ledger, as far as properties need it.
    pub ledger: Vec<Line>,
    /// The nodes that live, and the lists of their jobs.
    pub nodes: Nodes,
    /// The catalog.
    pub catalog: Catalog,
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
        guards: &Guards,
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
            request if request.is_of_lane() => {
                lane::serve(memory, request, caller, now, guards, &mut lines)
            }
            Request::Register(it) => {
                let (meta, lives) = (&memory.meta, |_: &str| true);
                Body::Registered(machine::register(meta, record, it, caller, now, lives))
            }
            Request::Claim(claim) => {
                Body::Claimed(claim_tick(memory, claim, caller, now, guards, &mut lines))
            }
            Request::Renew(renew) => Body::Renewed(machine::renew(record, renew, caller, now)),
            Request::Finish(finish) => {
                Body::Finished(machine::finish(record, finish, caller, now, &mut lines))
            }
            Request::WriteOff(run) => {
                let (meta, lines) = (&memory.meta, &mut lines);
                Body::WrittenOff(machine::write_off(meta, record, run, caller, now, lines))
            }
            Request::Control(request) => Body::Controlled(control(memory, request, now)),
            Request::Describe(request) => {
                control(memory, request, now);
                Body::Described
            }
            Request::Beat(beat) => {
                let (meta, nodes) = (&mut memory.meta, &mut memory.nodes);
                Body::Beat(machine::heartbeat(meta, nodes, caller, beat, now).has_job_list)
            }
            Request::Forget(it) => Body::Forgotten(forget::serve(memory, it, now, guards)),
            Request::Heartbeat => heartbeat(memory, now),
            Request::Ask(_) | Request::Take(_) | Request::Cancel(_) => unreachable!("of the lane"),
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
            head: self.head(now),
            body,
        }
    }

    fn head(&self, now: Now) -> Head {
        let meta = &self.memory.meta;
        Head {
            now_us: now.us,
            serving: meta.serving.clone(),
            quarantine_from_ms: meta.quarantine_from_ms,
            quarantine_until_ms: meta.quarantine_until_ms,
            control_version: meta.control_version,
        }
    }

    /// Whether a request has come since it serves, or was flushed.
    pub fn noticed(&self) -> bool {
        self.memory.meta.serving == identity(self.serving)
    }

    /// Whether it knows of that start.
    pub fn knows(&self, loss: &Loss) -> bool {
        let record = match loss.newest.in_lane {
            true => &self.memory.lane.record,
            false => &self.memory.record,
        };
        let newest = record.status().marks;
        loss.is_known(newest.token, newest.start)
    }

    /// What a heartbeat at `now_ms` would name.
    pub fn overdue(&self, now_ms: i64) -> Option<OverdueRun> {
        overdue(&self.memory, now_ms)
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

fn heartbeat(memory: &Memory, now: Now) -> Body {
    Body::Heartbeat {
        ready: memory.record.ready(),
        lane_ready: memory.lane.record.ready(),
        unclaimed: memory.record.unclaimed(now),
        overdue: overdue(memory, now.ms()),
    }
}

fn control(memory: &mut Memory, request: &ControlRequest, now: Now) -> ControlReply {
    let (meta, catalog) = (&mut memory.meta, &mut memory.catalog);
    machine::control(meta, catalog, request, now, &mut Vec::new())
}

fn claim_tick(
    memory: &mut Memory,
    claim: &Claim,
    caller: &Caller,
    now: Now,
    guards: &Guards,
    lines: &mut Vec<LedgerRecord>,
) -> Claimed {
    memory.record.has_lane &= guards.brings_lane;
    let mut claim = claim.clone();
    if !guards.names_version {
        let directives = &memory.meta.directives;
        let stored = directives.get(Config::unit().job());
        claim.control = stored.map_or(0, |stored| stored.version);
    }
    let mut unit = UnitRecords {
        own: &mut memory.record,
        slots: &mut [],
        lane: claim.with_lane.then_some(&mut memory.lane.record),
    };
    machine::claim(&memory.meta, &mut unit, &claim, caller, now, lines)
}

/// Unit and lane exclude each other: there is one at most.
fn overdue(memory: &Memory, now_ms: i64) -> Option<OverdueRun> {
    let of = |record: &Record, unit: UnitName| {
        let overdue = record.running && record.overdue_at_ms() <= now_ms;
        overdue.then(|| record.overdue_run(&unit))
    };
    let in_lane = || of(&memory.lane.record, Config::unit().lane());
    of(&memory.record, Config::unit()).or_else(in_lane)
}

fn line(record: LedgerRecord) -> Line {
    Line {
        first: record.tick,
        last: record.last_tick,
        outcome: record.outcome,
        retried: record.retried,
        of_request: !record.request.is_empty(),
    }
}
