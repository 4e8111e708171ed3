//! Holds what was seen against the invariants of `docs/protocol.md`. Pure: a
//! history in, violations out.
//!
//! The rules: `starts` (S1, S2, S3, S5: which runs there were), `polls`
//! (S4: none after its deadline), `effects` (S6: what the sink took),
//! `accounts` (E1: every tick in one outcome). [`timeline()`] shows what
//! happened around a violation.
//!
//! What failed or was not answered may have happened, at any later time: a
//! rule relies only on what somebody saw. A process that was killed ends at
//! its last sign; one that is stopped is not running; a write to the sink whose
//! answer is missing may be accepted later.

mod accounts;
mod effects;
mod polls;
mod runs;
mod starts;
mod timeline;

use std::fmt;
use std::time::Duration;

use crate::job::JobSpec;
use crate::log::Event;

pub use accounts::{Account, Fate};
pub use timeline::{Note, timeline};

/// All that was seen of a cluster.
#[derive(Debug)]
pub struct History<'a> {
    /// What jobs and sink noted, in the order of the boot clock.
    pub events: &'a [Event],
    /// What was done to it.
    pub windows: &'a [Window],
    /// What the jobs were promised.
    pub jobs: &'a [JobSpec],
    /// The lease of all jobs.
    pub lease: Duration,
    /// What became of each tick, by the store, in the end; empty if nobody asked.
    pub accounts: &'a [Account],
}

/// Something that was done to a cluster, and undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// What, in the words of the plan.
    pub what: String,
    /// What rules may rely on.
    pub kind: WindowKind,
    /// The node it was done to; `None` is all of them.
    pub node: Option<String>,
    /// When it had surely begun, by the boot clock.
    pub from_us: u64,
    /// When it began to end.
    pub to_us: u64,
}

/// What a [`Window`] means for the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowKind {
    /// The process died.
    Killed,
    /// The process did not run.
    Stopped,
    /// No request of the node could be answered.
    Cut,
    /// The store may have forgotten what it acknowledged before the end.
    Forgets,
    /// Two servers may have taken themselves for the store.
    TwoStores,
    /// Connections broke and requests failed, but others were served at once.
    Bumpy,
    /// Nothing that a rule relies on.
    Other,
}

impl Window {
    fn is_of(&self, node: &str) -> bool {
        self.node.as_deref().is_none_or(|of| of == node)
    }
}

/// A poll that was under way when its process was stopped ends when it goes on:
/// one sign, within this time. What is more is a poll too many.
const MIDST_US: u64 = 100_000;

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its name: S1 … S6, E1, L.
    pub rule: &'static str,
    /// What was seen, with the lines it concerns.
    pub text: String,
    /// The job.
    pub job: String,
    /// Around when, by the boot clock.
    pub at_us: u64,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}: {}", self.rule, self.job, self.text)
    }
}

impl History<'_> {
    /// All rules that the history breaks. Empty is good.
    pub fn violations(&self) -> Vec<Violation> {
        let units = runs::by_unit(self);
        let mut found = starts::violations(self, &units);
        found.extend(polls::violations(self, &units));
        found.extend(effects::violations(self, &units));
        found.extend(accounts::violations(self, &units));
        found.sort_by_key(|violation| violation.at_us);
        found
    }

    fn job(&self, name: &str) -> Option<&JobSpec> {
        self.jobs.iter().find(|job| job.name == name)
    }

    fn of_kind(&self, kind: WindowKind) -> impl Iterator<Item = &Window> {
        self.windows.iter().filter(move |it| it.kind == kind)
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! Small histories.

    use super::*;
    use crate::log::Kind;

    pub(crate) fn event(kind: Kind, boot_us: u64, node: &str, tick_ms: i64, token: u64) -> Event {
        Event {
            boot_us,
            node: node.to_owned(),
            tick_ms,
            token,
            ..Event::new(kind)
        }
    }

    pub(crate) fn window(kind: WindowKind, node: &str, from_us: u64, to_us: u64) -> Window {
        Window {
            what: format!("{kind:?}"),
            kind,
            node: Some(node.to_owned()),
            from_us,
            to_us,
        }
    }

    /// The names of the rules that are broken.
    pub(crate) fn broken(
        events: &[Event],
        windows: &[Window],
        accounts: &[Account],
    ) -> Vec<&'static str> {
        let history = History {
            events,
            windows,
            jobs: &[JobSpec::new("job", 1, 0)],
            lease: Duration::from_micros(100),
            accounts,
        };
        let violations = history.violations();
        violations.iter().map(|violation| violation.rule).collect()
    }

    #[test]
    fn a_good_history_breaks_nothing() {
        let events = [
            event(Kind::Start, 10, "a", 1, 100),
            event(Kind::Poll, 15, "a", 1, 100),
            event(Kind::Accepted, 19, "a", 1, 100),
            event(Kind::End, 20, "a", 1, 100),
            event(Kind::Start, 21, "b", 2, 101),
        ];
        assert!(broken(&events, &[], &[]).is_empty());
    }
}
