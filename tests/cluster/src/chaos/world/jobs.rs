//! The jobs of a world.

use super::{MINUTE, MINUTE_LEASE, PULSE, PULSE_EVERY, SLOW, STEADY};
use crate::job::JobSpec;

/// The label of every other node. Nodes with it come first for the job that names it, and any other comes after them.
const LABEL: &str = "large";
/// Every third node has no more runs than this, which is less than its share of all.
const MAX_RUNNING: u32 = 2;

/// The labels of the node with this number.
pub(super) fn labels_of(number: usize) -> Vec<String> {
    let is_large = number.is_multiple_of(2);
    is_large.then(|| LABEL.to_owned()).into_iter().collect()
}

/// How many runs it may have.
pub(super) fn limit_of(number: usize) -> Option<u32> {
    number.is_multiple_of(3).then_some(MAX_RUNNING)
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
        JobSpec::new("failing", 1_000, 50).with(["retries=2", "fails=1"]),
        JobSpec::new(MINUTE, 1_000, 200).with([&*format!("lease={lease_ms}")]),
        JobSpec::new("placed", 1_000, 300).with([&*format!("on={LABEL}+*"), "route=least_loaded"]),
        JobSpec::new("every", 1_000, 100).with(["scope=every_node"]),
    ];
    [first(), others].concat()
}
