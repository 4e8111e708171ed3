//! The units of a node: its jobs, or their shards, each with the watermarks that
//! the node has seen.

mod directed;
mod lane;

pub(super) use directed::{past_pauses, paused_until_ms};

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::cluster_clock::least_jump_ms;
use crate::compiled_job::CompiledJob;
use crate::context::Shard;
use crate::event;
use crate::node::aside::Aside;
use crate::node::hold_up::{HoldUp, Standstill};
use crate::node::outlook::{Outlook, by_instant};
use crate::timer::UnitIndex;
use scheduled_one_protocol::message::{
    KnownRequest, MAX_BATCH, Occasion, QUARANTINE_MARGIN_MS, Register, RegisteredUnit, Watermarks,
};
use scheduled_one_protocol::{DecidingSchedule, Directive, ScheduleId, Start, TickMs, UnitName};

/// Greatest `n` of `allow(n)`. A name with a higher slot number is not one of ours.
const MAX_ALLOWED: u32 = 32;

/// A job, or one shard of it.
pub(crate) struct Unit {
    pub(crate) job: Arc<CompiledJob>,
    /// Index of the shard, from 0.
    pub(crate) shard: u32,
    /// The highest watermarks that the node ever saw. Requests carry them as lower bounds.
    pub(crate) marks: Watermarks,
    /// The highest watermarks of its lane that the node ever saw.
    pub(crate) lane: Watermarks,
    /// The lease of its runs.
    pub(crate) lease_ms: i64,
    /// The identity of the schedule that this node has.
    pub(crate) schedule: ScheduleId,
    /// The schedule that decides, as far as the node saw.
    pub(crate) decides: Option<DecidingSchedule>,
    /// Newest tick that the store refused because another schedule decides.
    pub(crate) refused_ms: i64,
    /// What operators want of the job: its own directive, and that for all jobs.
    pub(crate) directives: Vec<Directive>,
    /// Until when the unit was not claimed last, although others were, and why.
    pub(crate) standstill: Option<Standstill>,
}

impl Unit {
    pub(crate) fn name(&self) -> UnitName {
        UnitName::new(&self.job.name, self.shard)
    }

    /// No tick up to this instant is still to be decided.
    pub(crate) fn decided_to_ms(&self) -> i64 {
        let decided_to_ms = self.marks.decided_to().map_or(0, TickMs::ms);
        decided_to_ms.max(self.job.since_ms())
    }

    /// Until when the unit is not claimed; 0 if it is.
    pub(crate) fn stands_still_until_ms(&self) -> i64 {
        self.standstill.map_or(0, |standstill| standstill.until_ms)
    }

    /// When the next tick may start that is not decided.
    pub(crate) fn next_due_ms(&self) -> Option<i64> {
        self.due_after_ms(self.decided_to_ms())
    }

    /// When the first tick after `tick_ms` may start.
    pub(crate) fn due_after_ms(&self, tick_ms: i64) -> Option<i64> {
        let next_ms = self.job.schedule().next_after(tick_ms)?;
        Some(self.job.ticks().due_ms(next_ms))
    }

    /// Shard of the job that the unit is.
    pub(crate) fn shard(&self) -> Shard {
        Shard::new(self.shard, self.job.rules.shards)
    }
}

/// All units, ordered by job and shard.
pub(crate) struct Units {
    all: Vec<Unit>,
    /// The newest requests that this node was granted, oldest first: a store that forgot them must not start them.
    requests: VecDeque<(UnitIndex, KnownRequest)>,
    /// The units whose ticks another schedule decides than that of this node.
    asides: BTreeMap<UnitIndex, Aside>,
    /// The identities of the nodes that registered the schedules that decide: many units have the same.
    registrars: HashSet<Arc<str>>,
    /// The generation of the schedules of this node.
    generation: u32,
    /// What users see of units that stand still.
    outlook: Outlook,
}

impl Units {
    /// The units of jobs that are ordered by name; first seen at `first_seen_ms`.
    pub(crate) fn new(
        jobs: impl Iterator<Item = Arc<CompiledJob>>,
        first_seen_ms: i64,
        (default_lease, generation): (Duration, u32),
        outlook: Outlook,
    ) -> Self {
        let jobs: Vec<Arc<CompiledJob>> = jobs.collect();
        let units = jobs.iter().map(|job| job.rules.shards as usize).sum();
        let mut all = Vec::with_capacity(units);
        all.extend(jobs.into_iter().flat_map(|job| {
            let schedule = ScheduleId(job.schedules.own().identity().as_u64());
            (0..job.rules.shards).map(move |shard| Unit {
                job: Arc::clone(&job),
                shard,
                marks: Watermarks {
                    first_seen_ms: Some(first_seen_ms),
                    ..Watermarks::default()
                },
                lane: Watermarks::default(),
                lease_ms: job.lease(default_lease).as_millis() as i64,
                schedule,
                decides: None,
                refused_ms: 0,
                directives: Vec::new(),
                standstill: None,
            })
        }));
        Units {
            all,
            requests: VecDeque::new(),
            asides: BTreeMap::new(),
            registrars: HashSet::new(),
            generation,
            outlook,
        }
    }

    pub(crate) fn indices(&self) -> Range<UnitIndex> {
        0..self.all.len() as UnitIndex
    }

    pub(crate) fn get(&self, index: UnitIndex) -> &Unit {
        &self.all[index as usize]
    }

    /// The unit of that name, or the unit that has a slot of that name. `None` if
    /// this node does not have the job, or not so many shards of it.
    pub(crate) fn find(&self, name: &UnitName) -> Option<UnitIndex> {
        let before = |unit: &Unit| *unit.job.name < *name.job();
        let first = self.all.partition_point(before);
        let index = first.checked_add(name.shard() as usize)?;
        let unit = self.all.get(index)?;
        let is_same = *unit.job.name == *name.job() && unit.shard == name.shard();
        (is_same && name.slot() <= MAX_ALLOWED).then_some(index as UnitIndex)
    }

    /// The units of the job of that name; none if this node does not have it.
    pub(crate) fn of_job(&self, name: &str) -> Range<UnitIndex> {
        let first = self.all.partition_point(|unit| *unit.job.name < *name);
        let rest = &self.all[first..];
        let units = rest.iter().take_while(|unit| *unit.job.name == *name);
        let end = first + units.count();
        first as UnitIndex..end as UnitIndex
    }

    /// Takes watermarks that a store replied into account.
    pub(crate) fn learn(&mut self, index: UnitIndex, seen: Watermarks) {
        let marks = &mut self.all[index as usize].marks;
        marks.decided = marks.decided.max(seen.decided);
        marks.token = marks.token.max(seen.token);
        marks.start = marks.start.max(seen.start);
        if seen.first_seen_ms.is_some() {
            marks.first_seen_ms = seen.first_seen_ms;
        }
    }

    /// Takes the reply to a registration into account. Returns whether the schedule of this node decides now, and did
    /// not before.
    pub(crate) fn learn_registered(&mut self, index: UnitIndex, seen: RegisteredUnit) -> bool {
        self.learn(index, seen.marks);
        let Some(decides) = seen.decides else {
            return false;
        };
        let unit = self.get(index);
        let own = decides.id == unit.schedule;
        let is_first = unit.decides.is_none();
        let took_place = self.is_aside(index) || (is_first && decides.took_place());
        match own {
            true => {
                self.asides.remove(&index);
                self.learn_deciding(index, decides);
            }
            false => self.stand_aside(index, decides),
        }
        own && took_place
    }

    /// Another schedule decides the ticks of a unit.
    pub(crate) fn stand_aside(&mut self, index: UnitIndex, decides: DecidingSchedule) {
        let known = self.asides.get(&index).map(|aside| &aside.decides);
        if known == Some(&decides) {
            return;
        }
        let unit = self.get(index);
        if unit.shard == 0 {
            event::stands_aside(
                &unit.job.name,
                unit.job.schedules.own(),
                unit.schedule,
                &decides,
            );
        }
        let decides = self.learn_deciding(index, decides);
        let aside = Aside::new(decides, self.generation);
        self.asides.insert(index, aside);
    }

    /// Keeps which schedule decides the ticks of a unit, and returns it. Units share the names of nodes.
    fn learn_deciding(
        &mut self,
        index: UnitIndex,
        mut decides: DecidingSchedule,
    ) -> DecidingSchedule {
        match self.registrars.get(&decides.node) {
            Some(known) => decides.node = Arc::clone(known),
            None => {
                self.registrars.retain(|node| Arc::strong_count(node) > 1);
                self.registrars.insert(Arc::clone(&decides.node));
            }
        }
        self.all[index as usize].decides = Some(decides.clone());
        decides
    }

    /// Whether another schedule decides the ticks of a unit.
    pub(crate) fn is_aside(&self, index: UnitIndex) -> bool {
        self.asides.contains_key(&index)
    }

    /// The store took a claim of the unit: its schedule decides. Returns whether the unit stood aside.
    pub(crate) fn step_in(&mut self, index: UnitIndex) -> bool {
        self.asides.remove(&index).is_some()
    }

    /// The units that stand aside for a schedule whose node is gone.
    pub(crate) fn orphans(&mut self, living: &[String]) -> Vec<UnitIndex> {
        let asides = self.asides.iter_mut();
        let all = &self.all;
        let orphans = asides.filter_map(|(index, aside)| {
            // A node that does not run the job does not say by which schedule others run it.
            let runs = all[*index as usize].job.rules.enabled;
            (aside.is_orphan(living) && runs).then_some(*index)
        });
        orphans.collect()
    }

    /// The store refused a tick, because another schedule decides: the next one is claimed.
    pub(crate) fn refuse(&mut self, index: UnitIndex, tick: TickMs) {
        let refused_ms = &mut self.all[index as usize].refused_ms;
        *refused_ms = tick.ms().max(*refused_ms);
    }

    /// A unit is not claimed for a while, although others are.
    pub(crate) fn stand_still(&mut self, index: UnitIndex, why: HoldUp, until_ms: i64) {
        let unit = &mut self.all[index as usize];
        if until_ms > unit.stands_still_until_ms() {
            unit.standstill = Some(Standstill { why, until_ms });
            self.outlook.claims_from(&unit.job.name, until_ms);
        }
    }

    /// Each unit waits in a quarantine that began at `from_ms`, until its own lease is surely over.
    pub(crate) fn stand_still_in_quarantine(&mut self, from_ms: i64) {
        for index in self.indices() {
            let until_ms = from_ms + self.get(index).lease_ms + QUARANTINE_MARGIN_MS;
            self.stand_still(index, HoldUp::Quarantine, until_ms);
        }
    }

    /// The store's clock, which shows `now_ms` since, was set: each unit waits for its lease, if the step is long in
    /// comparison.
    pub(crate) fn stand_still_after_jump(&mut self, now_ms: i64, by_ms: i64) {
        self.outlook.forget();
        for index in self.indices() {
            let lease_ms = self.get(index).lease_ms;
            // A standstill that was noted by the clock before has another end now.
            if by_ms.abs() > least_jump_ms(lease_ms) {
                self.all[index as usize].standstill = None;
                self.stand_still(index, HoldUp::ClockJump, now_ms + lease_ms);
            }
        }
    }

    /// Which jobs stand still at `now_ms`, by the instant at which they start again; empty if none does.
    pub(crate) fn standing_still(&self, now_ms: i64) -> String {
        let units = self.all.iter();
        let units = units.map(|unit| (&*unit.job.name, unit.stands_still_until_ms()));
        by_instant(units.filter(|(_, until_ms)| *until_ms > now_ms))
    }

    /// Which jobs are decided to an instant ahead of `now_ms`, by that instant.
    pub(crate) fn decided_ahead(&self, now_ms: i64) -> String {
        let units = self.all.iter();
        let units = units.map(|unit| (&*unit.job.name, unit.decided_to_ms()));
        by_instant(units.filter(|(_, decided_to_ms)| *decided_to_ms > now_ms))
    }

    /// The high-water marks of the units, which may be ahead of `now_ms`: then users see when ticks run again.
    pub(crate) fn high_water_marks(&self, now_ms: i64) -> Vec<(UnitName, TickMs)> {
        let decided = self.all.iter().map(|unit| {
            let decided_to_ms = unit.decided_to_ms();
            if decided_to_ms > now_ms {
                self.outlook.decided_to(&unit.job.name, decided_to_ms);
            }
            (unit.name(), TickMs(decided_to_ms))
        });
        decided.collect()
    }

    /// Takes the start of a run of this node into account, in the unit or slot `name` of the unit `index`. The start of
    /// a run in a slot of `allow(n)` is none of the unit's.
    pub(crate) fn learn_start(&mut self, index: UnitIndex, name: &UnitName, started: Start) {
        let seen = Watermarks {
            start: Some(started),
            ..Watermarks::default()
        };
        if name.is_lane() {
            self.learn_lane(index, seen);
        } else if name.is_whole() {
            self.learn(index, seen);
        }
    }

    /// All units, in parts that fit into a request: the registrations of a large node would take megabytes at once.
    pub(crate) fn batches(&self) -> impl Iterator<Item = Range<UnitIndex>> + use<> {
        let end = self.all.len() as UnitIndex;
        let starts = (0..end).step_by(MAX_BATCH);
        starts.map(move |start| start..end.min(start + MAX_BATCH as UnitIndex))
    }

    /// The registrations of units, in this order and in batches, to a store that may have forgotten them.
    pub(crate) fn registrations_again(&self, order: &[UnitIndex]) -> Vec<Vec<Register>> {
        let batches = order.chunks(MAX_BATCH);
        let batches =
            batches.map(|units| self.registrations(units.iter().copied(), Occasion::Again));
        batches.collect()
    }

    /// The repeated registrations of some units, each with its unit.
    pub(crate) fn registrations_of(&self, units: Vec<UnitIndex>) -> Vec<(UnitIndex, Register)> {
        let registrations = self.registrations(units.iter().copied(), Occasion::Again);
        units.into_iter().zip(registrations).collect()
    }

    /// The registration of some units.
    pub(crate) fn registrations(
        &self,
        units: impl IntoIterator<Item = UnitIndex>,
        occasion: Occasion,
    ) -> Vec<Register> {
        let units = units.into_iter().map(|index| self.get(index));
        let register = |unit: &Unit| Register {
            unit: unit.name(),
            first_seen_ms: unit.marks.first_seen_ms.unwrap_or(0),
            lease_ms: unit.lease_ms,
            schedule: Some(unit.schedule),
            generation: self.generation,
            // A node that does not run the job does not say by which schedule others run it.
            occasion: match unit.job.rules.enabled {
                true => occasion,
                false => Occasion::Again,
            },
            decides: unit.decides.clone(),
            bounds: unit.marks.bounds(),
            next_due_ms: unit.next_due_ms(),
            requests: Vec::new(),
        };
        units.map(register).collect()
    }
}
