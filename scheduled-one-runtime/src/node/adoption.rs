//! Adoption: a node begins to claim units that other nodes claimed until now,
//! because the membership has changed, or because nobody claims them.

use scheduled_one_schedule::policy::Misfire;

use crate::node::claiming::Claiming;
use crate::node::hold_up::CALM_MS;
use crate::node::planning::is_spread;
use crate::node::registration::learn;
use crate::node::units::Units;
use crate::timer::UnitIndex;
use scheduled_one_protocol::UnitName;
use scheduled_one_protocol::message::{HeartbeatReply, RegisteredUnit};

impl Claiming {
    /// Takes the reply to a heartbeat into account. Returns the units that this node claims from now on, and others may
    /// have claimed until now: what is decided of them has to be learned first.
    ///
    /// `is_calm`: claims are sent, and were for a while, and the store replies soon. Then a unit that nobody claims
    /// shows a node that hangs.
    pub(super) fn learn(
        &mut self,
        units: &Units,
        mut reply: HeartbeatReply,
        is_calm: bool,
        now_ms: i64,
    ) -> Vec<UnitIndex> {
        self.now_ms = now_ms;
        let is_first = self.preference.version() == 0;
        let unclaimed = reply.unclaimed.iter().filter_map(|name| units.find(name));
        let unclaimed: Vec<UnitIndex> = unclaimed.collect();
        if is_calm {
            let mut shown = unclaimed.clone();
            shown.retain(|unit| self.shows_idleness(units, *unit, now_ms));
            self.preference.notice_idle(units, &shown, now_ms);
        }
        let moved = self.preference.learn(&mut reply, units, now_ms);
        for unit in moved.lost {
            if !self.timer.is_taken(unit) {
                self.timer.rest(unit);
            }
        }
        let mut adopted = moved.gained;
        if moved.nodes_changed {
            self.plan_with_other_nodes(units);
        }
        if is_first {
            // All units were registered a moment ago.
            adopted
                .drain(..)
                .for_each(|unit| self.set_next(units, unit));
        }
        adopted.retain(|unit| !self.timer.is_taken(*unit));
        for unit in unclaimed {
            let waits = self.timer.rests(unit) || is_spread(units, unit);
            let may_run =
                self.preference.may_run(unit) && self.permits.has_room(units.get(unit).job.group());
            if may_run && waits && self.is_due(units, unit, now_ms) && !self.timer.is_taken(unit) {
                adopted.push(unit);
            }
        }
        adopted.sort_unstable();
        adopted.dedup();
        adopted.iter().for_each(|unit| self.timer.take(*unit));
        self.learn_ready(units, reply.ready);
        adopted
    }

    /// All units, first those that this node claims: of them it may be the only one that knows what was decided last.
    /// So a store that lost its memory learns the newest decisions of all nodes before their older ones, however many
    /// nodes register all units at the same time.
    pub(super) fn those_it_claims_first(&self, units: &Units) -> Vec<UnitIndex> {
        let claims = |unit: &UnitIndex| self.preference.may_claim(units, *unit);
        let (first, others): (Vec<_>, Vec<_>) = units.indices().partition(claims);
        [first, others].concat()
    }

    /// Whether the next heartbeat may show more units to adopt: the last one named as many as it may (`is_cut`), and
    /// some of those that were adopted were not adopted since a heartbeat named all.
    pub(super) fn finds_more(&mut self, is_cut: bool, adopted: &[UnitIndex]) -> bool {
        if !is_cut {
            self.adopted_of_many.clear();
            return false;
        }
        let before = self.adopted_of_many.len();
        self.adopted_of_many.extend(adopted);
        self.adopted_of_many.len() > before
    }

    /// Whether this node would claim the unit now, if the unit preferred it.
    fn is_due(&self, units: &Units, index: UnitIndex, now_ms: i64) -> bool {
        let at_ms = self.next_claim_ms(units, index);
        at_ms.is_some_and(|at_ms| at_ms <= now_ms)
    }

    /// Whether a unit that nobody claims shows a node that hangs. A disabled job is claimed late, a job that catches up
    /// waits, undecided, for its run, and a unit that stood still is claimed again within a while.
    fn shows_idleness(&self, units: &Units, index: UnitIndex, now_ms: i64) -> bool {
        let unit = units.get(index);
        let rules = &unit.job.rules;
        let is_due = self.is_due(units, index, now_ms);
        let stood_still_ms = unit.stands_still_until_ms() + CALM_MS;
        rules.enabled && rules.misfire != Misfire::RunAll && is_due && stood_still_ms < now_ms
    }

    /// Units that were adopted have their watermarks, but for those that the store refuses. What is due is claimed,
    /// whichever node the unit prefers.
    pub(super) fn adopt(
        &mut self,
        units: &mut Units,
        adopted: Vec<(UnitIndex, Option<RegisteredUnit>)>,
        now_ms: i64,
    ) {
        for (unit, seen) in adopted {
            if let Some(seen) = seen {
                learn(units, unit, seen);
            }
            match self.next_claim_ms(units, unit) {
                Some(at_ms) if at_ms <= now_ms => {
                    if is_spread(units, unit) {
                        self.exact.insert(unit);
                    }
                    self.timer.set(at_ms, unit);
                }
                _ => self.set_next(units, unit),
            }
        }
    }

    /// What waits in a unit is started by the node that the unit prefers (of a unit with `route = spread`, the one that
    /// a tick at the epoch would prefer), or by any if it still waits at the next heartbeat.
    fn learn_ready(&mut self, units: &Units, mut ready: Vec<UnitName>) {
        // The other units belong to jobs that this node does not have.
        ready.retain(|name| units.find(name).is_some());
        for name in &ready {
            let is_mine = units
                .find(name)
                .is_some_and(|unit| self.preference.starts_waiting(units, unit));
            if is_mine || self.ready_before.contains(name) {
                self.ready.insert(name.clone());
            }
        }
        self.ready_before = ready.into_iter().collect();
    }
}
