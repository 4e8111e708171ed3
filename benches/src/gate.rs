//! The way of one node to a store: it counts what the node sends, and can be shut.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use scheduled_one_protocol::message::{
    Ask, Asked, Caller, Cancel, Cancelled, CheckpointRequest, Checkpointed, Claim, Claimed,
    ControlReply, ControlRequest, Finish, Finished, ForgetRequest, Forgotten, Heartbeat,
    HeartbeatReply, OverdueRun, Recorded, Register, RegisteredUnit, Renew, Renewed, Reply, Take,
    Taken, UnitStatus, WrittenOff,
};
use scheduled_one_protocol::{
    Answer, BoxFuture, Bucket, Finding, LedgerRecord, PreflightError, Store, StoreError, TickMs,
    TrailId, TrailLine, UnitName,
};

/// Items that all nodes sent.
#[derive(Debug, Default)]
pub(crate) struct Items {
    pub(crate) claims: AtomicU64,
    pub(crate) finishes: AtomicU64,
    pub(crate) registrations: AtomicU64,
    /// Heartbeats, renewals, and everything else.
    pub(crate) others: AtomicU64,
}

impl Items {
    /// Claims, outcomes, registrations, and everything else.
    pub(crate) fn so_far(&self) -> [u64; 4] {
        [
            &self.claims,
            &self.finishes,
            &self.registrations,
            &self.others,
        ]
        .map(|counter| counter.load(Ordering::Relaxed))
    }
}

/// What becomes of the requests of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// They have replies.
    Open = 0,
    /// They fail: the node is cut off.
    Cut = 1,
    /// They never have replies, and do nothing: the node is dead.
    Dead = 2,
    /// The same of claims only: the node hangs.
    Hangs = 3,
}

/// The way of one node.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    store: Arc<dyn Store>,
    items: Arc<Items>,
    way: Arc<AtomicU8>,
}

impl Gate {
    pub(crate) fn new(store: Arc<dyn Store>, items: Arc<Items>) -> Self {
        Gate {
            store,
            items,
            way: Arc::new(AtomicU8::new(Way::Open as u8)),
        }
    }

    pub(crate) fn set(&self, way: Way) {
        self.way.store(way as u8, Ordering::Relaxed);
    }

    fn hangs(&self) -> bool {
        self.way.load(Ordering::Relaxed) == Way::Hangs as u8
    }

    fn pass<'a, T: Send + 'a>(
        &'a self,
        count: fn(&Items) -> &AtomicU64,
        items: usize,
        answer: Answer<'a, T>,
    ) -> Answer<'a, T> {
        count(&self.items).fetch_add(items as u64, Ordering::Relaxed);
        match self.way.load(Ordering::Relaxed) {
            way if way == Way::Dead as u8 => Box::pin(std::future::pending()),
            way if way == Way::Cut as u8 => {
                Box::pin(async { Err(StoreError::Unavailable("cut off".to_owned())) })
            }
            _ => answer,
        }
    }
}

fn others(items: &Items) -> &AtomicU64 {
    &items.others
}

impl Store for Gate {
    fn claim<'a>(
        &'a self,
        caller: &'a Caller,
        claims: &'a [Claim],
    ) -> Answer<'a, Reply<Vec<Claimed>>> {
        let answer: Answer<'a, _> = match self.hangs() {
            true => Box::pin(std::future::pending()),
            false => self.store.claim(caller, claims),
        };
        self.pass(|items| &items.claims, claims.len(), answer)
    }

    fn renew<'a>(
        &'a self,
        caller: &'a Caller,
        renewals: &'a [Renew],
    ) -> Answer<'a, Reply<Vec<Renewed>>> {
        self.pass(others, renewals.len(), self.store.renew(caller, renewals))
    }

    fn finish<'a>(
        &'a self,
        caller: &'a Caller,
        finishes: &'a [Finish],
    ) -> Answer<'a, Reply<Vec<Finished>>> {
        let answer = self.store.finish(caller, finishes);
        self.pass(|items| &items.finishes, finishes.len(), answer)
    }

    fn register<'a>(
        &'a self,
        caller: &'a Caller,
        units: &'a [Register],
    ) -> Answer<'a, Reply<Vec<RegisteredUnit>>> {
        let answer = self.store.register(caller, units);
        self.pass(|items| &items.registrations, units.len(), answer)
    }

    fn write_off<'a>(
        &'a self,
        caller: &'a Caller,
        runs: &'a [OverdueRun],
    ) -> Answer<'a, Reply<Vec<WrittenOff>>> {
        self.pass(others, runs.len(), self.store.write_off(caller, runs))
    }

    fn heartbeat<'a>(
        &'a self,
        caller: &'a Caller,
        heartbeat: Heartbeat,
    ) -> Answer<'a, Reply<HeartbeatReply>> {
        self.pass(others, 1, self.store.heartbeat(caller, heartbeat))
    }

    fn control<'a>(
        &'a self,
        caller: &'a Caller,
        request: &'a ControlRequest,
    ) -> Answer<'a, Reply<ControlReply>> {
        self.pass(others, 1, self.store.control(caller, request))
    }

    fn record<'a>(
        &'a self,
        caller: &'a Caller,
        lines: &'a [LedgerRecord],
    ) -> Answer<'a, Reply<Vec<Recorded>>> {
        self.pass(others, lines.len(), self.store.record(caller, lines))
    }

    fn inspect<'a>(
        &'a self,
        caller: &'a Caller,
        units: &'a [UnitName],
    ) -> Answer<'a, Reply<Vec<UnitStatus>>> {
        self.pass(others, units.len(), self.store.inspect(caller, units))
    }

    fn ask<'a>(&'a self, caller: &'a Caller, asks: &'a [Ask]) -> Answer<'a, Reply<Vec<Asked>>> {
        self.pass(others, asks.len(), self.store.ask(caller, asks))
    }

    fn take<'a>(&'a self, caller: &'a Caller, takes: &'a [Take]) -> Answer<'a, Reply<Vec<Taken>>> {
        self.pass(others, takes.len(), self.store.take(caller, takes))
    }

    fn cancel<'a>(
        &'a self,
        caller: &'a Caller,
        cancels: &'a [Cancel],
    ) -> Answer<'a, Reply<Vec<Cancelled>>> {
        self.pass(others, cancels.len(), self.store.cancel(caller, cancels))
    }

    fn checkpoint<'a>(
        &'a self,
        caller: &'a Caller,
        request: &'a CheckpointRequest,
    ) -> Answer<'a, Reply<Checkpointed>> {
        self.pass(others, 1, self.store.checkpoint(caller, request))
    }

    fn forget<'a>(
        &'a self,
        caller: &'a Caller,
        request: &'a ForgetRequest,
    ) -> Answer<'a, Reply<Forgotten>> {
        self.pass(others, 1, self.store.forget(caller, request))
    }

    fn trail(&self, before: Option<TrailId>, limit: usize) -> Answer<'_, Vec<TrailLine>> {
        self.store.trail(before, limit)
    }

    fn ledger<'a>(&'a self, job: &'a str, limit: usize) -> Answer<'a, Vec<LedgerRecord>> {
        self.pass(others, 1, self.store.ledger(job, limit))
    }

    fn news(&self, seen: u64) -> BoxFuture<'_, u64> {
        self.store.news(seen)
    }

    fn open(&self, bucket: Bucket) -> Arc<dyn Store> {
        Arc::new(Gate {
            store: self.store.open(bucket),
            ..self.clone()
        })
    }

    fn preflight(&self) -> BoxFuture<'_, Result<Vec<Finding>, PreflightError>> {
        self.store.preflight()
    }

    fn judge_marks(&self, marks: &[(UnitName, TickMs)], now: TickMs) -> Finding {
        self.store.judge_marks(marks, now)
    }
}
