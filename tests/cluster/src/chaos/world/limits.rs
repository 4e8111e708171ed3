//! The limit of a node: it never has more active runs. That of a group is shared out, and holds only while all nodes
//! know each other.

use std::collections::{BTreeMap, HashMap};

use crate::log::{Event, Kind};

/// A node that had more runs than it may have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Exceeded {
    pub(super) at_us: u64,
    pub(super) job: String,
    pub(super) what: String,
}

/// Finds where nodes had more attempts at the same time than they may have runs. A run whose end nobody saw ended with
/// its last poll.
pub(super) fn exceeded(
    events: &[Event],
    limits: &BTreeMap<String, u32>,
    counts: impl Fn(&Event) -> bool,
) -> Vec<Exceeded> {
    let limited = events.iter().filter(|event| {
        let is_sign = !matches!(event.kind, Kind::Accepted | Kind::Rejected);
        is_sign && limits.contains_key(&event.node) && counts(event)
    });
    let mut attempts: HashMap<_, (&Event, u64)> = HashMap::new();
    for event in limited {
        let attempt = attempts.entry(attempt_of(event)).or_insert((event, 0));
        attempt.1 = attempt.1.max(event.boot_us);
    }
    let mut attempts: Vec<(&Event, u64)> = attempts.into_values().collect();
    attempts.sort_by_key(|(start, _)| start.boot_us);
    let mut found = Vec::new();
    let mut active: HashMap<&str, Vec<u64>> = HashMap::new();
    for (start, last_us) in attempts {
        let runs = active.entry(&start.node).or_default();
        runs.retain(|until_us| *until_us > start.boot_us);
        runs.push(last_us);
        let most = limits[&start.node] as usize;
        if runs.len() > most {
            found.push(Exceeded {
                at_us: start.boot_us,
                job: start.job.clone(),
                what: format!("{} has {} runs, of {most}", start.node, runs.len()),
            });
        }
    }
    found
}

/// What tells attempts apart.
fn attempt_of(event: &Event) -> (&str, &str, u32, i64, u32, u64) {
    let Event {
        node, job, shard, ..
    } = event;
    (node, job, *shard, event.tick_ms, event.attempt, event.token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: Kind, at_us: u64, job: &str) -> Event {
        Event {
            boot_us: at_us,
            job: job.to_owned(),
            ..Event::new(kind)
        }
    }

    #[test]
    fn runs_are_active_from_their_start_to_their_last_sign() {
        let limits = BTreeMap::from([("node".to_owned(), 1)]);
        let found = |second_us, last: Kind| {
            let events = [
                event(Kind::Start, 10, "a"),
                event(Kind::Poll, 20, "a"),
                event(last, 30, "a"),
                event(Kind::Start, second_us, "b"),
                event(Kind::End, 50, "b"),
            ];
            exceeded(&events, &limits, |_| true)
        };
        for last in [Kind::Poll, Kind::End, Kind::Fail] {
            assert_eq!(found(30, last), []);
            let what = "node has 2 runs, of 1".to_owned();
            let (at_us, job) = (29, "b".to_owned());
            assert_eq!(found(29, last), [Exceeded { at_us, job, what }]);
        }
        assert_eq!(found(29, Kind::Accepted), [], "the sink's word, later");
    }

    #[test]
    fn nodes_without_a_limit_and_local_jobs_do_not_count() {
        let events = ["a", "b", "c"].map(|job| event(Kind::Start, 10, job));
        let events = [
            &events[..],
            &["a", "b", "c"].map(|job| event(Kind::Poll, 20, job)),
        ]
        .concat();
        let limit = |node: &str| BTreeMap::from([(node.to_owned(), 2)]);
        assert_eq!(exceeded(&events, &limit("node"), |_| true).len(), 1);
        assert_eq!(exceeded(&events, &limit("other"), |_| true), []);
        assert_eq!(exceeded(&events, &limit("node"), |it| it.job != "b"), []);
    }
}
