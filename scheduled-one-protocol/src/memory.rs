//! The embedded store (`memory://`): the records of a namespace under a mutex. For tests, examples and services of one
//! process; it forgets when the process ends.

mod agenda;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

pub use agenda::Agenda;
use once_cell::sync::Lazy;

use crate::bucket::Bucket;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::diagnosis::{Finding, Report, Severity};
use crate::future::BoxFuture;
use crate::ledger::LedgerRecord;
use crate::machine::{Meta, Nodes, Now, Record};
use crate::message::{Checkpoint, KNOWN_REQUESTS, Request};
use crate::records::{Decide, Records, Survey};
use crate::store::{Answer, DiagnosticContext, Store, StoreError};
use crate::trail::{MAX_TRAIL, TrailEntry, TrailId, TrailLine};
use crate::unit::UnitName;
use crate::value::TickMs;
use crate::wanted::Wanted;
use crate::working_set::WorkingSet;

/// Stores by name and namespace: `memory://demo` is the same store for all schedulers of the process, for as long as
/// one of them lives.
static NAMED: Lazy<Mutex<Named>> = Lazy::new(Mutex::default);

type Named = HashMap<(String, String), Weak<Buckets>>;

/// A handle to one bucket of an embedded store.
#[derive(Clone)]
pub struct MemoryStore {
    buckets: Arc<Buckets>,
    state: Arc<Mutex<BucketState>>,
}

/// The buckets of a namespace by their index, each made on first use.
struct Buckets {
    name: String,
    clock: Arc<dyn Clock>,
    states: Mutex<BTreeMap<u32, Arc<Mutex<BucketState>>>>,
}

impl Buckets {
    fn new(name: &str, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Buckets {
            name: name.to_owned(),
            clock,
            states: Mutex::default(),
        })
    }

    fn handle(self: &Arc<Self>, bucket: Bucket) -> MemoryStore {
        let mut states = lock(&self.states);
        let state = states
            .entry(bucket.index())
            .or_insert_with(|| Arc::new(Mutex::new(BucketState::new("memory"))));
        MemoryStore {
            buckets: Arc::clone(self),
            state: Arc::clone(state),
        }
    }
}

impl MemoryStore {
    /// A store that no other handle shares; its clock is the wall clock of `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Buckets::new("", clock).handle(Bucket::WHOLE)
    }

    /// The namespace of the store of that name, made on first use. A store with an empty name is shared with no other
    /// handle.
    pub fn named(name: &str, namespace: &str, clock: Arc<dyn Clock>) -> Self {
        if name.is_empty() {
            return Self::new(clock);
        }
        let key = (name.to_owned(), namespace.to_owned());
        let mut named = lock(&NAMED);
        if let Some(buckets) = named.get(&key).and_then(Weak::upgrade) {
            return buckets.handle(Bucket::WHOLE);
        }
        named.retain(|_, buckets| buckets.strong_count() > 0);
        let buckets = Buckets::new(name, clock);
        named.insert(key, Arc::downgrade(&buckets));
        buckets.handle(Bucket::WHOLE)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "memory://{}", self.buckets.name)
    }
}

/// A poisoned mutex means that a thread panicked while it held the lock. A step changes the state only after its last
/// decision, so the state is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Everything that is stored for one bucket.
#[derive(Clone, Debug, Default)]
pub struct BucketState {
    /// Who serves, and whether decisions may have been forgotten.
    pub meta: Meta,
    /// Records by unit.
    pub records: HashMap<UnitName, Record>,
    /// Ledgers by job, oldest line first.
    pub ledgers: HashMap<String, VecDeque<LedgerRecord>>,
    /// The trail, oldest entry first.
    pub trail: VecDeque<TrailEntry>,
    /// Entries that the trail no longer has.
    pub forgotten_trail: u64,
    /// Requests that have not ended, by lane and tick.
    pub requests: BTreeMap<(UnitName, TickMs), Request>,
    /// Ticks of the newest requests, by unit and id.
    pub known_requests: HashMap<(UnitName, String), TickMs>,
    /// The living nodes.
    pub nodes: Nodes,
    /// The jobs, as nodes described them.
    pub catalog: Catalog,
    /// What runs left for the next run of their unit.
    pub checkpoints: HashMap<UnitName, Checkpoint>,
    /// Identity of the serving process.
    pub serving: String,
    /// The units by what is to be done about them.
    pub agenda: Agenda,
}

impl BucketState {
    /// An empty bucket that is known to be new: it cannot have forgotten anything, so it starts without quarantine.
    pub fn new(serving: &str) -> Self {
        BucketState {
            meta: Meta {
                serving: serving.to_owned(),
                ..Meta::default()
            },
            serving: serving.to_owned(),
            ..BucketState::default()
        }
    }

    /// A bucket of these records, for a survey of them.
    pub fn of_records(records: HashMap<UnitName, Record>) -> Self {
        let mut state = BucketState::default();
        for (unit, record) in &records {
            state.agenda.change(unit, None, record);
        }
        BucketState { records, ..state }
    }

    /// One atomic step, see [`Records::transact`].
    ///
    /// # Errors
    ///
    /// The error of `decide`; then nothing has changed.
    pub fn transact(
        &mut self,
        now: Now,
        wanted: &Wanted,
        ledger_limit: usize,
        decide: &mut dyn FnMut(&mut WorkingSet) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let load = |unit: &UnitName| Some((unit.clone(), self.records.get(unit)?.clone()));
        let mut set = WorkingSet {
            now,
            serving: self.serving.clone(),
            meta: self.meta.clone(),
            records: wanted.units.iter().filter_map(load).collect(),
            ..WorkingSet::default()
        };
        if wanted.nodes {
            // Lent, not copied: with a thousand nodes, a copy for each heartbeat is a million each second. A step that
            // fails does so before it changes them; after a panic they come back with their next heartbeats.
            set.nodes = std::mem::take(&mut self.nodes);
        }
        let wants_catalog = wanted.catalog || !wanted.entries.is_empty();
        if wants_catalog {
            // Lent as well, all of it.
            set.catalog = std::mem::take(&mut self.catalog);
        }
        for (lane, tick) in set.first_ticks(wanted) {
            if let Some(request) = self.requests.get(&(lane.clone(), tick)) {
                set.first_requests.insert(lane, (tick, request.clone()));
            }
        }
        for key in &wanted.known_requests {
            if let Some(tick) = self.known_requests.get(key) {
                set.known_requests.insert(key.clone(), *tick);
            }
        }
        let left = wanted.checkpoint.as_ref();
        set.checkpoint = left.and_then(|unit| self.checkpoints.get(unit).cloned());
        let decided = decide(&mut set);
        if wanted.nodes {
            self.nodes = std::mem::take(&mut set.nodes);
        }
        if wants_catalog {
            self.catalog = std::mem::take(&mut set.catalog);
        }
        decided?;
        self.save_requests(&mut set);
        let touched = set.touched.into_iter();
        for (unit, record) in touched.filter_map(|unit| set.records.remove_entry(&unit)) {
            let before = self.records.get(&unit);
            self.agenda.change(&unit, before, &record);
            self.records.insert(unit, record);
        }
        self.meta = set.meta;
        self.checkpoints.extend(set.new_checkpoint);
        for line in set.lines {
            self.append(line, ledger_limit);
        }
        if let Some((job, units)) = set.forgotten {
            self.forget(&job, &units);
        }
        self.trail.extend(set.trail);
        while self.trail.len() > MAX_TRAIL {
            self.trail.pop_front();
            self.forgotten_trail += 1;
        }
        Ok(())
    }

    fn save_requests(&mut self, set: &mut WorkingSet) {
        for (lane, tick, request) in set.new_requests.drain(..) {
            self.requests.insert((lane, tick), request);
        }
        for ended in set.ended_requests.drain(..) {
            self.requests.remove(&ended);
        }
        for (unit, id, tick) in set.new_known.drain(..) {
            self.known_requests.insert((unit, id), tick);
        }
        while self.known_requests.len() > KNOWN_REQUESTS {
            let known = self.known_requests.iter();
            let oldest = known.min_by_key(|(key, tick)| (**tick, *key));
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else {
                return;
            };
            self.known_requests.remove(&oldest);
        }
    }

    fn forget(&mut self, job: &str, units: &[UnitName]) {
        for unit in units {
            if let Some(before) = self.records.remove(unit) {
                self.agenda.change(unit, Some(&before), &Record::default());
            }
            self.checkpoints.remove(unit);
        }
        let units: BTreeSet<&UnitName> = units.iter().collect();
        self.requests.retain(|(lane, _), _| !units.contains(lane));
        self.known_requests
            .retain(|(unit, _), _| !units.contains(unit));
        self.ledgers.remove(job);
    }

    fn append(&mut self, line: LedgerRecord, ledger_limit: usize) {
        let ledger = self.ledgers.entry(line.unit.job().to_owned()).or_default();
        ledger.push_back(line);
        let surplus = ledger.len().saturating_sub(ledger_limit);
        ledger.drain(..surplus);
    }

    /// Units that a node has to attend to, see [`Records::survey`].
    pub fn survey(&self, now: Now) -> Survey {
        self.agenda.survey(&self.records, now)
    }

    /// The newest lines of a job's ledger, newest first.
    pub fn newest_lines(&self, job: &str, limit: usize) -> Vec<LedgerRecord> {
        let lines = self
            .ledgers
            .get(job)
            .into_iter()
            .flat_map(|ledger| ledger.iter().rev());
        lines.take(limit).cloned().collect()
    }

    /// The entries of the trail before one, or of all, the newest first.
    pub fn newest_entries(&self, before: Option<TrailId>, limit: usize) -> Vec<TrailLine> {
        let entries = self.trail.iter().enumerate().rev();
        let lines = entries.map(|(at, entry)| TrailLine {
            id: TrailId {
                major: 0,
                minor: self.forgotten_trail + 1 + at as u64,
            },
            entry: entry.clone(),
        });
        let is_before = |line: &TrailLine| before.is_none_or(|before| line.id < before);
        lines.filter(is_before).take(limit).collect()
    }
}

impl Records for MemoryStore {
    fn transact<'a>(
        &'a self,
        wanted: Wanted,
        ledger_limit: usize,
        mut decide: Decide<'a>,
    ) -> Answer<'a, ()> {
        // At once, not when the future is polled: so a request that is dropped was carried out or never made.
        let now = Now {
            us: self.buckets.clock.wall().as_micros() as u64,
        };
        let answer = lock(&self.state).transact(now, &wanted, ledger_limit, &mut *decide);
        Box::pin(async { answer })
    }

    fn survey(&self, now: Now) -> Answer<'_, Survey> {
        let survey = lock(&self.state).survey(now);
        Box::pin(async { Ok(survey) })
    }

    fn ledger<'a>(&'a self, job: &'a str, limit: usize) -> Answer<'a, Vec<LedgerRecord>> {
        let lines = lock(&self.state).newest_lines(job, limit);
        Box::pin(async { Ok(lines) })
    }

    fn trail(&self, before: Option<TrailId>, limit: usize) -> Answer<'_, Vec<TrailLine>> {
        let lines = lock(&self.state).newest_entries(before, limit);
        Box::pin(async { Ok(lines) })
    }

    fn open(&self, bucket: Bucket) -> Arc<dyn Store> {
        Arc::new(self.buckets.handle(bucket))
    }

    fn diagnose<'a>(&'a self, _needs: &'a DiagnosticContext) -> BoxFuture<'a, Report> {
        let finding = Finding::new(
            Severity::Warning,
            "embedded",
            "the embedded store is for one process: schedulers in other processes do not see it, \
             so each would run every tick; and what it knows ends with the process",
            "a redis:// URL, as soon as there is a second replica",
        );
        let report = Report::new(format!("{self:?}"), vec![finding]);
        Box::pin(async move { report })
    }
}
