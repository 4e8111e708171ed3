//! Which node claims a unit first. Pure: what heartbeats tell in, preferred nodes out.
//!
//! If every node claimed every tick, the store would work for each of them, and reply to all of them late. So each unit
//! prefers one of the living nodes that have its job (rendezvous hashing: Thaler and Ravishankar, 1998): units are
//! spread evenly, and when a node comes or goes only its share moves. All nodes compute the same without asking each
//! other.
//!
//! It is only a preference. Nodes may believe different things of each other for a moment, and two of them may claim
//! one tick, or none: the claim decides, and heartbeats report what nobody claims.

mod job_list;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::node::unit_set::UnitSet;
use crate::node::units::Units;
use crate::timer::UnitIndex;
use scheduled_one_protocol::hash;
use scheduled_one_protocol::message::{Heartbeat, HeartbeatReply, JobsDigest, Member};
use scheduled_one_schedule::policy::Route;

pub(super) use job_list::job_and_schedule;
use job_list::own_list;

/// For how long a node counts as idle that did not claim what prefers it: at first, and at most. The time doubles each
/// time that it does not claim.
const IDLE_MS: i64 = 60_000;
const MOST_IDLE_MS: i64 = 600_000;
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

/// The preferred node of each unit.
pub(super) struct Preference {
    me: NodeKey,
    /// Digest of the jobs that this node runs.
    own_digest: JobsDigest,
    /// Whether the store has the list of this node's jobs.
    is_list_stored: bool,
    /// Version of the membership below; 0 before the first heartbeat.
    version: u64,
    members: Vec<Peer>,
    /// Their identities.
    living: Vec<String>,
    /// Living nodes that missed a heartbeat.
    suspects: BTreeSet<NodeKey>,
    /// Nodes that send heartbeats and do not claim. This node claims all that prefers them: the others may not know.
    idle: BTreeSet<NodeKey>,
    /// Since when and for how long nodes count as idle.
    idlers: BTreeMap<NodeKey, Idler>,
    /// When the membership changed, by the cluster's clock.
    changed_ms: i64,
    /// The units of this node whose jobs other nodes have, by digest of their jobs.
    shared: HashMap<JobsDigest, UnitSet>,
    /// The preferred node of each unit.
    first: Vec<NodeKey>,
    /// Hash of each unit.
    hashes: Vec<u64>,
}

/// A living node.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Peer {
    key: NodeKey,
    name: String,
    jobs: JobsDigest,
}

/// A living node that did not claim what prefers it.
#[derive(Clone, Copy, Debug)]
struct Idler {
    /// Until when it counts as idle, by the cluster's clock.
    until_ms: i64,
    /// For how long it was last.
    time_ms: i64,
}

/// What a heartbeat's reply has changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Moved {
    /// Units that prefer this node now, and did not before.
    pub(super) gained: Vec<UnitIndex>,
    /// Units that preferred this node until now.
    pub(super) lost: Vec<UnitIndex>,
    /// Whether nodes came or went, or have other jobs than before.
    pub(super) members_changed: bool,
}

impl Preference {
    /// Before the first heartbeat no unit prefers anybody.
    pub(super) fn new(me: &str, units: &Units) -> Self {
        let hashes = units
            .indices()
            .map(|unit| hash(&units.get(unit).name(), 0))
            .collect::<Vec<_>>();
        Preference {
            me: node_key(me),
            own_digest: own_list(units).digest(),
            is_list_stored: true,
            version: 0,
            members: Vec::new(),
            living: Vec::new(),
            suspects: BTreeSet::new(),
            idle: BTreeSet::new(),
            idlers: BTreeMap::new(),
            changed_ms: 0,
            shared: HashMap::new(),
            first: vec![NOBODY; hashes.len()],
            hashes,
        }
    }

    /// The next heartbeat.
    pub(super) fn heartbeat(&self, units: &Units, leaving: bool) -> Heartbeat {
        Heartbeat {
            leaving,
            jobs: self.own_digest,
            job_list: (!self.is_list_stored).then(|| own_list(units)),
            known_version: self.version,
            wanted_list: self.unknown_digest(),
        }
    }

    /// The identities of the living nodes.
    pub(super) fn living(&self) -> &[String] {
        &self.living
    }

    /// Whether this node is the first of the living ones that have the same jobs: it does what one of them has to do.
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

    /// A digest of other nodes whose jobs are not known.
    fn unknown_digest(&self) -> Option<JobsDigest> {
        let mut digests = self.members.iter().map(|peer| peer.jobs);
        digests.find(|digest| *digest != self.own_digest && !self.shared.contains_key(digest))
    }

    /// Whether this node claims all ticks of a unit: the unit prefers it, or a node that does not claim, or each node
    /// claims each tick. Of a unit with `route = spread`, no node does.
    pub(super) fn is_mine(&self, unit: UnitIndex) -> bool {
        let first = self.first[unit as usize];
        first == self.me || first == EVERYBODY || self.idle.contains(&first)
    }

    /// Whether this node reports what several nodes know of a unit: one of the living nodes does.
    pub(super) fn reports(&self, units: &Units, unit: UnitIndex) -> bool {
        match units.get(unit).job.rules.route {
            Route::Sticky => self.first[unit as usize] == self.me,
            _ => self.is_tick_mine(units, unit, 0),
        }
    }

    /// Whether a tick of a unit with `route = spread` prefers this node.
    pub(super) fn is_tick_mine(&self, units: &Units, unit: UnitIndex, tick_ms: i64) -> bool {
        let weight = |key| mix(self.hashes[unit as usize] ^ key ^ mix(tick_ms as u64));
        let mine = weight(self.me);
        let mut others = self.candidates().filter(|peer| peer.key != self.me);
        self.members.iter().any(|peer| peer.key == self.me)
            && !others.any(|peer| weight(peer.key) > mine && self.has(peer, units, unit))
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
        let mine = self.weight(unit, self.me);
        let suspects = self
            .members
            .iter()
            .filter(|peer| self.suspects.contains(&peer.key));
        let mut before = suspects
            .filter(|peer| self.weight(unit, peer.key) > mine)
            .filter(|peer| self.has(peer, units, unit));
        match before.next() {
            Some(_) => STAND_IN_DELAY_MS,
            None => 0,
        }
    }

    /// The label of the node that a unit prefers; `None` if that is this node or nobody.
    pub(super) fn preferred_other(&self, unit: UnitIndex) -> Option<&str> {
        let first = self.first[unit as usize];
        let peer = self.members.iter().find(|peer| peer.key == first)?;
        (first != self.me).then_some(&*peer.name)
    }

    /// A tick of a unit was due a while ago, and nobody claimed it. The node that the unit prefers counts as idle
    /// for a while.
    pub(super) fn notice_idle(&mut self, unit: UnitIndex, now_ms: i64) {
        let first = self.first[unit as usize];
        let is_settled = now_ms - self.changed_ms > SETTLING_MS;
        if is_settled && first != self.me && first > EVERYBODY {
            let before = self.idlers.get(&first);
            if before.is_some_and(|idler| idler.until_ms > now_ms) {
                return;
            }
            let time_ms = before.map_or(IDLE_MS, |idler| (2 * idler.time_ms).min(MOST_IDLE_MS));
            let until_ms = now_ms + time_ms;
            self.idlers.insert(first, Idler { until_ms, time_ms });
        }
    }

    /// The clock was set: what was noted by the clock before means nothing now.
    pub(super) fn forget_instants(&mut self, now_ms: i64) {
        self.idlers.clear();
        self.changed_ms = now_ms;
    }

    /// Takes what the reply to a heartbeat says of the nodes into account.
    pub(super) fn learn(&mut self, reply: &HeartbeatReply, units: &Units, now_ms: i64) -> Moved {
        self.is_list_stored = reply.has_job_list;
        let suspects: BTreeSet<NodeKey> =
            reply.suspects.iter().map(|node| node_key(node)).collect();
        let mut changed: BTreeSet<NodeKey> = self
            .suspects
            .symmetric_difference(&suspects)
            .copied()
            .collect();
        self.suspects = suspects;
        self.version = reply.membership.version;
        if let Some(members) = &reply.membership.members {
            self.living = members.iter().map(|member| member.node.clone()).collect();
            let members: Vec<Peer> = members.iter().map(Peer::new).collect();
            changed.extend(differing(&self.members, &members));
            changed.extend(differing(&members, &self.members));
            self.members = members;
            self.changed_ms = now_ms;
            let members = &self.members;
            let is_used = |digest: &JobsDigest| members.iter().any(|peer| peer.jobs == *digest);
            self.shared.retain(|digest, _| is_used(digest));
            self.idlers
                .retain(|key, _| members.iter().any(|peer| peer.key == *key));
        }
        if let Some(list) = &reply.wanted_list {
            let digest = list.digest();
            self.shared.insert(digest, UnitSet::of(list, units));
            let has_list = self.members.iter().filter(|peer| peer.jobs == digest);
            changed.extend(has_list.map(|peer| peer.key));
        }
        let idle = self.idlers.iter();
        let idle = idle.filter(|(_, idler)| idler.until_ms > now_ms);
        let idle: BTreeSet<NodeKey> = idle.map(|(key, _)| *key).collect();
        if changed.is_empty() && idle == self.idle {
            return Moved::default();
        }
        let before = self.mine();
        self.prefer_again(&changed, units);
        self.idle = idle;
        Moved {
            members_changed: !changed.is_empty(),
            ..self.moved_since(&before)
        }
    }

    /// The units that this node claims, a bit each.
    fn mine(&self) -> UnitSet {
        let mut mine = UnitSet::none(self.first.len());
        for unit in 0..self.first.len() as UnitIndex {
            if self.is_mine(unit) {
                mine.add(unit);
            }
        }
        mine
    }

    fn moved_since(&self, before: &UnitSet) -> Moved {
        let mut moved = Moved::default();
        for unit in 0..self.first.len() as UnitIndex {
            match (before.contains(unit), self.is_mine(unit)) {
                (false, true) => moved.gained.push(unit),
                (true, false) => moved.lost.push(unit),
                _ => {}
            }
        }
        moved
    }

    /// Finds the preferred nodes of units, of which these nodes came, went, or have other jobs than before.
    fn prefer_again(&mut self, changed: &BTreeSet<NodeKey>, units: &Units) {
        let mut first = std::mem::take(&mut self.first);
        let all: Vec<&Peer> = self.candidates().collect();
        let new: Vec<&Peer> = all
            .iter()
            .copied()
            .filter(|peer| changed.contains(&peer.key))
            .collect();
        for unit in units.indices() {
            let slot = &mut first[unit as usize];
            let rules = &units.get(unit).job.rules;
            let route = rules.route;
            if rules.enabled && route != Route::Sticky {
                *slot = match route {
                    Route::Fastest => EVERYBODY,
                    _ => NOBODY,
                };
                continue;
            }
            let before = *slot;
            // Only the share of a node that went has to be spread again; of the others, a node that came may take some.
            let stays = before != NOBODY && !changed.contains(&before);
            let candidates = if stays { &new } else { &all };
            let mut best = match stays {
                true => (self.weight(unit, before), before),
                false => (0, NOBODY),
            };
            for peer in candidates {
                let weight = self.weight(unit, peer.key);
                if (weight, peer.key) > best && self.has(peer, units, unit) {
                    best = (weight, peer.key);
                }
            }
            *slot = best.1;
        }
        self.first = first;
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
        }
    }
}

fn node_key(identity: &str) -> NodeKey {
    hash(identity, 0).max(EVERYBODY + 1)
}

/// The finish of SplitMix64.
fn mix(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// The nodes of `these` that `others` lack, or have with other jobs.
fn differing(these: &[Peer], others: &[Peer]) -> Vec<NodeKey> {
    let others: HashMap<NodeKey, JobsDigest> =
        others.iter().map(|peer| (peer.key, peer.jobs)).collect();
    let differs = |peer: &&Peer| others.get(&peer.key) != Some(&peer.jobs);
    these.iter().filter(differs).map(|peer| peer.key).collect()
}

#[cfg(test)]
mod tests;
