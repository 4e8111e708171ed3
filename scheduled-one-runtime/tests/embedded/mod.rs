//! An embedded store that outlives its nodes, in time that the test moves.

#![allow(dead_code, reason = "each test uses a part")]

use std::sync::Arc;
use std::time::Duration;

use scheduled_one_protocol::memory::MemoryStore;
use scheduled_one_protocol::message::Caller;
use scheduled_one_runtime::clock::{Clock, ManualClock};
use scheduled_one_runtime::{Scheduler, SchedulerBuilder};

pub(crate) const BOUND: Duration = Duration::from_secs(30);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// The store, and the clock of everybody.
pub(crate) struct Embedded {
    pub(crate) clock: ManualClock,
    pub(crate) store: MemoryStore,
}

impl Embedded {
    pub(crate) fn new() -> Self {
        let clock = ManualClock::new();
        Embedded {
            store: MemoryStore::new(Arc::new(clock.clone())),
            clock,
        }
    }

    /// A node without jobs.
    pub(crate) fn builder(&self) -> SchedulerBuilder {
        let builder = Scheduler::builder("memory://").clock(self.clock.clone());
        builder.store(self.store.clone())
    }

    /// A caller that is no node of a test.
    pub(crate) fn caller(&self) -> Caller {
        Caller {
            node: "somebody".to_owned(),
            name: "somebody".to_owned(),
            quarantine_ms: 0,
            margin_ms: 0,
            ledger_limit: 100,
            buckets: 1,
        }
    }

    /// Lets time pass, in steps between which nodes do what is due.
    pub(crate) async fn pass_by(&self, time: Duration, step: Duration) {
        let until = self.clock.wall() + time;
        while self.clock.wall() < until {
            self.clock.advance(step.min(until - self.clock.wall()));
            settle().await;
        }
    }

    pub(crate) async fn pass(&self, time: Duration) {
        self.pass_by(time, SECOND).await;
    }

    /// Lets seconds pass until it is so.
    pub(crate) async fn until(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        let look = async {
            while !is_so().await {
                self.pass(SECOND).await;
            }
        };
        assert!(tokio::time::timeout(BOUND, look).await.is_ok(), "{what}");
    }
}

/// Every task goes as far as it can without time.
pub(crate) async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}
