//! The part of a bucket that one request needs, loaded from a store, and the decisions on batches of it.

use std::collections::{BTreeSet, HashMap};

use crate::ledger::LedgerRecord;
use crate::machine::{self, Meta, Nodes, Now, Record, UnitRecords};
use crate::message::{
    Caller, Claim, Claimed, ControlReply, ControlRequest, Finish, Finished, Head, Heartbeat,
    HeartbeatReply, NODE_GONE_MS, OverdueRun, Overlap, Register, RegisteredUnit, Renew, Renewed,
    Target, UnitStatus, WrittenOff,
};
use crate::unit::UnitName;

/// What a store has to load for a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The units whose records are needed. A store that locks rows locks them in this order, so that two requests
    /// never wait for each other.
    pub units: BTreeSet<UnitName>,
    /// Whether the living nodes are needed.
    pub nodes: bool,
    /// What the step has to do with directives.
    pub directives: Access,
}

/// What a step has to do with directives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Nothing that depends on them.
    #[default]
    None,
    /// It decides by them.
    Reads,
    /// It may change them: it comes before or after each step that decides by them. Otherwise a tick that was decided
    /// before a pause could be granted after the reply to it.
    Changes,
}

impl Wanted {
    /// The records of these units.
    pub fn units<'a>(units: impl IntoIterator<Item = &'a UnitName>) -> Self {
        Wanted {
            units: units.into_iter().cloned().collect(),
            ..Wanted::default()
        }
    }

    /// The records that these claims decide on: the units, and their slots.
    pub fn claims(claims: &[Claim]) -> Self {
        let with_slots = |claim: &Claim| {
            (0..=slots(claim))
                .map(|slot| slot_of(&claim.unit, slot))
                .collect::<Vec<_>>()
        };
        Wanted {
            units: claims.iter().flat_map(with_slots).collect(),
            directives: Access::Reads,
            ..Wanted::default()
        }
    }
}

/// How many slots the runs of a claim may use. A claim from the queue names its slot itself, and a slot has no slots.
fn slots(claim: &Claim) -> u32 {
    match &claim.target {
        Target::Tick(due) if claim.unit.slot() == 0 => match due.overlap {
            Overlap::Allow(most) => most,
            _ => 0,
        },
        _ => 0,
    }
}

fn slot_of(unit: &UnitName, slot: u32) -> UnitName {
    match slot {
        0 => unit.clone(),
        _ => unit.with_slot(slot),
    }
}

/// What a request works on: [`Wanted`], loaded. The methods decide; afterwards the store saves [`meta`](Self::meta),
/// [`nodes`](Self::nodes) if they were wanted, the [`touched`](Self::touched) records and the [`lines`](Self::lines).
#[derive(Clone, Debug, Default)]
pub struct WorkingSet {
    /// The store's clock at this request.
    pub now: Now,
    /// Identity of the process that serves the store, and of its history.
    pub serving: String,
    /// What is stored once for the bucket.
    pub meta: Meta,
    /// The living nodes, if they were wanted.
    pub nodes: Nodes,
    /// The records of the units that were wanted, as far as they are stored.
    pub records: HashMap<UnitName, Record>,
    /// Units whose records have changed.
    pub touched: BTreeSet<UnitName>,
    /// New lines of ledgers, oldest first.
    pub lines: Vec<LedgerRecord>,
}

impl WorkingSet {
    /// The head of the reply.
    pub fn head(&self) -> Head {
        Head {
            now_us: self.now.us,
            serving: self.meta.serving.clone(),
            quarantine_from_ms: self.meta.quarantine_from_ms,
            quarantine_until_ms: self.meta.quarantine_until_ms,
            control_version: self.meta.control_version,
        }
    }

    /// Decides ticks.
    pub fn claim(&mut self, caller: &Caller, claims: &[Claim]) -> Vec<Claimed> {
        claims
            .iter()
            .map(|claim| self.claim_one(caller, claim))
            .collect()
    }

    fn claim_one(&mut self, caller: &Caller, claim: &Claim) -> Claimed {
        let mut own = self.record(&claim.unit);
        let names: Vec<UnitName> = (1..=slots(claim))
            .map(|slot| claim.unit.with_slot(slot))
            .collect();
        let mut in_slots: Vec<Record> = names.iter().map(|name| self.record(name)).collect();
        let mut unit = UnitRecords {
            own: &mut own,
            slots: &mut in_slots,
        };
        let lines = &mut self.lines;
        let claimed = machine::claim(&self.meta, &mut unit, claim, caller, self.now, lines);
        self.put(&claim.unit, own);
        for (name, record) in names.iter().zip(in_slots) {
            self.put(name, record);
        }
        claimed
    }

    /// Extends leases.
    pub fn renew(&mut self, caller: &Caller, renewals: &[Renew]) -> Vec<Renewed> {
        self.each(
            renewals,
            |renewal| &renewal.run.unit,
            |set, record, renewal| machine::renew(record, renewal, caller, set.now),
        )
    }

    /// Ends runs.
    pub fn finish(&mut self, caller: &Caller, finishes: &[Finish]) -> Vec<Finished> {
        self.each(
            finishes,
            |finish| &finish.run.unit,
            |set, record, finish| machine::finish(record, finish, caller, set.now, &mut set.lines),
        )
    }

    /// Makes units known.
    pub fn register(&mut self, caller: &Caller, registrations: &[Register]) -> Vec<RegisteredUnit> {
        self.each(
            registrations,
            |registration| &registration.unit,
            |set, record, registration| {
                let lives = |node: &str| set.lives(node);
                machine::register(&set.meta, record, registration, caller, set.now, lives)
            },
        )
    }

    /// Records runs as lost, or queues their takeovers.
    pub fn write_off(&mut self, caller: &Caller, runs: &[OverdueRun]) -> Vec<WrittenOff> {
        self.each(
            runs,
            |run| &run.unit,
            |set, record, run| {
                machine::write_off(&set.meta, record, run, caller, set.now, &mut set.lines)
            },
        )
    }

    /// Records the sign of life of a node. The reply lacks the units.
    pub fn heartbeat(&mut self, caller: &Caller, heartbeat: &Heartbeat) -> HeartbeatReply {
        machine::heartbeat(&mut self.meta, &mut self.nodes, caller, heartbeat, self.now)
    }

    /// Takes directives into account, changes one, and shows all.
    pub fn control(&mut self, request: &ControlRequest) -> ControlReply {
        machine::control(&mut self.meta, request, self.now)
    }

    /// Whether a node sent a heartbeat lately.
    fn lives(&self, node: &str) -> bool {
        let now_ms = self.now.ms();
        let living = self.nodes.living.get(node);
        living.is_some_and(|living| living.beat_ms.abs_diff(now_ms) <= NODE_GONE_MS as u64)
    }

    /// Shows what is stored of units.
    pub fn inspect(&self, units: &[UnitName]) -> Vec<UnitStatus> {
        let status = |unit| {
            self.records
                .get(unit)
                .map(Record::status)
                .unwrap_or_default()
        };
        units.iter().map(status).collect()
    }

    /// Applies one step of the machine to each item of a batch.
    fn each<I, R>(
        &mut self,
        items: &[I],
        unit_of: impl Fn(&I) -> &UnitName,
        step: impl Fn(&mut Self, &mut Record, &I) -> R,
    ) -> Vec<R> {
        let mut replies = Vec::with_capacity(items.len());
        for item in items {
            let unit = unit_of(item);
            let mut record = self.record(unit);
            replies.push(step(self, &mut record, item));
            self.put(unit, record);
        }
        replies
    }

    fn record(&self, unit: &UnitName) -> Record {
        self.records.get(unit).cloned().unwrap_or_default()
    }

    /// Keeps a record after a step. A record that the step left alone is not saved: most claims find their tick
    /// decided.
    fn put(&mut self, unit: &UnitName, record: Record) {
        let is_changed = match self.records.get(unit) {
            Some(before) => *before != record,
            None => record != Record::default(),
        };
        if is_changed {
            self.records.insert(unit.clone(), record);
            self.touched.insert(unit.clone());
        }
    }
}
