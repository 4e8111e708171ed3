//! How a guarded future ended, with the texts for the ledger.

use std::any::Any;
use std::error::Error;

use crate::lease::CancelReason;
use scheduled_one_protocol::{MAX_ERROR_BYTES, Outcome};

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

    /// The future panicked.
    pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Self {
        let text = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic without a text".to_owned());
        RunResult {
            error: cut(text),
            ..Self::with_outcome(Outcome::Panicked)
        }
    }
}

/// The error and its causes, in one line of at most [`MAX_ERROR_BYTES`].
pub(crate) fn error_text(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        if text.len() > MAX_ERROR_BYTES {
            break;
        }
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    cut(text)
}

fn cut(mut text: String) -> String {
    if text.len() > MAX_ERROR_BYTES {
        const MARK: &str = "…";
        let mut end = MAX_ERROR_BYTES - MARK.len();
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str(MARK);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_errors_are_cut_between_characters() {
        let text = cut("é".repeat(1000));
        assert!(text.len() <= MAX_ERROR_BYTES);
        assert!(text.ends_with("é…"));
        assert_eq!(cut("short".to_owned()), "short");
    }
}
