//! S4: no poll after the deadline.

use std::collections::BTreeMap;

use super::runs::{Run, Unit};
use super::{History, MIDST_US, Violation, Window, WindowKind};
use crate::log::Event;

/// Part of a lease, in percent, after which nobody may poll a run that proved
/// nothing since. It is to stop after 80; others may write it off after 90.
const OVER_PERCENT: u64 = 90;

/// A node that did not run, or whose requests could not be answered, proves no
/// lease meanwhile.
pub(super) fn violations(
    history: &History<'_>,
    units: &BTreeMap<Unit, Vec<Run<'_>>>,
) -> Vec<Violation> {
    let lease_us = history.lease.as_micros() as u64 * OVER_PERCENT / 100;
    let mut found = Vec::new();
    for (unit, runs) in units {
        if unit.node.is_some() {
            continue; // there is no lease
        }
        for run in runs {
            let blind = history.windows.iter().filter(|window| {
                let long = window.to_us - window.from_us >= lease_us;
                window.is_of(&run.start.node) && long
            });
            for window in blind {
                if let Some(poll) = forbidden(run, window, lease_us) {
                    found.push(violation(run, window, poll));
                }
            }
        }
    }
    found
}

/// The first sign of the run that should not be.
fn forbidden<'a>(run: &Run<'a>, window: &Window, lease_us: u64) -> Option<&'a Event> {
    let after_us = window.from_us + lease_us;
    let signs = [run.start].into_iter().chain(run.signs.iter().copied());
    let mut late = signs.filter(|sign| sign.boot_us > after_us);
    match window.kind {
        WindowKind::Stopped if run.start.boot_us < window.from_us => {
            let first = late.next()?;
            let under_way = first.boot_us < window.to_us + MIDST_US;
            match under_way {
                true => late.next(),
                false => Some(first),
            }
        }
        // Nor does anything start then. What is proven afterwards is another
        // proof: the run may be readopted.
        WindowKind::Cut => late.find(|sign| sign.boot_us < window.to_us),
        _ => None,
    }
}

fn violation(run: &Run<'_>, window: &Window, poll: &Event) -> Violation {
    Violation {
        rule: "S4",
        text: format!(
            "polled after its lease had ended:\n  {}\n  {} from {} to {}\n  {poll}",
            run.start, window.what, window.from_us, window.to_us
        ),
        job: poll.job.clone(),
        at_us: poll.boot_us,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{broken, event, window};
    use super::*;
    use crate::log::Kind;

    #[test]
    fn a_node_that_was_stopped_for_a_lease_polls_no_more() {
        let start = event(Kind::Start, 10, "a", 1, 100);
        let stopped = [window(WindowKind::Stopped, "a", 20, 220)];
        let mut events = vec![start, event(Kind::Poll, 221, "a", 1, 100)];
        assert!(broken(&events, &stopped, &[]).is_empty(), "was under way");
        let much_later = event(Kind::Poll, 221 + MIDST_US, "a", 1, 100);
        assert_eq!(
            broken(&[events[0].clone(), much_later], &stopped, &[]),
            ["S4"]
        );
        events.push(event(Kind::Poll, 230, "a", 1, 100));
        assert_eq!(broken(&events, &stopped, &[]), ["S4"]);
        // Not if it was somebody else, or shorter than a lease.
        let other = [window(WindowKind::Stopped, "b", 20, 220)];
        assert!(broken(&events, &other, &[]).is_empty());
        let short = [window(WindowKind::Stopped, "a", 20, 60)];
        assert!(broken(&events, &short, &[]).is_empty());
    }

    #[test]
    fn a_node_that_was_cut_off_for_a_lease_polls_no_more() {
        let start = event(Kind::Start, 10, "a", 1, 100);
        let cut = [window(WindowKind::Cut, "a", 20, 220)];
        let mut events = vec![start, event(Kind::Poll, 85, "a", 1, 100)];
        assert!(broken(&events, &cut, &[]).is_empty());
        events.push(event(Kind::Poll, 130, "a", 1, 100));
        assert_eq!(broken(&events, &cut, &[]), ["S4"]);
        let started = [event(Kind::Start, 130, "a", 1, 100)];
        assert_eq!(broken(&started, &cut, &[]), ["S4"]);
    }
}
