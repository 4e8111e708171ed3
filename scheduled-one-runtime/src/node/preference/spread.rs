//! Which node claims a tick of a unit with `route = spread`: another one each time.

use super::rank::{Rank, StandIn, mix};
use super::{NOBODY, NodeKey, Peer, Preference};
use crate::node::planning::is_spread;
use crate::node::units::Units;
use crate::timer::UnitIndex;
use scheduled_one_protocol::message::UNCLAIMED_MS;

impl Preference {
    /// Whether a tick prefers this node.
    pub(super) fn is_tick_mine(&self, units: &Units, unit: UnitIndex, tick_ms: i64) -> bool {
        let first = self.first_of_tick(units, unit, tick_ms);
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
        let (_, _, first) = self.first_of_tick(units, unit, tick_ms)?;
        let rank = |peer: &Peer| self.tick_rank(peer, units, unit, tick_ms);
        if first == self.me {
            return Some(self.behind_suspects_ms(rank));
        }
        let peer = self.peers.get(first);
        let stands_in = peer.and_then(|first| self.stands_in(first, units, unit, rank));
        let is_idle = self.idle.contains(&first);
        let stands_in = stands_in.or(is_idle.then_some(StandIn::Next));
        stands_in.map(StandIn::delay_ms)
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
        let first = self.first_of_tick(units, unit, tick_ms);
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

    /// The rank of the node that a tick prefers.
    fn first_of_tick(&self, units: &Units, unit: UnitIndex, tick_ms: i64) -> Option<Rank> {
        let candidates = self.candidates();
        let ranks = candidates.filter_map(|peer| self.tick_rank(peer, units, unit, tick_ms));
        ranks.max()
    }

    pub(super) fn tick_rank(
        &self,
        peer: &Peer,
        units: &Units,
        unit: UnitIndex,
        tick_ms: i64,
    ) -> Option<Rank> {
        let weight = mix(self.hashes[unit as usize] ^ peer.key ^ mix(tick_ms as u64));
        self.rank(peer, units, unit, weight)
    }
}
