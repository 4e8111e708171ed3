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
    Answer, BoxFuture, Bucket, LedgerRecord, Start, Statement, Store, StoreError, TrailId,
    TrailLine, UnitName,
};
use scheduled_one_runtime::clock::{Clock, ManualClock};
use tokio::sync::Notify;

mod operations;

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
    /// How long each request is on its way.
    delay: Duration,
    claims_sent: usize,
    takes_sent: usize,
    /// Requests are carried out at this instant, if they are sent before it.
    held_until: Option<tokio::time::Instant>,
    failovers: usize,
    /// Failovers before the last registration: the number that the node has noticed.
    noticed_failovers: usize,
    newest_start: Option<Start>,
    /// Units that were registered, in this order.
    registered: Vec<UnitName>,
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
    /// Whether the reply to the next commit is lost.
    loses_commit: bool,
    /// Notified when a renewal says that a run is lost.
    lost: Arc<Notify>,
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

    /// Each request of this node takes so long from now on.
    pub(crate) fn be_far(&self, delay: Duration) {
        self.state.lock().expect("lock").delay = delay;
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

    /// The reply to the next commit is lost, and a renewal comes to the store before the commit is repeated.
    pub(crate) fn lose_commit(&self) {
        self.state.lock().expect("lock").loses_commit = true;
    }

    /// Whether that is still to come.
    pub(crate) fn is_to_lose_commit(&self) -> bool {
        self.state.lock().expect("lock").loses_commit
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

    /// The units that were registered since this was asked last, in this order.
    pub(crate) fn registered(&self) -> Vec<UnitName> {
        std::mem::take(&mut self.state.lock().expect("lock").registered)
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
            let (failovers, disputes, silent, panics, is_away, delay, meanwhile) = {
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
                    delay,
                    ..
                } = *state;
                (
                    failovers, disputes, silent, panics, is_away, delay, meanwhile,
                )
            };
            if delay > Duration::ZERO {
                tokio::time::sleep(delay).await;
            }
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
