//! Jobs that a release of the program has dropped. When no living node has such a job, it is *gone*: its units are
//! registered with no schedule, so they have no tick until a node registers them again, and what waits in them ends.
//!
//! A job counts as dropped if its catalog entry has the label of this program, and the program has no such job. An
//! outage of all nodes is none of that: nobody is there to notice it, and the nodes that return have the job. Nor is a
//! deployment that stops all nodes before it starts the next: a job is gone when nobody has had it for two minutes.
//!
//! So is a shard of a job that the program still has, in fewer shards than before or on each node by itself, if
//! something waits in it: of other shards nobody has to know.

mod ending;
pub(super) mod found;
mod looking;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::event;
use crate::metrics::labels::Op;
use crate::node::Node;
use crate::node::inbox::Event;
use crate::node::preference::Preference;
use crate::request_each::Repeat;
use crate::scheduler::program::Program;
use crate::store_client::{StoreClient, StoreIdentity};
use scheduled_one_protocol::message::{MAX_BATCH, Occasion, Register};
use scheduled_one_protocol::{DecidingSchedule, ScheduleId, UnitName};

use found::{Absent, Found, GoneEvent};
use looking::look;

/// Heartbeats in a row with the same living nodes, after which the catalog is read. Nodes that start or return have
/// sent theirs by then.
const LOOK_AFTER: u32 = 5;
/// Heartbeats between a look and the registration that rests on it, and between two of these.
const REGISTER_EVERY: u32 = 5;
/// Heartbeats, one a second, for which nobody has had a job that is gone: longer than a service takes that stops all
/// its nodes, and starts them again.
const GRACE: u64 = 120;
/// Heartbeats for which something counts as waiting in a unit that was named. Each names so many units, in turn.
const STILL_WAITS: u64 = 30;
/// The registration states no lease: its caller runs nothing of the job.
const NO_LEASE_MS: i64 = 1;

/// What a node knows of jobs that its program has dropped.
pub(super) struct GoneWatch {
    program: Arc<Program>,
    /// The membership and the store in the last heartbeats, and how many these were.
    version: u64,
    identity: Option<StoreIdentity>,
    calm: u32,
    /// Heartbeats that were acknowledged by this store.
    beats: u64,
    /// Units that are to be registered as gone, when nobody has had them for long enough.
    absent: Vec<Absent>,
    /// Since which heartbeat nobody has a unit, and what was registered then.
    missing: BTreeMap<UnitName, (u64, DecidingSchedule)>,
    /// Jobs that are gone.
    gone: BTreeSet<String>,
    /// Units in which something waits, of jobs that this node has without these shards, and the heartbeat that named
    /// each last.
    left: BTreeMap<UnitName, u64>,
    /// Those of them that were looked at.
    looked_at: BTreeSet<UnitName>,
    /// Those of them that are gone.
    left_gone: BTreeSet<UnitName>,
    /// Units of which what waits is being ended.
    ending: BTreeSet<UnitName>,
    /// Whether a request has no reply yet, but those that end what waits.
    pending: bool,
}

/// What is to be done after a heartbeat.
enum Step {
    Nothing,
    /// Whether somebody has the jobs that were dropped, and these units.
    Look(Vec<UnitName>),
    Register(Vec<Absent>),
}

impl GoneWatch {
    pub(super) fn new(program: Arc<Program>) -> Self {
        GoneWatch {
            program,
            version: 0,
            identity: None,
            calm: 0,
            beats: 0,
            absent: Vec::new(),
            missing: BTreeMap::new(),
            gone: BTreeSet::new(),
            left: BTreeMap::new(),
            looked_at: BTreeSet::new(),
            left_gone: BTreeSet::new(),
            ending: BTreeSet::new(),
            pending: false,
        }
    }

    /// A heartbeat was acknowledged. One of the nodes with the same jobs does what is to be done.
    fn step(&mut self, nodes: &Preference, identity: StoreIdentity, left: Vec<UnitName>) -> Step {
        let named = left.into_iter().map(|unit| (unit, self.beats));
        self.left.extend(named);
        self.left
            .retain(|_, named| self.beats - *named < STILL_WAITS);
        if !self.program.is_labelled() && self.left.is_empty() {
            return Step::Nothing;
        }
        if self.version != nodes.version() || self.identity.as_ref() != Some(&identity) {
            // What is known rests on who lives, and on what the store knows.
            self.version = nodes.version();
            if self.identity.as_ref() != Some(&identity) {
                self.missing.clear();
            }
            self.identity = Some(identity);
            self.calm = 0;
            self.absent.clear();
            self.gone.clear();
            self.looked_at.clear();
            self.left_gone.clear();
        }
        self.calm = self.calm.saturating_add(1);
        self.beats += 1;
        if self.pending || !nodes.is_first_of_its_kind() {
            return Step::Nothing;
        }
        let has_more = self.left.keys().any(|unit| !self.looked_at.contains(unit));
        if self.calm == LOOK_AFTER || (self.calm > LOOK_AFTER && has_more) {
            self.pending = true;
            self.looked_at = self.left.keys().cloned().collect();
            return Step::Look(self.left.keys().cloned().collect());
        }
        let since_look = self.calm.saturating_sub(LOOK_AFTER);
        let is_time = since_look > 0 && since_look.is_multiple_of(REGISTER_EVERY);
        if !is_time {
            return Step::Nothing;
        }
        let absent = self.absent.iter();
        let waits =
            |absent: &&Absent| absent.application.is_some() || self.left.contains_key(&absent.unit);
        let due = absent
            .filter(|absent| self.is_over(&absent.unit))
            .filter(waits);
        let due: Vec<Absent> = due.take(MAX_BATCH).cloned().collect();
        if due.is_empty() {
            return Step::Nothing;
        }
        self.pending = true;
        Step::Register(due)
    }

    /// Whether nobody has had a unit for long enough.
    fn is_over(&self, unit: &UnitName) -> bool {
        let missing = self.missing.get(unit);
        missing.is_some_and(|(since, _)| self.beats - since >= GRACE)
    }

    /// The catalog was read.
    fn found(&mut self, version: u64, found: Option<Found>) {
        self.pending = false;
        if version != self.version {
            return;
        }
        match found {
            Some(found) => {
                let before = std::mem::take(&mut self.missing);
                let missing = found.absent.iter().map(|absent| {
                    let known = before.get(&absent.unit);
                    // Somebody had it meanwhile who registered it.
                    let known = known.filter(|(_, decides)| *decides == absent.decides);
                    let since = known.map_or(self.beats, |(since, _)| *since);
                    (absent.unit.clone(), (since, absent.decides.clone()))
                });
                self.missing = missing.collect();
                self.absent = found.absent;
                self.gone = found.gone;
                self.left_gone = found.left_gone;
            }
            // Later once more.
            None => self.calm = 0,
        }
    }

    /// So many units were to be registered; these are gone now.
    /// Of the others, somebody has registered the job, or their quarantine
    /// is not over: they are looked at again.
    fn registered(&mut self, version: u64, sent: usize, gone: Vec<Absent>) {
        self.pending = false;
        if version != self.version {
            return;
        }
        let is_gone = |unit: &UnitName| gone.iter().any(|gone| gone.unit == *unit);
        self.absent.retain(|absent| !is_gone(&absent.unit));
        for Absent {
            unit, application, ..
        } in &gone
        {
            self.missing.remove(unit);
            match application {
                Some(application) if self.gone.insert(unit.job().to_owned()) => {
                    event::job_gone(unit.job(), application);
                }
                Some(_) => {}
                None => {
                    event::shard_gone(unit);
                    self.left_gone.insert(unit.clone());
                }
            }
        }
        if gone.len() < sent {
            self.calm = 0;
            self.absent.clear();
        }
    }

    /// The units that are gone among those in which something waits; none of them is being ended.
    fn begin_ending(&mut self, ready: &[UnitName]) -> Vec<UnitName> {
        if self.gone.is_empty() && self.left_gone.is_empty() {
            return Vec::new();
        }
        let is_gone = |unit: &&UnitName| {
            self.gone.contains(unit.job()) || self.left_gone.contains(&of_shard(unit))
        };
        let of_gone = ready.iter().filter(is_gone);
        let units: Vec<UnitName> = of_gone.cloned().collect();
        let new = units
            .into_iter()
            .filter(|unit| self.ending.insert(unit.clone()));
        new.collect()
    }

    /// The requests were dropped.
    pub(super) fn abandon(&mut self) {
        self.pending = false;
        self.ending.clear();
        self.calm = 0;
    }
}

/// The unit that has a slot or a lane.
fn of_shard(name: &UnitName) -> UnitName {
    UnitName::new(name.job(), name.shard())
}

impl Node {
    /// The units, of those in which something waits, that this node does not have, although it has their jobs: in fewer
    /// shards, or by itself.
    fn left_by_own_jobs(&self, ready: &[UnitName]) -> Vec<UnitName> {
        let has_job = |name: &&UnitName| {
            !self.units.of_job(name.job()).is_empty() || self.local_jobs.has(name.job())
        };
        let is_left = |name: &&UnitName| self.units.find(&of_shard(name)).is_none();
        let left = ready.iter().filter(is_left).filter(has_job);
        left.map(of_shard).collect()
    }

    /// Takes a heartbeat into account: `ready` are the units in which something waits.
    pub(super) fn watch_gone_jobs(&mut self, ready: &[UnitName]) {
        let left = self.left_by_own_jobs(ready);
        let identity = self.client.health_now().identity;
        let nodes = &self.claiming.preference;
        let (version, client) = (nodes.version(), Arc::clone(&self.client));
        match self.gone.step(nodes, identity, left) {
            Step::Nothing => {}
            Step::Look(left) => {
                let program = Arc::clone(&self.gone.program);
                self.inbox.request(async move {
                    let found = look(&client, &program, left).await.ok();
                    Event::Gone(GoneEvent::Found(version, found))
                });
            }
            Step::Register(absent) => self.inbox.request(async move {
                let sent = absent.len();
                let gone = register_gone(&client, absent).await;
                Event::Gone(GoneEvent::Registered {
                    version,
                    sent,
                    gone,
                })
            }),
        }
        if !self.gone.pending && self.claiming.preference.is_first_of_its_kind() {
            for unit in self.gone.begin_ending(ready) {
                let (client, nonce) = (Arc::clone(&self.client), self.claiming.nonce());
                let now_ms = self.runner.cluster.now_ms();
                self.inbox.request(async move {
                    ending::end_what_waits(&client, &unit, &nonce, now_ms).await;
                    Event::Gone(GoneEvent::Ended(unit))
                });
            }
        }
    }

    /// Takes a reply into account.
    pub(super) fn gone_jobs_replied(&mut self, event: GoneEvent) {
        match event {
            GoneEvent::Found(version, found) => self.gone.found(version, found),
            GoneEvent::Registered {
                version,
                sent,
                gone,
            } => self.gone.registered(version, sent, gone),
            GoneEvent::Ended(unit) => {
                self.gone.ending.remove(&unit);
            }
        }
    }
}

/// Registers units with no schedule. Returns those that have none now.
async fn register_gone(client: &StoreClient, absent: Vec<Absent>) -> Vec<Absent> {
    let registrations: Vec<Register> = absent
        .iter()
        .map(|absent| Register {
            unit: absent.unit.clone(),
            first_seen_ms: absent.first_seen_ms,
            lease_ms: NO_LEASE_MS,
            schedule: Some(ScheduleId::NONE),
            generation: 0,
            occasion: Occasion::Gone,
            decides: Some(absent.decides.clone()),
            bounds: Default::default(),
            next_due_ms: None,
            requests: Vec::new(),
        })
        .collect();
    let replies = client
        .request_each(
            Op::Register,
            &registrations,
            Repeat::Never,
            |store, caller, batch| store.register(caller, batch),
        )
        .await;
    let replies = absent.into_iter().zip(replies);
    let gone = replies.filter_map(|(absent, reply)| {
        let decides = reply.ok()?.body.decides?;
        decides.gone_since_ms().map(|_| absent)
    });
    gone.collect()
}
