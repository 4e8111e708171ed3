//! A store that loses its memory when a test says so.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::machine::Now;
use scheduled_one_protocol::memory::BucketState;
use scheduled_one_protocol::{
    Answer, BoxFuture, Bucket, Decide, DiagnosticContext, Finding, LedgerRecord, Records, Report,
    Severity, Store, Survey, TrailId, TrailLine, Wanted,
};

/// The embedded store, with what happens to a Redis: it is restarted empty, flushed, or replaced by a replica that
/// lags behind. All handles that are cloned or opened show the same namespace.
#[derive(Clone)]
pub struct ForgetfulStore {
    clock: Arc<dyn Clock>,
    buckets: Arc<Mutex<BTreeMap<u32, BucketState>>>,
    bucket: u32,
}

/// What a [`ForgetfulStore`] held at some moment.
#[derive(Clone, Debug)]
pub struct Snapshot(BTreeMap<u32, BucketState>);

impl ForgetfulStore {
    /// An empty store that is known to be new; its clock is the wall clock of `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        ForgetfulStore {
            clock,
            buckets: Arc::default(),
            bucket: Bucket::WHOLE.index(),
        }
    }

    /// Loses its memory, as a Redis that is restarted without persistence: another process serves.
    pub fn restart_empty(&self) {
        for state in self.lock().values_mut() {
            *state = BucketState {
                serving: format!("{}'", state.serving),
                ..BucketState::default()
            };
        }
    }

    /// Loses its memory, as a Redis that is flushed: the same process serves.
    pub fn flush(&self) {
        for state in self.lock().values_mut() {
            *state = BucketState {
                serving: std::mem::take(&mut state.serving),
                ..BucketState::default()
            };
        }
    }

    /// What it holds now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.lock().clone())
    }

    /// Loses what came after a snapshot, as in a failover to a replica that lags behind: another process serves.
    pub fn fail_over(&self, replica: Snapshot) {
        let mut buckets = self.lock();
        for (bucket, state) in replica.0 {
            let serving = buckets
                .get(&bucket)
                .map_or(&state.serving, |now| &now.serving);
            let serving = format!("{serving}'");
            buckets.insert(bucket, BucketState { serving, ..state });
        }
    }

    /// Each step leaves the records whole, so a panic in one of them does no harm.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, BucketState>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, step: impl FnOnce(&mut BucketState) -> T) -> T {
        let mut buckets = self.lock();
        let state = buckets
            .entry(self.bucket)
            .or_insert_with(|| BucketState::new("memory"));
        step(state)
    }
}

impl fmt::Debug for ForgetfulStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ForgetfulStore({})", self.bucket)
    }
}

impl Records for ForgetfulStore {
    fn transact<'a>(
        &'a self,
        wanted: Wanted,
        ledger_limit: usize,
        mut decide: Decide<'a>,
    ) -> Answer<'a, ()> {
        let now = Now {
            us: self.clock.wall().as_micros() as u64,
        };
        let answer = self.with(|state| state.transact(now, &wanted, ledger_limit, &mut *decide));
        Box::pin(async { answer })
    }

    fn survey(&self, now: Now) -> Answer<'_, Survey> {
        let survey = self.with(|state| state.survey(now));
        Box::pin(async { Ok(survey) })
    }

    fn ledger<'a>(&'a self, job: &'a str, limit: usize) -> Answer<'a, Vec<LedgerRecord>> {
        let lines = self.with(|state| state.newest_lines(job, limit));
        Box::pin(async { Ok(lines) })
    }

    fn trail(&self, before: Option<TrailId>, limit: usize) -> Answer<'_, Vec<TrailLine>> {
        let lines = self.with(|state| state.newest_entries(before, limit));
        Box::pin(async { Ok(lines) })
    }

    fn open(&self, bucket: Bucket) -> Arc<dyn Store> {
        Arc::new(ForgetfulStore {
            bucket: bucket.index(),
            ..self.clone()
        })
    }

    fn diagnose<'a>(&'a self, _needs: &'a DiagnosticContext) -> BoxFuture<'a, Report> {
        let finding = Finding::new(Severity::Warning, "forgetful", "a store for tests", "");
        let report = Report::new(format!("{self:?}"), vec![finding]);
        Box::pin(async move { report })
    }
}
