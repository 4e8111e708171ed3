//! An embedded store that can change its store identity, refuse outcomes, disagree about the number of buckets, panic,
//! be away, leave requests of a node without reply, and let something happen in front of one of them.

#![allow(dead_code, reason = "each test uses a part")]

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scheduled_one_protocol::memory::MemoryStore;
use scheduled_one_protocol::message::{
    Ask, Asked, Caller, Cancel, Cancelled, CheckpointRequest, Checkpointed, Claim, Claimed,
    ControlReply, ControlRequest, Finish, Finished, ForgetRequest, Forgotten, Heartbeat,
    HeartbeatReply, OverdueRun, Recorded, Register, RegisteredUnit, Renew, Renewed, Reply, Take,
    Taken, UnitStatus, WrittenOff,
};
use scheduled_one_protocol::{
    Answer, BoxFuture, Bucket, LedgerRecord, Start, Store, StoreError, TrailId, TrailLine, UnitName,
};
use scheduled_one_runtime::clock::{Clock, ManualClock};

#[derive(Clone)]
pub(crate) struct TestStore {
    inner: MemoryStore,
    refuses: bool,
    state: Arc<Mutex<State>>,
    /// Those of the buckets after the first, if there are several.
    others: Arc<[TestStore]>,
}

/// Which requests of a node have no reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Hangs {
    #[default]
    Nothing,
    Claims,
    Everything,
}

/// Happens in front of a request of a node.
type Meanwhile = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

#[derive(Default)]
struct State {
    hangs: Hangs,
    /// Requests of this node, but for reads of ledgers and of the trail.
    requests: usize,
    /// What happens in front of which request.
    meanwhile: Option<(usize, Meanwhile)>,
    /// Whether requests fail.
    is_away: bool,
    claims_sent: usize,
    takes_sent: usize,
    /// Requests are carried out at this instant, if they are sent before it.
    held_until: Option<tokio::time::Instant>,
    failovers: usize,
    /// Failovers before the last registration: the number that the node has noticed.
    noticed_failovers: usize,
    newest_start: Option<Start>,
    refused: Vec<Finish>,
    disputes: bool,
    /// How many of the next requests panic.
    panics: usize,
    /// Whether its `Debug` panics.
    cannot_be_shown: bool,
    silent: bool,
    /// Ticks whose ledger lines are lost, in ms.
    lost_lines: Vec<i64>,
    ledgers_read: usize,
    damaged: Vec<String>,
    /// The clock, and how far it advances between a claim's decision and its reply.
    late_replies: Option<(ManualClock, Duration)>,
}

impl fmt::Debug for TestStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Read before: a panic would poison the lock.
        let cannot_be_shown = self.state.lock().expect("lock").cannot_be_shown;
        assert!(!cannot_be_shown, "in Debug");
        f.write_str("TestStore")
    }
}

impl TestStore {
    pub(crate) fn new(clock: &(impl Clock + Clone), refuses: bool) -> Self {
        TestStore {
            inner: MemoryStore::new(Arc::new(clock.clone())),
            refuses,
            state: Arc::default(),
            others: Arc::default(),
        }
    }

    /// The same with a store of its own for a second bucket, which is returned, too.
    pub(crate) fn with_second_bucket(self, clock: &(impl Clock + Clone)) -> (Self, Self) {
        let second = TestStore::new(clock, false);
        let both = TestStore {
            others: [second.clone()].into(),
            ..self
        };
        (both, second)
    }

    /// Somebody edits the record of this unit: whoever reads it is refused.
    pub(crate) fn damage(&self, unit: &str) {
        self.state
            .lock()
            .expect("lock")
            .damaged
            .push(unit.to_owned());
    }

    /// The way of a node to a store that others reach by themselves.
    pub(crate) fn new_over(store: &MemoryStore) -> Self {
        TestStore {
            inner: store.clone(),
            refuses: false,
            state: Arc::default(),
            others: Arc::default(),
        }
    }

    /// The way of another node to the same store.
    pub(crate) fn of_another_node(&self) -> Self {
        TestStore {
            state: Arc::default(),
            ..self.clone()
        }
    }

    /// Its `Debug` panics from now on.
    pub(crate) fn cannot_be_shown(&self) {
        self.state.lock().expect("lock").cannot_be_shown = true;
    }

    /// Leaves requests of this node without reply from now on.
    pub(crate) fn hang(&self, what: Hangs) {
        self.state.lock().expect("lock").hangs = what;
    }

    /// The requests of this node fail from now on, or no more.
    pub(crate) fn be_away(&self, is_away: bool) {
        self.state.lock().expect("lock").is_away = is_away;
    }

    /// Lets something happen in front of a request of this node, the first of which is 1.
    pub(crate) fn before_request<F: Future<Output = ()> + Send + 'static>(
        &self,
        number: usize,
        meanwhile: impl FnOnce() -> F + Send + 'static,
    ) {
        let meanwhile: Meanwhile = Box::new(move || Box::pin(meanwhile()));
        self.state.lock().expect("lock").meanwhile = Some((number, meanwhile));
    }

    /// The claims of this node.
    pub(crate) fn claims_sent(&self) -> usize {
        self.state.lock().expect("lock").claims_sent
    }

    /// How often this node tried to start what somebody asked for.
    pub(crate) fn takes_sent(&self) -> usize {
        self.state.lock().expect("lock").takes_sent
    }

    /// Carries nothing out for this time, as a server that stands still.
    pub(crate) fn stand_still(&self, time: Duration) {
        self.state.lock().expect("lock").held_until = Some(tokio::time::Instant::now() + time);
    }

    /// Changes the store identity, as a failover does.
    pub(crate) fn fail_over(&self) {
        self.state.lock().expect("lock").failovers += 1;
    }

    /// Sets whether the store reports another number of buckets than its callers have.
    pub(crate) fn dispute(&self, disputes: bool) {
        self.state.lock().expect("lock").disputes = disputes;
    }

    /// The next requests panic, so many of them.
    pub(crate) fn panic(&self, requests: usize) {
        self.state.lock().expect("lock").panics = requests;
    }

    /// How many requests are still to panic.
    pub(crate) fn panics_left(&self) -> usize {
        self.state.lock().expect("lock").panics
    }

    /// Requests have no reply from now on.
    pub(crate) fn fall_silent(&self) {
        self.state.lock().expect("lock").silent = true;
    }

    /// The replies to claims arrive `delay` after the decision, by the clock.
    pub(crate) fn delay_claims(&self, clock: &ManualClock, delay: Duration) {
        self.state.lock().expect("lock").late_replies = Some((clock.clone(), delay));
    }

    /// The ledger has no lines of this tick from now on.
    pub(crate) fn lose_lines_of(&self, tick_ms: i64) {
        self.state.lock().expect("lock").lost_lines.push(tick_ms);
    }

    /// How often a ledger was read.
    pub(crate) fn ledgers_read(&self) -> usize {
        self.state.lock().expect("lock").ledgers_read
    }

    /// Failovers before the last registration.
    pub(crate) fn noticed_failovers(&self) -> usize {
        self.state.lock().expect("lock").noticed_failovers
    }

    /// The newest start in the last registration.
    pub(crate) fn newest_start(&self) -> Option<Start> {
        self.state.lock().expect("lock").newest_start
    }

    pub(crate) fn refused(&self) -> Vec<Finish> {
        self.state.lock().expect("lock").refused.clone()
    }

    fn pass<'a, T: Send + 'a>(&'a self, answer: Answer<'a, Reply<T>>) -> Answer<'a, Reply<T>> {
        Box::pin(async move {
            let held_until = self.state.lock().expect("lock").held_until;
            if let Some(until) = held_until.filter(|until| *until > tokio::time::Instant::now()) {
                tokio::time::sleep_until(until).await;
            }
            let (failovers, disputes, silent, panics, is_away, meanwhile) = {
                let mut state = self.state.lock().expect("lock");
                state.requests += 1;
                let number = state.requests;
                let meanwhile = state.meanwhile.take_if(|(at, _)| *at == number);
                let panics = state.panics > 0;
                state.panics -= usize::from(panics);
                let silent = state.silent || state.hangs == Hangs::Everything;
                let State {
                    failovers,
                    disputes,
                    is_away,
                    ..
                } = *state;
                (failovers, disputes, silent, panics, is_away, meanwhile)
            };
            if let Some((_, meanwhile)) = meanwhile {
                meanwhile().await;
            }
            if is_away {
                return Err(StoreError::Unavailable("away".to_owned()));
            }
            assert!(!panics, "in the store");
            if silent {
                return std::future::pending().await;
            }
            if disputes {
                return Err(StoreError::OtherBuckets { found: 2, ours: 1 });
            }
            let mut reply = answer.await?;
            reply.head.serving = format!("process {failovers}");
            Ok(reply)
        })
    }
}

impl Store for TestStore {
    fn claim<'a>(
        &'a self,
        caller: &'a Caller,
        claims: &'a [Claim],
    ) -> Answer<'a, Reply<Vec<Claimed>>> {
        let hangs = {
            let mut state = self.state.lock().expect("lock");
            state.claims_sent += claims.len();
            state.hangs
        };
        if hangs == Hangs::Everything {
            return Box::pin(std::future::pending());
        }
        let answer = self.pass(self.inner.claim(caller, claims));
        Box::pin(async move {
            while self.state.lock().expect("lock").hangs == Hangs::Claims {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let reply = answer.await;
            let late_replies = self.state.lock().expect("lock").late_replies.clone();
            if let Some((clock, delay)) = late_replies {
                clock.advance(delay);
            }
            reply
        })
    }

    fn renew<'a>(
        &'a self,
        caller: &'a Caller,
        renewals: &'a [Renew],
    ) -> Answer<'a, Reply<Vec<Renewed>>> {
        self.pass(self.inner.renew(caller, renewals))
    }

    fn finish<'a>(
        &'a self,
        caller: &'a Caller,
        finishes: &'a [Finish],
    ) -> Answer<'a, Reply<Vec<Finished>>> {
        if !self.refuses {
            return self.pass(self.inner.finish(caller, finishes));
        }
        let answer = self.inner.finish(caller, &[]);
        self.pass(Box::pin(async move {
            let mut reply = answer.await?;
            let refused = Finished {
                recorded: false,
                ready: false,
            };
            reply.body = vec![refused; finishes.len()];
            let mut state = self.state.lock().expect("lock");
            state.refused.extend_from_slice(finishes);
            Ok(reply)
        }))
    }

    fn register<'a>(
        &'a self,
        caller: &'a Caller,
        registrations: &'a [Register],
    ) -> Answer<'a, Reply<Vec<RegisteredUnit>>> {
        let mut state = self.state.lock().expect("lock");
        state.noticed_failovers = state.failovers;
        state.newest_start = registrations[0].bounds.start;
        drop(state);
        self.pass(self.inner.register(caller, registrations))
    }

    fn write_off<'a>(
        &'a self,
        caller: &'a Caller,
        runs: &'a [OverdueRun],
    ) -> Answer<'a, Reply<Vec<WrittenOff>>> {
        self.pass(self.inner.write_off(caller, runs))
    }

    fn heartbeat<'a>(
        &'a self,
        caller: &'a Caller,
        heartbeat: Heartbeat,
    ) -> Answer<'a, Reply<HeartbeatReply>> {
        self.pass(self.inner.heartbeat(caller, heartbeat))
    }

    fn control<'a>(
        &'a self,
        caller: &'a Caller,
        request: &'a ControlRequest,
    ) -> Answer<'a, Reply<ControlReply>> {
        self.pass(self.inner.control(caller, request))
    }

    fn record<'a>(
        &'a self,
        caller: &'a Caller,
        lines: &'a [LedgerRecord],
    ) -> Answer<'a, Reply<Vec<Recorded>>> {
        self.pass(self.inner.record(caller, lines))
    }

    fn inspect<'a>(
        &'a self,
        caller: &'a Caller,
        units: &'a [UnitName],
    ) -> Answer<'a, Reply<Vec<UnitStatus>>> {
        let state = self.state.lock().expect("lock");
        let mut damaged = state.damaged.iter();
        if damaged.any(|it| units.iter().any(|unit| unit.as_str() == it)) {
            let why = "a record was edited".to_owned();
            return Box::pin(async { Err(StoreError::Refused(why)) });
        }
        drop(state);
        self.pass(self.inner.inspect(caller, units))
    }

    fn ask<'a>(&'a self, caller: &'a Caller, asks: &'a [Ask]) -> Answer<'a, Reply<Vec<Asked>>> {
        self.pass(self.inner.ask(caller, asks))
    }

    fn take<'a>(&'a self, caller: &'a Caller, takes: &'a [Take]) -> Answer<'a, Reply<Vec<Taken>>> {
        self.state.lock().expect("lock").takes_sent += takes.len();
        self.pass(self.inner.take(caller, takes))
    }

    fn cancel<'a>(
        &'a self,
        caller: &'a Caller,
        cancels: &'a [Cancel],
    ) -> Answer<'a, Reply<Vec<Cancelled>>> {
        self.pass(self.inner.cancel(caller, cancels))
    }

    fn forget<'a>(
        &'a self,
        caller: &'a Caller,
        request: &'a ForgetRequest,
    ) -> Answer<'a, Reply<Forgotten>> {
        self.pass(self.inner.forget(caller, request))
    }

    fn checkpoint<'a>(
        &'a self,
        caller: &'a Caller,
        request: &'a CheckpointRequest,
    ) -> Answer<'a, Reply<Checkpointed>> {
        self.pass(self.inner.checkpoint(caller, request))
    }

    fn ledger<'a>(&'a self, job: &'a str, limit: usize) -> Answer<'a, Vec<LedgerRecord>> {
        Box::pin(async move {
            let mut lines = self.inner.ledger(job, limit).await?;
            let mut state = self.state.lock().expect("lock");
            state.ledgers_read += 1;
            lines.retain(|line| !state.lost_lines.contains(&line.tick.ms()));
            Ok(lines)
        })
    }

    fn trail(&self, before: Option<TrailId>, limit: usize) -> Answer<'_, Vec<TrailLine>> {
        self.inner.trail(before, limit)
    }

    fn open(&self, bucket: Bucket) -> Arc<dyn Store> {
        let index = bucket.index() as usize;
        let other = index
            .checked_sub(1)
            .and_then(|index| self.others.get(index));
        Arc::new(other.unwrap_or(self).clone())
    }
}
