//! What a node does after the store's verdict on a claim.

use std::sync::Arc;
use std::time::Duration;

use crate::active_run::RunKind;
use crate::claim::{ClaimReply, PendingClaim};
use crate::event;
use crate::metrics::job_metrics::JobMetrics;
use crate::node::claiming::Claiming;
use crate::node::hold_up::HoldUp;
use crate::node::stall_watch::StallWatch;
use crate::node::units::Units;
use crate::run::NewRun;
use crate::timer::UnitIndex;
use scheduled_one_protocol::UnitName;
use scheduled_one_protocol::message::{Claim, Claimed, DueTick, Grant, RunId, Target, Verdict};

/// Wait before a tick is claimed again that waits, undecided, for a run to end.
const BUSY_AGAIN_MS: i64 = 500;
/// Wait before a claim is made again that came at a bad time.
const AGAIN_MS: i64 = 50;
/// Wait before a unit is claimed again that the store refuses.
const REFUSED_AGAIN_MS: i64 = 10_000;

/// A claim and the reply to it.
pub(super) struct DecidedClaim {
    pub(super) pending: PendingClaim,
    pub(super) claim: Claim,
    pub(super) reply: ClaimReply,
    /// When the claim was sent first, by the boot clock.
    pub(super) sent: Duration,
}

impl DecidedClaim {
    /// Whether other directives are in force than the node knew.
    pub(super) fn was_planned_otherwise(&self) -> bool {
        match &self.reply {
            ClaimReply::Decided(replied) => match replied.body.verdict {
                Verdict::Moved => true,
                // A node that knows of the pause claims only what waits.
                Verdict::Paused => matches!(self.claim.target, Target::Tick(_)),
                _ => false,
            },
            _ => false,
        }
    }
}

/// What is done with a granted tick.
pub(super) enum FollowUp {
    /// Nothing was granted.
    Nothing,
    /// The run starts.
    Start(NewRun),
    /// The run must not start, and is finished at once: too few replicas of Redis have its claim.
    Decline(NewRun),
}

/// When a unit is claimed again.
enum Again {
    /// When its next tick is due.
    NextTick,
    /// The same, or a while later, if that one is due now.
    NextTickOrLater,
    /// After so many milliseconds.
    After(i64),
}

impl Claiming {
    /// Takes the reply to a claim into account, and says what is done with what was granted.
    pub(super) fn apply(
        &mut self,
        units: &mut Units,
        stalls: &mut StallWatch,
        decided: DecidedClaim,
        now_ms: i64,
    ) -> FollowUp {
        let index = decided.pending.unit;
        self.with_lane.remove(&index);
        let is_waiting = matches!(decided.claim.target, Target::Queued { .. });
        if is_waiting {
            self.ready_pending.remove(&decided.claim.unit);
        }
        let ClaimReply::Decided(replied) = &decided.reply else {
            if !is_waiting {
                let at_ms = now_ms + REFUSED_AGAIN_MS + self.lead_ms;
                self.timer.set(at_ms, index);
            }
            return FollowUp::Nothing;
        };
        let claimed = &replied.body;
        if can_go_on(claimed) {
            self.ready.insert(decided.claim.unit.clone());
        }
        // A claim of what waits in a slot has the watermarks of the slot.
        if decided.claim.unit.slot() == 0 {
            units.learn(index, claimed.marks);
        }
        match &claimed.verdict {
            Verdict::Lane => {
                self.with_lane.insert(index);
                if is_waiting {
                    self.ready.insert(decided.claim.unit.clone());
                }
            }
            Verdict::Stale(run) => stalls.observe(run.clone(), replied.received),
            Verdict::Quarantined { until_ms } => {
                units.stand_still(index, HoldUp::Quarantine, *until_ms);
            }
            Verdict::OtherSchedule(decides) => units.stand_aside(index, decides.clone()),
            Verdict::Decided { owner } => self.preference.claimed_by(owner),
            verdict if decides(verdict) && !is_waiting && units.step_in(index) => {
                let unit = units.get(index);
                event::schedule_decides(&unit.job.name, &unit.job.schedule());
            }
            _ => {}
        }
        if let Target::Tick(due) = &decided.claim.target {
            log_verdict(&decided.claim.unit, due, &claimed.verdict);
            self.after_tick(units, &decided.pending, due, &claimed.verdict, now_ms);
        } else if let Verdict::Granted(_) = &claimed.verdict {
            units.get(index).job.metrics.waits(-1);
        }
        follow_up(units, decided, now_ms)
    }

    /// What the verdict on a new tick means for its unit.
    fn after_tick(
        &mut self,
        units: &mut Units,
        pending: &PendingClaim,
        due: &DueTick,
        verdict: &Verdict,
        now_ms: i64,
    ) {
        let index = pending.unit;
        if let Verdict::OtherSchedule(_) = verdict {
            units.refuse(index, due.tick);
        }
        count_verdict(&units.get(index).job.metrics, due, verdict);
        match verdict {
            Verdict::Conflict => self.exact.insert(index),
            _ => self.exact.remove(&index),
        };
        let (unit, newest_ms) = (units.get(index), pending.newest_ms);
        if let Verdict::Granted(_) = verdict {
            let tick_ms = due.tick.ms();
            self.catch_ups
                .granted(index, unit, tick_ms, newest_ms, now_ms);
        }
        self.catch_ups.decided(index, unit, now_ms);
        match self.again(units, index, verdict) {
            Again::NextTick => self.set_next(units, index),
            Again::NextTickOrLater => {
                self.set_next(units, index);
                // With `route = spread` the tick that could not start may prefer this node.
                if self.timer.is_due(index, now_ms + self.lead_ms) {
                    self.timer.set(now_ms + BUSY_AGAIN_MS, index);
                }
            }
            Again::After(wait_ms) => self.timer.set(now_ms + wait_ms, index),
        }
    }

    /// When the unit of a new tick is claimed again. A waiting tick that could not start is in the next heartbeat's
    /// reply, as soon as it can.
    fn again(&mut self, units: &Units, unit: UnitIndex, verdict: &Verdict) -> Again {
        match verdict {
            Verdict::Granted(_)
            | Verdict::NotReplicated(_)
            | Verdict::Skipped
            | Verdict::Queued
            | Verdict::MarkedMissed
            | Verdict::Decided { .. }
            | Verdict::OtherSchedule(_)
            // The unit stands still until the end of its quarantine.
            | Verdict::Quarantined { .. } => Again::NextTick,
            // Not ahead of its tick again, but when it is due.
            Verdict::Early { by_ms } => Again::After(by_ms + self.lead_ms),
            Verdict::Busy
                if self.preference.may_claim(units, unit)
                    && self.released_while_pending.remove(&unit) =>
            {
                Again::After(0)
            }
            // Whichever node the unit prefers goes on.
            Verdict::Stale(_) | Verdict::Busy if !self.preference.is_mine(unit) => {
                Again::NextTickOrLater
            }
            Verdict::Stale(_) | Verdict::Busy => Again::After(BUSY_AGAIN_MS),
            // Planned again: from the watermarks just learned; with the lane.
            Verdict::Conflict | Verdict::Lane => Again::After(0),
            // Planned again, when the directives are read.
            Verdict::Paused | Verdict::Moved => Again::After(AGAIN_MS),
            Verdict::Late | Verdict::QueueEmpty => Again::After(AGAIN_MS),
        }
    }
}

/// Something waits that can start at once. While the job is paused, or a run is in the way that is to be written off,
/// heartbeats name the unit again; so they do after a claim that came too late.
pub(super) fn can_go_on(claimed: &Claimed) -> bool {
    let is_held_up = matches!(
        claimed.verdict,
        Verdict::Paused | Verdict::Stale(_) | Verdict::Late
    );
    claimed.ready && !is_held_up
}

/// Logs the verdict on a new tick. A grant is logged when its run starts.
fn log_verdict(unit: &UnitName, due: &DueTick, verdict: &Verdict) {
    let tick = due.tick;
    if let (Some(missed), true) = (&due.missed, decides(verdict)) {
        event::missed(unit, missed);
    }
    match verdict {
        Verdict::Skipped => event::skipped(unit, tick, due.overlap.skip_reason()),
        Verdict::Queued => event::queued(unit, tick),
        Verdict::Decided { owner } => event::decided_elsewhere(unit, tick, owner),
        Verdict::Early { by_ms } => event::early(unit, tick, *by_ms),
        Verdict::Stale(_) => event::stale(unit, tick),
        _ => {}
    }
}

/// Counts what the verdict on a new tick says of its job.
fn count_verdict(metrics: &JobMetrics, due: &DueTick, verdict: &Verdict) {
    if let (Some(missed), true) = (&due.missed, decides(verdict)) {
        metrics.missed(missed);
    }
    match verdict {
        Verdict::Skipped => metrics.skipped(due.overlap.skip_reason()),
        Verdict::Queued => metrics.waits(1),
        _ => {}
    }
}

/// Whether the claim decided its tick, and with it the missed ticks before.
fn decides(verdict: &Verdict) -> bool {
    matches!(
        verdict,
        Verdict::Granted(_)
            | Verdict::NotReplicated(_)
            | Verdict::Skipped
            | Verdict::Queued
            | Verdict::MarkedMissed
    )
}

fn follow_up(units: &Units, decided: DecidedClaim, now_ms: i64) -> FollowUp {
    let ClaimReply::Decided(replied) = decided.reply else {
        return FollowUp::Nothing;
    };
    let (decline, grant) = match replied.body.verdict {
        Verdict::Granted(grant) => (false, grant),
        Verdict::NotReplicated(grant) => (true, grant),
        _ => return FollowUp::Nothing,
    };
    let run = granted_run(
        units,
        decided.pending,
        decided.claim,
        grant,
        decided.sent,
        now_ms,
    );
    match decline {
        true => FollowUp::Decline(run),
        false => FollowUp::Start(run),
    }
}

/// How often a run may still be taken over, of so many times. The attempt is as the store has it: somebody may have
/// edited it.
pub(super) fn takeovers_left(takeovers: u32, attempt: u32) -> u32 {
    takeovers.saturating_sub(attempt.saturating_sub(1))
}

/// The run that was granted.
fn granted_run(
    units: &Units,
    pending: PendingClaim,
    claim: Claim,
    grant: Grant,
    sent: Duration,
    now_ms: i64,
) -> NewRun {
    let unit = units.get(pending.unit);
    NewRun {
        job: Arc::clone(&unit.job),
        kind: RunKind::Leased { claim_sent: sent },
        id: RunId {
            unit: grant.unit,
            tick: grant.tick,
            nonce: claim.nonce,
            token: grant.token,
            attempt: grant.attempt,
            lease_ms: claim.lease_ms,
            granted_at_ms: now_ms,
            takeovers: takeovers_left(claim.takeovers, grant.attempt),
            origin: None,
        },
        due_ms: match claim.target {
            Target::Tick(due) => Some(due.due_ms),
            Target::Queued { .. } => None,
        },
        shard: unit.shard(),
        coalesced: pending.coalesced,
        parameters: None,
        placing: pending.placing,
        permit: pending.permit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_attempt_but_the_first_was_a_takeover() {
        for (attempt, left) in [(0, 2), (1, 2), (2, 1), (3, 0), (u32::MAX, 0)] {
            assert_eq!(takeovers_left(2, attempt), left, "{attempt}");
        }
    }
}
