//! The contract suite against the embedded store, and against stores that break one rule each.

mod tampered;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scheduled_one_protocol::clock::{Clock, SystemClock};
use scheduled_one_protocol::machine::Now;
use scheduled_one_protocol::memory::{BucketState, MemoryStore};
use scheduled_one_protocol::{
    Answer, BoxFuture, Bucket, Decide, DiagnosticContext, LedgerRecord, Records, Report, Store,
    Survey, TrailId, TrailLine, Wanted,
};
use scheduled_one_testkit::ForgetfulStore;
use scheduled_one_testkit::contract::{self, Breach, Options, Subject};

use tampered::{Tampered, Tampering};

/// Moves on whenever it is read, as if each request took a while: leases are to end between requests.
#[derive(Debug, Default)]
struct SteppingClock(AtomicU64);

impl Clock for SteppingClock {
    fn boottime(&self) -> Duration {
        Duration::from_micros(self.0.fetch_add(900, Ordering::Relaxed))
    }

    fn wall(&self) -> Duration {
        Duration::from_secs(1_767_225_600) + self.boottime()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        SystemClock.sleep(time)
    }
}

/// A store that forgets when the suite says so, and another one in front of it.
struct Forgetful {
    store: ForgetfulStore,
    tampering: Option<Tampering>,
}

impl Forgetful {
    fn new(tampering: Option<Tampering>) -> Self {
        Forgetful {
            store: ForgetfulStore::new(Arc::new(SteppingClock::default())),
            tampering,
        }
    }
}

impl Subject for Forgetful {
    fn open(&mut self) -> BoxFuture<'_, Arc<dyn Store>> {
        let store: Arc<dyn Store> = match self.tampering {
            Some(tampering) => Arc::new(Tampered::new(self.store.clone(), tampering)),
            None => Arc::new(self.store.clone()),
        };
        Box::pin(async { store })
    }

    fn lose_memory(&mut self) -> BoxFuture<'_, bool> {
        self.store.flush();
        Box::pin(async { true })
    }
}

fn options(operations: u64, seed: u64) -> Options {
    Options {
        operations,
        seed,
        ..Options::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_forgets_keeps_the_contract_and_everything_happens() {
    let report = contract::check(&mut Forgetful::new(None), options(120_000, 4)).await;
    let report = report.unwrap_or_else(|breach| panic!("{breach}"));
    assert_eq!(report.missing(), [""; 0], "{:#?}", report.seen);
    assert!(
        report.operations >= 120_000 && report.raced > 0,
        "{report:?}"
    );
}

struct Memory;

impl Subject for Memory {
    fn open(&mut self) -> BoxFuture<'_, Arc<dyn Store>> {
        let store = MemoryStore::new(Arc::new(SteppingClock::default()));
        Box::pin(async { Arc::new(store) as Arc<dyn Store> })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_store_keeps_the_contract() {
    let report = contract::check(&mut Memory, options(120_000, 2)).await;
    let report = report.unwrap_or_else(|breach| panic!("{breach}"));
    assert_eq!(report.missing(), [""; 0], "{:#?}", report.seen);
}

#[tokio::test]
async fn more_units_than_a_heartbeat_names_are_named_in_turn() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = MemoryStore::new(Arc::clone(&clock));
    assert_eq!(contract::check_in_turn(&store, clock).await, Ok(()));
}

#[tokio::test]
async fn each_rule_that_is_broken_is_noticed() {
    for tampering in Tampering::ALL {
        let mut subject = Forgetful::new(Some(tampering));
        let breach = contract::check(&mut subject, options(30_000, 3))
            .await
            .err();
        let breach = breach.unwrap_or_else(|| panic!("{tampering:?} was not noticed"));
        println!("{tampering:?}: {}", breach.what);
        assert!(!breach.found.is_empty() && breach.to_string().contains("expected"));
    }
}

/// Records that are loaded, decided on and saved in three steps: requests at the same time overwrite each other.
#[derive(Clone, Debug)]
struct Torn {
    clock: Arc<SteppingClock>,
    state: Arc<Mutex<BucketState>>,
}

impl Torn {
    fn state(&self) -> BucketState {
        self.state.lock().expect("lock").clone()
    }
}

impl Records for Torn {
    fn transact<'a>(
        &'a self,
        wanted: Wanted,
        ledger_limit: usize,
        mut decide: Decide<'a>,
    ) -> Answer<'a, ()> {
        Box::pin(async move {
            let now = Now {
                us: self.clock.wall().as_micros() as u64,
            };
            let mut state = self.state();
            tokio::task::yield_now().await;
            state.transact(now, &wanted, ledger_limit, &mut *decide)?;
            *self.state.lock().expect("lock") = state;
            Ok(())
        })
    }

    fn survey(&self, now: Now) -> Answer<'_, Survey> {
        let survey = self.state().survey(now);
        Box::pin(async { Ok(survey) })
    }

    fn ledger<'a>(&'a self, job: &'a str, limit: usize) -> Answer<'a, Vec<LedgerRecord>> {
        let lines = self.state().newest_lines(job, limit);
        Box::pin(async { Ok(lines) })
    }

    fn trail(&self, before: Option<TrailId>, limit: usize) -> Answer<'_, Vec<TrailLine>> {
        let lines = self.state().newest_entries(before, limit);
        Box::pin(async { Ok(lines) })
    }

    fn open(&self, _bucket: Bucket) -> Arc<dyn Store> {
        Arc::new(self.clone())
    }

    fn diagnose<'a>(&'a self, _needs: &'a DiagnosticContext) -> BoxFuture<'a, Report> {
        Box::pin(async { Report::new("torn".to_owned(), Vec::new()) })
    }
}

struct TornSubject;

impl Subject for TornSubject {
    fn open(&mut self) -> BoxFuture<'_, Arc<dyn Store>> {
        let torn = Torn {
            clock: Arc::default(),
            state: Arc::new(Mutex::new(BucketState::new("torn"))),
        };
        Box::pin(async { Arc::new(torn) as Arc<dyn Store> })
    }
}

#[tokio::test]
async fn requests_that_overwrite_each_other_are_noticed() {
    let checked: Result<_, Breach> = contract::check(&mut TornSubject, options(5_000, 4)).await;
    let breach = checked.expect_err("claims at the same time are granted twice");
    assert_eq!(breach.what, "claims of one tick at the same time");
}

#[tokio::test]
async fn a_unit_without_a_next_tick_is_not_named() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = MemoryStore::new(Arc::clone(&clock));
    assert_eq!(contract::check_last_tick(&store, clock).await, Ok(()));
}
