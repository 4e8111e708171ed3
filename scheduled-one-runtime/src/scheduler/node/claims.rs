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
    Claim, Claimed, Intent, MAX_BATCH, RunId, Started, Verdict, place_of,
};

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
        // The marks are the unit's: a place has its own.
        let is_unit = name == self.units.get(unit).name();
        let oldest_ms = now_ms - rules.waits.as_millis() as i64;
        let claim = Claim {
            tick_ms: oldest_ms,
            due_ms: 0,
            after_ms: 0,
            intent: Intent::Next,
            unit: name.clone(),
            ..self.claim(unit, now_ms)
        };
        let claim = match is_unit {
            true => Claim {
                floor_started: self.units.get(unit).marks.started,
                ..claim
            },
            false => Claim {
                floor_hwm_ms: 0,
                floor_token: 0,
                ..claim
            },
        };
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
        let (ticks, after_ms) = (unit.job.ticks(), unit.marks.decided_to_ms());
        let plan = if unit.job.rules.enabled {
            ticks.plan(after_ms, now_ms, |first_ms| {
                if first_ms < self.started_ms {
                    "no node was up"
                } else if first_ms <= self.released_ms {
                    self.held_up_by
                } else {
                    "node was behind"
                }
            })?
        } else {
            ticks.disabled(after_ms, now_ms - ticks.window_ms() - DISABLED_AFTER_MS)?
        };
        let asked = Asked {
            unit: index,
            stands_for: plan.stands_for,
        };
        let claim = Claim {
            tick_ms: plan.tick_ms,
            due_ms: plan.due_ms,
            after_ms: plan.after_ms,
            intent: plan.intent,
            missed: plan.missed,
            ..self.claim(index, now_ms)
        };
        Some((asked, claim))
    }

    /// What all claims of a unit have in common.
    fn claim(&mut self, index: UnitIndex, now_ms: i64) -> Claim {
        self.claims_sent += 1;
        let unit = self.units.get(index);
        let lease_ms = unit.job.lease(self.default_lease).as_millis() as i64;
        Claim {
            unit: unit.name(),
            tick_ms: 0,
            due_ms: 0,
            after_ms: 0,
            floor_hwm_ms: unit.marks.hwm_ms,
            floor_token: unit.marks.token,
            floor_started: Started::default(),
            nonce: format!("{}-{:x}", self.link.caller.node, self.claims_sent),
            // A run that starts after half its lease would be cancelled soon.
            valid_until_ms: now_ms + lease_ms / 2,
            lease_ms,
            intent: Intent::Run,
            missed: None,
            overlap: unit.job.rules.overlap,
            reruns: unit.job.rules.reruns,
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
            if claim.intent == Intent::Next {
                self.ready_asked.remove(&claim.unit);
                if claim.unit == self.units.get(asked.unit).name() {
                    self.units.learn(asked.unit, answer.marks);
                }
                self.follow_next(asked, claim, answer, sent, received);
            } else {
                self.units.learn(asked.unit, answer.marks);
                self.follow(asked, claim, answer, sent, received);
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
            granted @ Verdict::Granted { .. } => self.start(asked, claim, granted, sent),
            Verdict::Unreplicated(granted) => self.decline(asked, claim, *granted, sent),
            Verdict::Stale(run) => self.watch.one(run, received),
            _ => {}
        }
    }

    /// Does what the store decided.
    fn follow(
        &mut self,
        asked: Asked,
        claim: Claim,
        answer: Claimed,
        sent: Duration,
        received: Duration,
    ) {
        let (unit, now_ms) = (asked.unit, self.cluster.now_ms());
        match answer.verdict {
            granted @ Verdict::Granted { .. } => {
                report_missed(&claim);
                self.start(asked, claim, granted, sent);
            }
            Verdict::Unreplicated(granted) => {
                report_missed(&claim);
                self.decline(asked, claim, *granted, sent);
            }
            Verdict::Skipped => {
                report_missed(&claim);
                event::skipped(&claim.unit, claim.tick_ms, "overlap");
            }
            Verdict::Queued => {
                report_missed(&claim);
                event::queued(&claim.unit, claim.tick_ms);
            }
            Verdict::Forgone => report_missed(&claim),
            Verdict::Decided { owner } => {
                event::decided_elsewhere(&claim.unit, claim.tick_ms, &owner);
            }
            Verdict::Early { by_ms } => {
                event::early(&claim.unit, claim.tick_ms, by_ms);
                // Not ahead again: it is to be looked at when it is due.
                return self.timer.set(now_ms + by_ms + self.lead_ms, unit);
            }
            Verdict::Stale(run) => {
                event::stale(&claim.unit, claim.tick_ms);
                self.watch.one(run, received);
                return self.timer.set(now_ms + BUSY_LOOK_MS, unit);
            }
            Verdict::Busy => {
                let freed = self.freed_while_asked.remove(&unit);
                let wait_ms = if freed { 0 } else { BUSY_LOOK_MS };
                return self.timer.set(now_ms + wait_ms, unit);
            }
            // Counted again from the marks just learned.
            Verdict::Moved => return self.timer.set(now_ms, unit),
            Verdict::Late | Verdict::Quarantined | Verdict::Nothing => {
                return self.timer.set(now_ms + AGAIN_MS, unit);
            }
        }
        self.set_next(unit);
    }

    fn start(&self, asked: Asked, claim: Claim, granted: Verdict, sent: Duration) {
        if let Some(run) = self.run_of(asked, claim, granted, sent) {
            event::claimed(&run.id.unit, run.id.tick_ms, run.id.token);
            self.runner.start(run);
        }
    }

    fn decline(&self, asked: Asked, claim: Claim, granted: Verdict, sent: Duration) {
        if let Some(run) = self.run_of(asked, claim, granted, sent) {
            self.runner.decline(&run);
        }
    }

    fn run_of(
        &self,
        asked: Asked,
        claim: Claim,
        granted: Verdict,
        sent: Duration,
    ) -> Option<Granted> {
        let Verdict::Granted {
            tick_ms,
            token,
            attempt,
            place,
            ..
        } = granted
        else {
            return None;
        };
        let unit = self.units.get(asked.unit);
        let reruns = claim.reruns.saturating_sub(attempt - 1);
        Some(Granted {
            id: RunId {
                unit: place_of(&claim.unit, place),
                tick_ms,
                nonce: claim.nonce,
                token,
                attempt,
                lease_ms: claim.lease_ms,
                granted_at_ms: self.cluster.now_ms(),
                reruns,
            },
            job: Arc::clone(&unit.job),
            due_ms: claim.due_ms,
            sent,
            shard: unit.shard(),
            missed: asked.stands_for,
            leased: true,
        })
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
        let Some(tick_ms) = unit.job.schedule.next_after(unit.marks.decided_to_ms()) else {
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

fn report_missed(claim: &Claim) {
    if let Some(missed) = &claim.missed {
        event::missed(&claim.unit, missed);
    }
}
