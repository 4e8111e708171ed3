//! When each unit is claimed next, by this node.

use scheduled_one_protocol::TickMs;
use scheduled_one_schedule::policy::Route;

use crate::node::claiming::{Claiming, DISABLED_AFTER_MS};
use crate::node::units::{Unit, Units};
use crate::tick::Plan;
use crate::timer::UnitIndex;

/// How many ticks ahead a node looks for one that prefers it, of a unit with `route = spread`. If it finds none, it
/// looks again when the last of them is due. At least two: the first one may be due now.
const TICKS_LOOKED_AT: usize = 8;
/// The same after a change of the membership, when a node looks at all units at once.
const TICKS_LOOKED_AT_AT_ONCE: usize = 2;

impl Claiming {
    /// The unit is claimed when its next tick is due, and not while it stands still; or it rests, because it prefers
    /// another node.
    pub(super) fn set_next(&mut self, units: &Units, index: UnitIndex) {
        self.set_next_within(units, index, TICKS_LOOKED_AT);
    }

    /// The same. Of a unit with `route = spread` this node looks so many ticks ahead.
    fn set_next_within(&mut self, units: &Units, index: UnitIndex, ticks: usize) {
        self.delayed.remove(&index);
        if self.held.contains_key(&index) && !self.has_permit(units, index) {
            return self.timer.rest(index);
        }
        if is_spread(units, index) {
            return match self.next_own_tick_ms(units, index, ticks) {
                Some(at_ms) => self.timer.set(at_ms, index),
                None => self.timer.rest(index),
            };
        }
        match self.next_claim_ms(units, index) {
            Some(at_ms) if self.preference.is_mine(index) => {
                let delay_ms = self.preference.delay_ms(units, index);
                if delay_ms > 0 {
                    self.delayed.insert(index);
                }
                self.timer.set(at_ms + delay_ms, index);
            }
            _ => self.timer.rest(index),
        }
    }

    /// The unit is planned anew, unless a claim of it is pending.
    pub(super) fn plan_unless_taken(&mut self, units: &Units, index: UnitIndex) {
        if !self.timer.is_taken(index) {
            self.set_next(units, index);
        }
    }

    /// Plans all units anew, because the clock was set; but those with a pending claim, which are planned after it.
    pub(super) fn plan_again(&mut self, units: &Units, now_ms: i64) {
        self.now_ms = now_ms;
        self.preference.forget_instants(now_ms);
        for unit in units.indices() {
            self.plan_unless_taken(units, unit);
        }
    }

    /// Nodes came or went, or are not as they were before: what was planned with regard to them is planned anew.
    ///
    /// A unit that prefers this node, and did so before, may have been planned later than due, because of a node that
    /// is gone now.
    pub(super) fn plan_with_other_nodes(&mut self, units: &Units) {
        for unit in std::mem::take(&mut self.delayed) {
            self.plan_unless_taken(units, unit);
        }
        for unit in units.indices() {
            if is_spread(units, unit) && !self.timer.is_taken(unit) {
                self.set_next_within(units, unit, TICKS_LOOKED_AT_AT_ONCE);
            }
        }
    }

    /// Whether this node claims a tick of a unit that is due at `now_ms`. Of a unit with `route = spread`, it leaves
    /// ticks to other nodes. What it may not run by its labels is neither planned nor adopted.
    pub(super) fn claims_tick(
        &self,
        units: &Units,
        index: UnitIndex,
        plan: &Plan,
        now_ms: i64,
    ) -> bool {
        // What is known to be undecided is claimed, whichever node it prefers.
        if !is_spread(units, index) || self.exact.contains(&index) {
            return true;
        }
        let delay_ms = self.preference.tick_delay_ms(units, index, plan.tick_ms);
        delay_ms.is_some_and(|delay_ms| plan.due_ms + delay_ms <= now_ms)
    }

    /// When the next tick is due that prefers this node, of a unit with `route = spread`; if none of so many ticks
    /// does, when the last of them is due. `None` if this node runs none of them.
    fn next_own_tick_ms(&self, units: &Units, index: UnitIndex, ticks: usize) -> Option<i64> {
        if !self.preference.may_run(index) {
            return None;
        }
        let unit = units.get(index);
        // As when it is claimed, so that no tick is found here again that was left to others there.
        let decided_to = self.decided_to(unit, index, self.now_ms + self.lead_ms);
        let decided_to_ms = decided_to.map_or(0, TickMs::ms).max(unit.job.since_ms());
        let (schedule, mut tick_ms) = (unit.job.schedule(), decided_to_ms.max(unit.refused_ms));
        let mut later_ms = 0;
        for _ in 0..ticks {
            // After the last tick of the schedule there is none to look for.
            tick_ms = schedule.next_after(tick_ms)?;
            if let Some(delay_ms) = self.preference.tick_delay_ms(units, index, tick_ms) {
                later_ms = delay_ms;
                break;
            }
        }
        let due_ms = unit.job.ticks().due_ms(tick_ms);
        self.not_before(unit, due_ms + later_ms)
    }

    /// The newest tick of a unit that counts as decided. Of a unit with `route = spread` other nodes decide most ticks,
    /// and this one learns of that only with its next claim.
    pub(super) fn decided_to(&self, unit: &Unit, index: UnitIndex, now_ms: i64) -> Option<TickMs> {
        let known = unit.marks.decided_to();
        let rules = &unit.job.rules;
        // As `is_spread`: a plan that differs from the next instant would be made again and again.
        let is_spread = rules.route == Route::Spread && rules.enabled;
        if !is_spread || self.exact.contains(&index) {
            return known;
        }
        let known_ms = known.map_or(0, TickMs::ms);
        let schedule = unit.job.schedule();
        let since_ms = known_ms.max(unit.job.since_ms());
        let newest_ms = schedule.latest_within(since_ms, now_ms);
        let before = newest_ms.and_then(|ms| schedule.latest_within(since_ms, ms - 1));
        before.map(TickMs).or(known)
    }

    /// When the next tick of a unit is claimed.
    pub(super) fn next_claim_ms(&self, units: &Units, index: UnitIndex) -> Option<i64> {
        let unit = units.get(index);
        let due_ms = unit.due_after_ms(unit.decided_to_ms().max(unit.refused_ms))?;
        let at_ms = match unit.job.rules.enabled {
            true => due_ms,
            false => due_ms + unit.job.ticks().window_ms() + DISABLED_AFTER_MS,
        };
        self.not_before(unit, at_ms)
    }

    /// A unit is not claimed while it stands still or is paused; `None` if somebody has to end the pause.
    fn not_before(&self, unit: &Unit, at_ms: i64) -> Option<i64> {
        let from_ms = match unit.paused_until_ms(self.now_ms) {
            i64::MAX => return None,
            until_ms => unit.stands_still_until_ms().max(until_ms),
        };
        Some(at_ms.max(from_ms + self.lead_ms))
    }
}

/// Whether each tick of a unit prefers another node.
pub(super) fn is_spread(units: &Units, index: UnitIndex) -> bool {
    let rules = &units.get(index).job.rules;
    rules.route == Route::Spread && rules.enabled
}
