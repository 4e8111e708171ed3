//! Which node claims a tick of a unit with `route = spread`: another one each time.

use super::rank::{Rank, mix};
use super::{NOBODY, NodeKey, Peer, Preference, STAND_IN_DELAY_MS};
use crate::node::planning::is_spread;
use crate::node::units::Units;
use crate::timer::UnitIndex;
use scheduled_one_protocol::message::UNCLAIMED_MS;

impl Preference {
    /// Whether a tick prefers this node.
    pub(super) fn is_tick_mine(&self, units: &Units, unit: UnitIndex, tick_ms: i64) -> bool {
        let (first, _) = self.first_two_of_tick(units, unit, tick_ms);
        first.is_some_and(|(_, _, node)| node == self.me)
    }

    /// Whether this node starts what waits in a unit, before others do.
    pub(in crate::node) fn starts_waiting(&self, units: &Units, unit: UnitIndex) -> bool {
        match is_spread(units, unit) {
            true => self.is_tick_mine(units, unit, 0),
            false => self.is_mine(unit),
        }
    }

    /// How much later than due this node claims a tick of a unit that it may run by its labels; `None` if it leaves the
    /// tick to others. As with other routes, the next node stands in for a limited one and for a suspect, and each node
    /// that noticed for one that does not claim.
    pub(in crate::node) fn tick_delay_ms(
        &self,
        units: &Units,
        unit: UnitIndex,
        tick_ms: i64,
    ) -> Option<i64> {
        let (first, second) = self.first_two_of_tick(units, unit, tick_ms);
        let (_, _, first) = first?;
        if first == self.me {
            let delay_ms =
                self.behind_suspects_ms(|peer| self.tick_rank(peer, units, unit, tick_ms));
            return Some(delay_ms);
        }
        let is_second = second.is_some_and(|(_, _, node)| node == self.me);
        let is_limited = |first: &Peer| self.is_limited_for(first, units, unit);
        let stands_in = (is_second && self.peers.get(first).is_some_and(is_limited))
            || self.idle.contains(&first);
        stands_in.then_some(STAND_IN_DELAY_MS)
    }

    /// The node that a tick prefers, with any route.
    pub(super) fn preferred_for_tick(
        &self,
        units: &Units,
        unit: UnitIndex,
        tick_ms: i64,
    ) -> NodeKey {
        if !is_spread(units, unit) {
            return self.first[unit as usize];
        }
        let (first, _) = self.first_two_of_tick(units, unit, tick_ms);
        first.map_or(NOBODY, |(_, _, node)| node)
    }

    /// The node that a tick prefers which heartbeats reported as unclaimed: the newest one that may be.
    pub(super) fn preferred_for_unclaimed(
        &self,
        units: &Units,
        unit: UnitIndex,
        now_ms: i64,
    ) -> NodeKey {
        let (job, until_ms) = (&units.get(unit).job, now_ms - UNCLAIMED_MS);
        let newest_ms = job.schedule().latest_within(job.since_ms(), until_ms);
        let is_due = |tick_ms: &i64| job.ticks().due_ms(*tick_ms) <= until_ms;
        match newest_ms.filter(is_due) {
            Some(tick_ms) => self.preferred_for_tick(units, unit, tick_ms),
            None if is_spread(units, unit) => NOBODY,
            None => self.first[unit as usize],
        }
    }

    /// The ranks of the nodes that a tick prefers, and would prefer without that one.
    fn first_two_of_tick(
        &self,
        units: &Units,
        unit: UnitIndex,
        tick_ms: i64,
    ) -> (Option<Rank>, Option<Rank>) {
        let (mut first, mut second) = (None, None);
        for peer in self.candidates() {
            let rank = self.tick_rank(peer, units, unit, tick_ms);
            second = second.max(rank.min(first));
            first = first.max(rank);
        }
        (first, second)
    }

    fn tick_rank(&self, peer: &Peer, units: &Units, unit: UnitIndex, tick_ms: i64) -> Option<Rank> {
        let weight = mix(self.hashes[unit as usize] ^ peer.key ^ mix(tick_ms as u64));
        self.rank(peer, units, unit, weight)
    }
}
