//! What waits for a start: ticks in the queue of a unit, requests in a lane, and ticks that are due while this node has
//! no permit for them.

use std::ops::Bound;

use crate::claim::PendingClaim;
use crate::node::claiming::Claiming;
use crate::node::hold_up::{HoldUp, Standstill};
use crate::node::units::{Unit, Units};
use crate::permits::{LentPermit, Permit};
use crate::run::NewRun;
use crate::timer::UnitIndex;
use scheduled_one_protocol::message::{Claim, LowerBounds, MAX_BATCH, Overlap, Target};
use scheduled_one_protocol::{TickMs, UnitName};
use scheduled_one_schedule::policy::OnLeaseLost;

impl Claiming {
    /// The permit for a tick that is due: that of the unit's active run, or another one. Without one, the unit is held
    /// until there is one.
    pub(super) fn permit(
        &mut self,
        units: &Units,
        index: UnitIndex,
        now_ms: i64,
    ) -> Option<Permit> {
        let lent = self.lent.get(&index).and_then(LentPermit::share);
        if lent.is_none() {
            self.lent.remove(&index);
        }
        let permit = lent.or_else(|| self.permits.take(units.get(index).job.group()));
        if permit.is_none() {
            self.held.entry(index).or_insert(now_ms);
        }
        permit
    }

    /// A run starts here. As long as it is active, no tick of its unit starts another one: the store skips the tick, or
    /// lets it wait, or has the run cancelled for it. So the claims of these ticks share the permit of the run.
    pub(super) fn lend(&mut self, units: &Units, run: &NewRun, now_ms: i64) {
        let Some(index) = units.find(&run.id.unit).filter(|_| excludes_ticks(run)) else {
            return;
        };
        let Some(lent) = run.permit.lend() else {
            return;
        };
        self.lent.insert(index, lent);
        // The run may have waited while the next tick was held.
        if self.held.contains_key(&index) {
            self.release_held(units, now_ms);
        }
    }

    /// Whether there is a permit for the next tick of a unit.
    pub(super) fn has_permit(&self, units: &Units, index: UnitIndex) -> bool {
        let lent = self.lent.get(&index).is_some_and(LentPermit::is_taken);
        lent || self.permits.has_room(units.get(index).job.group())
    }

    /// Permits were given back, or shared out anew: units that are held are due again, the first ones first, as far as
    /// there are permits. Those that prefer other nodes by now are left to them.
    pub(super) fn release_held(&mut self, units: &Units, now_ms: i64) {
        if self.held.is_empty() {
            return;
        }
        let preference = &self.preference;
        self.held
            .retain(|unit, _| preference.may_claim(units, *unit));
        let held = self.held.iter().map(|(unit, since_ms)| (*since_ms, *unit));
        let mut held: Vec<(i64, UnitIndex)> = held.collect();
        held.sort_unstable();
        // As many as there are permits: each of the others would find none.
        let mut room = self.permits.room();
        let lent = |unit: &UnitIndex| self.lent.get(unit).is_some_and(LentPermit::is_taken);
        let gets_permit = |(_, unit): &(i64, UnitIndex)| {
            self.timer.rests(*unit) && (lent(unit) || room.take(units.get(*unit).job.group()))
        };
        let free = held.into_iter().filter(gets_permit).take(MAX_BATCH);
        for (since_ms, unit) in free.collect::<Vec<_>>() {
            self.timer.set(since_ms.min(now_ms), unit);
        }
    }

    /// Until when and why a unit was not claimed.
    pub(super) fn standstill(
        &self,
        unit: &Unit,
        index: UnitIndex,
        now_ms: i64,
    ) -> Option<Standstill> {
        let held = self.held.get(&index).map(|_| Standstill {
            why: HoldUp::NoPermit,
            until_ms: now_ms,
        });
        held.or(unit.standstill)
    }

    /// Claims what waits in a unit, or in a slot of it; `None` if nothing waits.
    pub(super) fn claim_waiting(
        &mut self,
        units: &Units,
        now_ms: i64,
    ) -> Option<(PendingClaim, Claim)> {
        let (name, index, permit) = self.take_ready(units, now_ms - self.lead_ms, false)?;
        let unit = units.get(index);
        let oldest = TickMs(now_ms - unit.job.rules.waits.as_millis() as i64);
        // A slot has watermarks of its own, which this node has not seen.
        let bounds = match name.slot() {
            0 => unit.marks.bounds(),
            _ => LowerBounds::default(),
        };
        let target = Target::Queued { oldest };
        let claim = self.claim(units, index, name.clone(), bounds, target, now_ms);
        self.ready_pending.insert(name);
        let pending = PendingClaim {
            unit: index,
            coalesced: 0,
            newest_ms: 0,
            placing: String::new(),
            permit,
        };
        Some((pending, claim))
    }

    /// Takes a unit, or a lane, in which something waits and of which no claim is pending. A unit that stands still is
    /// left out: heartbeats name it again.
    pub(super) fn take_ready(
        &mut self,
        units: &Units,
        now_ms: i64,
        lanes: bool,
    ) -> Option<(UnitName, UnitIndex, Permit)> {
        // What waits in units takes turns with ticks that are held, so that neither keeps all permits.
        let is_due = |unit| self.timer.is_due(unit, now_ms + self.lead_ms);
        if self.held_first && self.held.keys().any(|unit| is_due(*unit)) {
            return None;
        }
        let mut without_permit = Vec::new();
        let taken = loop {
            let Some(name) = self.next_ready(lanes) else {
                break None;
            };
            self.ready.remove(&name);
            let claims = |index: &UnitIndex| {
                let unit = units.get(*index);
                let is_due = unit.stands_still_until_ms() <= now_ms;
                unit.job.rules.enabled && is_due && self.preference.may_run(*index)
            };
            // Nothing is claimed of a job that this node does not have, or does not run.
            let Some(unit) = units.find(&name).filter(claims) else {
                continue;
            };
            match self.permits.take(units.get(unit).job.group()) {
                Some(permit) => {
                    self.held_first = !self.held.is_empty();
                    self.last_ready = Some(name.clone());
                    break Some((name, unit, permit));
                }
                None => without_permit.push(name),
            }
        };
        self.ready.extend(without_permit);
        taken
    }

    /// The next unit, or lane, in which something waits and of which no claim is pending.
    fn next_ready(&self, lanes: bool) -> Option<UnitName> {
        let last = self.last_ready.as_ref();
        let behind = last.map_or(Bound::Unbounded, Bound::Excluded);
        let behind = self.ready.range::<UnitName, _>((behind, Bound::Unbounded));
        let pending = &self.ready_pending;
        let mut ready = behind.chain(&self.ready);
        let next = ready.find(|unit| unit.is_lane() == lanes && !pending.contains(*unit));
        next.cloned()
    }
}

/// Whether no tick of the unit of this run can start while it is active. A run may go on next to others in a slot, if
/// that was asked for, and if it needs no lease.
fn excludes_ticks(run: &NewRun) -> bool {
    let rules = &run.job.rules;
    let beside = run.id.origin.as_ref().is_some_and(|origin| origin.beside);
    let in_slot = matches!(rules.overlap, Overlap::Allow(_)) || run.id.unit.slot() > 0;
    !beside && !in_slot && rules.on_lease_lost != OnLeaseLost::Finish
}
