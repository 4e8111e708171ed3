use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use scheduled_one_protocol::clock::ManualClock;
use scheduled_one_protocol::machine::Now;
use scheduled_one_protocol::memory::MemoryStore;
use scheduled_one_protocol::message::{
    Caller, Heartbeat, LowerBounds, MAX_WAITING_REQUESTS, Occasion, Register,
};
use scheduled_one_protocol::{
    Answer, BoxFuture, Bucket, Decide, DiagnosticContext, Records, Report, Store, StoreError,
    Survey, TrailId, TrailLine, Wanted,
};

use super::*;
use crate::ErrorKind;

const SECOND: Duration = Duration::from_secs(1);
const QUARANTINE_MS: i64 = 10_000;

/// A store that can be away, and can forget everything.
#[derive(Debug)]
struct Fragile {
    inner: Mutex<MemoryStore>,
    is_away: AtomicBool,
    /// The how many-th step from now is made, and its reply is lost; 0 for none.
    loses_reply: AtomicUsize,
    clock: ManualClock,
}

impl Fragile {
    fn inner(&self) -> MemoryStore {
        self.inner.lock().unwrap().clone()
    }

    fn forget(&self) {
        *self.inner.lock().unwrap() = MemoryStore::new(Arc::new(self.clock.clone()));
    }
}

impl Records for Fragile {
    fn transact<'a>(
        &'a self,
        wanted: Wanted,
        ledger_limit: usize,
        mut decide: Decide<'a>,
    ) -> Answer<'a, ()> {
        if self.is_away.load(Ordering::Relaxed) {
            return Box::pin(async { Err(StoreError::Unavailable("away".to_owned())) });
        }
        let inner = self.inner();
        let step: Decide<'a> = Box::new(move |set| {
            set.serving = "a process".to_owned();
            decide(set)
        });
        let left = self.loses_reply.load(Ordering::Relaxed);
        let is_lost = left == 1;
        self.loses_reply
            .store(left.saturating_sub(1), Ordering::Relaxed);
        Box::pin(async move {
            let made = Records::transact(&inner, wanted, ledger_limit, step).await;
            match is_lost {
                true => Err(StoreError::Unknown("lost".to_owned())),
                false => made,
            }
        })
    }

    fn survey(&self, now: Now) -> Answer<'_, Survey> {
        let inner = self.inner();
        Box::pin(async move { inner.survey(now).await })
    }

    fn ledger<'a>(&'a self, job: &'a str, limit: usize) -> Answer<'a, Vec<LedgerRecord>> {
        let inner = self.inner();
        Box::pin(async move { Records::ledger(&inner, job, limit).await })
    }

    fn trail(&self, before: Option<TrailId>, limit: usize) -> Answer<'_, Vec<TrailLine>> {
        let inner = self.inner();
        Box::pin(async move { Records::trail(&inner, before, limit).await })
    }

    fn open(&self, bucket: Bucket) -> Arc<dyn Store> {
        Records::open(&self.inner(), bucket)
    }

    fn diagnose<'a>(&'a self, needs: &'a DiagnosticContext) -> BoxFuture<'a, Report> {
        let inner = self.inner();
        Box::pin(async move { Records::diagnose(&inner, needs).await })
    }
}

/// A node, which has leases.
fn node() -> Caller {
    Caller {
        node: "node".to_owned(),
        name: "node".to_owned(),
        quarantine_ms: QUARANTINE_MS,
        margin_ms: 0,
        ledger_limit: 100,
        buckets: 1,
    }
}

/// The first so many shards of a job.
async fn register(store: &dyn Store, shards: u32) {
    let register = |shard| Register {
        unit: UnitName::new("work", shard),
        first_seen_ms: 1,
        lease_ms: QUARANTINE_MS,
        schedule: None,
        generation: 0,
        occasion: Occasion::Again,
        decides: None,
        bounds: LowerBounds::default(),
        next_due_ms: None,
        requests: Vec::new(),
    };
    let units: Vec<Register> = (0..shards).map(register).collect();
    store.register(&node(), &units).await.unwrap();
}

/// A job was asked for, and waits.
async fn requested() -> (Arc<Fragile>, RunHandle) {
    let clock = ManualClock::new();
    let store = Arc::new(Fragile {
        inner: Mutex::new(MemoryStore::new(Arc::new(clock.clone()))),
        is_away: AtomicBool::new(false),
        loses_reply: AtomicUsize::new(0),
        clock,
    });
    register(&*store, 1).await;
    let control = Control::of_stores(vec![Arc::clone(&store) as Arc<dyn Store>]).unwrap();
    let handle = control.run("work").id("r1").await.unwrap();
    assert_eq!(handle.states().await.unwrap(), [RunState::Waiting]);
    assert!(!handle.has_node());
    (store, handle)
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_reply_was_lost_is_none_that_was_made_before() {
    let (store, first) = requested().await;
    let again = first.control.run("work").id("r1").await.unwrap();
    assert!(!first.already() && again.already());
    // Some of the steps look; one asks.
    for step in 1..10 {
        store.loses_reply.store(step, Ordering::Relaxed);
        let asked = first.control.run("work").id(format!("lost-{step}")).await;
        assert!(
            !asked.unwrap().already(),
            "the reply to step {step} was lost"
        );
    }
}

/// A run whose node has not renewed its lease since is in no lane, and in no ledger.
#[tokio::test(start_paused = true)]
async fn what_the_store_forgot_counts_as_waiting_for_as_long_as_a_node_may_repeat_it() {
    let (store, handle) = requested().await;
    store.forget();
    // The first to see the new store has no leases, so it knows no end of the quarantine.
    assert_eq!(handle.states().await.unwrap(), [RunState::Waiting]);
    let node = node();
    let heartbeat = Store::heartbeat(&*store, &node, Heartbeat::alive());
    heartbeat.await.unwrap();
    for _ in 0..2 {
        store.clock.advance(9 * SECOND);
        assert_eq!(handle.states().await.unwrap(), [RunState::Waiting]);
    }
    let waits = handle.finished(SECOND).await.unwrap_err();
    assert_eq!(waits.kind(), ErrorKind::NotFinished);
    store.clock.advance(9 * SECOND);
    assert_eq!(handle.states().await.unwrap(), [RunState::Unknown]);
    let lost = handle.finished(SECOND).await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_wait_outlasts_an_outage_of_the_store() {
    let (store, handle) = requested().await;
    store.is_away.store(true, Ordering::Relaxed);
    let away = handle.finished(20 * SECOND).await.unwrap_err();
    assert_eq!(away.kind(), ErrorKind::Away);
    let outage = async {
        tokio::time::sleep(20 * SECOND).await;
        store.is_away.store(false, Ordering::Relaxed);
    };
    let (waited, ()) = tokio::join!(handle.finished(60 * SECOND), outage);
    assert_eq!(waited.unwrap_err().kind(), ErrorKind::NotFinished);
}

/// The other shards have the request, and asking again with its id adds what is missing.
#[tokio::test(start_paused = true)]
async fn a_full_shard_keeps_no_other_from_running_and_nothing_runs_twice() {
    let store = Arc::new(MemoryStore::new(Arc::new(ManualClock::new())));
    register(&*store, 3).await;
    let control = Control::of_stores(vec![store as Arc<dyn Store>]).unwrap();
    let waiting = async |shard| {
        let lane = [UnitName::new("work", shard).lane()];
        let store = control.reader("work");
        let status = store.inspect(&control.caller, &lane).await.unwrap();
        status.body[0].waiting.len()
    };
    for n in 0..MAX_WAITING_REQUESTS {
        let one = control.run("work").shard(1).id(format!("one-{n}"));
        one.await.unwrap();
    }
    for _ in 0..2 {
        let error = control.run("work").id("all").await.unwrap_err();
        let Error::TooMany {
            id, full, taken, ..
        } = &error
        else {
            panic!("{error}");
        };
        assert_eq!(
            (id.as_str(), &full[..], &taken[..]),
            ("all", &[1][..], &[0, 2][..])
        );
        assert_eq!(error.kind(), ErrorKind::Conflict);
        let text = error.to_string();
        assert!(
            text.contains("take no more: 1.") && text.contains("with the id all"),
            "{text}"
        );
        assert_eq!((waiting(0).await, waiting(2).await), (1, 1), "once");
    }
    let none = control.run("work").shard(1).await.unwrap_err().to_string();
    assert!(none.contains("no more are taken"), "{none}");
}
