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
mod peers;
mod placing;
mod rank;
mod spread;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::node::unit_set::UnitSet;
use crate::node::units::Units;
use crate::permits::Permits;
use crate::scheduler::program::Program;
use crate::timer::UnitIndex;
use scheduled_one_protocol::hash;
use scheduled_one_protocol::message::{Heartbeat, JobsDigest, Labels};
use scheduled_one_schedule::policy::Route;

use idle::Idlers;
use job_list::own_list;
use load::OwnLoad;
use peers::{Peer, Peers, node_key};
use rank::{Rank, StandIn, labelled_for, mix};
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
    /// The program that it belongs to.
    pub(crate) program: Arc<Program>,
}

/// The preferred node of each unit.
pub(super) struct Preference {
    me: NodeKey,
    /// Digest of the jobs that this node runs.
    own_digest: JobsDigest,
    /// Its program, of which the list of its jobs says what it is.
    program: Arc<Program>,
    /// Whether the store has the list of this node's jobs.
    is_list_stored: bool,
    /// Whether the last reply said for the first time that the store has not.
    list_is_news: bool,
    /// Version of the membership below; 0 before the first heartbeat.
    version: u64,
    /// The living nodes, and which jobs they have.
    peers: Peers,
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
    /// The preferred node of each unit.
    first: Vec<NodeKey>,
    /// The units of which this node is the next one, if the preferred one has no permit for them.
    second: UnitSet,
    /// The units of which it is the first one without a limit, if the next one may have no permit either.
    third: UnitSet,
    /// Hash of each unit.
    hashes: Vec<u64>,
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
        let mut peers = Peers::default();
        if units
            .indices()
            .any(|unit| !units.get(unit).job.rules.enabled)
        {
            peers.relate_to_all();
        }
        Preference {
            me: node_key(me),
            own_digest: own_list(units, &traits.program).digest(),
            program: traits.program,
            is_list_stored: true,
            list_is_news: false,
            version: 0,
            peers,
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
            first: vec![NOBODY; hashes.len()],
            second: UnitSet::none(hashes.len()),
            third: UnitSet::none(hashes.len()),
            hashes,
        }
    }

    /// The next heartbeat.
    pub(super) fn heartbeat(&mut self, units: &Units, leaving: bool, running: usize) -> Heartbeat {
        let load = self.load.report(running, self.permits.is_full());
        self.asked = self.peers.next_unknown(self.asked);
        Heartbeat {
            leaving,
            jobs: self.own_digest,
            job_list: (!self.is_list_stored).then(|| own_list(units, &self.program)),
            known_version: self.version,
            wanted_list: self.asked,
            labels: self.labels.clone(),
            load,
            wants_load: self.load.asks(),
            clock_offset_ms: None,
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
        self.peers.identities()
    }

    /// Whether this node is the first of the living ones that have the same program and the same
    /// jobs: it does what one of them has to do.
    pub(super) fn is_first_of_its_kind(&self) -> bool {
        self.peers.first_of(self.own_digest) == Some(self.me)
    }

    /// The version of the membership that this node has seen.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Whether the next heartbeat is sent soon: it brings the list of this node's jobs, or asks for that of others, and
    /// the last one asked for none that the store lacks.
    pub(super) fn goes_on_soon(&self) -> bool {
        let was_replied = self.asked.is_none_or(|asked| self.peers.knows(asked));
        self.list_is_news || (was_replied && self.peers.has_unknown())
    }

    /// Whether this node claims all ticks of a unit: the unit prefers it, or a node that does not claim, or each node
    /// claims each tick. Of a unit with `route = spread`, no node does.
    pub(super) fn is_mine(&self, unit: UnitIndex) -> bool {
        let first = self.first[unit as usize];
        let stands_in = self.second.contains(unit) || self.third.contains(unit);
        let may_take = stands_in || self.idle.contains(&first);
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

    /// The nodes that may be preferred, of those that have to do with this node.
    fn candidates(&self) -> impl Iterator<Item = &Peer> {
        let is_candidate = |peer: &&Peer| !self.suspects.contains(&peer.key) || peer.key == self.me;
        self.peers.related().filter(is_candidate)
    }

    /// How much later than due a unit is claimed that prefers this node: it may stand in for one that missed a
    /// heartbeat.
    pub(super) fn delay_ms(&self, units: &Units, unit: UnitIndex) -> i64 {
        let first = self.first[unit as usize];
        if first == EVERYBODY {
            return 0;
        } else if self.third.contains(unit) {
            return StandIn::Unlimited.delay_ms();
        } else if first != self.me {
            return STAND_IN_DELAY_MS;
        }
        self.behind_suspects_ms(|peer| self.rank_of(peer, units, unit))
    }

    /// How much later than due this node claims what prefers it now, and would prefer a suspect otherwise.
    fn behind_suspects_ms(&self, rank: impl Fn(&Peer) -> Option<Rank>) -> i64 {
        match self.suspect_before(rank) {
            Some(_) => STAND_IN_DELAY_MS,
            None => 0,
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
        let first = self
            .peers
            .get(self.preferred_for_tick(units, unit, tick_ms))?;
        let is_excused = first.key == self.me || self.is_limited_for(first, units, unit);
        (!is_excused).then_some(&*first.name)
    }

    /// Ticks of these units were due a while ago, and nobody claimed them. A node that they prefer counts as idle for a
    /// while, if the next heartbeat that can show it does.
    ///
    /// If several nodes seem to hang, it is the store, or the way to it; a node whose jobs are not known may not have
    /// the job. Nodes of other jobs say nothing of that.
    pub(super) fn notice_idle(&mut self, units: &Units, unclaimed: &[UnitIndex], now_ms: i64) {
        let is_settled = now_ms - self.changed_ms > SETTLING_MS;
        let suspects = self.suspects.iter();
        let suspects = suspects.filter(|key| self.peers.is_related(**key));
        if !is_settled || suspects.count() > 1 {
            return;
        }
        let first = |unit: &UnitIndex| self.preferred_for_unclaimed(units, *unit, now_ms);
        let seen: BTreeSet<NodeKey> = unclaimed.iter().map(first).collect();
        let others = seen.iter().filter(|key| **key != self.me);
        let seen = others.filter_map(|key| self.peers.get(*key));
        let seen = seen.filter(|peer| peer.is_known());
        // A limited node may have had no room, which shows nothing of the store.
        let (limited, hang): (Vec<&Peer>, Vec<&Peer>) = seen.partition(|peer| peer.is_limited());
        let all = self.peers.related().count();
        let are_most = |nodes: &[&Peer]| 2 * nodes.len() > all.max(2);
        if !are_most(&limited) {
            for peer in limited {
                self.idlers.notice_limited(peer.key, now_ms);
            }
        }
        if !are_most(&hang) {
            for peer in hang {
                self.idlers.notice(peer.key, now_ms);
            }
        }
    }

    /// A claim in the place of another node came after that of this owner, which is thus not idle.
    pub(super) fn claimed_by(&mut self, owner: &str) {
        let claims = self.peers.all().filter(|peer| *peer.name == *owner);
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
        peer.has(unit) || !units.get(unit).job.rules.enabled
    }

    /// The nodes that a unit prefers are those of the highest weights.
    fn weight(&self, unit: UnitIndex, node: NodeKey) -> u64 {
        mix(self.hashes[unit as usize] ^ node)
    }
}

#[cfg(test)]
pub(super) mod tests;
