//! The part of a bucket that one request needs, loaded from a store, and the decisions on batches of it.

mod ending;

use std::collections::{BTreeSet, HashMap};

use crate::catalog::Catalog;
use crate::ledger::LedgerRecord;
use crate::machine::{self, Meta, Nodes, Now, Record, UnitRecords};
use crate::message::{
    Ask, Asked, Caller, Cancel, Cancelled, Checkpoint, CheckpointRequest, Checkpointed, Claim,
    Claimed, ControlReply, ControlRequest, Forget, ForgetRequest, Forgotten, Head, Heartbeat,
    HeartbeatReply, LowerBounds, NODE_GONE_MS, OverdueRun, Register, RegisteredUnit, Renew,
    Renewed, Request, Take, Taken, UnitStatus, WrittenOff,
};
use crate::records::Survey;
use crate::statement::Statement;
use crate::trail::TrailEntry;
use crate::unit::UnitName;
use crate::value::TickMs;
use crate::wanted::{Wanted, has_lane, slots, slots_of};

/// What a request works on: [`Wanted`], loaded. The methods decide; afterwards the store saves [`meta`](Self::meta),
/// [`nodes`](Self::nodes) and entries of the [`catalog`](Self::catalog) if they were wanted, the
/// [`touched`](Self::touched) records, the [`lines`](Self::lines), the [`trail`](Self::trail), what became of requests:
/// [`new_requests`](Self::new_requests), [`ended_requests`](Self::ended_requests), [`new_known`](Self::new_known); and
/// a [`new_checkpoint`](Self::new_checkpoint). It removes what is stored of the [`forgotten`](Self::forgotten) job.
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
    /// The units that a node has to attend to, if they were wanted, and the store finds them in the same step more
    /// cheaply than by [`Records::survey`](crate::Records::survey), which is asked otherwise.
    pub survey: Option<Survey>,
    /// The catalog, if it was wanted, or the entries that were. One is removed with what is stored of a
    /// [`forgotten`](Self::forgotten) job.
    pub catalog: Catalog,
    /// The records of the units that were wanted, as far as they are stored.
    pub records: HashMap<UnitName, Record>,
    /// Units whose records have changed.
    pub touched: BTreeSet<UnitName>,
    /// What the records of touched units were when they were loaded, as far as they were stored: a store with columns
    /// writes those that are another.
    pub before: HashMap<UnitName, Record>,
    /// New lines of ledgers, oldest first.
    pub lines: Vec<LedgerRecord>,
    /// New entries of the trail, oldest first.
    pub trail: Vec<TrailEntry>,
    /// The first request of each lane that was wanted, with its tick.
    pub first_requests: HashMap<UnitName, (TickMs, Request)>,
    /// The ticks of the requests that were wanted, by unit and id, as far as they are known.
    pub known_requests: HashMap<(UnitName, String), TickMs>,
    /// Requests that wait from now on, by lane and tick.
    pub new_requests: Vec<(UnitName, TickMs, Request)>,
    /// Lanes and ticks of requests that have ended: they are deleted.
    pub ended_requests: Vec<(UnitName, TickMs)>,
    /// Units and ids that are known from now on. Of these, the [`KNOWN_REQUESTS`](crate::message::KNOWN_REQUESTS) with
    /// the highest ticks are kept.
    pub new_known: Vec<(UnitName, String, TickMs)>,
    /// The checkpoint that was wanted, if one is stored.
    pub checkpoint: Option<Checkpoint>,
    /// A unit and what is its checkpoint from now on.
    pub new_checkpoint: Option<(UnitName, Checkpoint)>,
    /// Statements of a job that are executed in the transaction of this step, before its commit.
    pub statements: Vec<Statement>,
    /// A job of which nothing is stored any more, and its units: their records, the requests that wait or run in those
    /// that are lanes, the ids and the checkpoints of the others; the ledger of the job, and its catalog entry.
    pub forgotten: Option<(String, Vec<UnitName>)>,
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

    /// Whether what is stored of requests changes.
    pub fn has_request_changes(&self) -> bool {
        !(self.new_requests.is_empty()
            && self.ended_requests.is_empty()
            && self.new_known.is_empty())
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
        let lane = has_lane(claim).then(|| claim.unit.lane());
        let mut in_lane = lane.as_ref().map(|lane| self.record(lane));
        let mut unit = UnitRecords {
            own: &mut own,
            slots: &mut in_slots,
            lane: in_lane.as_mut(),
        };
        let lines = &mut self.lines;
        let claimed = machine::claim(&self.meta, &mut unit, claim, caller, self.now, lines);
        self.put(&claim.unit, own);
        for (name, record) in names.iter().zip(in_slots) {
            self.put(name, record);
        }
        if let (Some(lane), Some(record)) = (lane, in_lane) {
            self.put(&lane, record);
        }
        claimed
    }

    /// Lets requests wait in their lanes.
    pub fn ask(&mut self, asks: &[Ask]) -> Vec<Asked> {
        asks.iter().map(|ask| self.ask_one(ask)).collect()
    }

    fn ask_one(&mut self, ask: &Ask) -> Asked {
        let (lane, key) = (ask.unit.lane(), (ask.unit.clone(), ask.request.id.clone()));
        let (mut own, mut in_lane) = (self.record(&ask.unit), self.record(&lane));
        let known = self.known_requests.get(&key).copied();
        let asked = machine::ask(&mut own, &mut in_lane, known, self.now);
        if let Asked::Queued { tick } = asked {
            machine::note_lanes(&mut self.meta);
            self.put(&ask.unit, own);
            self.put(&lane, in_lane);
            self.trail.extend(TrailEntry::of_ask(ask, self.now.ms()));
            self.new_requests.push((lane, tick, ask.request.clone()));
            self.know(key, tick);
        }
        asked
    }

    fn know(&mut self, (unit, id): (UnitName, String), tick: TickMs) {
        self.new_known.push((unit.clone(), id.clone(), tick));
        self.known_requests.insert((unit, id), tick);
    }

    /// Starts requests. A lane is in a batch once.
    pub fn take(&mut self, caller: &Caller, takes: &[Take]) -> Vec<Taken> {
        takes
            .iter()
            .map(|take| self.take_one(caller, take))
            .collect()
    }

    fn take_one(&mut self, caller: &Caller, take: &Take) -> Taken {
        let name = take.lane.without_slot();
        let (mut own, mut lane) = (self.record(&name), self.record(&take.lane));
        let names: Vec<UnitName> = (1..=slots_of(take.overlap))
            .map(|slot| name.with_slot(slot))
            .collect();
        let mut slots: Vec<Record> = names.iter().map(|name| self.record(name)).collect();
        let mut unit = UnitRecords {
            own: &mut own,
            slots: &mut slots,
            lane: Some(&mut lane),
        };
        let first = self.first_requests.get(&take.lane);
        let (now, lines) = (self.now, &mut self.lines);
        let taken = machine::take(&self.meta, &mut unit, first, take, caller, now, lines);
        self.put(&name, own);
        self.put(&take.lane, lane);
        taken
    }

    /// Cancels runs.
    pub fn cancel(&mut self, cancels: &[Cancel]) -> Vec<Cancelled> {
        self.each(
            cancels,
            |cancel| &cancel.unit,
            |set, record, cancel| machine::cancel(record, cancel, set.now, &mut set.trail),
        )
    }

    /// After a step on the record of a run, whose nonce was another one before: an active run in a lane was written
    /// back, and claims of its unit take the lane into account.
    fn note_lane(&mut self, unit: &UnitName, nonce_before: &str, record: &Record) {
        if record.running && record.run.nonce != nonce_before {
            self.bring_lane(unit);
        }
    }

    /// The next claim of the unit that has this lane brings the lane; nodes that know nothing of lanes are refused.
    fn bring_lane(&mut self, lane: &UnitName) {
        if lane.is_lane() {
            machine::note_lanes(&mut self.meta);
            let name = lane.without_slot();
            let mut own = self.record(&name);
            own.has_lane = true;
            self.put(&name, own);
        }
    }

    /// The tick of the first request of each lane that is wanted: of the run, or of what waits in front.
    pub fn first_ticks(&self, wanted: &Wanted) -> Vec<(UnitName, TickMs)> {
        let first = |(lane, bounds): (&UnitName, &LowerBounds)| {
            let tick = self.record(lane).first_tick(bounds)?;
            Some((lane.clone(), tick))
        };
        wanted.first_requests.iter().filter_map(first).collect()
    }

    /// Extends leases.
    pub fn renew(&mut self, caller: &Caller, renewals: &[Renew]) -> Vec<Renewed> {
        self.each(
            renewals,
            |renewal| &renewal.run.unit,
            |set, record, renewal| {
                let before = record.run.nonce.clone();
                let renewed = machine::renew(record, renewal, caller, set.now);
                set.note_lane(&renewal.run.unit, &before, record);
                renewed
            },
        )
    }

    /// Makes units known.
    pub fn register(&mut self, caller: &Caller, registrations: &[Register]) -> Vec<RegisteredUnit> {
        self.each(
            registrations,
            |registration| &registration.unit,
            |set, record, registration| {
                let lives = |node: &str| set.lives(node);
                let registered =
                    machine::register(&set.meta, record, registration, caller, set.now, lives);
                set.bring_lane(&registration.unit);
                let unit = registration.unit.without_slot();
                for request in &registration.requests {
                    let key = (unit.clone(), request.id.clone());
                    let known = set.known_requests.get(&key).copied();
                    if known.is_none_or(|tick| record.forget_repetition(tick, request.tick)) {
                        set.know(key, request.tick);
                    }
                }
                registered
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

    /// Takes directives into account, changes one, and shows all; enters jobs into the catalog.
    pub fn control(&mut self, request: &ControlRequest) -> ControlReply {
        let (now, trail) = (self.now, &mut self.trail);
        machine::control(&mut self.meta, &mut self.catalog, request, now, trail)
    }

    /// Reads or writes the checkpoint of a unit.
    pub fn checkpoint(&mut self, request: &CheckpointRequest) -> Checkpointed {
        let record = self.record(&request.unit);
        let answer = machine::checkpoint(&record, &mut self.checkpoint, request);
        if answer == Checkpointed::Written {
            let written = self.checkpoint.clone();
            self.new_checkpoint = written.map(|written| (request.unit.clone(), written));
        }
        answer
    }

    /// Forgets a job that no living node has, or takes back what is decided of it ahead of the clock.
    pub fn forget(&mut self, request: &ForgetRequest) -> Forgotten {
        let (meta, now) = (&mut self.meta, self.now);
        let with_job = self.nodes.with_job(&request.job, now);
        let catalog = &mut self.catalog;
        if let Some(refused) =
            machine::forget_refused(meta, with_job, catalog, &self.records, request, now)
        {
            return refused;
        }
        if request.what == Forget::MarksAhead {
            return self.take_back(request);
        }
        self.trail
            .push(machine::forget(meta, catalog, request, now));
        self.forgotten = Some((request.job.clone(), request.units.clone()));
        Forgotten::Removed
    }

    fn take_back(&mut self, request: &ForgetRequest) -> Forgotten {
        let mut count = 0;
        for unit in &request.units {
            let mut record = self.record(unit);
            if machine::take_back(unit, &mut record, self.now) {
                self.put(unit, record);
                count += 1;
            }
        }
        if count > 0 {
            let entry = TrailEntry::of_forget(request, 0, 0, self.now.ms());
            self.trail.push(entry);
        }
        Forgotten::TakenBack(count)
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
            self.end_requests(unit, &record);
            let before = self.records.insert(unit.clone(), record);
            let is_first = self.touched.insert(unit.clone());
            if let (Some(before), true) = (before, is_first) {
                self.before.insert(unit.clone(), before);
            }
        }
    }

    /// A request is stored for as long as its tick waits or runs in its lane.
    fn end_requests(&mut self, unit: &UnitName, after: &Record) {
        if !unit.is_lane() {
            return;
        }
        let open = after.open_ticks();
        let before = self.record(unit).open_ticks();
        let ended = before.difference(&open).map(|tick| (unit.clone(), *tick));
        self.ended_requests.extend(ended);
    }
}
