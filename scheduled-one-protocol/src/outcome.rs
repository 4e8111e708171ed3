//! What became of a tick, as the ledger keeps it.

use std::fmt;

/// What became of a tick, or of one attempt at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// Ran and returned well.
    Ok,
    /// Ran and returned an error.
    Failed,
    /// Ran and panicked.
    Panicked,
    /// Ran for longer than its timeout.
    TimedOut,
    /// Ran and was cancelled: shutdown, or a lease that could not be proven.
    Cancelled,
    /// Did not run: the reason says why (overlap).
    Skipped,
    /// Came due while nobody could run it.
    Missed,
    /// Was started; what came of it is unknown, because its node is gone.
    Lost,
    /// As [`Outcome::Lost`], but another node makes another attempt.
    TakenOver,
    /// A note, not an outcome: a run that had been written off as lost
    /// reported its end after all.
    FinishedWithoutLease,
}

impl Outcome {
    /// All of them.
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

    /// The word that stands for it in the ledger, in logs and in metrics.
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

    /// The outcome a word of the ledger stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|o| o.as_str() == word)
    }

    /// Whether a run was granted: all but skipped and missed ticks. Of a lost
    /// one nobody knows whether its function was called.
    pub fn ran(self) -> bool {
        !matches!(self, Outcome::Skipped | Outcome::Missed)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
