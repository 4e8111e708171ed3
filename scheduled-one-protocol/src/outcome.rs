//! The outcome of a tick or an attempt, why a tick is skipped, and the words for both in ledgers and logs.

use std::fmt;

/// The outcome of a tick, or of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The function returned without an error.
    Ok,
    /// The function returned an error.
    Failed,
    /// The function panicked.
    Panicked,
    /// The attempt took longer than its timeout.
    TimedOut,
    /// The run was cancelled: by a shutdown, by the next tick, or because its lease could not be proven.
    Cancelled,
    /// The tick did not run because of a policy. The reason of the ledger line names the policy.
    Skipped,
    /// The tick could not start in time.
    Missed,
    /// The node of the run is gone, and the result of the run is unknown.
    Lost,
    /// The node of the run is gone, and another node makes the next attempt.
    TakenOver,
    /// A note in addition to an outcome: a run ended after the store had written it off.
    FinishedWithoutLease,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: [Outcome; 10] = [
        Outcome::Ok,
        Outcome::Failed,
        Outcome::Panicked,
        Outcome::TimedOut,
        Outcome::Cancelled,
        Outcome::Skipped,
        Outcome::Missed,
        Outcome::Lost,
        Outcome::TakenOver,
        Outcome::FinishedWithoutLease,
    ];

    /// The word for the outcome in the ledger, in logs and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Failed => "failed",
            Outcome::Panicked => "panicked",
            Outcome::TimedOut => "timed_out",
            Outcome::Cancelled => "cancelled",
            Outcome::Skipped => "skipped",
            Outcome::Missed => "missed",
            Outcome::Lost => "lost",
            Outcome::TakenOver => "taken_over",
            Outcome::FinishedWithoutLease => "finished_without_lease",
        }
    }

    /// The outcome with this word, or `None` for an unknown word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|o| o.as_str() == word)
    }

    /// Whether a run was granted: true for all outcomes except skipped and missed. Whether the function of a lost run
    /// was called is unknown.
    pub fn ran(self) -> bool {
        !matches!(self, Outcome::Skipped | Outcome::Missed)
    }
}

/// Why a tick is skipped: the reason of its ledger line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SkipReason {
    /// The run before is active; with slots, as many are as may be.
    Overlap,
    /// As many ticks wait as may wait.
    QueueFull,
    /// The tick waited for a run to be cancelled, and a newer tick took its place.
    Superseded,
    /// The job is disabled.
    Disabled,
    /// The job was paused.
    Paused,
}

impl SkipReason {
    /// The word for the reason, in the ledger and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            SkipReason::Overlap => "overlap",
            SkipReason::QueueFull => "queue full",
            SkipReason::Superseded => "superseded",
            SkipReason::Disabled => "disabled",
            SkipReason::Paused => "paused",
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
