//! Holds merged logs against the invariants of `docs/protocol.md`. Pure.

use std::collections::{BTreeMap, HashMap};

use crate::log::{Event, Kind};

/// One run as the log shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its start.
    pub start: Event,
    /// The last sign of it: end, poll, or only the start.
    pub last_us: u64,
}

/// The runs in a log, by job and shard, in the order of their starts. Attempts
/// under one lease are one run each.
pub fn runs(events: &[Event]) -> BTreeMap<(String, u32), Vec<Run>> {
    let mut by_unit: BTreeMap<(String, u32), Vec<Run>> = BTreeMap::new();
    for event in events {
        let unit = (event.job.clone(), event.shard);
        let runs = by_unit.entry(unit).or_default();
        if event.kind == Kind::Start {
            runs.push(Run {
                start: event.clone(),
                last_us: event.boot_us,
            });
            continue;
        }
        let run = runs.iter_mut().rev().find(|run| {
            run.start.token == event.token
                && run.start.node == event.node
                && run.start.tick_ms == event.tick_ms
                && run.start.attempt == event.attempt
        });
        match run {
            Some(run) => run.last_us = event.boot_us,
            None => panic!("an event of a run that never started: {event}"),
        }
    }
    by_unit
}

/// All violations in a log, each with the lines it concerns. Empty is good.
/// `wide` tells how many runs of a job may go side by side.
///
/// - S1: one start for each tick and attempt;
/// - S2: the runs of a unit do not overlap (no more than allowed);
/// - S3: tokens strictly increase in the order of starts;
/// - S5: no tick starts before one that has started already.
pub fn violations(events: &[Event], wide: impl Fn(&str) -> usize) -> Vec<String> {
    let mut found = Vec::new();
    for ((job, _), runs) in runs(events) {
        let most = wide(&job);
        let mut starts: HashMap<(i64, u32), &Run> = HashMap::new();
        for (index, run) in runs.iter().enumerate() {
            let key = (run.start.tick_ms, run.start.attempt);
            if let Some(first) = starts.insert(key, run) {
                found.push(violation("S1: started twice", &job, first, run));
            }
            let before = &runs[..index];
            let mut beside = before.iter().filter(|old| old.last_us >= run.start.boot_us);
            if let Some(old) = beside.nth(most - 1) {
                found.push(violation("S2: overlap", &job, old, run));
            }
            // Runs side by side start in any order.
            let Some(old) = before.last().filter(|_| most == 1) else {
                continue;
            };
            let same_run = old.start.token == run.start.token;
            if run.start.token < old.start.token || (same_run && retried(old, run).is_none()) {
                found.push(violation("S3: token did not increase", &job, old, run));
            }
            if run.start.tick_ms < old.start.tick_ms {
                found.push(violation("S5: older tick after newer", &job, old, run));
            }
        }
    }
    found
}

/// The next attempt of the same run keeps its token.
fn retried(old: &Run, run: &Run) -> Option<()> {
    let same = old.start.tick_ms == run.start.tick_ms && old.start.node == run.start.node;
    (same && run.start.attempt == old.start.attempt + 1).then_some(())
}

fn violation(what: &str, job: &str, a: &Run, b: &Run) -> String {
    format!(
        "{what} in {job}:\n  {} … last seen {}\n  {}",
        a.start, a.last_us, b.start
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: Kind, boot_us: u64, node: &str, tick_ms: i64, token: u64) -> Event {
        Event {
            kind,
            boot_us,
            node: node.to_owned(),
            job: "j".to_owned(),
            shard: 0,
            missed: 0,
            tick_ms,
            attempt: 1,
            token,
        }
    }

    fn found(events: &[Event]) -> String {
        violations(events, |_| 1).join("\n")
    }

    #[test]
    fn a_good_log_has_no_violations() {
        let events = [
            event(Kind::Start, 10, "a", 1, 100),
            event(Kind::Poll, 15, "a", 1, 100),
            event(Kind::End, 20, "a", 1, 100),
            event(Kind::Start, 21, "b", 2, 101),
        ];
        assert_eq!(found(&events), "");
    }

    #[test]
    fn each_violation_is_found() {
        let first = event(Kind::Start, 10, "a", 1, 100);
        let twice = [first.clone(), event(Kind::Start, 30, "b", 1, 101)];
        assert!(found(&twice).starts_with("S1"), "{}", found(&twice));
        let overlap = [
            first.clone(),
            event(Kind::Start, 15, "b", 2, 101),
            event(Kind::Poll, 16, "a", 1, 100),
        ];
        assert!(found(&overlap).starts_with("S2"), "{}", found(&overlap));
        let token = [first.clone(), event(Kind::Start, 15, "b", 2, 100)];
        assert!(found(&token).starts_with("S3"), "{}", found(&token));
        let order = [first, event(Kind::Start, 15, "b", 0, 101)];
        assert!(found(&order).starts_with("S5"), "{}", found(&order));
    }
}
