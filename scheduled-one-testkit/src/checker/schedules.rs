//! One schedule at a time decides the ticks of a job: the one that was registered last.

use std::collections::BTreeSet;
use std::ops::{Range, RangeInclusive};

use super::runs::Observed;
use super::{Event, Rule, Tolerance, Violation};

/// How far ahead of its due instant a tick is decided: one that was, when another schedule took the place of its own,
/// runs, and no tick up to it is decided by the other one.
const DECIDED_AHEAD_MS: i64 = 150;

/// From when on a schedule decided the ticks of a job: until the next one of the job, or to the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    /// The job.
    pub job: String,
    /// When it took the place of the schedule before, by the clock of ticks. An observer that did not see the instant
    /// knows a range.
    pub since_ms: RangeInclusive<i64>,
    /// The time between its ticks, which are multiples of it; 0: it has none, or no node has the job.
    pub every_ms: i64,
}

impl InForce {
    /// A schedule that was in force from the beginning.
    pub fn first(job: &str, every_ms: i64) -> Self {
        InForce {
            job: job.to_owned(),
            since_ms: 0..=0,
            every_ms,
        }
    }

    fn has_tick(&self, tick_ms: i64) -> bool {
        self.every_ms > 0 && tick_ms % self.every_ms == 0
    }

    /// The ticks of a job that must have an outcome, each by the schedule that was in force when it was due; `None` if
    /// nothing is known of the job's schedules. `schedules` are in the order of time.
    ///
    /// Not among them, because the protocol promises nothing for them (`docs/protocol.md`, *Known gaps*): ticks of a
    /// schedule that had been due for less than [`Tolerance::changeover`] when another one took its place, and ticks of
    /// that one up to a tick that had been decided ahead.
    pub fn due(
        schedules: &[InForce],
        job: &str,
        range_ms: Range<i64>,
        tolerance: &Tolerance,
    ) -> Option<BTreeSet<i64>> {
        let of_job: Vec<&InForce> = schedules.iter().filter(|it| it.job == job).collect();
        let first = of_job.first()?;
        let dropped_ms = tolerance.changeover.as_millis() as i64;
        let mut due = BTreeSet::new();
        for (index, own) in of_job.iter().enumerate().filter(|(_, it)| it.every_ms > 0) {
            let ahead_ms = match own.since_ms == first.since_ms {
                true => 0,
                false => DECIDED_AHEAD_MS,
            };
            let after_ms = own.since_ms.end().saturating_add(ahead_ms);
            let from_ms = range_ms.start.max(after_ms.saturating_add(1));
            let next = of_job.get(index + 1);
            let until_ms = next.map_or(i64::MAX, |it| it.since_ms.start() - dropped_ms);
            let first_ms = from_ms.div_euclid(own.every_ms) * own.every_ms;
            let ticks = (first_ms..range_ms.end.min(until_ms)).step_by(own.every_ms as usize);
            due.extend(ticks.filter(|tick_ms| *tick_ms >= from_ms));
        }
        Some(due)
    }
}

/// Each run of the schedule is of a tick of the schedule that was in force when the tick was due.
pub(super) fn violations(observed: &Observed<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    let units = observed.units.iter();
    for (unit, events) in units.filter(|(unit, _)| unit.node.is_none() && !unit.lane) {
        let schedules = observed.history.schedules.iter();
        let of_job: Vec<&InForce> = schedules.filter(|it| it.job == unit.job).collect();
        if of_job.is_empty() {
            continue;
        }
        let starts = events.attempts.iter().map(|attempt| attempt.start);
        let wrong = starts.filter(|start| !decides(&of_job, start));
        found.extend(wrong.map(|start| {
            let what = "a tick of a schedule that was not in force";
            let evidence = of_job.iter().map(|it| format!("{it:?}"));
            Violation::new(Rule::Custom("schedule"), &unit.job, start.at_us, what)
                .of_ticks([start.tick_ms])
                .shown_by([start.to_string()].into_iter().chain(evidence))
        }));
    }
    found
}

/// Whether some schedule that may have been in force when the tick was decided has that tick.
fn decides(schedules: &[&InForce], start: &Event) -> bool {
    let tick_ms = start.tick_ms;
    let mut own = schedules.iter().enumerate();
    own.any(|(index, own)| {
        let next = schedules.get(index + 1);
        let until_ms = next.map_or(i64::MAX, |it| {
            it.since_ms.end().saturating_add(DECIDED_AHEAD_MS)
        });
        own.has_tick(tick_ms) && (own.since_ms.start() + 1..=until_ms).contains(&tick_ms)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use scheduled_one_protocol::Outcome;

    use super::super::testing::{History, event, rules_of};
    use super::super::{Audit, EventKind, LedgerLine};
    use super::*;

    /// Every 500 ms, then every 700 ms, then none.
    fn schedules() -> Vec<InForce> {
        let in_force = |since_ms, every_ms| InForce {
            since_ms,
            ..InForce::first("job", every_ms)
        };
        vec![
            in_force(0..=0, 500),
            in_force(10_100..=10_100, 700),
            in_force(20_000..=21_000, 0),
        ]
    }

    fn started(tick_ms: i64) -> Vec<Rule> {
        let at_us = tick_ms as u64 * 1_000;
        let start = event(EventKind::Start, at_us, "a", tick_ms, 100);
        rules_of(&History {
            schedules: schedules(),
            ..History::of([start])
        })
    }

    #[test]
    fn a_tick_runs_by_the_schedule_in_force() {
        for tick_ms in [500, 10_000, 11_200, 14_000, 20_300, 21_000] {
            assert_eq!(started(tick_ms), [], "{tick_ms}");
        }
        let other = [Rule::Custom("schedule")];
        for tick_ms in [0, 700, 9_800, 11_000, 15_000, 21_700, 28_000] {
            assert_eq!(started(tick_ms), other, "{tick_ms}");
        }
        let mut of_another = schedules();
        of_another
            .iter_mut()
            .for_each(|it| it.job = "other".to_owned());
        let history = History {
            schedules: of_another,
            ..History::of([event(EventKind::Start, 1, "a", 333, 100)])
        };
        assert_eq!(rules_of(&history), [], "nothing is known of its schedules");
    }

    #[test]
    fn a_tick_that_was_decided_ahead_runs_after_the_changeover() {
        let mut close = schedules();
        close[1].since_ms = 10_350..=10_350;
        let start = event(EventKind::Start, 10_500_000, "a", 10_500, 100);
        let history = History {
            schedules: close.clone(),
            ..History::of([start.clone()])
        };
        assert_eq!(rules_of(&history), [], "both schedules have the tick");
        close[1].every_ms = 900;
        let history = |since_ms: i64| {
            let mut schedules = close.clone();
            schedules[1].since_ms = since_ms..=since_ms;
            History {
                schedules,
                ..History::of([start.clone()])
            }
        };
        assert_eq!(rules_of(&history(10_350)), []);
        assert_eq!(rules_of(&history(10_349)), [Rule::Custom("schedule")]);
    }

    #[test]
    fn what_must_have_an_outcome_is_counted_by_the_schedule_in_force() {
        let tolerance = Tolerance {
            changeover: Duration::from_millis(1_000),
            ..Tolerance::default()
        };
        let due = |range| {
            let due = InForce::due(&schedules(), "job", range, &tolerance);
            due.expect("known").into_iter().collect::<Vec<i64>>()
        };
        assert_eq!(
            due(7_900..12_000),
            [8_000, 8_500, 9_000, 10_500, 11_200, 11_900]
        );
        assert_eq!(due(17_600..30_000), [18_200, 18_900]);
        assert_eq!(due(0..600), [500], "0 is before the first");
        assert!(InForce::due(&schedules(), "other", 0..600, &tolerance).is_none());
    }

    #[test]
    fn an_audit_lacks_what_the_schedule_in_force_had_due() {
        let audited = |without_ms: i64| {
            let ticks = [8_000, 8_500, 10_500, 11_200].into_iter();
            let line = |tick_ms| LedgerLine {
                first_ms: tick_ms,
                last_ms: tick_ms,
                outcome: Outcome::Skipped,
                ..LedgerLine::default()
            };
            let ledger = ticks.filter(|it| *it != without_ms).map(line).collect();
            let tolerance = Tolerance {
                changeover: Duration::from_millis(1_200),
                ..Tolerance::default()
            };
            let due = InForce::due(&schedules(), "job", 8_000..11_300, &tolerance);
            let audit = Audit::of_ticks("job", due.expect("known"), 8_000..11_300, ledger);
            rules_of(&History {
                schedules: schedules(),
                tolerance,
                ..History::default().with_audit(audit)
            })
        };
        assert_eq!(audited(0), []);
        assert_eq!(audited(8_500), [Rule::E1]);
        assert_eq!(audited(11_200), [Rule::E1]);
    }
}
