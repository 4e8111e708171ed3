//! The jobs of a world.

use super::{MINUTE, MINUTE_LEASE, PULSE, PULSE_EVERY, SLOW, STEADY};
use crate::job::JobSpec;
use crate::node::{Node, Placement};

/// The label of two nodes, if so many live. Nodes with it come first for a job that names it and any other, and no node
/// without it runs a job that names nothing else.
const LABEL: &str = "large";
/// How many of the living nodes have the label.
const LABELLED: usize = 2;
/// Every third node has no more runs than this, which is less than its share of all.
const MAX_RUNNING: u32 = 2;
/// A group of jobs, and how many of its runs all nodes together may have: fewer than are due at the same time, and
/// enough for all of them to end in time.
const GROUP: (&str, u32) = ("batch", 2);

/// What the node with this number may run of these jobs, while these other nodes live.
pub(super) fn placement_of(number: usize, jobs: &[JobSpec], others: &[Node]) -> Placement {
    let has_group = jobs.iter().any(|job| job.policy("group") == Some(GROUP.0));
    let has_label = |node: &&Node| !node.placement().labels.is_empty();
    let is_labelled = others.iter().filter(has_label).count() < LABELLED;
    Placement {
        labels: is_labelled.then(|| LABEL.to_owned()).into_iter().collect(),
        max_running: number.is_multiple_of(3).then_some(MAX_RUNNING),
        max_running_of: has_group.then(|| (GROUP.0.to_owned(), GROUP.1)),
    }
}

/// The job of a namespace that is new.
pub(super) fn first() -> Vec<JobSpec> {
    vec![JobSpec::new(PULSE, PULSE_EVERY.as_millis() as u64, 0)]
}

/// Jobs that stand for most.
pub(super) fn jobs() -> Vec<JobSpec> {
    let lease_ms = MINUTE_LEASE.as_millis();
    let others = vec![
        JobSpec::new("medium", 1_000, 300),
        JobSpec::new("long", 1_000, 1_500),
        JobSpec::new(STEADY, 2_000, 5_000),
        JobSpec::new(SLOW, 10_000, 200).with(["misfire=run_once"]),
        JobSpec::new("queue", 1_000, 1_200).with(["overlap=queue_one"]),
        JobSpec::new("sharded", 1_000, 200).with(["shards=3"]),
        JobSpec::new("rerun", 2_000, 1_200).with(["rerun=3"]),
        JobSpec::new("failing", 1_000, 50).with(["retries=2", "fails=1", "route=fastest"]),
        JobSpec::new("spread", 2_000, 300).with(["route=spread"]),
        JobSpec::new(MINUTE, 1_000, 200).with([&*format!("lease={lease_ms}")]),
        JobSpec::new("placed", 1_000, 300).with([&*format!("on={LABEL}+*"), "route=least_loaded"]),
        JobSpec::new("labelled", 1_000, 100).with([&*format!("on={LABEL}")]),
        JobSpec::new("grouped", 4_000, 900).with([&*format!("group={}", GROUP.0), "shards=3"]),
        JobSpec::new("every", 1_000, 100).with(["scope=every_node"]),
    ];
    [first(), others].concat()
}
