//! One schedule at a time (`docs/protocol.md`): a job that no living node has, and schedules that operators want, in
//! every history within the bounds of the tests.

use model_tests::{Config, Faults, check};
use scheduled_one_protocol::message::Overlap;

/// Somebody sees that the job's only node is down, and registers the job as gone: never after a node has started with
/// it since.
#[test]
fn a_job_is_gone_and_returns() {
    check(Config {
        nodes: 1,
        ticks: vec![1, 4, 8],
        horizon: 9,
        faults: Faults {
            crashes: 1,
            restarts: 1,
            gone: 1,
            ..Faults::default()
        },
        ..Config::new("gone: a node dies, another one starts")
    });
}

/// A node that did not reach the store for long enough finds its job gone, and registers it.
#[test]
fn a_node_returns_whose_job_is_gone() {
    check(Config {
        nodes: 1,
        ticks: vec![1, 3, 5],
        horizon: 5,
        overlap: Overlap::Queue(1),
        faults: Faults {
            cuts: 1,
            gone: 1,
            ..Faults::default()
        },
        ..Config::new("gone: a node is cut off, and reaches the store again")
    });
}

#[test]
fn a_schedule_is_replaced_and_put_back() {
    check(Config {
        nodes: 2,
        ticks: vec![1, 3],
        wanted_ticks: vec![2],
        horizon: 3,
        faults: Faults {
            reschedules: 2,
            late_requests: 1,
            ..Faults::default()
        },
        ..Config::new("a schedule is replaced and put back, a request is late")
    });
}

#[test]
fn a_replaced_schedule_is_in_force_after_a_flush() {
    check(Config {
        nodes: 2,
        ticks: vec![1, 7],
        wanted_ticks: vec![6],
        horizon: 7,
        faults: Faults {
            reschedules: 1,
            flushes: 1,
            ..Faults::default()
        },
        ..Config::new("a schedule is replaced, the store is flushed")
    });
}
