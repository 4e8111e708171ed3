//! S4: no poll after the deadline.

use super::runs::{Attempt, Observed};
use super::{Event, FaultKind, FaultWindow, Rule, Violation};

/// Part of a lease, in percent, after which nobody may poll a run whose lease was not renewed since. It has to be
/// dropped after 80; others may write it off after 90.
const OVER_PERCENT: u64 = 90;

/// - No sign of a run is later than the deadline that its node knew then.
/// - A node that did not run, or whose requests could not be acknowledged, has proven no lease meanwhile.
///
/// A local job has no lease, and one with `on_lease_lost = finish` goes on without it.
pub(super) fn violations(observed: &Observed<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for (unit, events) in &observed.units {
        let rules = observed.rules(&unit.job);
        if rules.is_local() || !rules.ends_with_its_lease() {
            continue;
        }
        for attempt in &events.attempts {
            found.extend(after_its_deadline(attempt));
            let Some(lease) = rules.lease else { continue };
            let lease_us = lease.as_micros() as u64 * OVER_PERCENT / 100;
            let faults = observed.history.faults.iter();
            let unproven =
                faults.filter(|it| it.is_of(&attempt.start.node) && it.lasted_us() >= lease_us);
            for fault in unproven {
                let poll = forbidden(observed, attempt, fault, lease_us);
                found.extend(poll.map(|poll| violation(attempt, fault, poll)));
            }
        }
    }
    found
}

fn signs<'a>(attempt: &Attempt<'a>) -> impl Iterator<Item = &'a Event> {
    std::iter::once(attempt.start).chain(attempt.signs.clone())
}

fn after_its_deadline(attempt: &Attempt<'_>) -> Option<Violation> {
    let (late, deadline) = signs(attempt).find_map(|sign| {
        let deadline = sign.deadline?;
        let latest_us = deadline.at_us.saturating_add(deadline.uncertainty_us);
        (sign.earliest_us() > latest_us).then_some((sign, deadline))
    })?;
    let violation = Violation::new(Rule::S4, &late.job, late.at_us, "polled after its deadline");
    let evidence = [
        attempt.line(),
        format!("deadline {}", deadline.at_us),
        late.to_string(),
    ];
    Some(violation.of_ticks([late.tick_ms]).shown_by(evidence))
}

/// The first sign of the run that should not be.
fn forbidden<'a>(
    observed: &Observed<'_>,
    attempt: &Attempt<'a>,
    fault: &FaultWindow,
    lease_us: u64,
) -> Option<&'a Event> {
    let after_us = fault.from_us.saturating_add(lease_us);
    let mut late = signs(attempt).filter(|sign| sign.earliest_us() > after_us);
    match fault.kind {
        FaultKind::Paused if attempt.start.at_us < fault.from_us => {
            let wake_up_us = observed.history.tolerance.wake_up.as_micros() as u64;
            let first = late.next()?;
            let under_way = first.at_us < fault.to_us.saturating_add(wake_up_us) && wake_up_us > 0;
            match under_way {
                true => late.next(),
                false => Some(first),
            }
        }
        // Nor does anything start then. What is proven afterwards is another proof: the run may be readopted.
        FaultKind::Isolated => late.find(|sign| sign.at_us < fault.to_us),
        _ => None,
    }
}

fn violation(attempt: &Attempt<'_>, fault: &FaultWindow, poll: &Event) -> Violation {
    let what = "polled after its lease had ended";
    Violation::new(Rule::S4, &poll.job, poll.at_us, what)
        .of_ticks([poll.tick_ms])
        .shown_by([
            attempt.start.to_string(),
            format!("{} from {} to {}", fault.what, fault.from_us, fault.to_us),
            poll.to_string(),
        ])
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use scheduled_one_schedule::policy::{OnLeaseLost, Scope};

    use super::super::testing::{History, event, fault, rules_of};
    use super::super::{Deadline, EventKind, JobRules};
    use super::*;

    /// What [`super::super::Tolerance`] allows by default.
    const WAKE_UP_US: u64 = 100_000;

    #[test]
    fn a_node_that_was_paused_for_a_lease_polls_no_more() {
        let start = || event(EventKind::Start, 10, "a", 1, 100);
        let poll = |at_us| event(EventKind::Poll, at_us, "a", 1, 100);
        let paused = || fault(FaultKind::Paused, "a", 20, 220);
        let history = History::of([start(), poll(221)]).with_fault(paused());
        assert_eq!(rules_of(&history), [], "was under way");
        let history = History::of([start(), poll(221 + WAKE_UP_US)]).with_fault(paused());
        assert_eq!(rules_of(&history), [Rule::S4]);
        let events = || [start(), poll(221), poll(230)];
        assert_eq!(
            rules_of(&History::of(events()).with_fault(paused())),
            [Rule::S4]
        );
        // Not if it was another node, or shorter than a lease, or if nothing can be under way.
        let other = fault(FaultKind::Paused, "b", 20, 220);
        assert_eq!(rules_of(&History::of(events()).with_fault(other)), []);
        let short = fault(FaultKind::Paused, "a", 20, 60);
        assert_eq!(rules_of(&History::of(events()).with_fault(short)), []);
        let mut strict = History::of([start(), poll(221)]).with_fault(paused());
        strict.tolerance.wake_up = Duration::ZERO;
        assert_eq!(rules_of(&strict), [Rule::S4]);
    }

    #[test]
    fn a_node_that_was_isolated_for_a_lease_polls_no_more() {
        let isolated = || fault(FaultKind::Isolated, "a", 20, 220);
        let start = || event(EventKind::Start, 10, "a", 1, 100);
        let poll = |at_us| event(EventKind::Poll, at_us, "a", 1, 100);
        let history = History::of([start(), poll(85)]).with_fault(isolated());
        assert_eq!(rules_of(&history), []);
        let history = History::of([start(), poll(85), poll(130)]).with_fault(isolated());
        assert_eq!(rules_of(&history), [Rule::S4]);
        let started = History::of([event(EventKind::Start, 130, "a", 1, 100)]);
        assert_eq!(rules_of(&started.with_fault(isolated())), [Rule::S4]);
    }

    #[test]
    fn no_sign_is_later_than_the_deadline_of_its_moment() {
        let polled = |at_us, uncertainty_us| {
            let deadline = Some(Deadline {
                at_us: 20,
                uncertainty_us,
            });
            let poll = Event {
                deadline,
                ..event(EventKind::Poll, at_us, "a", 1, 100)
            };
            History::of([event(EventKind::Start, 10, "a", 1, 100), poll])
        };
        assert_eq!(rules_of(&polled(20, 0)), []);
        assert_eq!(rules_of(&polled(21, 0)), [Rule::S4]);
        assert_eq!(rules_of(&polled(21, 1)), []);
        let finish = |job: &mut JobRules| job.on_lease_lost = OnLeaseLost::Finish;
        assert_eq!(rules_of(&polled(21, 0).where_job(finish)), []);
        let local = |job: &mut JobRules| job.scope = Scope::EveryNode;
        assert_eq!(rules_of(&polled(21, 0).where_job(local)), []);
    }
}
