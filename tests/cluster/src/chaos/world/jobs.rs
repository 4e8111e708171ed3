//! The jobs of a world.

use super::{MINUTE, MINUTE_LEASE, PULSE, PULSE_EVERY, SLOW, STEADY};
use crate::job::JobSpec;

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
        JobSpec::new("every", 1_000, 100).with(["scope=every_node"]),
    ];
    [first(), others].concat()
}
