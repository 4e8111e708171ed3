//! A network between a node and the store: slow, cut, or cut in one direction.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use scheduled_one_protocol::message::{
    Ask, Asked, Caller, Cancel, Cancelled, CheckpointRequest, Checkpointed, Claim, Claimed,
    ControlReply, ControlRequest, Finish, Finished, ForgetRequest, Forgotten, Heartbeat,
    HeartbeatReply, OverdueRun, Recorded, Register, RegisteredUnit, Renew, Renewed, Reply, Take,
    Taken, UnitStatus, Verdict, WrittenOff,
};
use scheduled_one_protocol::{
    Answer, BoxFuture, Bucket, LedgerRecord, Store, StoreError, TrailId, TrailLine, UnitName,
};
use scheduled_one_runtime::clock::Clock;
use scheduled_one_testkit::ForgetfulStore;
use scheduled_one_testkit::checker::{Event, EventKind};

use super::beliefs::{self, Decided};
use super::{Random, World};

/// How long a call waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Network {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    random: Random,
    cut_until: Duration,
    /// Claims of the node wait until then.
    claims_held_until: Duration,
    /// The node is made to believe wrong things of others. Meanwhile its calls are quick.
    is_deceived: bool,
    dead: bool,
}

/// What happens to one call.
struct Fate {
    there: Duration,
    back: Duration,
    arrives: bool,
    answered: bool,
    dead: bool,
}

impl Network {
    pub(crate) fn new(seed: u64) -> Self {
        Network {
            state: Mutex::new(State {
                random: Random::new(seed),
                cut_until: Duration::ZERO,
                claims_held_until: Duration::ZERO,
                is_deceived: false,
                dead: false,
            }),
        }
    }

    pub(crate) fn cut_for(&self, until: Duration) {
        self.state.lock().expect("lock").cut_until = until;
    }

    /// Holds the claims of the node until an instant: only they do not reach the store.
    pub(crate) fn hold_claims_for(&self, until: Duration) {
        self.state.lock().expect("lock").claims_held_until = until;
    }

    /// From now on the node believes wrong things of others, or what the store says.
    pub(crate) fn deceive(&self, deceives: bool) {
        self.state.lock().expect("lock").is_deceived = deceives;
    }

    /// A heartbeat on its way: a node that is deceived asks for all other nodes.
    fn deceive_request(&self, heartbeat: &mut Heartbeat) {
        let mut state = self.state.lock().expect("lock");
        if state.is_deceived && state.random.chance(50) {
            heartbeat.known_version = 0;
        }
    }

    /// And the reply to it.
    fn deceive_reply(&self, reply: &mut HeartbeatReply) {
        let mut state = self.state.lock().expect("lock");
        if state.is_deceived {
            beliefs::distort(&mut state.random, reply);
        }
    }

    /// For how long claims are held.
    fn claims_held(&self, now: Duration) -> Duration {
        let held_until = self.state.lock().expect("lock").claims_held_until;
        held_until.saturating_sub(now)
    }

    pub(crate) fn heal(&self) {
        self.cut_for(Duration::ZERO);
    }

    pub(crate) fn die(&self) {
        self.state.lock().expect("lock").dead = true;
    }

    fn fate(&self, now: Duration) -> Fate {
        let mut state = self.state.lock().expect("lock");
        let cut = now < state.cut_until;
        let is_quick = state.is_deceived;
        let random = &mut state.random;
        let mut way = || match random.range(0, 199) {
            0 if !is_quick => random.ms(50, 1_500),
            _ => Duration::from_micros(random.range(50, 2_000)),
        };
        let (there, back) = (way(), way());
        let arrives = !cut || random.chance(30);
        Fate {
            there,
            back,
            arrives,
            answered: !cut,
            dead: state.dead,
        }
    }
}

/// The store as one node reaches it.
#[derive(Clone, Debug)]
pub(crate) struct NodeStore {
    inner: ForgetfulStore,
    world: World,
    network: Arc<Network>,
}

impl NodeStore {
    pub(crate) fn new(inner: ForgetfulStore, world: World, network: Arc<Network>) -> Self {
        NodeStore {
            inner,
            world,
            network,
        }
    }

    /// What the store granted, whether or not its reply arrives.
    fn note_grants(&self, caller: &Caller, replies: &[Claimed]) {
        for reply in replies {
            let Verdict::Granted(grant) = &reply.verdict else {
                continue;
            };
            self.world.note(Event {
                kind: EventKind::Grant,
                at_us: self.world.clock.boottime().as_micros() as u64,
                node: caller.name.clone(),
                job: grant.unit.job().to_owned(),
                shard: grant.unit.shard(),
                tick_ms: grant.tick.ms(),
                attempt: grant.attempt,
                token: grant.token.get(),
                ..Event::default()
            });
        }
    }

    /// Which ticks the store decided.
    fn note_decided(&self, claims: &[Claim], replies: &[Claimed]) {
        let at_ms = self.world.clock.wall().as_millis() as i64;
        let pairs = claims.iter().zip(replies);
        let decided = pairs.flat_map(|(claim, it)| Decided::of(claim, &it.verdict, at_ms));
        self.world.decided.lock().expect("lock").extend(decided);
    }

    /// The same of requests.
    fn note_taken(&self, caller: &Caller, replies: &[Taken]) {
        for Taken { claimed, request } in replies {
            let Verdict::Granted(grant) = &claimed.verdict else {
                continue;
            };
            let logical = request.as_ref().and_then(|request| request.logical);
            self.world.note(Event {
                kind: EventKind::Grant,
                at_us: self.world.clock.boottime().as_micros() as u64,
                node: caller.name.clone(),
                job: grant.unit.job().to_owned(),
                shard: grant.unit.shard(),
                tick_ms: logical.unwrap_or(grant.tick).ms(),
                attempt: grant.attempt,
                token: grant.token.get(),
                request: match request {
                    Some(request) => request.id.clone(),
                    None => "deleted".to_owned(),
                },
                ..Event::default()
            });
        }
    }

    fn call<'a, T: Send + 'a>(
        &'a self,
        call: impl FnOnce(&'a ForgetfulStore) -> Answer<'a, T> + Send + 'a,
    ) -> Answer<'a, T> {
        Box::pin(async move {
            let fate = self.network.fate(self.world.clock.boottime());
            self.world.clock.sleep(fate.there).await;
            let answer = match fate.arrives && !fate.dead {
                true => Some(call(&self.inner).await),
                false => None,
            };
            if fate.dead {
                std::future::pending::<()>().await;
            }
            let slow = fate.there + fate.back > TIMEOUT;
            match answer {
                Some(answer) if fate.answered && !slow => {
                    self.world.clock.sleep(fate.back).await;
                    if self.network.fate(self.world.clock.boottime()).dead {
                        std::future::pending::<()>().await;
                    }
                    answer
                }
                _ => {
                    self.world
                        .clock
                        .sleep(TIMEOUT.saturating_sub(fate.there))
                        .await;
                    Err(StoreError::Unknown("no answer".to_owned()))
                }
            }
        })
    }
}

impl Store for NodeStore {
    fn claim<'a>(
        &'a self,
        caller: &'a Caller,
        claims: &'a [Claim],
    ) -> Answer<'a, Reply<Vec<Claimed>>> {
        let claimed = self.call(move |store| {
            Box::pin(async move {
                let reply = store.claim(caller, claims).await?;
                self.note_grants(caller, &reply.body);
                self.note_decided(claims, &reply.body);
                Ok(reply)
            })
        });
        Box::pin(async move {
            let held = self.network.claims_held(self.world.clock.boottime());
            self.world.clock.sleep(held).await;
            claimed.await
        })
    }

    fn renew<'a>(
        &'a self,
        caller: &'a Caller,
        renewals: &'a [Renew],
    ) -> Answer<'a, Reply<Vec<Renewed>>> {
        self.call(|store| store.renew(caller, renewals))
    }

    fn finish<'a>(
        &'a self,
        caller: &'a Caller,
        finishes: &'a [Finish],
    ) -> Answer<'a, Reply<Vec<Finished>>> {
        self.call(|store| store.finish(caller, finishes))
    }

    fn register<'a>(
        &'a self,
        caller: &'a Caller,
        registrations: &'a [Register],
    ) -> Answer<'a, Reply<Vec<RegisteredUnit>>> {
        self.call(|store| store.register(caller, registrations))
    }

    fn write_off<'a>(
        &'a self,
        caller: &'a Caller,
        runs: &'a [OverdueRun],
    ) -> Answer<'a, Reply<Vec<WrittenOff>>> {
        self.call(|store| store.write_off(caller, runs))
    }

    fn heartbeat<'a>(
        &'a self,
        caller: &'a Caller,
        mut heartbeat: Heartbeat,
    ) -> Answer<'a, Reply<HeartbeatReply>> {
        self.network.deceive_request(&mut heartbeat);
        let reply = self.call(move |store| store.heartbeat(caller, heartbeat));
        Box::pin(async move {
            let mut reply = reply.await?;
            self.network.deceive_reply(&mut reply.body);
            Ok(reply)
        })
    }

    fn control<'a>(
        &'a self,
        caller: &'a Caller,
        request: &'a ControlRequest,
    ) -> Answer<'a, Reply<ControlReply>> {
        self.call(|store| store.control(caller, request))
    }

    fn record<'a>(
        &'a self,
        caller: &'a Caller,
        lines: &'a [LedgerRecord],
    ) -> Answer<'a, Reply<Vec<Recorded>>> {
        self.call(|store| store.record(caller, lines))
    }

    fn inspect<'a>(
        &'a self,
        caller: &'a Caller,
        units: &'a [UnitName],
    ) -> Answer<'a, Reply<Vec<UnitStatus>>> {
        self.call(|store| store.inspect(caller, units))
    }

    fn ask<'a>(&'a self, caller: &'a Caller, asks: &'a [Ask]) -> Answer<'a, Reply<Vec<Asked>>> {
        self.call(|store| store.ask(caller, asks))
    }

    fn take<'a>(&'a self, caller: &'a Caller, takes: &'a [Take]) -> Answer<'a, Reply<Vec<Taken>>> {
        self.call(move |store| {
            Box::pin(async move {
                let reply = store.take(caller, takes).await?;
                self.note_taken(caller, &reply.body);
                Ok(reply)
            })
        })
    }

    fn cancel<'a>(
        &'a self,
        caller: &'a Caller,
        cancels: &'a [Cancel],
    ) -> Answer<'a, Reply<Vec<Cancelled>>> {
        self.call(|store| store.cancel(caller, cancels))
    }

    fn forget<'a>(
        &'a self,
        caller: &'a Caller,
        request: &'a ForgetRequest,
    ) -> Answer<'a, Reply<Forgotten>> {
        self.call(|store| store.forget(caller, request))
    }

    fn checkpoint<'a>(
        &'a self,
        caller: &'a Caller,
        request: &'a CheckpointRequest,
    ) -> Answer<'a, Reply<Checkpointed>> {
        self.call(|store| store.checkpoint(caller, request))
    }

    fn ledger<'a>(&'a self, job: &'a str, limit: usize) -> Answer<'a, Vec<LedgerRecord>> {
        self.call(move |store| store.ledger(job, limit))
    }

    fn trail(&self, before: Option<TrailId>, limit: usize) -> Answer<'_, Vec<TrailLine>> {
        self.call(move |store| store.trail(before, limit))
    }

    fn news(&self, seen: u64) -> BoxFuture<'_, u64> {
        self.inner.news(seen)
    }

    fn open(&self, _bucket: Bucket) -> Arc<dyn Store> {
        Arc::new(self.clone())
    }
}
