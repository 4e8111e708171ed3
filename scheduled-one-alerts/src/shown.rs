//! What readers see of the state: `Control::alerts` reads it, and knows nothing of the rest.

use serde::{Deserialize, Serialize};

use crate::outbox::Attempted;
use crate::state::AlertState;

/// What fires is shown up to so many subjects.
const MAX_FIRING: usize = 500;

/// Texts are shown up to so many bytes in all.
const MAX_TEXTS: usize = 64 * 1024;

/// The names are those of `AlertsNow` in `scheduled-one-control`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shown {
    at_ms: i64,
    firing: Vec<Firing>,
    /// How many fire in addition to these.
    #[serde(default)]
    more: usize,
    waiting: usize,
    sent: Vec<Attempted>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Firing {
    rule: String,
    subject: String,
    since_ms: i64,
    text: String,
}

impl Shown {
    pub(crate) fn of(state: &AlertState) -> Self {
        let mut all: Vec<_> = state.engine.firing_texts().collect();
        all.sort_by_key(|(_, subject, since_ms, _)| (*since_ms, *subject));
        let mut left = MAX_TEXTS;
        let shown = all.iter().take(MAX_FIRING);
        let firing = shown.map(|(rule, subject, since_ms, text)| {
            let text = if text.len() <= left { *text } else { "" };
            left -= text.len();
            Firing {
                rule: rule.as_str().to_owned(),
                subject: (*subject).to_owned(),
                since_ms: *since_ms,
                text: text.to_owned(),
            }
        });
        let firing: Vec<Firing> = firing.collect();
        Shown {
            at_ms: state.engine.clock_ms(),
            more: all.len() - firing.len(),
            firing,
            waiting: state.outbox.len(),
            sent: state.outbox.attempts().cloned().collect(),
        }
    }
}
