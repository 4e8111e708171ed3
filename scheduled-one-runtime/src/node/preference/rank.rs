//! What a node is worth to a unit: the unit prefers the node of the highest rank.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use scheduled_one_protocol::hash;
use scheduled_one_protocol::message::{JobsDigest, Labels};
use scheduled_one_schedule::policy::{ANY_NODE, Route};

use super::{EVERYBODY, NOBODY, NodeKey, Peer, Preference, STAND_IN_DELAY_MS};
use crate::compiled_job::CompiledJob;
use crate::node::unit_set::UnitSet;
use crate::node::units::Units;
use crate::timer::UnitIndex;

/// How long a kind of nodes has permits of a group that has fewer permits than kinds of nodes.
const TURN_MS: i64 = 60_000;
/// A node without room is preferred only if no node has room, whatever its labels.
const FULL: u32 = 1_000;

/// A class, of which the lowest is preferred; then a weight, of which the highest is; then the node itself.
pub(super) type Rank = (Reverse<u32>, u64, NodeKey);

/// In which place a node claims what prefers a limited one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StandIn {
    /// Behind that one.
    Next,
    /// Behind the next one, which is limited as well.
    Unlimited,
}

impl StandIn {
    /// How much later than due.
    pub(super) fn delay_ms(self) -> i64 {
        match self {
            StandIn::Next => STAND_IN_DELAY_MS,
            StandIn::Unlimited => 2 * STAND_IN_DELAY_MS,
        }
    }
}

impl Peer {
    /// Whether the node takes no more than so many runs, of all jobs or of some.
    pub(super) fn is_limited(&self) -> bool {
        let mut words = self.labels.words();
        words.any(|word| word.contains('='))
    }

    /// Whether the node takes no more than so many runs of all jobs.
    fn has_limit(&self) -> bool {
        let mut words = self.labels.words();
        words.any(|word| word.starts_with(LIMIT))
    }
}

/// In front of the limit of a node, in what it says of itself. No label has this form.
const LIMIT: &str = "max_running=";

/// What a node says of its limit.
pub(crate) fn limit_word(runs: u32) -> String {
    format!("{LIMIT}{runs}")
}

/// What a node says of a group whose runs it limits. No label has this form.
pub(crate) fn group_word(group: &str) -> String {
    format!("group={group}")
}

/// Which of the labels of a job the node has, 0 for the first; `None` if it has none of them.
pub(super) fn tier(wanted: &[String], labels: &Labels) -> Option<u32> {
    if wanted.is_empty() {
        return Some(0);
    }
    let has = |label: &String| label == ANY_NODE || labels.has(label);
    wanted.iter().position(has).map(|tier| tier as u32)
}

/// Whether a node with these labels may run a job. Any node records the ticks of a job that nobody runs.
pub(crate) fn may_run(job: &CompiledJob, labels: &Labels) -> bool {
    !job.rules.enabled || tier(job.labels(), labels).is_some()
}

/// The units that a node with these labels may run; `None` if that is all.
pub(super) fn labelled_for(units: &Units, labels: &Labels) -> Option<UnitSet> {
    let may_run = |unit: &UnitIndex| may_run(&units.get(*unit).job, labels);
    if units.indices().all(|unit| may_run(&unit)) {
        return None;
    }
    let mut allowed = UnitSet::none(units.indices().len());
    units
        .indices()
        .filter(may_run)
        .for_each(|unit| allowed.add(unit));
    Some(allowed)
}

impl Preference {
    /// The rank of a node for a unit, which has this weight for it; `None` if the node does not run the unit.
    pub(super) fn rank(
        &self,
        peer: &Peer,
        units: &Units,
        unit: UnitIndex,
        weight: u64,
    ) -> Option<Rank> {
        if !self.has(peer, units, unit) {
            return None;
        }
        let job = &units.get(unit).job;
        let mut class = match self.full.contains(&peer.key) {
            true => FULL,
            false => 0,
        };
        if job.rules.enabled {
            let holders = job.group().and_then(|group| self.holders.get(group));
            if holders.is_some_and(|nodes| !nodes.contains(&peer.key)) {
                return None;
            }
            class += 2 * tier(job.labels(), &peer.labels)?;
            if job.rules.route == Route::LeastLoaded && self.busy.contains(&peer.key) {
                class += 1;
            }
        }
        Some((Reverse(class), weight, peer.key))
    }

    /// Finds the preferred nodes of units, of which these nodes came, went, or are not as they were before.
    pub(super) fn prefer_again(&mut self, changed: &BTreeSet<NodeKey>, units: &Units) {
        let mut first = std::mem::take(&mut self.first);
        let mut second = UnitSet::none(first.len());
        let mut third = UnitSet::none(first.len());
        let all: Vec<&Peer> = self.candidates().collect();
        let new: Vec<&Peer> = all
            .iter()
            .copied()
            .filter(|peer| changed.contains(&peer.key))
            .collect();
        // In the order of keys, as `all` is.
        let by_key = |key: &NodeKey| {
            let place = all.binary_search_by_key(key, |peer| peer.key);
            place.ok().map(|place| all[place])
        };
        for unit in units.indices() {
            let slot = &mut first[unit as usize];
            let rules = &units.get(unit).job.rules;
            let rank = |peer: &Peer| self.rank_of(peer, units, unit);
            match rules.route {
                Route::Spread if rules.enabled => {
                    *slot = NOBODY;
                    continue;
                }
                Route::Fastest if rules.enabled => {
                    let class = |rank: Rank| rank.0;
                    let best = all.iter().filter_map(|peer| rank(peer)).map(class).max();
                    let mine = by_key(&self.me).and_then(rank).map(class);
                    *slot = match mine.is_some() && mine == best {
                        true => EVERYBODY,
                        false => NOBODY,
                    };
                    continue;
                }
                _ => {}
            }
            // Only the share of a node that went has to be spread again; of the others, a node that came may take some.
            let stays = by_key(slot).filter(|_| !changed.contains(slot));
            let candidates = if stays.is_some() { &new } else { &all };
            let mut best = stays.and_then(rank);
            for peer in candidates {
                best = best.max(rank(peer));
            }
            *slot = best.map_or(NOBODY, |(_, _, node)| node);
            match by_key(slot).and_then(|first| self.stands_in(first, units, unit, rank)) {
                Some(StandIn::Next) => second.add(unit),
                Some(StandIn::Unlimited) => third.add(unit),
                None => {}
            }
        }
        (self.second, self.third) = (second, third);
        self.first = first;
    }

    /// Whether this node claims what prefers a limited one: as the next node of the same class, one without a limit if
    /// there is any; or, if the next one is limited as well, as the first of all without a limit, which has room.
    pub(super) fn stands_in(
        &self,
        first: &Peer,
        units: &Units,
        unit: UnitIndex,
        rank: impl Fn(&Peer) -> Option<Rank>,
    ) -> Option<StandIn> {
        let is_limited = |peer: &Peer| self.is_limited_for(peer, units, unit);
        if !is_limited(first) {
            return None;
        }
        let others = self.candidates().filter(|peer| peer.key != first.key);
        let ranks = others.filter_map(|peer| Some((rank(peer)?, !is_limited(peer))));
        let (mut next, mut unlimited) = (None, None);
        for (rank @ (class, weight, node), has_room) in ranks {
            next = next.max(Some((class, has_room, weight, node)));
            unlimited = unlimited.max(has_room.then_some(rank));
        }
        let (_, has_room, _, next) = next?;
        let is_last = unlimited.is_some_and(|(_, _, node)| node == self.me);
        match next == self.me {
            true => Some(StandIn::Next),
            false => (is_last && !has_room).then_some(StandIn::Unlimited),
        }
    }

    /// Whether a node may have no permit for a run of a unit that prefers it.
    pub(super) fn is_limited_for(&self, peer: &Peer, units: &Units, unit: UnitIndex) -> bool {
        let job = &units.get(unit).job;
        let group = job.group().filter(|_| job.rules.enabled);
        peer.has_limit() || group.is_some_and(|group| self.permits.is_limited(group))
    }

    /// Shares the permits of limited groups out, and takes into account who has permits. If that has changed, all nodes
    /// have.
    pub(super) fn learn_holders(&mut self, changed: &mut BTreeSet<NodeKey>, now_ms: i64) {
        if self.shares_out {
            for (group, most) in self.permits.groups() {
                let word = group_word(group);
                let of_group = self.peers.all().filter(|peer| peer.labels.has(&word));
                let turn = now_ms / TURN_MS;
                let nodes = in_order_of_shares(of_group, *most as usize, hash(group, 2), turn);
                self.permits.share_out(group, &nodes, self.me);
            }
        }
        if self.holders_version == self.permits.version() {
            return;
        }
        self.holders_version = self.permits.version();
        let groups = self.permits.groups();
        let holders = groups.filter_map(|(group, _)| {
            let nodes = self.permits.nodes_of(group)?;
            Some((group.clone(), nodes))
        });
        self.holders = holders.collect();
        changed.extend(self.peers.related().map(|peer| peer.key));
    }
}

/// The nodes of a group, those first that get permits first: one of each kind before the second of any, because nodes
/// with other jobs or labels may be the only ones that run some of the group. If there are more kinds than permits,
/// others are first in each turn, so that none waits without limit.
fn in_order_of_shares<'p>(
    peers: impl Iterator<Item = &'p Peer>,
    most: usize,
    seed: u64,
    turn: i64,
) -> Vec<NodeKey> {
    let mut kinds: BTreeMap<(JobsDigest, &str), Vec<NodeKey>> = BTreeMap::new();
    for peer in peers {
        let kind = (peer.jobs, peer.labels.as_text());
        kinds.entry(kind).or_default().push(peer.key);
    }
    let all = kinds.len();
    let from = match all > most {
        true => turn.unsigned_abs() as usize % all,
        false => 0,
    };
    let mut order = Vec::new();
    for (kind, (_, mut nodes)) in kinds.into_iter().enumerate() {
        nodes.sort_unstable_by_key(|node| (mix(seed ^ node), *node));
        let place = (kind + all - from) % all;
        let nodes = nodes.into_iter().enumerate();
        order.extend(nodes.map(|(nth, node)| (nth, place, node)));
    }
    order.sort_unstable();
    order.into_iter().map(|(_, _, node)| node).collect()
}

/// The finish of SplitMix64.
pub(super) fn mix(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(key: NodeKey, jobs: u64, label: &str) -> Peer {
        Peer::with(key, JobsDigest(jobs), Labels::new([label]))
    }

    #[test]
    fn each_kind_of_node_has_a_permit_before_any_has_two() {
        let peers: Vec<Peer> = (2..12)
            .map(|key| peer(key, 1, ""))
            .chain([peer(12, 2, ""), peer(13, 1, "gpu")])
            .collect();
        let first = |most: usize, turn| {
            let order = in_order_of_shares(peers.iter(), most, 7, turn);
            assert_eq!(order.len(), 12);
            order.into_iter().take(most).collect::<BTreeSet<_>>()
        };
        for turn in 0..5 {
            let three = first(3, turn);
            assert!(three.contains(&12) && three.contains(&13), "{three:?}");
            assert_eq!(three, first(3, 0), "nobody has to wait for a turn");
        }
        let ones: BTreeSet<NodeKey> = (0..3).flat_map(|turn| first(1, turn)).collect();
        assert!(ones.contains(&12) && ones.contains(&13) && ones.len() == 3);
    }
}
