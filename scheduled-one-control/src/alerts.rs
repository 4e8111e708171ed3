//! What alerts fire, as the nodes that evaluate them left it.

use scheduled_one_protocol::message::Checkpointed;
use scheduled_one_protocol::{LedgerRecord, Outcome, UnitName};
use serde::{Deserialize, Serialize};

use crate::ask::ask;
use crate::control::Control;
use crate::error::Error;

/// The internal job that evaluates alerts.
const EVALUATES: &str = "$alerts";

/// Newest runs of it that are looked at.
const EVALUATIONS: usize = 16;

/// Periods without an evaluation after which nobody evaluates, and the time of a quarantine or a failover.
const PERIODS: i64 = 3;
const HOLD_UP_MS: i64 = 60_000;

/// The longest period of evaluations.
const LONGEST_PERIOD_MS: i64 = 3_600_000;

/// Rules whose subject is no job.
const OF_ALL: [&str; 5] = [
    "nodes_below",
    "drift",
    "quarantine",
    "store_lost",
    "channel",
];

/// What alerts fire, and what was sent of them. Instants are ms since the Unix epoch, by the store's clock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct AlertsNow {
    /// When the rules were last evaluated with a result that was new.
    pub at_ms: i64,
    /// When the rules were last evaluated without an error, as far as the newest runs of `$alerts` in its ledger say.
    #[serde(skip_deserializing)]
    pub evaluated_at_ms: Option<i64>,
    /// Whether a node evaluates the rules now: it did so lately, for the period of the last evaluations. Otherwise all
    /// else is as the last node left it, and nobody knows what is the case.
    #[serde(skip_deserializing)]
    pub is_evaluated: bool,
    /// What fires, the oldest first.
    pub firing: Vec<FiringAlert>,
    /// How many fire in addition to these: the first 500 are listed.
    #[serde(skip_serializing_if = "is_zero")]
    pub more: usize,
    /// How many messages wait to be delivered.
    pub waiting: usize,
    /// The newest attempts to deliver messages, the newest first.
    pub sent: Vec<SentAlert>,
    /// Grows with each change of what is stored.
    #[serde(skip)]
    pub revision: u64,
}

/// A rule that fires.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct FiringAlert {
    /// The rule, such as `failed`.
    pub rule: String,
    /// The job or shard, the store or the channel; `cluster` for all nodes.
    pub subject: String,
    /// Since when.
    pub since_ms: i64,
    /// What is the case, in words.
    pub text: String,
}

/// An attempt to deliver a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SentAlert {
    /// When.
    pub at_ms: i64,
    /// The id of the message: the same in each attempt.
    pub id: String,
    /// What it says, in a line.
    pub title: String,
    /// The name of the channel.
    pub channel: String,
    /// Why the receiver does not have it; empty if it has.
    pub error: String,
}

/// When the newest evaluation without an error ended, and whether that was lately. Runs are claimed tick by tick, so
/// no lease says between two of them that somebody evaluates.
fn evaluated(newest_first: &[LedgerRecord], now_ms: i64) -> (Option<i64>, bool) {
    let of_schedule = || newest_first.iter().filter(|line| line.cause.is_none());
    let mut ticks = of_schedule().map(|line| line.last_tick.ms());
    let period_ms = ticks.next().zip(ticks.next());
    let period_ms = period_ms.map_or(LONGEST_PERIOD_MS, |(newest, before)| newest - before);
    let newest = of_schedule().find(|line| line.outcome == Outcome::Ok);
    let at_ms = newest.map(|line| line.ended_at_ms);
    // The clock of the store may have gone back.
    let age_ms = at_ms.map(|at_ms| now_ms.saturating_sub(at_ms).saturating_abs());
    let limit_ms = PERIODS * period_ms.clamp(0, LONGEST_PERIOD_MS) + HOLD_UP_MS;
    (at_ms, age_ms.is_some_and(|age_ms| age_ms <= limit_ms))
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// The part of what is stored that is for readers.
#[derive(Deserialize)]
struct Stored {
    #[serde(default)]
    shown: AlertsNow,
    #[serde(default)]
    revision: u64,
}

impl Control {
    /// What alerts fire now, and what was sent; `None` if no node of the namespace has evaluated alerts yet. It costs
    /// two requests. Who may not see all jobs has what fires for the jobs that may be seen, and nothing of what was
    /// sent.
    ///
    /// # Errors
    ///
    /// [`Error::Store`]; [`Error::Argument`] if what is stored is that of a newer release, or was edited.
    pub async fn alerts(&self) -> Result<Option<AlertsNow>, Error> {
        self.check_sees_something()?;
        let unit = UnitName::new(EVALUATES, 0);
        let found = self.reader(EVALUATES).checkpoint(&self.caller, unit);
        let found = found.await?;
        let now_ms = (found.head.now_us / 1_000) as i64;
        let Checkpointed::Found(Some(found)) = found.body else {
            return Ok(None);
        };
        let stored: Stored =
            serde_json::from_str(&found.text).map_err(|error| Error::Argument {
                argument: "alerts",
                message: format!(
                    "what is stored of the alerts cannot be read: {error}; if it was edited, stop all nodes that \
                     evaluate alerts, `forget` the job `{EVALUATES}`, and start them again"
                ),
            })?;
        let mut shown = stored.shown;
        shown.revision = stored.revision;
        let store = self.reader(EVALUATES);
        let runs = ask(|| store.ledger(EVALUATES, EVALUATIONS)).await?;
        (shown.evaluated_at_ms, shown.is_evaluated) = evaluated(&runs, now_ms);
        if !self.sees_all() {
            let visible = self.visible().await?;
            let is_seen = |firing: &FiringAlert| {
                let unit = UnitName::from(firing.subject.as_str());
                visible.has(unit.job()) && !OF_ALL.contains(&&*firing.rule)
            };
            shown.firing.retain(is_seen);
            shown.more = 0;
            // They may name any job.
            shown.sent.clear();
        }
        Ok(Some(shown))
    }
}

#[cfg(test)]
mod tests {
    use scheduled_one_protocol::message::Cause;
    use scheduled_one_protocol::{SkipReason, TickMs};

    use super::*;

    const SECOND: i64 = 1_000;

    fn run(tick_s: i64, outcome: Outcome) -> LedgerRecord {
        let (unit, tick) = (UnitName::new(EVALUATES, 0), TickMs(tick_s * SECOND));
        LedgerRecord {
            outcome,
            ..LedgerRecord::skipped(&unit, tick, SkipReason::Overlap, "n", tick.ms() + 5)
        }
    }

    #[test]
    fn evaluations_of_long_ago_are_none_of_now() {
        let of = |runs: &[LedgerRecord], now_s: i64| evaluated(runs, now_s * SECOND);
        let every_ten = [run(1_010, Outcome::Ok), run(1_000, Outcome::Ok)];
        let at_ms = Some(1_010 * SECOND + 5);
        assert_eq!(of(&every_ten, 1_020), (at_ms, true));
        assert_eq!(of(&every_ten, 1_101), (at_ms, false));
        // The clock of the store was ahead.
        assert_eq!(of(&every_ten, 10), (at_ms, false));
        let hourly = [run(7_200, Outcome::Ok), run(3_600, Outcome::Ok)];
        assert!(of(&hourly, 14_000).1 && of(&hourly[..1], 14_000).1);
        assert_eq!(of(&[], 5), (None, false));
        let failing = [run(2_000, Outcome::Failed), run(1_990, Outcome::Failed)];
        assert_eq!(of(&failing, 2_001), (None, false));
        // A message to try a channel is no evaluation.
        let asked_for = LedgerRecord {
            cause: Some(Cause::Manual),
            ..run(3_000, Outcome::Ok)
        };
        let [newest, before] = every_ten;
        assert_eq!(of(&[asked_for, newest, before], 3_001), (at_ms, false));
    }
}
