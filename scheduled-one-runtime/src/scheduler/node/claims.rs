//! What is due goes out as claims, and what the store decides is followed.

use std::sync::Arc;
use std::time::Duration;

use scheduled_one_schedule::policy::Misfire;

use super::{Answer, Node};
use crate::claim::{self, Asked, Batch, Decided};
use crate::event;
use crate::finish::Freed;
use crate::link::View;
use crate::scheduler::run::Granted;
use crate::scheduler::units::rank;
use crate::timer::UnitIndex;
use scheduled_one_protocol::message::{
    Claim, Claimed, DueTick, Grant, LowerBounds, MAX_BATCH, RunId, Target, Verdict,
};
use scheduled_one_protocol::{TickMs, UnitName};

/// Batches of claims that may be under way at a time.
pub(super) const MAX_CLAIMS_UNDER_WAY: usize = 8;
/// How often a unit is looked at whose tick waits, undecided, for a run to end.
const BUSY_LOOK_MS: i64 = 500;
/// How soon a claim is made again that came at a bad time.
const AGAIN_MS: i64 = 50;
/// How much later a node claims a shard for each node that goes before it.
const RANK_DELAY_MS: i64 = 150;
/// Nodes that go before it, as far as the delay is concerned.
const MAX_RANK: usize = 4;
/// How long after its window a disabled job's tick is recorded as skipped, if
/// no node has run it by then.
const DISABLED_AFTER_MS: i64 = 5_000;

impl Node {
    /// Claims all that is due, in batches. Returns for how long it may not.
    pub(super) fn claim_due(&mut self, view: &View) -> Duration {
        let held_up_for = self.held_up(view);
        if !held_up_for.is_zero() {
            return held_up_for;
        }
        while self.claims_under_way < MAX_CLAIMS_UNDER_WAY {
            let batch = self.gather();
            if batch.claims.is_empty() {
                break;
            }
            self.claims_under_way += 1;
            let sent = self.clock.boottime();
            let link = Arc::clone(&self.link);
            self.calls
                .spawn(async move { Answer::Decided(claim::claim(link, batch, sent).await) });
        }
        Duration::ZERO
    }

    /// What waits first, then what is due or will be in a moment: claims go
    /// out ahead, so that runs can start on time.
    fn gather(&mut self) -> Batch {
        let now_ms = self.cluster.now_ms() + self.lead_ms;
        let mut batch = Batch::default();
        while batch.claims.len() < MAX_BATCH {
            let claim = match self.next_ready(now_ms) {
                Some(claim) => claim,
                None => match self.timer.take_due(now_ms) {
                    Some(unit) => match self.claim_of(unit, now_ms) {
                        Some(claim) => claim,
                        None => {
                            self.set_next(unit);
                            continue;
                        }
                    },
                    None => break,
                },
            };
            batch.asked.push(claim.0);
            batch.claims.push(claim.1);
        }
        batch
    }

    /// Asks for what waits in a unit.
    fn next_ready(&mut self, now_ms: i64) -> Option<(Asked, Claim)> {
        let (name, unit) = loop {
            let asked = &self.ready_asked;
            let name = self.ready.iter().find(|unit| !asked.contains(*unit))?;
            let name = name.clone();
            self.ready.remove(&name);
            match self.units.find(&name) {
                Some(unit) if self.units.get(unit).job.rules.enabled => break (name, unit),
                _ => {} // of a job that this node does not have, or does not run
            }
        };
        let rules = &self.units.get(unit).job.rules;
        let oldest = TickMs(now_ms - rules.waits.as_millis() as i64);
        let mut claim = self.claim(unit, now_ms, Target::Queued { oldest });
        // The watermarks are those of the unit; a slot has its own.
        claim.bounds = match name.slot() {
            0 => self.units.get(unit).marks.bounds(),
            _ => LowerBounds::default(),
        };
        claim.unit = name.clone();
        self.ready_asked.insert(name);
        let asked = Asked {
            unit,
            stands_for: 0,
        };
        Some((asked, claim))
    }

    fn claim_of(&mut self, index: UnitIndex, now_ms: i64) -> Option<(Asked, Claim)> {
        self.freed_while_asked.remove(&index);
        let unit = self.units.get(index);
        let (ticks, after_ms) = (unit.job.ticks(), unit.marks.decided_to());
        let decided_ms = after_ms.map_or(0, TickMs::ms);
        let plan = if unit.job.rules.enabled {
            ticks.plan(decided_ms, now_ms, |first_ms| {
                if first_ms < self.started_ms {
                    "no node was up"
                } else if first_ms <= self.released_ms {
                    self.held_up_by
                } else {
                    "node was behind"
                }
            })?
        } else {
            ticks.disabled(decided_ms, now_ms - ticks.window_ms() - DISABLED_AFTER_MS)?
        };
        let asked = Asked {
            unit: index,
            stands_for: plan.stands_for,
        };
        let target = Target::Tick(DueTick {
            tick: TickMs(plan.tick_ms),
            due_ms: plan.due_ms,
            after: after_ms,
            intent: plan.intent,
            overlap: self.units.get(index).job.rules.overlap,
            missed: plan.missed,
        });
        let claim = self.claim(index, now_ms, target);
        Some((asked, claim))
    }

    /// A claim of a unit.
    fn claim(&mut self, index: UnitIndex, now_ms: i64, target: Target) -> Claim {
        self.claims_sent += 1;
        let unit = self.units.get(index);
        let lease_ms = unit.job.lease(self.default_lease).as_millis() as i64;
        Claim {
            unit: unit.name(),
            nonce: format!("{}-{:x}", self.link.caller.node, self.claims_sent),
            // A run that starts after half its lease would be cancelled soon.
            valid_until_ms: now_ms + lease_ms / 2,
            lease_ms,
            takeovers: unit.job.rules.reruns,
            bounds: LowerBounds {
                start: None,
                ..unit.marks.bounds()
            },
            target,
        }
    }

    pub(super) fn decided(&mut self, decided: Decided) {
        self.claims_under_way -= 1;
        let Decided {
            batch,
            answers,
            sent,
            received,
        } = decided;
        let claims = batch.asked.into_iter().zip(batch.claims);
        for ((asked, claim), answer) in claims.zip(answers) {
            if answer.ready {
                self.ready.insert(claim.unit.clone());
            }
            match &claim.target {
                Target::Queued { .. } => {
                    self.ready_asked.remove(&claim.unit);
                    if claim.unit.slot() == 0 {
                        self.units.learn(asked.unit, answer.marks);
                    }
                    self.follow_next(asked, claim, answer, sent, received);
                }
                Target::Tick(due) => {
                    let due = due.clone();
                    self.units.learn(asked.unit, answer.marks);
                    self.follow(asked, claim, due, answer, sent, received);
                }
            }
        }
    }

    /// Does what the store decided of something that waited. If it could not
    /// start, the store tells again when it can.
    fn follow_next(
        &mut self,
        asked: Asked,
        claim: Claim,
        answer: Claimed,
        sent: Duration,
        received: Duration,
    ) {
        match answer.verdict {
            Verdict::Granted(grant) => self.start(asked, claim, grant, sent),
            Verdict::NotReplicated(grant) => self.decline(asked, claim, grant, sent),
            Verdict::Stale(run) => self.watch.one(run, received),
            _ => {}
        }
    }

    /// Does what the store decided.
    fn follow(
        &mut self,
        asked: Asked,
        claim: Claim,
        due: DueTick,
        answer: Claimed,
        sent: Duration,
        received: Duration,
    ) {
        let tick_ms = due.tick.ms();
        let (unit, now_ms) = (asked.unit, self.cluster.now_ms());
        match answer.verdict {
            Verdict::Granted(grant) => {
                report_missed(&claim.unit, &due);
                self.start(asked, claim, grant, sent);
            }
            Verdict::NotReplicated(granted) => {
                report_missed(&claim.unit, &due);
                self.decline(asked, claim, granted, sent);
            }
            Verdict::Skipped => {
                report_missed(&claim.unit, &due);
                event::skipped(&claim.unit, tick_ms, "overlap");
            }
            Verdict::Queued => {
                report_missed(&claim.unit, &due);
                event::queued(&claim.unit, tick_ms);
            }
            Verdict::MarkedMissed => report_missed(&claim.unit, &due),
            Verdict::Decided { owner } => {
                event::decided_elsewhere(&claim.unit, tick_ms, &owner);
            }
            Verdict::Early { by_ms } => {
                event::early(&claim.unit, tick_ms, by_ms);
                // Not ahead again: it is to be looked at when it is due.
                return self.timer.set(now_ms + by_ms + self.lead_ms, unit);
            }
            Verdict::Stale(run) => {
                event::stale(&claim.unit, tick_ms);
                self.watch.one(run, received);
                return self.timer.set(now_ms + BUSY_LOOK_MS, unit);
            }
            Verdict::Busy => {
                let freed = self.freed_while_asked.remove(&unit);
                let wait_ms = if freed { 0 } else { BUSY_LOOK_MS };
                return self.timer.set(now_ms + wait_ms, unit);
            }
            // Counted again from the marks just learned.
            Verdict::Conflict => return self.timer.set(now_ms, unit),
            Verdict::Late | Verdict::Quarantined | Verdict::QueueEmpty => {
                return self.timer.set(now_ms + AGAIN_MS, unit);
            }
        }
        self.set_next(unit);
    }

    fn start(&self, asked: Asked, claim: Claim, grant: Grant, sent: Duration) {
        let run = self.run_of(asked, claim, grant, sent);
        event::claimed(&run.id.unit, run.id.tick.ms(), run.id.token.get());
        self.runner.start(run);
    }

    fn decline(&self, asked: Asked, claim: Claim, grant: Grant, sent: Duration) {
        self.runner.decline(&self.run_of(asked, claim, grant, sent));
    }

    fn run_of(&self, asked: Asked, claim: Claim, grant: Grant, sent: Duration) -> Granted {
        let unit = self.units.get(asked.unit);
        let due_ms = match &claim.target {
            Target::Tick(due) => due.due_ms,
            Target::Queued { .. } => 0, // it waited: it is due
        };
        Granted {
            id: RunId {
                unit: grant.unit,
                tick: grant.tick,
                nonce: claim.nonce,
                token: grant.token,
                attempt: grant.attempt,
                lease_ms: claim.lease_ms,
                granted_at_ms: self.cluster.now_ms(),
                takeovers: claim.takeovers.saturating_sub(grant.attempt - 1),
            },
            job: Arc::clone(&unit.job),
            due_ms,
            sent,
            shard: unit.shard(),
            missed: asked.stands_for,
            leased: true,
        }
    }

    /// A run of this node has ended.
    pub(super) fn freed(&mut self, freed: Freed) {
        if freed.ready {
            self.ready.insert(freed.unit.clone());
        }
        self.learn_started(&freed.unit, freed.started);
        let Some(unit) = self.units.find(&freed.unit) else {
            return;
        };
        if self.units.get(unit).job.rules.misfire == Misfire::RunAll {
            let now_ms = self.cluster.now_ms();
            if !self.timer.hasten(now_ms, unit) {
                self.freed_while_asked.insert(unit);
            }
        }
    }

    pub(super) fn set_next(&mut self, index: UnitIndex) {
        let unit = self.units.get(index);
        let ticks = unit.job.ticks();
        let Some(tick_ms) = unit
            .job
            .schedule
            .next_after(unit.marks.decided_to().map_or(0, TickMs::ms))
        else {
            return;
        };
        let mut at_ms = ticks.due_ms(tick_ms);
        if unit.job.rules.shards > 1 {
            let me = &self.link.caller.node;
            let rank = rank(&unit.name(), me, &self.nodes).min(MAX_RANK);
            at_ms += rank as i64 * RANK_DELAY_MS;
        }
        if !unit.job.rules.enabled {
            at_ms += ticks.window_ms() + DISABLED_AFTER_MS;
        }
        self.timer.set(at_ms, index);
    }
}

/// How long ahead ticks are claimed: what the claims of all units take if they
/// are due at once, and never so long that it costs much of a lease.
pub(super) fn lead_ms(units: usize, shortest_lease: Duration) -> i64 {
    const LEAST_MS: i64 = 5;
    const UNITS_PER_MS: i64 = 100;
    const MOST_MS: i64 = 100;
    let of_units = LEAST_MS + units as i64 / UNITS_PER_MS;
    let of_lease = shortest_lease.as_millis() as i64 / 10;
    of_units.min(of_lease).min(MOST_MS)
}

fn report_missed(unit: &UnitName, due: &DueTick) {
    if let Some(missed) = &due.missed {
        event::missed(unit, missed);
    }
}
