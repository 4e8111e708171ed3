//! Which node claims a tick of a unit with `route = spread`: another one each time.

use super::rank::Rank;
use super::{Peer, Preference, STAND_IN_DELAY_MS, mix};
use crate::node::units::Units;
use crate::timer::UnitIndex;

impl Preference {
    /// Whether a tick prefers this node.
    pub(super) fn is_tick_mine(&self, units: &Units, unit: UnitIndex, tick_ms: i64) -> bool {
        let (first, _) = self.first_two_of_tick(units, unit, tick_ms);
        first.is_some_and(|(_, _, node)| node == self.me)
    }

    /// How much later than due this node claims a tick; `None` if it leaves the tick to others. As with other routes,
    /// the next node stands in for a limited one and for a suspect, and each node that noticed for one that does not
    /// claim.
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
        let stands_in = (is_second && self.peer(first).is_some_and(is_limited))
            || (self.idle.contains(&first) && self.may_run(unit));
        stands_in.then_some(STAND_IN_DELAY_MS)
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
