//! The embedded store (`memory://`): the protocol under a mutex. For tests,
//! examples and services of one process; it forgets when the process ends.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use once_cell::sync::Lazy;

use crate::bucket::Bucket;
use crate::clock::Clock;
use crate::diagnosis::{Finding, Report, Severity};
use crate::future::BoxFuture;
use crate::machine::{self, Meta, NoEntry, Now, Record, Unit};
use crate::message::{
    Beat, Caller, Claim, Claimed, Enroll, Finish, Finished, Head, Inspected, Intent, LedgerRecord,
    MAX_BATCH, MAX_NODES, Marks, NODE_GONE_MS, Overlap, Pulse, Recorded, Renew, Renewed, Reply,
    Watched, WrittenOff, job_of, place_of,
};
use crate::store::{Answer, JobNeeds, Store, StoreError};

/// Stores by name and namespace: `memory://demo` is the same store for all schedulers of the process, for as long
/// as one of them lives.
static NAMED: Lazy<Mutex<Named>> = Lazy::new(Mutex::default);

type Named = HashMap<(String, String), Weak<Buckets>>;

/// A handle to one bucket of an embedded store.
#[derive(Clone)]
pub struct MemoryStore {
    buckets: Arc<Buckets>,
    namespace: Arc<Mutex<Namespace>>,
}

/// The buckets of a namespace by their index, each made on first use.
struct Buckets {
    name: String,
    clock: Arc<dyn Clock>,
    namespaces: Mutex<BTreeMap<u32, Arc<Mutex<Namespace>>>>,
}

impl Buckets {
    fn new(name: &str, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Buckets {
            name: name.to_owned(),
            clock,
            namespaces: Mutex::default(),
        })
    }

    fn handle(self: &Arc<Self>, bucket: Bucket) -> MemoryStore {
        let mut namespaces = lock(&self.namespaces);
        let namespace = namespaces
            .entry(bucket.index())
            .or_insert_with(|| Arc::new(Mutex::new(Namespace::new("memory"))));
        MemoryStore {
            buckets: Arc::clone(self),
            namespace: Arc::clone(namespace),
        }
    }
}

impl MemoryStore {
    /// A store that no other handle shares; its clock is the wall clock of `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Buckets::new("", clock).handle(Bucket::WHOLE)
    }

    /// The namespace of the store of that name, made on first use. A store with an empty name is shared with no
    /// other handle.
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

    /// Loses its memory, as a Redis that is restarted without persistence: for
    /// simulations.
    pub fn forget(&self) {
        let mut namespace = lock(&self.namespace);
        let serving = format!("{}'", namespace.serving);
        *namespace = Namespace {
            serving,
            ..Namespace::default()
        };
    }

    /// Loses its memory, as a Redis that is flushed: the same process serves.
    pub fn flush(&self) {
        let mut namespace = lock(&self.namespace);
        let serving = std::mem::take(&mut namespace.serving);
        *namespace = Namespace {
            serving,
            ..Namespace::default()
        };
    }

    /// What it holds now, to be brought back by [`roll_back`](Self::roll_back).
    pub fn snapshot(&self) -> Namespace {
        lock(&self.namespace).clone()
    }

    /// Loses what came after a snapshot, as a replica that takes over before
    /// the newest writes have reached it: for simulations.
    pub fn roll_back(&self, snapshot: Namespace) {
        let mut namespace = lock(&self.namespace);
        let serving = format!("{}'", namespace.serving);
        *namespace = Namespace {
            serving,
            ..snapshot
        };
    }

    fn with<T>(
        &self,
        caller: &Caller,
        step: impl FnOnce(&mut Namespace, Now) -> T,
    ) -> Result<Reply<T>, StoreError> {
        let mut namespace = lock(&self.namespace);
        let now = Now {
            us: self.buckets.clock.wall().as_micros() as u64,
        };
        namespace.enter(caller, now)?;
        let body = step(&mut namespace, now);
        Ok(Reply {
            head: namespace.head(now),
            body,
        })
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "memory://{}", self.buckets.name)
    }
}

/// A poisoned mutex means that a thread panicked while it held the lock; each
/// step leaves the records whole, so they are still good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All that is stored for a namespace, and the protocol over batches of it.
#[derive(Clone, Debug, Default)]
pub struct Namespace {
    /// Who serves, and whether it may have forgotten.
    pub meta: Meta,
    /// Records by unit.
    pub units: HashMap<String, Record>,
    /// Ledgers by job, oldest line first.
    pub ledgers: HashMap<String, VecDeque<LedgerRecord>>,
    /// Last beat of each node, by identity.
    pub nodes: BTreeMap<String, i64>,
    /// Identity of the process that serves it.
    pub serving: String,
}

impl Namespace {
    /// An empty namespace that is known to be new, so that nothing can have
    /// been forgotten: it starts without quarantine.
    pub fn new(serving: &str) -> Self {
        Namespace {
            meta: Meta {
                serving: serving.to_owned(),
                ..Meta::default()
            },
            serving: serving.to_owned(),
            ..Namespace::default()
        }
    }

    /// Start of every request.
    pub fn enter(&mut self, caller: &Caller, now: Now) -> Result<(), NoEntry> {
        machine::enter(&mut self.meta, &self.serving, caller, now)
    }

    /// What every reply begins with.
    pub fn head(&self, now: Now) -> Head {
        Head {
            now_us: now.us,
            serving: self.meta.serving.clone(),
            quarantine_until_ms: self.meta.quarantine_until_ms,
        }
    }

    /// Decides ticks.
    pub fn claim(&mut self, caller: &Caller, claims: &[Claim], now: Now) -> Vec<Claimed> {
        let mut replies = Vec::with_capacity(claims.len());
        let mut lines = Vec::new();
        for claim in claims {
            let mut record = self.units.remove(&claim.unit).unwrap_or_default();
            let names = places(claim);
            let take = |name: &String| self.units.remove(name).unwrap_or_default();
            let mut in_places: Vec<Record> = names.iter().map(take).collect();
            let mut unit = Unit {
                record: &mut record,
                places: &mut in_places,
            };
            let reply = machine::claim(&self.meta, &mut unit, claim, caller, now, &mut lines);
            replies.push(reply);
            self.units.insert(claim.unit.clone(), record);
            self.units.extend(names.into_iter().zip(in_places));
            self.append(caller, &mut lines);
        }
        replies
    }

    /// Extends leases.
    pub fn renew(&mut self, caller: &Caller, renewals: &[Renew], now: Now) -> Vec<Renewed> {
        self.each(
            caller,
            renewals,
            |r| &r.run.unit,
            |_, record, renew, _| machine::renew(record, renew, caller, now),
        )
    }

    /// Ends runs.
    pub fn finish(&mut self, caller: &Caller, finishes: &[Finish], now: Now) -> Vec<Finished> {
        self.each(
            caller,
            finishes,
            |f| &f.run.unit,
            |_, record, finish, lines| machine::finish(record, finish, caller, now, lines),
        )
    }

    /// Makes units known.
    pub fn enroll(&mut self, caller: &Caller, enrolls: &[Enroll], now: Now) -> Vec<Marks> {
        self.each(
            caller,
            enrolls,
            |e| &e.unit,
            |_, record, enroll, _| machine::enroll(record, enroll, now),
        )
    }

    /// Records runs as lost.
    pub fn write_off(&mut self, caller: &Caller, runs: &[Watched], now: Now) -> Vec<WrittenOff> {
        self.each(
            caller,
            runs,
            |w| &w.unit,
            |meta, record, watched, lines| {
                machine::write_off(meta, record, watched, caller, now, lines)
            },
        )
    }

    /// A node's sign of life.
    pub fn beat(&mut self, caller: &Caller, beat: &Beat, now: Now) -> Pulse {
        // Beats of the future are from before the clock went back.
        self.nodes
            .retain(|_, at| (*at - now.ms()).abs() <= NODE_GONE_MS);
        match beat {
            Beat::Alive => self.nodes.insert(caller.node.clone(), now.ms()),
            Beat::Leaving => self.nodes.remove(&caller.node),
        };
        let mut overdue: Vec<_> = self
            .units
            .iter()
            .filter(|(_, record)| record.running && record.overdue_at_ms() <= now.ms())
            .collect();
        overdue.sort_by_key(|(unit, record)| (record.overdue_at_ms(), unit.as_str()));
        let ready = self.units.iter().filter(|(_, record)| record.ready());
        let mut ready: Vec<String> = ready.map(|(unit, _)| unit.clone()).collect();
        ready.sort_unstable();
        ready.truncate(MAX_BATCH);
        Pulse {
            nodes: self.nodes.keys().take(MAX_NODES).cloned().collect(),
            ready,
            overdue: overdue
                .into_iter()
                .take(MAX_BATCH)
                .map(|(unit, record)| record.watched(unit))
                .collect(),
        }
    }

    /// Applies one step of the protocol to each item of a batch.
    fn each<I, R>(
        &mut self,
        caller: &Caller,
        items: &[I],
        unit_of: impl Fn(&I) -> &String,
        step: impl Fn(&Meta, &mut Record, &I, &mut Vec<LedgerRecord>) -> R,
    ) -> Vec<R> {
        let mut replies = Vec::with_capacity(items.len());
        let mut lines = Vec::new();
        for item in items {
            let unit = unit_of(item);
            let record = self.units.entry(unit.clone()).or_default();
            replies.push(step(&self.meta, record, item, &mut lines));
            self.append(caller, &mut lines);
        }
        replies
    }

    /// Writes lines into the ledgers of their jobs.
    pub fn append(&mut self, caller: &Caller, lines: &mut Vec<LedgerRecord>) {
        for line in lines.drain(..) {
            let job = job_of(&line.unit).to_owned();
            let ledger = self.ledgers.entry(job).or_default();
            ledger.push_back(line);
            while ledger.len() > caller.ledger_limit {
                ledger.pop_front();
            }
        }
    }
}

/// The units in which the runs of a claim may go side by side.
fn places(claim: &Claim) -> Vec<String> {
    let places = match (claim.overlap, claim.intent) {
        (_, Intent::Next) => 0, // names its place itself
        (Overlap::Allow(most), _) => most,
        _ => 0,
    };
    let places = 1..=places;
    places.map(|place| place_of(&claim.unit, place)).collect()
}

impl Store for MemoryStore {
    fn claim<'a>(
        &'a self,
        caller: &'a Caller,
        claims: &'a [Claim],
    ) -> Answer<'a, Reply<Vec<Claimed>>> {
        let answer = self.with(caller, |ns, now| ns.claim(caller, claims, now));
        Box::pin(async { answer })
    }

    fn renew<'a>(
        &'a self,
        caller: &'a Caller,
        renewals: &'a [Renew],
    ) -> Answer<'a, Reply<Vec<Renewed>>> {
        let answer = self.with(caller, |ns, now| ns.renew(caller, renewals, now));
        Box::pin(async { answer })
    }

    fn finish<'a>(
        &'a self,
        caller: &'a Caller,
        finishes: &'a [Finish],
    ) -> Answer<'a, Reply<Vec<Finished>>> {
        let answer = self.with(caller, |ns, now| ns.finish(caller, finishes, now));
        Box::pin(async { answer })
    }

    fn enroll<'a>(
        &'a self,
        caller: &'a Caller,
        enrolls: &'a [Enroll],
    ) -> Answer<'a, Reply<Vec<Marks>>> {
        let answer = self.with(caller, |ns, now| ns.enroll(caller, enrolls, now));
        Box::pin(async { answer })
    }

    fn write_off<'a>(
        &'a self,
        caller: &'a Caller,
        runs: &'a [Watched],
    ) -> Answer<'a, Reply<Vec<WrittenOff>>> {
        let answer = self.with(caller, |ns, now| ns.write_off(caller, runs, now));
        Box::pin(async { answer })
    }

    fn beat<'a>(&'a self, caller: &'a Caller, beat: Beat) -> Answer<'a, Reply<Pulse>> {
        let answer = self.with(caller, |ns, now| ns.beat(caller, &beat, now));
        Box::pin(async { answer })
    }

    fn record<'a>(
        &'a self,
        caller: &'a Caller,
        lines: &'a [LedgerRecord],
    ) -> Answer<'a, Reply<Vec<Recorded>>> {
        let answer = self.with(caller, |ns, _| {
            ns.append(caller, &mut lines.to_vec());
            vec![Recorded::Written; lines.len()]
        });
        Box::pin(async { answer })
    }

    fn inspect<'a>(
        &'a self,
        caller: &'a Caller,
        units: &'a [String],
    ) -> Answer<'a, Reply<Vec<Inspected>>> {
        let answer = self.with(caller, |ns, _| {
            let record = |unit| ns.units.get(unit).map(Record::inspect);
            units
                .iter()
                .map(|unit| record(unit).unwrap_or_default())
                .collect()
        });
        Box::pin(async { answer })
    }

    fn ledger<'a>(&'a self, job: &'a str, limit: usize) -> Answer<'a, Vec<LedgerRecord>> {
        let namespace = lock(&self.namespace);
        let lines = namespace.ledgers.get(job).map_or_else(Vec::new, |ledger| {
            ledger.iter().rev().take(limit).cloned().collect()
        });
        Box::pin(async { Ok(lines) })
    }

    fn open(&self, bucket: Bucket) -> Arc<dyn Store> {
        Arc::new(self.buckets.handle(bucket))
    }

    fn diagnose<'a>(&'a self, _needs: &'a JobNeeds) -> BoxFuture<'a, Report> {
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
