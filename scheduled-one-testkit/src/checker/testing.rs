//! Small histories.

use std::time::Duration;

pub(super) use super::History;
use super::{
    Audit, AuditTick, Event, EventKind, FaultKind, FaultWindow, JobRules, Rule, TickStatus,
};

/// The lease of the job.
pub(super) const LEASE_US: u64 = 100;

pub(super) fn event(kind: EventKind, at_us: u64, node: &str, tick_ms: i64, token: u64) -> Event {
    Event {
        kind,
        at_us,
        node: node.to_owned(),
        tick_ms,
        token,
        ..Event::default()
    }
}

pub(super) fn attempt(number: u32, event: Event) -> Event {
    Event {
        attempt: number,
        ..event
    }
}

pub(super) fn fault(kind: FaultKind, node: &str, from_us: u64, to_us: u64) -> FaultWindow {
    FaultWindow {
        what: format!("{kind:?}"),
        kind,
        node: Some(node.to_owned()),
        from_us,
        to_us,
    }
}

/// An audit of these ticks, and nothing else that the store said.
pub(super) fn audit<const N: usize>(ticks: [(i64, TickStatus); N]) -> Audit {
    let tick = |(tick_ms, status)| AuditTick {
        shard: 0,
        node: None,
        tick_ms,
        status,
    };
    Audit {
        job: "job".to_owned(),
        ticks: ticks.into_iter().map(tick).collect(),
        ..Audit::default()
    }
}

impl History {
    /// These events of a job with a lease and default policies.
    pub(super) fn of<const N: usize>(events: [Event; N]) -> Self {
        History {
            events: events.into(),
            jobs: vec![JobRules {
                name: "job".to_owned(),
                lease: Some(Duration::from_micros(LEASE_US)),
                ..JobRules::default()
            }],
            ..History::default()
        }
    }

    pub(super) fn with_fault(mut self, fault: FaultWindow) -> Self {
        self.faults.push(fault);
        self
    }

    pub(super) fn with_audit(mut self, audit: Audit) -> Self {
        self.audits.push(audit);
        self
    }

    /// The job is another one.
    pub(super) fn where_job(mut self, change: impl FnOnce(&mut JobRules)) -> Self {
        change(&mut self.jobs[0]);
        self
    }
}

/// The rules that are broken, in the order of time.
pub(super) fn rules_of(history: &History) -> Vec<Rule> {
    let violations = history.check();
    violations.iter().map(|violation| violation.rule).collect()
}

#[test]
fn a_good_history_breaks_nothing() {
    let history = History::of([
        event(EventKind::Grant, 9, "a", 1, 100),
        event(EventKind::Start, 10, "a", 1, 100),
        event(EventKind::Poll, 15, "a", 1, 100),
        event(EventKind::Accepted, 19, "a", 1, 100),
        event(EventKind::End, 20, "a", 1, 100),
        event(EventKind::Grant, 20, "b", 2, 101),
        event(EventKind::Start, 21, "b", 2, 101),
    ]);
    assert_eq!(rules_of(&history), []);
}
