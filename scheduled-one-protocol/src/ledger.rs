//! The lines of a ledger, as stored. This file builds all of them.

use crate::machine::Run;
use crate::message::{Cause, Finish, Missed, Origin};
use crate::outcome::{Outcome, SkipReason};
use crate::unit::UnitName;
use crate::value::{FencingToken, TickMs};

/// Error texts in the ledger are cut to this many bytes.
pub const MAX_ERROR_BYTES: usize = 1024;

/// One line of a job's ledger, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LedgerRecord {
    /// The job, or one shard of it; never a slot or a lane.
    pub unit: UnitName,
    /// The tick; of several missed ticks, the oldest.
    pub tick: TickMs,
    /// The tick; of several missed ticks, the newest.
    pub last_tick: TickMs,
    /// How many ticks the line stands for: 1, except for missed ones.
    pub count: u64,
    /// The outcome.
    pub outcome: Outcome,
    /// Another attempt follows: this is not the tick's outcome in the end.
    pub retried: bool,
    /// Why, in words, or how the node came to run it; may be empty.
    pub reason: String,
    /// Name of the node that decided or ran the tick.
    pub node: String,
    /// Identity of that node, in a line of a job that each node runs by itself: names need not be unique.
    pub identity: Option<String>,
    /// Fencing token of the run, if there was one.
    pub token: Option<FencingToken>,
    /// Attempt, if there was a run.
    pub attempt: Option<u32>,
    /// When the function was called, if it was.
    pub fired_at_ms: Option<i64>,
    /// When the run ended, or the tick was decided.
    pub ended_at_ms: i64,
    /// The error text of the function.
    pub error: String,
    /// Why the run was made; `None` if the schedule asked for it.
    pub cause: Option<Cause>,
    /// Who asked for the run; may be empty.
    pub actor: String,
    /// Id of the request; empty if the schedule asked for the run.
    pub request: String,
}

impl LedgerRecord {
    /// How long the function took, if it was called. A line that somebody edited overflows nothing.
    pub fn took_ms(&self) -> Option<i64> {
        let fired_ms = self.fired_at_ms?;
        Some(self.ended_at_ms.saturating_sub(fired_ms))
    }

    /// Ticks that no node could run.
    pub fn missed(unit: &UnitName, missed: &Missed, node: &str, now_ms: i64) -> Self {
        LedgerRecord {
            last_tick: missed.last,
            count: missed.count,
            ..Self::decided(
                unit,
                missed.first,
                missed.outcome,
                &missed.reason,
                node,
                now_ms,
            )
        }
    }

    /// A tick that was not run, because its unit was busy or its job is disabled.
    pub fn skipped(
        unit: &UnitName,
        tick: TickMs,
        reason: SkipReason,
        node: &str,
        now_ms: i64,
    ) -> Self {
        let outcome = Outcome::Skipped;
        Self::decided(unit, tick, outcome, reason.as_str(), node, now_ms)
    }

    /// The end of a run or an attempt; `outcome` is that of `finish`, or "finished without lease".
    pub fn finished(finish: &Finish, outcome: Outcome, node: &str) -> Self {
        let run = &finish.run;
        let reason = match outcome == finish.outcome {
            true => finish.reason.clone(),
            false => format!("reported {} after its lease", finish.outcome),
        };
        LedgerRecord {
            retried: finish.retried && outcome != Outcome::FinishedWithoutLease,
            token: stored_token(run.token),
            attempt: stored_attempt(run.attempt),
            fired_at_ms: finish.fired_at_ms,
            error: finish.error.clone(),
            ..Self::decided(
                &run.unit,
                run.tick,
                outcome,
                &reason,
                node,
                finish.ended_at_ms,
            )
        }
        .of_origin(run.origin.as_ref())
    }

    /// A run that showed no sign of life, seen by the node `seen_by`.
    pub fn lost(unit: &UnitName, run: &Run, taken_over: bool, seen_by: &str, now_ms: i64) -> Self {
        let outcome = match taken_over {
            true => Outcome::TakenOver,
            false => Outcome::Lost,
        };
        let reason = format!("no sign of life, seen by {seen_by}");
        LedgerRecord {
            retried: taken_over,
            token: stored_token(run.token),
            attempt: stored_attempt(run.attempt),
            fired_at_ms: Some(run.granted_at_ms),
            ..Self::decided(unit, run.tick, outcome, &reason, &run.owner, now_ms)
        }
        .of_origin(run.origin.as_ref())
    }

    /// A request that ended without a run.
    pub fn request_ended(
        lane: &UnitName,
        origin: &Origin,
        outcome: Outcome,
        reason: &str,
        node: &str,
        now_ms: i64,
    ) -> Self {
        Self::decided(lane, origin.logical, outcome, reason, node, now_ms).of_origin(Some(origin))
    }

    /// The line of a run with this origin: its tick is the logical instant.
    fn of_origin(self, origin: Option<&Origin>) -> Self {
        match origin {
            None => self,
            Some(origin) => LedgerRecord {
                tick: origin.logical,
                last_tick: origin.logical,
                cause: Some(origin.cause),
                actor: origin.actor.clone(),
                request: origin.request.clone(),
                ..self
            },
        }
    }

    /// A tick that was decided and did not run.
    fn decided(
        unit: &UnitName,
        tick: TickMs,
        outcome: Outcome,
        reason: &str,
        node: &str,
        now_ms: i64,
    ) -> Self {
        LedgerRecord {
            unit: unit.without_slot(),
            tick,
            last_tick: tick,
            count: 1,
            outcome,
            retried: false,
            reason: reason.to_owned(),
            node: node.to_owned(),
            identity: None,
            token: None,
            attempt: None,
            fired_at_ms: None,
            ended_at_ms: now_ms,
            error: String::new(),
            cause: None,
            actor: String::new(),
            request: String::new(),
        }
    }
}

/// A run that was written back may have any values; the stored form of none is 0.
fn stored_token(token: FencingToken) -> Option<FencingToken> {
    (token > FencingToken::default()).then_some(token)
}

fn stored_attempt(attempt: u32) -> Option<u32> {
    (attempt > 0).then_some(attempt)
}
