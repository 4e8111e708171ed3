//! Claiming: which units are due, what is claimed of each, and which claims have
//! no reply yet.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use scheduled_one_schedule::policy::Misfire;

use crate::claim::{ClaimBatch, PendingClaim};
use crate::finish::UnitReleased;
use crate::node::catch_up::CatchUps;
use crate::node::hold_up::Hold;
use crate::node::lead::{Lead, WaveId};
use crate::node::preference::{NodeTraits, Preference};
use crate::node::units::Units;
use crate::permits::{LentPermit, Permit, Permits};
use crate::tick::Plan;
use crate::timer::{Timer, UnitIndex};
use scheduled_one_protocol::message::{Claim, DueTick, Intent, LowerBounds, MAX_BATCH, Target};
use scheduled_one_protocol::{TickMs, UnitName};

/// Most batches of claims without a reply.
const MAX_BATCHES_PENDING: usize = 8;
/// How long after its window the tick of a disabled job is recorded as skipped, if no node has run it by then.
pub(super) const DISABLED_AFTER_MS: i64 = 5_000;

/// What a node has claimed, and what it claims next.
pub(super) struct Claiming {
    /// Identity of this node: the first part of each nonce.
    node: String,
    /// The cluster's clock when this node started. It claims no tick before.
    pub(super) started_ms: i64,
    /// How long before its tick is due a unit is claimed.
    pub(super) lead_ms: i64,
    lead: Lead,
    /// When each unit is claimed next. A unit with a pending claim is not in it.
    pub(super) timer: Timer,
    /// Units in which something waits that can start.
    pub(super) ready: BTreeSet<UnitName>,
    /// The one of them that got a permit last: the next one is for those behind it.
    pub(super) last_ready: Option<UnitName>,
    /// Units of which the waiting tick is claimed, until the store replies.
    pub(super) ready_pending: HashSet<UnitName>,
    /// Units whose run ended while a claim of their next tick was pending.
    pub(super) released_while_pending: HashSet<UnitIndex>,
    /// Units that catch up with missed ticks.
    pub(super) catch_ups: CatchUps,
    /// Which node claims each unit first.
    pub(super) preference: Preference,
    /// How many runs may be active.
    pub(super) permits: Permits,
    /// The permit of the newest run of each unit that was started here, if it excludes other runs of the unit.
    pub(super) lent: HashMap<UnitIndex, LentPermit>,
    /// Units that are due and got no permit, and since when.
    pub(super) held: BTreeMap<UnitIndex, i64>,
    /// Whether the next permit is for one of them, because what waits in a unit got the last one.
    pub(super) held_first: bool,
    /// Units with `route = spread` of which the last reply said what is decided. Of the others this node believes that
    /// each tick is decided by the node that it prefers.
    pub(super) exact: HashSet<UnitIndex>,
    /// Units whose next tick is claimed later than due, in the place of another node.
    pub(super) delayed: BTreeSet<UnitIndex>,
    /// Units that were adopted since heartbeats named more units than they may.
    pub(super) adopted_of_many: HashSet<UnitIndex>,
    /// Units whose lanes may not be empty: their next claims bring the lanes.
    pub(super) with_lane: HashSet<UnitIndex>,
    /// Units that heartbeats reported last as having something that waits.
    pub(super) ready_before: HashSet<UnitName>,
    /// The cluster's clock when something happened last.
    pub(super) now_ms: i64,
    batches_pending: usize,
    /// How many claims this node has made so far; the second part of each nonce.
    claims_made: u64,
}

impl Claiming {
    pub(super) fn new(
        node: &str,
        started_ms: i64,
        shortest_lease: Duration,
        units: &Units,
        traits: NodeTraits,
    ) -> Self {
        let lead = Lead::new(units.indices().len(), shortest_lease, started_ms);
        Claiming {
            permits: traits.permits.clone(),
            lent: HashMap::new(),
            held: BTreeMap::new(),
            held_first: false,
            last_ready: None,
            node: node.to_owned(),
            started_ms,
            lead_ms: lead.ms(),
            lead,
            timer: Timer::default(),
            ready: BTreeSet::new(),
            ready_pending: HashSet::new(),
            released_while_pending: HashSet::new(),
            catch_ups: CatchUps::default(),
            preference: Preference::new(node, units, traits),
            exact: HashSet::new(),
            delayed: BTreeSet::new(),
            adopted_of_many: HashSet::new(),
            with_lane: HashSet::new(),
            ready_before: HashSet::new(),
            now_ms: started_ms,
            batches_pending: 0,
            claims_made: 0,
        }
    }

    /// Plans the next batch of claims at `now_ms`; `None` if nothing is due, or too many batches are pending.
    ///
    /// Waiting ticks come first, then ticks that are due or will be in a moment: claims are sent ahead, so that runs
    /// can start on time.
    pub(super) fn plan_due(
        &mut self,
        units: &Units,
        hold: &Hold,
        now_ms: i64,
    ) -> Option<ClaimBatch> {
        if !self.may_send() {
            return None;
        }
        let ahead_ms = now_ms + self.lead_ms;
        self.now_ms = now_ms;
        let mut batch = ClaimBatch::default();
        while batch.claims.len() < MAX_BATCH {
            if let Some(claim) = self.claim_waiting(units, ahead_ms) {
                batch.push(claim);
                continue;
            }
            let Some(unit) = self.timer.take_due(ahead_ms) else {
                break;
            };
            match self.claim_tick(units, hold, unit, ahead_ms) {
                Some(claim) => batch.push(claim),
                None => self.set_next(units, unit),
            }
        }
        if batch.claims.is_empty() {
            self.lead.all_is_sent();
            return None;
        }
        batch.wave = self.begin_batch();
        Some(batch)
    }

    /// Whether another batch may be sent.
    pub(super) fn may_send(&self) -> bool {
        self.batches_pending < MAX_BATCHES_PENDING
    }

    /// Whether claims of this node are under way for longer than this.
    pub(super) fn waits_longer_than(&self, time: Duration, now_ms: i64) -> bool {
        self.lead.waits_longer_than(time, now_ms)
    }

    /// A batch is sent.
    pub(super) fn begin_batch(&mut self) -> WaveId {
        self.batches_pending += 1;
        self.lead.batch_begins(self.now_ms)
    }

    /// Claims the next tick of a unit, as the rules of its job plan it; `None` if none is due.
    fn claim_tick(
        &mut self,
        units: &Units,
        hold: &Hold,
        index: UnitIndex,
        now_ms: i64,
    ) -> Option<(PendingClaim, Claim)> {
        self.released_while_pending.remove(&index);
        let current_ms = now_ms - self.lead_ms;
        let after = self.decided_to(units.get(index), index, now_ms);
        let Some(plan) = self.plan_tick(units, hold, index, after, now_ms) else {
            self.exact.remove(&index);
            // It needs no permit any more: another one may have it.
            if self.held.remove(&index).is_some() {
                self.release_held(units, current_ms);
            }
            return None;
        };
        let permit = match plan.intent {
            Intent::MarkMissed => Permit::default(),
            _ => self.permit(units, index, current_ms)?,
        };
        if self.held.remove(&index).is_some() {
            self.held_first = false;
        }
        let pending = PendingClaim {
            unit: index,
            coalesced: plan.coalesced,
            newest_ms: plan.newest_ms,
            placing: self.preference.placing(units, index, plan.tick_ms),
            permit,
        };
        let unit = units.get(index);
        let target = Target::Tick(DueTick {
            tick: TickMs(plan.tick_ms),
            due_ms: plan.due_ms,
            after,
            next_due_ms: unit.due_after_ms(plan.tick_ms),
            intent: plan.intent,
            overlap: unit.job.rules.overlap,
            missed: plan.missed,
        });
        // Only a waiting tick may have started in a store that was rolled back.
        let bounds = LowerBounds {
            start: None,
            ..unit.marks.bounds()
        };
        let claim = self.claim(units, index, unit.name(), bounds, target, now_ms);
        Some((pending, claim))
    }

    /// The tick of a unit that this node claims now, as the rules of its job plan it; `None` if none is due.
    fn plan_tick(
        &self,
        units: &Units,
        hold: &Hold,
        index: UnitIndex,
        after: Option<TickMs>,
        now_ms: i64,
    ) -> Option<Plan> {
        let unit = units.get(index);
        let current_ms = now_ms - self.lead_ms;
        let paused_until_ms = unit.paused_until_ms(current_ms);
        if unit.stands_still_until_ms().max(paused_until_ms) > current_ms {
            return None;
        }
        let ticks = unit.job.ticks();
        // A schedule has no tick from before it was asked for.
        let after_ms = after.map_or(0, TickMs::ms).max(unit.job.since_ms());
        let plan = if unit.job.rules.enabled {
            let standstill = self.standstill(unit, index, current_ms);
            let reason = |first_ms| hold.missed_reason(first_ms, self.started_ms, standstill);
            let pauses = unit.past_pauses(current_ms);
            ticks.plan_around(&pauses, after_ms, now_ms, reason)?
        } else {
            ticks.disabled(after_ms, now_ms - ticks.window_ms() - DISABLED_AFTER_MS)?
        };
        self.claims_tick(units, index, &plan, now_ms)
            .then_some(plan)
    }

    /// A claim of a unit, or of a slot of it.
    pub(super) fn claim(
        &mut self,
        units: &Units,
        index: UnitIndex,
        name: UnitName,
        bounds: LowerBounds,
        target: Target,
        now_ms: i64,
    ) -> Claim {
        let unit = units.get(index);
        let lease_ms = unit.lease_ms;
        Claim {
            unit: name,
            nonce: self.nonce(),
            // A run that starts after half its lease would be cancelled soon.
            valid_until_ms: now_ms + lease_ms / 2,
            lease_ms,
            takeovers: unit.job.rules.takeovers,
            schedule: Some(unit.schedule),
            control: unit.control(),
            bounds,
            with_lane: self.with_lane.contains(&index),
            target,
        }
    }

    /// The nonce of a new claim.
    pub(super) fn nonce(&mut self) -> String {
        self.claims_made += 1;
        format!("{}-{:x}", self.node, self.claims_made)
    }

    /// A run of this node has ended, and its outcome is recorded.
    pub(super) fn release(&mut self, units: &mut Units, released: UnitReleased, now_ms: i64) {
        let unit = units.find(&released.unit);
        if let Some(unit) = unit {
            units.learn_start(unit, &released.unit, released.started);
        }
        self.take_after(released);
        let Some(unit) = unit else {
            return;
        };
        let catches_up = units.get(unit).job.rules.misfire == Misfire::RunAll;
        if catches_up && !self.timer.hasten(now_ms, unit) {
            self.released_while_pending.insert(unit);
        }
    }

    /// The unit is planned anew at once, unless a claim of it is pending.
    pub(super) fn hasten(&mut self, unit: UnitIndex, now_ms: i64) {
        self.timer.hasten(now_ms, unit);
    }

    /// When the next unit is claimed, by the cluster's clock; `None` if only a reply or a run's end is awaited.
    pub(super) fn next_due_ms(&mut self) -> Option<i64> {
        if self.batches_pending >= MAX_BATCHES_PENDING {
            return None;
        }
        Some(self.timer.next_ms()? - self.lead_ms)
    }

    /// A batch has its replies.
    pub(super) fn settle_batch(&mut self, wave: WaveId, now_ms: i64) {
        self.batches_pending -= 1;
        self.lead.batch_ends(wave, now_ms);
        self.lead_ms = self.lead.ms();
    }

    /// The requests were dropped.
    pub(super) fn abandon(&mut self) {
        self.batches_pending = 0;
        self.lead.abandon();
    }

    pub(super) fn is_pending(&self) -> bool {
        self.batches_pending > 0
    }
}

#[cfg(test)]
mod tests;
