//! A store whose claims may hang: then its node sends heartbeats, and runs nothing.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use scheduled_one_protocol::message::{
    Ask, Asked, Caller, Cancel, Cancelled, CheckpointRequest, Checkpointed, Claim, Claimed,
    ControlReply, ControlRequest, Finish, Finished, ForgetRequest, Forgotten, Heartbeat,
    HeartbeatReply, OverdueRun, Recorded, Register, RegisteredUnit, Renew, Renewed, Reply, Take,
    Taken, UnitStatus, WrittenOff,
};
use scheduled_one_protocol::{
    Answer, BoxFuture, Bucket, Finding, LedgerRecord, PreflightError, Store, TickMs, TrailId,
    TrailLine, UnitName,
};
use scheduled_one_runtime::clock::{Clock, SystemClock};
use scheduled_one_runtime::control::{StoreOptions, open_store};

use crate::chaos::world::NAMESPACE;

/// The store of a node.
#[derive(Clone, Debug)]
pub struct HangingStore {
    store: Arc<dyn Store>,
    hangs: Arc<AtomicBool>,
}

impl HangingStore {
    /// Opens the store as a node does. `hangs` says whether claims get replies.
    ///
    /// # Errors
    ///
    /// As of a start.
    pub async fn open(
        url: &str,
        password_file: Option<&Path>,
        replicas: u32,
        hangs: Arc<AtomicBool>,
    ) -> Result<Self, PreflightError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let mut options = StoreOptions::default();
        if let Some(path) = password_file {
            options.redis = options.redis.password_file(path);
        }
        options.redis = options.redis.replicas(replicas);
        let store = open_store(url, NAMESPACE, &clock, &options).await?;
        Ok(HangingStore { store, hangs })
    }

    /// The answer, or none for as long as the process lives: nothing is sent.
    fn unless_it_hangs<'a, T: Send + 'a>(&self, answer: Answer<'a, T>) -> Answer<'a, T> {
        match self.hangs.load(Ordering::Relaxed) {
            true => Box::pin(std::future::pending()),
            false => answer,
        }
    }
}

impl Store for HangingStore {
    fn claim<'a>(
        &'a self,
        caller: &'a Caller,
        claims: &'a [Claim],
    ) -> Answer<'a, Reply<Vec<Claimed>>> {
        self.unless_it_hangs(self.store.claim(caller, claims))
    }

    fn take<'a>(&'a self, caller: &'a Caller, takes: &'a [Take]) -> Answer<'a, Reply<Vec<Taken>>> {
        self.unless_it_hangs(self.store.take(caller, takes))
    }

    fn renew<'a>(
        &'a self,
        caller: &'a Caller,
        renewals: &'a [Renew],
    ) -> Answer<'a, Reply<Vec<Renewed>>> {
        self.store.renew(caller, renewals)
    }

    fn finish<'a>(
        &'a self,
        caller: &'a Caller,
        finishes: &'a [Finish],
    ) -> Answer<'a, Reply<Vec<Finished>>> {
        self.store.finish(caller, finishes)
    }

    fn register<'a>(
        &'a self,
        caller: &'a Caller,
        units: &'a [Register],
    ) -> Answer<'a, Reply<Vec<RegisteredUnit>>> {
        self.store.register(caller, units)
    }

    fn write_off<'a>(
        &'a self,
        caller: &'a Caller,
        runs: &'a [OverdueRun],
    ) -> Answer<'a, Reply<Vec<WrittenOff>>> {
        self.store.write_off(caller, runs)
    }

    fn heartbeat<'a>(
        &'a self,
        caller: &'a Caller,
        heartbeat: Heartbeat,
    ) -> Answer<'a, Reply<HeartbeatReply>> {
        self.store.heartbeat(caller, heartbeat)
    }

    fn control<'a>(
        &'a self,
        caller: &'a Caller,
        request: &'a ControlRequest,
    ) -> Answer<'a, Reply<ControlReply>> {
        self.store.control(caller, request)
    }

    fn record<'a>(
        &'a self,
        caller: &'a Caller,
        lines: &'a [LedgerRecord],
    ) -> Answer<'a, Reply<Vec<Recorded>>> {
        self.store.record(caller, lines)
    }

    fn inspect<'a>(
        &'a self,
        caller: &'a Caller,
        units: &'a [UnitName],
    ) -> Answer<'a, Reply<Vec<UnitStatus>>> {
        self.store.inspect(caller, units)
    }

    fn ask<'a>(&'a self, caller: &'a Caller, asks: &'a [Ask]) -> Answer<'a, Reply<Vec<Asked>>> {
        self.store.ask(caller, asks)
    }

    fn cancel<'a>(
        &'a self,
        caller: &'a Caller,
        cancels: &'a [Cancel],
    ) -> Answer<'a, Reply<Vec<Cancelled>>> {
        self.store.cancel(caller, cancels)
    }

    fn checkpoint<'a>(
        &'a self,
        caller: &'a Caller,
        request: &'a CheckpointRequest,
    ) -> Answer<'a, Reply<Checkpointed>> {
        self.store.checkpoint(caller, request)
    }

    fn forget<'a>(
        &'a self,
        caller: &'a Caller,
        request: &'a ForgetRequest,
    ) -> Answer<'a, Reply<Forgotten>> {
        self.store.forget(caller, request)
    }

    fn trail(&self, before: Option<TrailId>, limit: usize) -> Answer<'_, Vec<TrailLine>> {
        self.store.trail(before, limit)
    }

    fn ledger<'a>(&'a self, job: &'a str, limit: usize) -> Answer<'a, Vec<LedgerRecord>> {
        self.store.ledger(job, limit)
    }

    fn news(&self, seen: u64) -> BoxFuture<'_, u64> {
        self.store.news(seen)
    }

    fn open(&self, bucket: Bucket) -> Arc<dyn Store> {
        Arc::new(HangingStore {
            store: self.store.open(bucket),
            hangs: Arc::clone(&self.hangs),
        })
    }

    fn preflight(&self) -> BoxFuture<'_, Result<Vec<Finding>, PreflightError>> {
        self.store.preflight()
    }

    fn judge_marks(&self, marks: &[(UnitName, TickMs)], now: TickMs) -> Finding {
        self.store.judge_marks(marks, now)
    }
}
