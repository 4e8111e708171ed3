//! L, and what else had to happen after a fault.

use std::time::Duration;

use super::runs::Observed;
use super::{Event, EventKind, Rule, Violation};

/// What had to happen after a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The fault, in the words of the plan.
    pub fault: String,
    /// The job that shows it.
    pub job: String,
    /// When the fault was undone, by the shared clock.
    pub healed_us: u64,
    /// What.
    pub expected: Expected,
}

/// See [`Expectation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expected {
    /// L: the job starts, within the promised time and what the test adds for a noisy machine.
    NextStart {
        /// The promise.
        within: Duration,
        /// What is added to it.
        noise: Duration,
    },
    /// L: this tick, which was due during the fault, runs before any later one.
    Runs {
        /// The tick.
        tick_ms: i64,
    },
    /// The job does not start: the store grants nothing of it for so long.
    NoStart {
        /// For how long.
        within: Duration,
    },
    /// S4: the run of this token, whose lease ended during the fault, shows no further sign.
    NoSign {
        /// The token.
        token: u64,
    },
}

pub(super) fn violations(observed: &Observed<'_>) -> Vec<Violation> {
    let expectations = observed.history.expectations.iter();
    let found = expectations.filter_map(|it| match it.expected {
        Expected::NextStart { within, noise } => next_start(observed, it, within, noise),
        Expected::Runs { tick_ms } => runs(observed, it, tick_ms),
        Expected::NoStart { within } => no_start(observed, it, within),
        Expected::NoSign { token } => no_sign(observed, it, token),
    });
    found.collect()
}

fn starts<'a>(observed: &'a Observed<'_>, of: &'a Expectation) -> impl Iterator<Item = &'a Event> {
    let events = observed.events.iter().copied();
    // Requests start whatever the schedule does.
    let of_schedule = events.filter(|event| event.request.is_empty());
    of_schedule.filter(|event| event.job == of.job && event.kind == EventKind::Start)
}

fn next_start(
    observed: &Observed<'_>,
    of: &Expectation,
    within: Duration,
    noise: Duration,
) -> Option<Violation> {
    let violation = |at_us, what| Some(Violation::new(Rule::L, &of.job, at_us, what));
    let Some(start) = starts(observed, of).find(|it| it.at_us > of.healed_us) else {
        return violation(of.healed_us, format!("after {} no tick started", of.fault));
    };
    let after_us = start.at_us - of.healed_us;
    if after_us <= (within + noise).as_micros() as u64 {
        return None;
    }
    let what = format!(
        "after {} the next tick started only after {} ms, {} ms are promised",
        of.fault,
        after_us / 1_000,
        within.as_millis()
    );
    violation(start.at_us, what)
}

fn runs(observed: &Observed<'_>, of: &Expectation, tick_ms: i64) -> Option<Violation> {
    let first = starts(observed, of).find(|start| start.tick_ms >= tick_ms);
    let at_us = first.map_or(of.healed_us, |start| start.at_us);
    let ran = first.is_some_and(|start| start.tick_ms == tick_ms);
    let what = format!(
        "after {} the tick {tick_ms} that was due did not run",
        of.fault
    );
    let violation = Violation::new(Rule::L, &of.job, at_us, what).of_ticks([tick_ms]);
    (!ran).then_some(violation)
}

fn no_start(observed: &Observed<'_>, of: &Expectation, within: Duration) -> Option<Violation> {
    let until_us = of.healed_us + within.as_micros() as u64;
    let start = starts(observed, of).find(|it| (of.healed_us..until_us).contains(&it.at_us))?;
    let after_ms = (start.at_us - of.healed_us) / 1_000;
    let within_ms = within.as_millis();
    let what = format!(
        "after {} a tick started within {after_ms} ms, and none may for {within_ms} ms",
        of.fault
    );
    let violation = Violation::new(Rule::Custom("quarantine"), &of.job, start.at_us, what);
    Some(
        violation
            .of_ticks([start.tick_ms])
            .shown_by([start.to_string()]),
    )
}

fn no_sign(observed: &Observed<'_>, of: &Expectation, token: u64) -> Option<Violation> {
    let of_run = |it: &&&Event| it.job == of.job && it.token == token && it.kind.is_sign();
    let mut signs = observed.events.iter().filter(of_run);
    let sign = signs.find(|sign| sign.at_us > of.healed_us)?;
    let what = format!("after {} a run whose lease was over", of.fault);
    let violation = Violation::new(Rule::S4, &sign.job, sign.at_us, what);
    Some(
        violation
            .of_ticks([sign.tick_ms])
            .shown_by([sign.to_string()]),
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::{History, event, rules_of};
    use super::*;

    fn expects(events: [Event; 2], expected: Expected) -> Vec<Rule> {
        let mut history = History::of(events);
        history.expectations.push(Expectation {
            fault: "a fault".to_owned(),
            job: "job".to_owned(),
            healed_us: 100,
            expected,
        });
        rules_of(&history)
    }

    fn start(at_us: u64, tick_ms: i64) -> Event {
        event(EventKind::Start, at_us, "a", tick_ms, at_us)
    }

    #[test]
    fn the_next_tick_starts_in_time() {
        let within = |micros| Expected::NextStart {
            within: Duration::from_micros(micros),
            noise: Duration::from_micros(1),
        };
        let events = || [start(10, 1), start(120, 2)];
        assert_eq!(expects(events(), within(19)), []);
        assert_eq!(expects(events(), within(18)), [Rule::L]);
        assert_eq!(
            expects([start(10, 1), start(20, 2)], within(18)),
            [Rule::L],
            "never"
        );
    }

    #[test]
    fn a_tick_that_was_due_runs_before_later_ones() {
        let runs = Expected::Runs { tick_ms: 2 };
        assert_eq!(expects([start(10, 1), start(120, 2)], runs), []);
        assert_eq!(expects([start(10, 1), start(120, 3)], runs), [Rule::L]);
        assert_eq!(
            expects([start(10, 0), start(120, 1)], runs),
            [Rule::L],
            "never"
        );
    }

    #[test]
    fn nothing_starts_in_a_quarantine() {
        let within = |micros| Expected::NoStart {
            within: Duration::from_micros(micros),
        };
        let events = || [start(99, 1), start(120, 2)];
        assert_eq!(expects(events(), within(20)), []);
        let early = [Rule::Custom("quarantine")];
        assert_eq!(expects(events(), within(21)), early);
    }

    #[test]
    fn a_run_whose_lease_is_over_shows_no_sign() {
        let events = || [start(10, 1), start(120, 2)];
        assert_eq!(expects(events(), Expected::NoSign { token: 10 }), []);
        assert_eq!(
            expects(events(), Expected::NoSign { token: 120 }),
            [Rule::S4]
        );
    }
}
