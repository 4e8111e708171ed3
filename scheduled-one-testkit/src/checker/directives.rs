//! S7 and C1: what operators wanted.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use super::runs::{Observed, UnitEvents};
use super::{Event, History, Rule, Violation};

/// A run that was granted ahead of its tick, before the pause, may start so long after the reply to it.
const GRANTED_AHEAD_US: u64 = 1_000_000;

/// A change of a directive that was acknowledged. A pause that ends by itself is none: nobody saw its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directed {
    /// The job, or `*` for all.
    pub subject: String,
    /// The version that the directive got.
    pub version: u64,
    /// Whether it pauses.
    pub pauses: bool,
    /// When it was asked for, by the shared clock.
    pub asked_us: u64,
    /// When the reply came.
    pub replied_us: u64,
}

impl Directed {
    fn is_about(&self, job: &str) -> bool {
        self.subject == "*" || self.subject == job
    }

    /// From the reply to the pause on, until somebody asked for something newer that does not pause: all of that time.
    fn has(&self, history: &History, time_us: &RangeInclusive<u64>) -> bool {
        let ended = history.directives.iter().any(|other| {
            let is_newer = other.subject == self.subject && other.version > self.version;
            is_newer && !other.pauses && other.asked_us <= *time_us.end()
        });
        self.pauses && self.replied_us < *time_us.start() && !ended
    }
}

/// - S7: between the reply to `pause` and the request `resume`, nothing of the schedule is granted; where grants were
///   not observed, nothing starts but what was granted just before;
/// - C1: a change that was asked for after the reply to another one has a higher version.
pub(super) fn violations(observed: &Observed<'_>) -> Vec<Violation> {
    let history = observed.history;
    let mut found = Vec::new();
    for new in &history.directives {
        let before = history.directives.iter().filter(|old| {
            old.subject == new.subject
                && old.replied_us < new.asked_us
                && old.version >= new.version
        });
        found.extend(before.map(|old| {
            let what = "a later change of a directive has no higher version";
            Violation::new(Rule::C1, &new.subject, new.replied_us, what)
                .shown_by([format!("{old:?}"), format!("{new:?}")])
        }));
    }
    for (unit, events) in observed
        .units
        .iter()
        .filter(|(unit, _)| unit.node.is_none() && !unit.lane)
    {
        for (event, decided_us) in begun(events) {
            let mut pauses = history.directives.iter();
            let pause = pauses.find(|it| it.is_about(&unit.job) && it.has(history, &decided_us));
            found.extend(pause.map(|pause| {
                Violation::new(Rule::S7, &unit.job, event.at_us, "began in a pause")
                    .of_ticks([event.tick_ms])
                    .shown_by([format!("{pause:?}"), event.to_string()])
            }));
        }
    }
    found
}

/// The first attempts of runs, and the time in which each was decided: retries and takeovers go on in a pause.
fn begun<'a>(events: &UnitEvents<'a>) -> Vec<(&'a Event, RangeInclusive<u64>)> {
    let starts = events.attempts.iter().map(|attempt| attempt.start);
    let starts = starts.map(|it| {
        let from_us = it.earliest_us().saturating_sub(GRANTED_AHEAD_US);
        (it, from_us..=it.latest_us())
    });
    let grants = events.grants.iter();
    let grants = grants.map(|it| (*it, it.earliest_us()..=it.latest_us()));
    let all: Vec<_> = match events.grants.is_empty() {
        true => starts.collect(),
        false => grants.collect(),
    };
    let mut known = HashSet::new();
    let mut first =
        |event: &Event| event.attempt == 1 && known.insert((event.token, event.tick_ms));
    all.into_iter().filter(|(event, _)| first(event)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::EventKind;
    use super::super::testing::{attempt, event, rules_of};
    use super::*;

    fn directed(version: u64, pauses: bool, at_us: u64) -> Directed {
        Directed {
            subject: "*".to_owned(),
            version,
            pauses,
            asked_us: at_us,
            replied_us: at_us + 5,
        }
    }

    fn granted_at(at_us: u64) -> History {
        History {
            directives: vec![directed(1, true, 20), directed(2, false, 60)],
            ..History::of([event(EventKind::Grant, at_us, "a", 1, 100)])
        }
    }

    #[test]
    fn nothing_is_granted_between_the_reply_to_pause_and_resume() {
        for at_us in [10, 20, 25, 60, 80] {
            assert_eq!(rules_of(&granted_at(at_us)), [], "{at_us}");
        }
        for at_us in [26, 59] {
            assert_eq!(rules_of(&granted_at(at_us)), [Rule::S7], "{at_us}");
        }
        let mut takeover = granted_at(30);
        takeover.events[0] = attempt(2, takeover.events[0].clone());
        assert_eq!(rules_of(&takeover), []);
        let mut repeated = granted_at(10);
        repeated
            .events
            .push(event(EventKind::Grant, 30, "a", 1, 100));
        assert_eq!(rules_of(&repeated), []);
        let mut of_another = granted_at(30);
        of_another.directives[0].subject = "other".to_owned();
        assert_eq!(rules_of(&of_another), []);
    }

    #[test]
    fn without_grants_a_start_counts_that_was_surely_decided_in_the_pause() {
        let started_at = |at_us| History {
            directives: vec![directed(1, true, 20)],
            ..History::of([event(EventKind::Start, at_us, "a", 1, 100)])
        };
        assert_eq!(rules_of(&started_at(GRANTED_AHEAD_US)), []);
        assert_eq!(rules_of(&started_at(GRANTED_AHEAD_US + 26)), [Rule::S7]);
        // One that started just after the resume may have been granted after it.
        let mut resumed = started_at(GRANTED_AHEAD_US + 26);
        resumed
            .directives
            .push(directed(2, false, GRANTED_AHEAD_US + 20));
        assert_eq!(rules_of(&resumed), []);
        resumed.directives[1] = directed(2, false, GRANTED_AHEAD_US + 27);
        assert_eq!(rules_of(&resumed), [Rule::S7]);
    }

    #[test]
    fn versions_increase_with_each_reply() {
        let history = |version, at_us| History {
            directives: vec![directed(7, true, 20), directed(version, false, at_us)],
            ..History::default()
        };
        assert_eq!(rules_of(&history(8, 30)), []);
        assert_eq!(rules_of(&history(6, 22)), [], "at the same time");
        assert_eq!(rules_of(&history(6, 30)), [Rule::C1]);
    }
}
