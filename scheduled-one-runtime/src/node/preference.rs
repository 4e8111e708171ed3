//! Which node claims a unit first. Pure: what heartbeats tell in, preferred nodes out.
//!
//! If every node claimed every tick, the store would work for each of them, and reply to all of them late. So each unit
//! prefers one of the living nodes that have its job (rendezvous hashing: Thaler and Ravishankar, 1998): units are
//! spread evenly, and when a node comes or goes only its share moves. All nodes compute the same without asking each
//! other.
//!
//! It is only a preference. Nodes may believe different things of each other for a moment, and two of them may claim
//! one tick, or none: the claim decides, and heartbeats report what nobody claims.

mod idle;
mod job_list;
mod learning;
mod load;
mod rank;
mod spread;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use crate::node::unit_set::UnitSet;
use crate::node::units::Units;
use crate::permits::Permits;
use crate::timer::UnitIndex;
use scheduled_one_protocol::hash;
use scheduled_one_protocol::message::{Heartbeat, JobsDigest, Labels, Member};
use scheduled_one_schedule::policy::Route;

use idle::Idlers;
pub(super) use job_list::job_and_schedule;
use job_list::own_list;
use load::OwnLoad;
use rank::{Rank, labelled_for, mix};
pub(crate) use rank::{group_word, limit_word, may_run};

/// After the membership has changed, nodes believe different things of each other for so long at most: two heartbeats,
/// and a registration.
const SETTLING_MS: i64 = 3_000;
/// How much later a unit is claimed in the place of a node that missed a heartbeat: it may claim it all the same.
const STAND_IN_DELAY_MS: i64 = 150;

/// A living node, or none: a hash of its identity.
type NodeKey = u64;

const NOBODY: NodeKey = 0;
/// In place of the preferred node, if each node claims each tick.
const EVERYBODY: NodeKey = 1;

/// What a node is, as far as preferences need it.
#[derive(Clone, Debug)]
pub(crate) struct NodeTraits {
    /// Its labels, and what is limited.
    pub(crate) labels: Labels,
    /// How many runs may be active.
    pub(crate) permits: Permits,
    /// Whether the preferences are those of the first bucket.
    pub(crate) is_first_bucket: bool,
    /// What the releases of its program have in common: a digest of it.
    pub(crate) program: Option<u64>,
}

/// The preferred node of each unit.
pub(super) struct Preference {
    me: NodeKey,
    /// Digest of the jobs that this node runs.
    own_digest: JobsDigest,
    /// The digest of its program's labels, which is in the list of its jobs.
    program: Option<u64>,
    /// Whether the store has the list of this node's jobs.
    is_list_stored: bool,
    /// Version of the membership below; 0 before the first heartbeat.
    version: u64,
    members: Vec<Peer>,
    /// Their identities.
    living: Vec<String>,
    /// The list that the last heartbeat asked for.
    asked: Option<JobsDigest>,
    /// Living nodes that missed a heartbeat.
    suspects: BTreeSet<NodeKey>,
    /// Living nodes that have more to do than others.
    busy: BTreeSet<NodeKey>,
    /// Whether the last heartbeat named this node as busy.
    is_named_busy: bool,
    /// Living nodes that take no further runs.
    full: BTreeSet<NodeKey>,
    /// How much this node does.
    load: OwnLoad,
    /// What this node is labelled with.
    labels: Labels,
    /// The units that this node may run by its labels; `None` if that is all of them.
    allowed: Option<UnitSet>,
    /// How many runs may be active.
    permits: Permits,
    /// The nodes that have permits of limited groups, and the version of that.
    holders: BTreeMap<Arc<str>, BTreeSet<NodeKey>>,
    holders_version: u64,
    /// Whether the shares of limited groups follow the membership of this bucket: the first, which all nodes know.
    shares_out: bool,
    /// Nodes that send heartbeats and do not claim. This node claims all that prefers them: the others may not know.
    idle: BTreeSet<NodeKey>,
    /// Since when and for how long nodes count as idle.
    idlers: Idlers,
    /// When nodes came or went, or changed, by the cluster's clock.
    changed_ms: i64,
    /// The units of this node whose jobs other nodes have, by digest of their jobs.
    shared: HashMap<JobsDigest, UnitSet>,
    /// The preferred node of each unit.
    first: Vec<NodeKey>,
    /// The units of which this node would be preferred, if the preferred one has no permit for them.
    second: UnitSet,
    /// Hash of each unit.
    hashes: Vec<u64>,
}

/// A living node.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Peer {
    key: NodeKey,
    name: String,
    jobs: JobsDigest,
    labels: Labels,
}

/// What a heartbeat's reply has changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Moved {
    /// Units that prefer this node now, and did not before.
    pub(super) gained: Vec<UnitIndex>,
    /// Units that preferred this node until now.
    pub(super) lost: Vec<UnitIndex>,
    /// Whether nodes came or went, have other jobs than before, or began or ceased to be suspect, full, busy or idle.
    pub(super) nodes_changed: bool,
}

impl Preference {
    /// Before the first heartbeat no unit prefers anybody.
    pub(super) fn new(me: &str, units: &Units, traits: NodeTraits) -> Self {
        let hashes = units
            .indices()
            .map(|unit| hash(&units.get(unit).name(), 0))
            .collect::<Vec<_>>();
        Preference {
            me: node_key(me),
            own_digest: own_list(units, traits.program).digest(),
            program: traits.program,
            is_list_stored: true,
            version: 0,
            members: Vec::new(),
            living: Vec::new(),
            asked: None,
            suspects: BTreeSet::new(),
            busy: BTreeSet::new(),
            is_named_busy: false,
            full: BTreeSet::new(),
            load: OwnLoad::new(units),
            allowed: labelled_for(units, &traits.labels),
            labels: traits.labels,
            permits: traits.permits,
            holders: BTreeMap::new(),
            holders_version: 0,
            shares_out: traits.is_first_bucket,
            idle: BTreeSet::new(),
            idlers: Idlers::default(),
            changed_ms: 0,
            shared: HashMap::new(),
            first: vec![NOBODY; hashes.len()],
            second: UnitSet::none(hashes.len()),
            hashes,
        }
    }

    /// The next heartbeat.
    pub(super) fn heartbeat(&mut self, units: &Units, leaving: bool, running: usize) -> Heartbeat {
        let load = self.load.report(running, self.permits.is_full());
        self.asked = self.unknown_digest();
        Heartbeat {
            leaving,
            jobs: self.own_digest,
            job_list: (!self.is_list_stored).then(|| own_list(units, self.program)),
            known_version: self.version,
            wanted_list: self.asked,
            labels: self.labels.clone(),
            load,
            wants_load: self.load.asks(),
        }
    }

    /// Whether the newest heartbeat brings the list of this node's jobs.
    pub(super) fn brings_list(&self) -> bool {
        !self.is_list_stored
    }

    /// Whether this node may run a unit, by its labels.
    pub(super) fn may_run(&self, unit: UnitIndex) -> bool {
        let allowed = self.allowed.as_ref();
        allowed.is_none_or(|allowed| allowed.contains(unit))
    }

    /// The identities of the living nodes.
    pub(super) fn living(&self) -> &[String] {
        &self.living
    }

    /// Whether this node is the first of the living ones that have the same program and the same
    /// jobs: it does what one of them has to do.
    pub(super) fn is_first_of_its_kind(&self) -> bool {
        let members = self.members.iter().zip(&self.living);
        let same = members.filter(|(peer, _)| peer.jobs == self.own_digest);
        let first = same.min_by_key(|(_, identity)| *identity);
        first.is_some_and(|(peer, _)| peer.key == self.me)
    }

    /// The version of the membership that this node has seen.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// The digests of other nodes whose jobs are not known.
    fn unknown_digests(&self) -> BTreeSet<JobsDigest> {
        let unknown = self.members.iter().filter(|peer| !self.knows_jobs_of(peer));
        unknown.map(|peer| peer.jobs).collect()
    }

    /// The one that the next heartbeat asks for: another one each time, because the store may lack a list for a while.
    fn unknown_digest(&self) -> Option<JobsDigest> {
        let unknown = self.unknown_digests();
        let after = self
            .asked
            .map(|asked| (Bound::Excluded(asked), Bound::Unbounded));
        let next = after.and_then(|after| unknown.range(after).next());
        next.or(unknown.first()).copied()
    }

    fn knows_jobs_of(&self, peer: &Peer) -> bool {
        peer.jobs == self.own_digest || self.shared.contains_key(&peer.jobs)
    }

    /// Whether the last heartbeat brought a list of jobs, and others are not known: then the next one is sent soon.
    pub(super) fn asks_soon(&self) -> bool {
        let was_replied = |asked| self.shared.contains_key(&asked);
        self.asked.is_some_and(was_replied) && !self.unknown_digests().is_empty()
    }

    /// Whether this node claims all ticks of a unit: the unit prefers it, or a node that does not claim, or each node
    /// claims each tick. Of a unit with `route = spread`, no node does.
    pub(super) fn is_mine(&self, unit: UnitIndex) -> bool {
        let first = self.first[unit as usize];
        let may_take = self.second.contains(unit) || self.idle.contains(&first);
        first == self.me || first == EVERYBODY || (may_take && self.may_run(unit))
    }

    /// Whether this node claims some tick of a unit.
    pub(super) fn may_claim(&self, units: &Units, unit: UnitIndex) -> bool {
        let rules = &units.get(unit).job.rules;
        self.is_mine(unit) || (rules.enabled && rules.route == Route::Spread)
    }

    /// Whether this node reports what several nodes know of a unit: one of the living nodes does.
    pub(super) fn reports(&self, units: &Units, unit: UnitIndex) -> bool {
        match units.get(unit).job.rules.route {
            Route::Sticky | Route::LeastLoaded => self.first[unit as usize] == self.me,
            _ => self.is_tick_mine(units, unit, 0),
        }
    }

    /// The nodes that may be preferred.
    fn candidates(&self) -> impl Iterator<Item = &Peer> {
        let is_candidate = |peer: &&Peer| !self.suspects.contains(&peer.key) || peer.key == self.me;
        self.members.iter().filter(is_candidate)
    }

    /// How much later than due a unit is claimed that prefers this node: it may stand in for one that missed a
    /// heartbeat.
    pub(super) fn delay_ms(&self, units: &Units, unit: UnitIndex) -> i64 {
        let first = self.first[unit as usize];
        if first == EVERYBODY {
            return 0;
        } else if first != self.me {
            return STAND_IN_DELAY_MS;
        }
        self.behind_suspects_ms(|peer| self.rank(peer, units, unit, self.weight(unit, peer.key)))
    }

    /// How much later than due this node claims what prefers it now, and would prefer a suspect otherwise.
    fn behind_suspects_ms(&self, rank: impl Fn(&Peer) -> Option<Rank>) -> i64 {
        if self.suspects.is_empty() {
            return 0;
        }
        let mine = self.peer(self.me).and_then(&rank);
        let suspects = self
            .members
            .iter()
            .filter(|peer| self.suspects.contains(&peer.key) && peer.key != self.me);
        match suspects.map(rank).any(|suspect| suspect > mine) {
            true => STAND_IN_DELAY_MS,
            false => 0,
        }
    }

    /// The label of the node that was to claim a tick; `None` if that is this node or nobody, or a node that may have
    /// had no permit.
    pub(super) fn should_have_claimed(
        &self,
        units: &Units,
        unit: UnitIndex,
        tick_ms: i64,
    ) -> Option<&str> {
        let first = self.peer(self.preferred_for_tick(units, unit, tick_ms))?;
        let is_excused = first.key == self.me || self.is_limited_for(first, units, unit);
        (!is_excused).then_some(&*first.name)
    }

    fn peer(&self, key: NodeKey) -> Option<&Peer> {
        self.members.iter().find(|peer| peer.key == key)
    }

    /// Ticks of these units were due a while ago, and nobody claimed them. A node that they prefer counts as idle for a
    /// while, if the next heartbeat that can show it does.
    ///
    /// If several nodes seem to hang, it is the store, or the way to it; a node whose jobs are not known may not have
    /// the job.
    pub(super) fn notice_idle(&mut self, units: &Units, unclaimed: &[UnitIndex], now_ms: i64) {
        let is_settled = now_ms - self.changed_ms > SETTLING_MS;
        if !is_settled || self.suspects.len() > 1 {
            return;
        }
        let first = |unit: &UnitIndex| self.preferred_for_unclaimed(units, *unit, now_ms);
        let seen: BTreeSet<NodeKey> = unclaimed.iter().map(first).collect();
        let others =
            (self.members.iter()).filter(|peer| peer.key != self.me && self.knows_jobs_of(peer));
        let seen = others.filter(|peer| seen.contains(&peer.key));
        // A limited node may have had no room, which shows nothing of the store.
        let (limited, hang): (Vec<&Peer>, Vec<&Peer>) = seen.partition(|peer| peer.is_limited());
        for peer in limited {
            self.idlers.notice_limited(peer.key, now_ms);
        }
        if 2 * hang.len() > self.members.len().max(2) {
            return;
        }
        for peer in hang {
            self.idlers.notice(peer.key, now_ms);
        }
    }

    /// A claim in the place of another node came after that of this owner, which is thus not idle.
    pub(super) fn claimed_by(&mut self, owner: &str) {
        let claims = self.members.iter().filter(|peer| peer.name == owner);
        // A limited node claims what it has room for.
        for peer in claims.filter(|peer| !peer.is_limited()) {
            self.idlers.forget(peer.key);
        }
    }

    /// The clock was set: what was noted by the clock before means nothing now.
    pub(super) fn forget_instants(&mut self, now_ms: i64) {
        self.idlers.clear();
        self.changed_ms = now_ms;
    }

    /// Whether a node has the job of a unit. Of a job that this node does not run itself, any node records the ticks
    /// that nobody runs.
    fn has(&self, peer: &Peer, units: &Units, unit: UnitIndex) -> bool {
        if !units.get(unit).job.rules.enabled || peer.jobs == self.own_digest {
            return true;
        }
        // Until its jobs are known, a node counts as having all: if it has not, heartbeats report the unit.
        self.shared
            .get(&peer.jobs)
            .is_none_or(|shared| shared.contains(unit))
    }

    /// The nodes that a unit prefers are those of the highest weights.
    fn weight(&self, unit: UnitIndex, node: NodeKey) -> u64 {
        mix(self.hashes[unit as usize] ^ node)
    }
}

impl Peer {
    fn new(member: &Member) -> Self {
        Peer {
            key: node_key(&member.node),
            name: member.name.clone(),
            jobs: member.jobs,
            labels: member.labels.clone(),
        }
    }
}

fn node_key(identity: &str) -> NodeKey {
    hash(identity, 0).max(EVERYBODY + 1)
}

#[cfg(test)]
pub(super) mod tests;
