//! S1, S2, S3, S5: which runs there were, and in which order.

use std::collections::{BTreeMap, HashMap};

use super::runs::{Run, Unit};
use super::{History, MIDST_US, Violation, WindowKind};
use crate::job::JobSpec;

/// - S1: one start for each tick and attempt, and no attempt that may not be;
/// - S2: the runs of a unit do not overlap (no more than allowed);
/// - S3: tokens strictly increase in the order of starts;
/// - S5: no tick starts before one that has started already.
///
/// Where each node runs the job by itself, there is only S1, of each node.
pub(super) fn violations(
    history: &History<'_>,
    units: &BTreeMap<Unit, Vec<Run<'_>>>,
) -> Vec<Violation> {
    let mut found = Vec::new();
    for (unit, runs) in units {
        let job = history.job(&unit.job);
        found.extend(started_twice(runs, job));
        if unit.node.is_some() {
            continue;
        }
        let most = job.map_or(1, |job| job.most_beside());
        found.extend(overlaps(history, runs, most));
        // Runs side by side start in any order.
        if most == 1 {
            found.extend(out_of_order(runs));
        }
    }
    found
}

/// No attempt is made twice, nor one more than the job may make; and one that is
/// neither tried again nor taken over starts once.
fn started_twice(runs: &[Run<'_>], job: Option<&JobSpec>) -> Vec<Violation> {
    let number = |key| job.and_then(|job| job.number(key)).unwrap_or(0);
    let most = 1 + number("rerun") + number("retries");
    let mut found = Vec::new();
    let mut starts: HashMap<i64, Vec<&Run<'_>>> = HashMap::new();
    for run in runs {
        let before = starts.entry(run.start.tick_ms).or_default();
        let same = before
            .iter()
            .find(|old| old.start.attempt == run.start.attempt);
        if let Some(first) = same {
            found.push(violation("S1", "started twice", first, run));
        } else if run.start.attempt > most {
            let first = before.first().copied().unwrap_or(run);
            found.push(violation("S1", "more attempts than allowed", first, run));
        }
        before.push(run);
    }
    found
}

fn overlaps(history: &History<'_>, runs: &[Run<'_>], most: usize) -> Vec<Violation> {
    let mut found = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        let at_us = run.start.boot_us;
        let mut beside = runs[..index]
            .iter()
            .filter(|old| old.last_us() >= at_us && !woke_up(history, old, at_us));
        if let Some(old) = beside.nth(most - 1) {
            found.push(violation("S2", "overlap", old, run));
        }
    }
    found
}

/// A process that was stopped in the midst of a poll finishes that poll when it
/// goes on: one sign, at once. What is longer than that is an overlap.
fn woke_up(history: &History<'_>, old: &Run<'_>, at_us: u64) -> bool {
    let mut after = old.signs.iter().filter(|sign| sign.boot_us >= at_us);
    let (Some(sign), None) = (after.next(), after.next()) else {
        return false;
    };
    let mut stops = history.of_kind(WindowKind::Stopped);
    stops.any(|stop| {
        stop.is_of(&sign.node)
            && stop.from_us < at_us
            && (stop.to_us..stop.to_us + MIDST_US).contains(&sign.boot_us)
    })
}

fn out_of_order(runs: &[Run<'_>]) -> Vec<Violation> {
    let mut found = Vec::new();
    for pair in runs.windows(2) {
        let [old, run] = pair else { continue };
        let same_run = old.start.token == run.start.token;
        if run.start.token < old.start.token || (same_run && !is_retry(old, run)) {
            found.push(violation("S3", "token did not increase", old, run));
        }
        if run.start.tick_ms < old.start.tick_ms {
            found.push(violation("S5", "older tick after newer", old, run));
        }
    }
    found
}

/// The next attempt of the same run keeps its token.
fn is_retry(old: &Run<'_>, run: &Run<'_>) -> bool {
    let same = old.start.tick_ms == run.start.tick_ms && old.start.node == run.start.node;
    same && run.start.attempt == old.start.attempt + 1
}

fn violation(rule: &'static str, what: &str, a: &Run<'_>, b: &Run<'_>) -> Violation {
    Violation {
        rule,
        text: format!(
            "{what}:\n  {} … last seen {}\n  {}",
            a.start,
            a.last_us(),
            b.start
        ),
        job: b.start.job.clone(),
        at_us: b.start.boot_us,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{broken, event, window};
    use super::*;
    use crate::log::{Event, Kind};

    #[test]
    fn each_violation_is_found() {
        let first = event(Kind::Start, 10, "a", 1, 100);
        let twice = [first.clone(), event(Kind::Start, 30, "b", 1, 101)];
        assert_eq!(broken(&twice, &[], &[]), ["S1"]);
        let again = Event {
            attempt: 2,
            ..event(Kind::Start, 30, "b", 1, 101)
        };
        assert_eq!(broken(&[first.clone(), again], &[], &[]), ["S1"]);
        let overlap = [
            first.clone(),
            event(Kind::Start, 15, "b", 2, 101),
            event(Kind::Poll, 16, "a", 1, 100),
        ];
        assert_eq!(broken(&overlap, &[], &[]), ["S2"]);
        let token = [first.clone(), event(Kind::Start, 15, "b", 2, 100)];
        assert_eq!(broken(&token, &[], &[]), ["S3"]);
        let order = [first, event(Kind::Start, 15, "b", 0, 101)];
        assert_eq!(broken(&order, &[], &[]), ["S5"]);
    }

    #[test]
    fn a_poll_that_was_under_way_is_no_overlap_but_two_are() {
        let stop = window(WindowKind::Stopped, "a", 12, 40);
        let mut events = vec![
            event(Kind::Start, 10, "a", 1, 100),
            event(Kind::Start, 15, "b", 2, 101),
            event(Kind::Poll, 41, "a", 1, 100),
        ];
        assert!(broken(&events, std::slice::from_ref(&stop), &[]).is_empty());
        events.push(event(Kind::Poll, 42, "a", 1, 100));
        assert_eq!(broken(&events, &[stop], &[]), ["S2"]);
    }
}
