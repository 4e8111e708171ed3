//! How a node came to claim a tick, in words for the ledger: by the route of the job, or in the place of another node.

use std::cmp::Reverse;

use scheduled_one_schedule::policy::{ANY_NODE, Route};

use super::rank::{Rank, tier};
use super::{EVERYBODY, Peer, Preference};
use crate::node::planning::is_spread;
use crate::node::units::Units;
use crate::timer::UnitIndex;

impl Preference {
    /// How this node comes to claim a tick; empty if the unit prefers it, and its job has no other route than the usual
    /// one.
    pub(in crate::node) fn placing(&self, units: &Units, unit: UnitIndex, tick_ms: i64) -> String {
        let job = &units.get(unit).job;
        if !job.rules.enabled {
            return String::new();
        }
        let route = match job.rules.route {
            Route::Spread => "spread",
            Route::LeastLoaded => "least_loaded",
            Route::Fastest => "fastest",
            _ => "",
        };
        let wanted = job.labels();
        let label = match tier(wanted, &self.labels).and_then(|tier| wanted.get(tier as usize)) {
            None => String::new(),
            Some(label) if label == ANY_NODE => "on any node".to_owned(),
            Some(label) => format!("on {label}"),
        };
        let parts = [route, &label, &self.in_the_place_of(units, unit, tick_ms)];
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        parts.collect::<Vec<_>>().join(", ")
    }

    /// In whose place this node claims a tick; empty if it is its own.
    fn in_the_place_of(&self, units: &Units, unit: UnitIndex, tick_ms: i64) -> String {
        let first = self.preferred_for_tick(units, unit, tick_ms);
        if first == EVERYBODY {
            return String::new();
        }
        if first == self.me {
            let suspect = match is_spread(units, unit) {
                true => self.suspect_before(|peer| self.tick_rank(peer, units, unit, tick_ms)),
                false => self.suspect_before(|peer| self.rank_of(peer, units, unit)),
            };
            let words = |peer: &Peer| format!("in the place of {}: no heartbeat", peer.name);
            return suspect.map(words).unwrap_or_default();
        }
        let Some(first) = self.peers.get(first) else {
            return "nobody had claimed it".to_owned();
        };
        let why = match () {
            () if self.idle.contains(&first.key) => "it claims nothing",
            () if self.is_limited_for(first, units, unit) => {
                "it has a limit, and had not claimed it"
            }
            () => "it had not claimed it",
        };
        format!("in the place of {}: {why}", first.name)
    }

    /// The node that would be preferred to this one, and missed a heartbeat.
    pub(super) fn suspect_before(&self, rank: impl Fn(&Peer) -> Option<Rank>) -> Option<&Peer> {
        if self.suspects.is_empty() {
            return None;
        }
        let mine = self.peers.get(self.me).and_then(&rank);
        let suspects = self.suspects.iter().filter(|key| **key != self.me);
        let suspects = suspects.filter_map(|key| self.peers.get(*key));
        let before = suspects.filter(|suspect| rank(suspect) > mine);
        before.min_by_key(|suspect| Reverse(rank(suspect)))
    }

    /// The rank of a node for all ticks of a unit.
    pub(super) fn rank_of(&self, peer: &Peer, units: &Units, unit: UnitIndex) -> Option<Rank> {
        self.rank(peer, units, unit, self.weight(unit, peer.key))
    }
}
