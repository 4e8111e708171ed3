//! S6: what a resource took that checks fencing tokens.

use std::collections::{BTreeMap, HashSet};

use super::runs::{Run, Unit, unit_of};
use super::{History, Violation};
use crate::log::{Event, Kind};

/// - what was accepted increases, and each run was accepted once;
/// - a tick that is neither tried again nor taken over has one effect;
/// - a run that ended well was accepted;
/// - a run was refused only if another had started after it: the newest run of
///   a unit always has the highest token.
pub(super) fn violations(
    history: &History<'_>,
    units: &BTreeMap<Unit, Vec<Run<'_>>>,
) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut accepted: BTreeMap<Unit, Vec<&Event>> = BTreeMap::new();
    for event in history.events {
        let unit = unit_of(history, event);
        match event.kind {
            Kind::Accepted => {
                let before = accepted.entry(unit).or_default();
                if let Some(last) = before.last().filter(|last| key(last) >= key(event)) {
                    found.push(violation("accepted out of order", last, event));
                }
                let same = before.iter().find(|old| old.tick_ms == event.tick_ms);
                if let Some(first) = same.filter(|_| is_once(history, &event.job)) {
                    found.push(violation("two effects of a tick", first, event));
                }
                before.push(event);
            }
            Kind::Rejected if !overtaken(&units[&unit], event) => {
                found.push(violation("the newest run was refused", event, event));
            }
            _ => {}
        }
    }
    // Jobs that had no sink to write to have nothing to show.
    for (unit, events) in &accepted {
        let keys: HashSet<_> = events.iter().map(|event| key(event)).collect();
        let ended = units[unit].iter().filter(|run| run.ended(Kind::End));
        for run in ended.filter(|run| !keys.contains(&key(run.start))) {
            found.push(violation(
                "ended well without its effect",
                run.start,
                run.start,
            ));
        }
    }
    found
}

/// Whether a tick of the job has one attempt at most.
fn is_once(history: &History<'_>, job: &str) -> bool {
    let job = history.job(job);
    job.is_some_and(|job| job.number("rerun").or(job.number("retries")).is_none())
}

fn key(event: &Event) -> (u64, u32) {
    (event.token, event.attempt)
}

/// Whether a run with a higher token had started when `refused` was refused.
fn overtaken(runs: &[Run<'_>], refused: &Event) -> bool {
    let started = runs
        .iter()
        .filter(|run| run.start.boot_us < refused.boot_us);
    started.map(|run| key(run.start)).max() > Some(key(refused))
}

fn violation(what: &str, a: &Event, b: &Event) -> Violation {
    Violation {
        rule: "S6",
        text: format!("{what}:\n  {a}\n  {b}"),
        job: b.job.clone(),
        at_us: b.boot_us,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{broken, event};
    use super::*;

    #[test]
    fn a_stale_run_may_be_refused_and_the_newest_not() {
        let mut events = vec![
            event(Kind::Start, 10, "a", 1, 100),
            event(Kind::Start, 20, "b", 2, 101),
            event(Kind::Accepted, 30, "b", 2, 101),
            event(Kind::Rejected, 31, "a", 1, 100),
        ];
        assert!(broken(&events, &[], &[]).is_empty());
        events.push(event(Kind::Rejected, 32, "b", 2, 101));
        assert_eq!(broken(&events, &[], &[]), ["S6"]);
    }

    #[test]
    fn effects_come_in_order_and_none_is_missing() {
        let events = [
            event(Kind::Start, 10, "a", 1, 100),
            event(Kind::Accepted, 11, "a", 1, 100),
            event(Kind::End, 12, "a", 1, 100),
            event(Kind::Start, 20, "b", 2, 101),
            event(Kind::End, 21, "b", 2, 101),
        ];
        assert_eq!(broken(&events, &[], &[]), ["S6"]);
        let events = [
            event(Kind::Start, 10, "a", 1, 100),
            event(Kind::Start, 20, "b", 2, 101),
            event(Kind::Accepted, 30, "b", 2, 101),
            event(Kind::Accepted, 31, "a", 1, 100),
        ];
        assert_eq!(broken(&events, &[], &[]), ["S6"]);
    }
}
