//! The trail: who asked for what, of which job, why and when. A store enters it in the same step as the change.

use std::fmt;
use std::str::FromStr;

use crate::message::{Ask, Cancel, Cause, DirectiveChange, Forget, ForgetRequest};
use crate::value::{FencingToken, TickMs};

/// Entries that a bucket keeps: of more, the oldest are forgotten.
pub const MAX_TRAIL: usize = 10_000;

/// What somebody asked for and got. It is history, nothing is decided by it; it lives as long as a ledger does: a store
/// that forgets forgets it, too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TrailEntry {
    /// When, by the store's clock.
    pub at_ms: i64,
    /// What was done, in a word: `pause`, `resume`, `run`, `rerun`, `cancel`, …
    pub action: String,
    /// The job, a shard of it, or [`ALL_JOBS`](crate::ALL_JOBS).
    pub subject: String,
    /// Who asked for it; empty if that was not said.
    pub actor: String,
    /// Why; may be empty.
    pub note: String,
    /// Id of the request for a run; empty for other actions.
    pub request: String,
    /// The version of the directive since then; 0 for other actions.
    pub version: u64,
    /// The version of the directive before, 0 if there was none.
    pub before: u64,
    /// The run that is cancelled.
    pub token: Option<FencingToken>,
    /// The end of a pause, or the instant that a run is for, if that was said; ms.
    pub instant_ms: Option<i64>,
}

impl TrailEntry {
    /// The entry of a change of a directive; `None` if the change is one that nobody asked for.
    pub fn of_change(change: &DirectiveChange, version: u64, at_ms: i64) -> Option<Self> {
        let directive = &change.directive;
        (!change.action.is_empty()).then(|| TrailEntry {
            at_ms,
            action: change.action.clone(),
            subject: change.subject.clone(),
            actor: directive.by.clone(),
            note: directive.note.clone(),
            version,
            before: change.seen,
            // Another change of a paused job has no end of its own.
            instant_ms: directive
                .pause
                .filter(|_| change.action == "pause")
                .and_then(|pause| pause.until_ms),
            ..TrailEntry::default()
        })
    }

    /// The entry of a request for a run; `None` for those of a backfill, which has an entry of its own.
    pub fn of_ask(ask: &Ask, at_ms: i64) -> Option<Self> {
        let request = &ask.request;
        let action = match request.cause {
            Cause::Manual => "run",
            Cause::Rerun => "rerun",
            Cause::Backfill => return None,
        };
        Some(TrailEntry {
            at_ms,
            action: action.to_owned(),
            subject: ask.unit.as_str().to_owned(),
            actor: request.actor.clone(),
            note: request.note.clone(),
            request: request.id.clone(),
            instant_ms: request.logical.map(TickMs::ms),
            ..TrailEntry::default()
        })
    }

    /// The entry of a job that is forgotten, or of what is taken back of it; the versions are those of its directive
    /// now and before, 0 if it had none.
    pub fn of_forget(request: &ForgetRequest, version: u64, before: u64, at_ms: i64) -> Self {
        TrailEntry {
            at_ms,
            action: match request.what {
                Forget::Everything => "forget",
                Forget::MarksAhead => "take-back",
            }
            .to_owned(),
            subject: request.job.clone(),
            actor: request.directive.by.clone(),
            note: request.directive.note.clone(),
            version,
            before,
            ..TrailEntry::default()
        }
    }

    /// The entry of a cancel.
    pub fn of_cancel(cancel: &Cancel, at_ms: i64) -> Self {
        TrailEntry {
            at_ms,
            action: "cancel".to_owned(),
            subject: cancel.unit.without_slot().as_str().to_owned(),
            actor: cancel.by.clone(),
            note: cancel.note.clone(),
            token: Some(cancel.token).filter(|token| token.get() > 0),
            ..TrailEntry::default()
        }
    }
}

/// The place of an entry in the trail of its bucket: later entries have greater ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrailId {
    /// The first number.
    pub major: u64,
    /// The second number.
    pub minor: u64,
}

impl fmt::Display for TrailId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.major, self.minor)
    }
}

/// The text is no id of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoTrailId;

impl FromStr for TrailId {
    type Err = NoTrailId;

    fn from_str(text: &str) -> Result<Self, NoTrailId> {
        let (major, minor) = text.split_once('-').ok_or(NoTrailId)?;
        let number = |text: &str| text.parse().map_err(|_| NoTrailId);
        Ok(TrailId {
            major: number(major)?,
            minor: number(minor)?,
        })
    }
}

/// An entry with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrailLine {
    /// Its place.
    pub id: TrailId,
    /// What is stored.
    pub entry: TrailEntry,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_and_ids_are_in_the_order_of_both_numbers() {
        let id = |text: &str| text.parse::<TrailId>();
        for text in ["0-0", "1700000000000-12", "18446744073709551615-1"] {
            assert_eq!(id(text).map(|id| id.to_string()), Ok(text.to_owned()));
        }
        assert!(id("9-10").unwrap() > id("9-9").unwrap());
        assert!(id("10-0").unwrap() > id("9-10").unwrap());
        for text in ["", "1", "1-", "-1", "a-b", "1-2-3"] {
            assert_eq!(id(text), Err(NoTrailId), "{text}");
        }
    }
}
