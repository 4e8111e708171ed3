//! How a guarded future ended, with the texts for the ledger.

use crate::lease::CancelReason;
use crate::user_code::Panic;
use scheduled_one_protocol::Outcome;
use scheduled_one_protocol::message::RunId;

/// How a guarded future ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunResult {
    pub(crate) outcome: Outcome,
    pub(crate) reason: String,
    pub(crate) error: String,
}

impl RunResult {
    pub(crate) fn with_outcome(outcome: Outcome) -> Self {
        RunResult {
            outcome,
            reason: String::new(),
            error: String::new(),
        }
    }

    /// The run was granted and is not started: its tick is missed, or, if a run of it was taken over, lost.
    pub(crate) fn not_started(id: &RunId, reason: &str) -> Self {
        let outcome = match id.attempt {
            1 => Outcome::Missed,
            _ => Outcome::Lost,
        };
        RunResult {
            reason: reason.to_owned(),
            ..Self::with_outcome(outcome)
        }
    }

    /// The future returned, with an error.
    pub(crate) fn failed(error: String) -> Self {
        RunResult {
            error,
            ..Self::with_outcome(Outcome::Failed)
        }
    }

    /// The future was cancelled, and returned by itself. `error` is empty if it returned without one.
    pub(crate) fn returned_cancelled(reason: CancelReason, error: String) -> Self {
        RunResult {
            error,
            ..Self::cancelled(reason, "returned")
        }
    }

    /// The future was cancelled and dropped.
    pub(crate) fn dropped(reason: CancelReason) -> Self {
        Self::cancelled(reason, "dropped")
    }

    fn cancelled(reason: CancelReason, how: &str) -> Self {
        let outcome = match reason {
            CancelReason::Timeout => Outcome::TimedOut,
            _ => Outcome::Cancelled,
        };
        RunResult {
            reason: format!("{}; {how}", reason.as_str()),
            ..Self::with_outcome(outcome)
        }
    }

    /// The end of a run that was to be tried again, unless it was cancelled before that: then the cancel ended it, and
    /// it keeps the error of its last attempt.
    pub(crate) fn unless(self, cancelled: Option<CancelReason>) -> Self {
        match cancelled {
            Some(reason) => RunResult {
                error: self.error,
                ..Self::dropped(reason)
            },
            None => self,
        }
    }

    /// The same end as it is recorded: how the node came to run it is the reason, if there is no other one.
    pub(crate) fn placed(self, placing: &str) -> Self {
        match self.reason.as_str() {
            "" => RunResult {
                reason: placing.to_owned(),
                ..self
            },
            _ => self,
        }
    }

    /// The future panicked.
    pub(crate) fn panicked(panic: Panic) -> Self {
        RunResult {
            error: panic.text,
            ..Self::with_outcome(Outcome::Panicked)
        }
    }

    /// The same end, of a future whose destructor may have panicked in addition.
    pub(crate) fn and_dropped(self, dropped: Result<(), Panic>) -> Self {
        match dropped {
            Err(panic) if self.outcome == Outcome::Ok => Self::panicked(panic),
            Err(panic) if self.error.is_empty() => RunResult {
                error: panic.text,
                ..self
            },
            _ => self,
        }
    }
}
