//! S6: what a resource accepted that checks fencing tokens.

use std::borrow::Cow;
use std::collections::HashSet;

use super::runs::{Attempt, Observed, UnitEvents};
use super::{Event, EventKind, JobRules, Rule, Violation};

/// - What was accepted increases, and each attempt was accepted once;
/// - a tick that is neither retried nor taken over has one effect;
/// - a run that ended well was accepted;
/// - a run was rejected only if another had started after it: the newest run of a unit always has the highest token.
pub(super) fn violations(observed: &Observed<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    // A lane writes to the same resource as its unit.
    let shared = observed.shared_units().into_iter();
    let shared = shared.map(|unit| (observed.rules(&unit.job), observed.with_lane(&unit)));
    let local = observed
        .units
        .iter()
        .filter(|(unit, _)| unit.node.is_some());
    let local = local.map(|(unit, events)| (observed.rules(&unit.job), Cow::Borrowed(events)));
    for (rules, events) in shared.chain(local) {
        found.extend(out_of_order(&events, rules));
        let accepted: HashSet<_> = accepted(&events).map(key).collect();
        // Jobs that had no sink to write to have nothing to show.
        if accepted.is_empty() {
            continue;
        }
        let ended = events.attempts.iter().filter(|it| it.ended(EventKind::End));
        for attempt in ended.filter(|it| !accepted.contains(&key(it.start))) {
            found.push(violation(
                "ended well without its effect",
                attempt.start,
                attempt.start,
            ));
        }
    }
    found
}

fn accepted<'a>(events: &'a UnitEvents<'_>) -> impl Iterator<Item = &'a Event> {
    let effects = events.effects.iter().copied();
    effects.filter(|effect| effect.kind == EventKind::Accepted)
}

fn out_of_order(events: &UnitEvents<'_>, rules: &JobRules) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut before: Vec<&Event> = Vec::new();
    for effect in &events.effects {
        if effect.kind == EventKind::Rejected {
            if !overtaken(&events.attempts, effect) {
                found.push(violation("the newest run was rejected", effect, effect));
            }
            continue;
        }
        if let Some(last) = before.last().filter(|last| key(last) >= key(effect)) {
            found.push(violation("accepted out of order", last, effect));
        }
        let tick = |event: &Event| (event.tick_ms, event.request.clone());
        let same = before.iter().find(|old| tick(old) == tick(effect));
        if let Some(first) = same.filter(|_| rules.most_attempts() == 1) {
            found.push(violation("two effects of a tick", first, effect));
        }
        before.push(effect);
    }
    found
}

fn key(event: &Event) -> (u64, u32) {
    (event.token, event.attempt)
}

/// Whether a run with a higher token had started when `rejected` was rejected.
fn overtaken(attempts: &[Attempt<'_>], rejected: &Event) -> bool {
    let started = attempts.iter().filter(|it| it.start.at_us < rejected.at_us);
    started.map(|it| key(it.start)).max() > Some(key(rejected))
}

fn violation(what: &str, old: &Event, new: &Event) -> Violation {
    Violation::new(Rule::S6, &new.job, new.at_us, what)
        .of_ticks([old.tick_ms, new.tick_ms])
        .shown_by([old.to_string(), new.to_string()])
}

#[cfg(test)]
mod tests {
    use super::super::testing::{History, attempt, event, rules_of};
    use super::*;

    #[test]
    fn a_run_that_was_replaced_may_be_rejected_and_the_newest_not() {
        let mut history = History::of([
            event(EventKind::Start, 10, "a", 1, 100),
            event(EventKind::Start, 20, "b", 2, 101),
            event(EventKind::Accepted, 30, "b", 2, 101),
            event(EventKind::Rejected, 31, "a", 1, 100),
        ]);
        assert_eq!(rules_of(&history), []);
        history
            .events
            .push(event(EventKind::Rejected, 32, "b", 2, 101));
        assert_eq!(rules_of(&history), [Rule::S6]);
    }

    #[test]
    fn effects_come_in_order_and_none_is_missing() {
        let events = [
            event(EventKind::Start, 10, "a", 1, 100),
            event(EventKind::Accepted, 11, "a", 1, 100),
            event(EventKind::End, 12, "a", 1, 100),
            event(EventKind::Start, 20, "b", 2, 101),
            event(EventKind::End, 21, "b", 2, 101),
        ];
        assert_eq!(rules_of(&History::of(events)), [Rule::S6]);
        let events = |first, second| {
            [
                event(EventKind::Start, 10, "a", 1, 100),
                event(EventKind::Start, 20, "b", 2, 101),
                event(EventKind::Accepted, first, "a", 1, 100),
                event(EventKind::Accepted, second, "b", 2, 101),
            ]
        };
        assert_eq!(rules_of(&History::of(events(30, 31))), []);
        assert_eq!(rules_of(&History::of(events(31, 30))), [Rule::S6]);
    }

    #[test]
    fn a_tick_has_one_effect_unless_it_may_be_attempted_again() {
        let events = || {
            [
                event(EventKind::Start, 10, "a", 1, 100),
                event(EventKind::Accepted, 11, "a", 1, 100),
                attempt(2, event(EventKind::Accepted, 12, "a", 1, 100)),
            ]
        };
        assert_eq!(rules_of(&History::of(events())), [Rule::S6]);
        let retries = |job: &mut JobRules| job.retries = 1;
        assert_eq!(rules_of(&History::of(events()).where_job(retries)), []);
    }
}
