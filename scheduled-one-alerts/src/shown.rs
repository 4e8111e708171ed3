//! What readers see of the state: `Control::alerts` reads it, and knows nothing of the rest.

use serde::{Deserialize, Serialize};

use crate::outbox::Attempted;
use crate::state::AlertState;

/// The names are those of `AlertsNow` in `scheduled-one-control`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shown {
    at_ms: i64,
    firing: Vec<Firing>,
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
        let firing = state
            .engine
            .firing_texts()
            .map(|(rule, subject, since_ms, text)| Firing {
                rule: rule.as_str().to_owned(),
                subject: subject.to_owned(),
                since_ms,
                text: text.to_owned(),
            });
        let mut firing: Vec<Firing> = firing.collect();
        firing.sort_by(|a, b| (a.since_ms, &a.subject).cmp(&(b.since_ms, &b.subject)));
        Shown {
            at_ms: state.engine.clock_ms(),
            firing,
            waiting: state.outbox.len(),
            sent: state.outbox.attempts().cloned().collect(),
        }
    }
}
