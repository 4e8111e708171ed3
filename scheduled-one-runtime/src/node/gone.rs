//! Jobs that a release of the program has dropped. When no living node has such a job, it is *gone*: its units are
//! registered with no schedule, so they have no tick until a node registers them again, and what waits in them ends.
//!
//! A job counts as dropped if its catalog entry has the label of this program, and the program has no such job. An
//! outage of all nodes is none of that: nobody is there to notice it, and the nodes that return have the job.

mod ending;
pub(super) mod found;
mod looking;

use std::collections::BTreeSet;
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
use scheduled_one_protocol::{ScheduleId, UnitName};

use found::{Absent, Found, GoneEvent};
use looking::look;

/// Heartbeats in a row with the same living nodes, after which the catalog is read. Nodes that start or return have
/// sent theirs by then.
const LOOK_AFTER: u32 = 5;
/// Heartbeats between a look and the registration that rests on it, and between two of these.
const REGISTER_EVERY: u32 = 5;
/// The registration states no lease: its caller runs nothing of the job.
const NO_LEASE_MS: i64 = 1;

/// What a node knows of jobs that its program has dropped.
pub(super) struct GoneWatch {
    program: Arc<Program>,
    /// The membership and the store in the last heartbeats, and how many these were.
    version: u64,
    identity: Option<StoreIdentity>,
    calm: u32,
    /// Units that are to be registered as gone.
    absent: Vec<Absent>,
    /// Jobs that are gone.
    gone: BTreeSet<String>,
    /// Units of which what waits is being ended.
    ending: BTreeSet<UnitName>,
    /// Whether a request has no reply yet, but those that end what waits.
    pending: bool,
}

/// What is to be done after a heartbeat.
enum Step {
    Nothing,
    Look,
    Register(Vec<Absent>),
}

impl GoneWatch {
    pub(super) fn new(program: Arc<Program>) -> Self {
        GoneWatch {
            program,
            version: 0,
            identity: None,
            calm: 0,
            absent: Vec::new(),
            gone: BTreeSet::new(),
            ending: BTreeSet::new(),
            pending: false,
        }
    }

    /// A heartbeat was acknowledged. One of the nodes with the same jobs does what is to be done.
    fn step(&mut self, nodes: &Preference, identity: StoreIdentity) -> Step {
        if self.program.application.is_none() {
            return Step::Nothing;
        }
        if self.version != nodes.version() || self.identity.as_ref() != Some(&identity) {
            // What is known rests on who lives, and on what the store knows.
            self.version = nodes.version();
            self.identity = Some(identity);
            self.calm = 0;
            self.absent.clear();
            self.gone.clear();
        }
        self.calm = self.calm.saturating_add(1);
        if self.pending || !nodes.is_first_of_its_kind() {
            return Step::Nothing;
        }
        if self.calm == LOOK_AFTER {
            self.pending = true;
            return Step::Look;
        }
        let since_look = self.calm.saturating_sub(LOOK_AFTER);
        let is_time = since_look > 0 && since_look.is_multiple_of(REGISTER_EVERY);
        if !is_time || self.absent.is_empty() {
            return Step::Nothing;
        }
        self.pending = true;
        let most = self.absent.len().min(MAX_BATCH);
        Step::Register(self.absent[..most].to_vec())
    }

    /// The catalog was read.
    fn found(&mut self, version: u64, found: Option<Found>) {
        self.pending = false;
        if version != self.version {
            return;
        }
        match found {
            Some(found) => {
                self.absent = found.absent;
                self.gone = found.gone;
            }
            // Later once more.
            None => self.calm = 0,
        }
    }

    /// Units were registered; these are gone now. Of the others, somebody has registered the job, or their quarantine
    /// is not over: they are looked at again.
    fn registered(&mut self, version: u64, units: Vec<UnitName>) {
        self.pending = false;
        if version != self.version {
            return;
        }
        let before = self.absent.len();
        self.absent.retain(|absent| !units.contains(&absent.unit));
        let are_left = units.len() < before.min(MAX_BATCH);
        for unit in units {
            if self.gone.insert(unit.job().to_owned()) {
                event::job_gone(unit.job(), self.program.application.as_deref());
            }
        }
        if are_left {
            self.calm = 0;
            self.absent.clear();
        }
    }

    /// The units of jobs that are gone among those in which something waits; none of them is being ended.
    fn begin_ending(&mut self, ready: &[UnitName]) -> Vec<UnitName> {
        if self.gone.is_empty() {
            return Vec::new();
        }
        let of_gone = ready.iter().filter(|unit| self.gone.contains(unit.job()));
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

impl Node {
    /// Takes a heartbeat into account: `ready` are the units in which something waits.
    pub(super) fn watch_gone_jobs(&mut self, ready: &[UnitName]) {
        let identity = self.client.health_now().identity;
        let nodes = &self.claiming.preference;
        let (version, client) = (nodes.version(), Arc::clone(&self.client));
        match self.gone.step(nodes, identity) {
            Step::Nothing => {}
            Step::Look => {
                let program = Arc::clone(&self.gone.program);
                self.inbox.request(async move {
                    let found = look(&client, &program).await.ok();
                    Event::Gone(GoneEvent::Found(version, found))
                });
            }
            Step::Register(absent) => self.inbox.request(async move {
                let registered = register_gone(&client, absent).await;
                Event::Gone(GoneEvent::Registered(version, registered))
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
            GoneEvent::Registered(version, units) => self.gone.registered(version, units),
            GoneEvent::Ended(unit) => {
                self.gone.ending.remove(&unit);
            }
        }
    }
}

/// Registers units with no schedule. Returns those that have none now.
async fn register_gone(client: &StoreClient, absent: Vec<Absent>) -> Vec<UnitName> {
    let registrations: Vec<Register> = absent
        .into_iter()
        .map(|absent| Register {
            unit: absent.unit,
            first_seen_ms: absent.first_seen_ms,
            lease_ms: NO_LEASE_MS,
            schedule: Some(ScheduleId::NONE),
            occasion: Occasion::Gone,
            decides: Some(absent.decides),
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
    let replies = registrations.into_iter().zip(replies);
    let gone = replies.filter_map(|(registration, reply)| {
        let decides = reply.ok()?.body.decides?;
        decides.gone_since_ms().map(|_| registration.unit)
    });
    gone.collect()
}
