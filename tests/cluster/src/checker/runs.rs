//! The runs that a log shows.

use std::collections::BTreeMap;

use super::History;
use crate::log::{Event, Kind};

/// What the rules are about: a job's shard; where each node runs the job by
/// itself, on one node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Unit {
    pub(super) job: String,
    pub(super) shard: u32,
    pub(super) node: Option<String>,
}

/// One run: attempts under one lease are one run each.
#[derive(Clone, Debug)]
pub(super) struct Run<'a> {
    pub(super) start: &'a Event,
    /// Its polls, and its end if it ended by itself.
    pub(super) signs: Vec<&'a Event>,
}

impl Run<'_> {
    /// The last sign of it: end, poll, or only the start.
    pub(super) fn last_us(&self) -> u64 {
        self.signs.last().unwrap_or(&self.start).boot_us
    }

    pub(super) fn ended(&self, how: Kind) -> bool {
        self.signs.last().is_some_and(|last| last.kind == how)
    }

    fn is_of(&self, event: &Event) -> bool {
        let start = self.start;
        (start.token, start.tick_ms, start.attempt) == (event.token, event.tick_ms, event.attempt)
            && start.node == event.node
    }
}

/// The runs of a history, by unit, in the order of their starts.
///
/// # Panics
///
/// If the log shows signs of a run that never started: the log is wrong.
pub(super) fn by_unit<'a>(history: &History<'a>) -> BTreeMap<Unit, Vec<Run<'a>>> {
    let mut by_unit: BTreeMap<Unit, Vec<Run<'a>>> = BTreeMap::new();
    for event in history.events {
        let runs = by_unit.entry(unit_of(history, event)).or_default();
        match event.kind {
            Kind::Start => runs.push(Run {
                start: event,
                signs: Vec::new(),
            }),
            Kind::Poll | Kind::End | Kind::Fail => {
                let run = runs.iter_mut().rev().find(|run| run.is_of(event));
                let run = run.unwrap_or_else(|| panic!("a run that never started: {event}"));
                run.signs.push(event);
            }
            Kind::Accepted | Kind::Rejected => {}
        }
    }
    by_unit
}

pub(super) fn unit_of(history: &History<'_>, event: &Event) -> Unit {
    let job = history.job(&event.job);
    let alone = job.is_some_and(|job| job.on_every_node());
    Unit {
        job: event.job.clone(),
        shard: event.shard,
        node: alone.then(|| event.node.clone()),
    }
}
