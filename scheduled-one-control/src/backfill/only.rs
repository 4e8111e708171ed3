//! Which ticks a backfill runs.

use scheduled_one_protocol::Outcome;

use crate::audit::TickStatus;

/// Which ticks of a range a backfill runs, by what the audit says of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BackfillOnly {
    /// Those that were missed.
    #[default]
    Missed,
    /// Those whose run was lost with its node.
    Lost,
    /// Those that ran and did not end well: failed, panicked, timed out, cancelled.
    Failed,
    /// Those of which no run is known: missed, skipped, paused, unknown, and those from before the job was first seen.
    Never,
    /// All that are over, and those from before the job was first seen.
    All,
}

impl BackfillOnly {
    /// All of them.
    pub const EACH: [BackfillOnly; 5] = [
        BackfillOnly::Missed,
        BackfillOnly::Lost,
        BackfillOnly::Failed,
        BackfillOnly::Never,
        BackfillOnly::All,
    ];

    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            BackfillOnly::Missed => "missed",
            BackfillOnly::Lost => "lost",
            BackfillOnly::Failed => "failed",
            BackfillOnly::Never => "never",
            BackfillOnly::All => "all",
        }
    }

    pub(super) fn wants(self, status: TickStatus) -> bool {
        let decided = match status {
            TickStatus::Decided(outcome) => Some(outcome),
            _ => None,
        };
        match self {
            BackfillOnly::Missed => decided == Some(Outcome::Missed),
            BackfillOnly::Lost => decided == Some(Outcome::Lost),
            BackfillOnly::Failed => matches!(
                decided,
                Some(Outcome::Failed | Outcome::Panicked | Outcome::TimedOut | Outcome::Cancelled)
            ),
            BackfillOnly::Never => match decided {
                Some(outcome) => matches!(outcome, Outcome::Missed | Outcome::Skipped),
                None => matches!(status, TickStatus::Paused | TickStatus::Unknown),
            },
            BackfillOnly::All => !matches!(
                status,
                TickStatus::Running | TickStatus::Waiting | TickStatus::Due
            ),
        }
    }

    /// Whether ticks from before the job was first seen are wanted.
    pub(super) fn wants_unseen(self) -> bool {
        matches!(self, BackfillOnly::Never | BackfillOnly::All)
    }
}
