//! What an evaluation leaves for the next one, on whichever node: kept by the caller, as JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cursor::Cursor;
use crate::engine::EngineState;
use crate::outbox::Outbox;
use crate::rule_kind::RuleKind;
use crate::shown::Shown;

/// How a namespace comes to a new state.
const ANEW: &str = "to begin anew, stop all nodes that evaluate alerts, run `scheduled-one forget '$alerts'`, and start \
                    them again";

/// The version of the form.
const VERSION: u32 = 1;

/// How far the ledgers are read, what fires, and what is on its way.
///
/// ```
/// use scheduled_one_alerts::AlertState;
///
/// let state = AlertState::new(1_767_225_600_000);
/// let json = state.to_json();
/// assert_eq!(AlertState::from_json(&json).unwrap(), state);
/// assert!(AlertState::from_json("{}").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertState {
    version: u32,
    revision: u64,
    pub(crate) cursors: BTreeMap<String, Cursor>,
    pub(crate) engine: EngineState,
    pub(crate) outbox: Outbox,
    /// Jobs that were read once and that nobody knows of now, and shards that no living node has, with the number of
    /// evaluations since.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub(crate) absent: BTreeMap<String, u32>,
    /// For readers, which know nothing of the rest; made when the state is written.
    #[serde(default)]
    shown: Shown,
}

/// Why a state cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// It is none.
    #[error("the state of the alerts cannot be read: {0}; {ANEW}")]
    Malformed(#[from] serde_json::Error),
    /// A newer release wrote it.
    #[error(
        "the state of the alerts has version {0}, and this release knows {VERSION}: evaluate alerts with the newest \
         release; or, {ANEW}"
    )]
    Version(u32),
}

impl AlertState {
    /// The state of a namespace whose alerts were never evaluated. What was over before this instant will not be said.
    pub fn new(now_ms: i64) -> Self {
        AlertState {
            version: VERSION,
            revision: 0,
            cursors: BTreeMap::new(),
            engine: EngineState::new(now_ms),
            outbox: Outbox::default(),
            absent: BTreeMap::new(),
            shown: Shown::default(),
        }
    }

    /// Reads what [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    ///
    /// [`StateError`] if the text is no state, or that of a newer release.
    pub fn from_json(json: &str) -> Result<Self, StateError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let Versioned { version } = serde_json::from_str(json)?;
        match version {
            VERSION => Ok(AlertState {
                shown: Shown::default(),
                ..serde_json::from_str(json)?
            }),
            _ => Err(StateError::Version(version)),
        }
    }

    /// Which of two states to go on with: the one that is stored, or the last one that this node saw. A store that was
    /// emptied, or rolled back, has none or an older one of the same beginning.
    pub fn newest(stored: Option<Self>, seen: Option<Self>) -> Option<Self> {
        match (stored, seen) {
            (Some(stored), Some(seen)) => {
                let is_older = stored.revision < seen.revision;
                let is_older = is_older && stored.engine.began_ms() == seen.engine.began_ms();
                Some(if is_older { seen } else { stored })
            }
            (stored, seen) => stored.or(seen),
        }
    }

    /// The state as one line of JSON. It holds texts of errors, and no secret of a channel.
    pub fn to_json(&self) -> String {
        // Maps with texts as keys, numbers and texts: nothing that JSON cannot have.
        let mut written = self.clone();
        written.shown = Shown::of(self);
        serde_json::to_string(&written).unwrap_or_default()
    }

    /// Grows with each change, so that a keeper can compare and set.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Takes back what was planned by a clock that was ahead of this instant. The engine does that with its own when it
    /// takes in the facts.
    pub(crate) fn meet(&mut self, at_ms: i64) {
        if let Some(back) = self.engine.turn_back(at_ms) {
            self.outbox.turn(back);
            self.cursors
                .values_mut()
                .for_each(|cursor| cursor.turn(back));
        }
    }

    pub(crate) fn changed(&mut self) {
        self.revision += 1;
    }

    /// What fires now: the rule, the job or other subject, and since when (milliseconds since the Unix epoch).
    pub fn firing(&self) -> impl Iterator<Item = (RuleKind, &str, i64)> {
        self.engine.firing()
    }

    /// How many subjects each rule fires for; rules that fire for none are left out.
    pub fn firing_by_rule(&self) -> BTreeMap<RuleKind, usize> {
        let mut counts = BTreeMap::new();
        for (rule, ..) in self.firing() {
            *counts.entry(rule).or_default() += 1;
        }
        counts
    }

    /// How many messages wait to be delivered.
    pub fn waiting(&self) -> usize {
        self.outbox.len()
    }
}
