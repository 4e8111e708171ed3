//! The promise of a pause (S7 in `docs/protocol.md`), in every history within the bounds of the tests.

use model_tests::{Config, Faults, check};

const NONE: Faults = Faults::NONE;

#[test]
fn a_job_is_paused_and_resumed() {
    check(Config {
        nodes: 2,
        ticks: vec![1, 3],
        horizon: 4,
        faults: Faults {
            directives: 2,
            late_requests: 1,
            ..NONE
        },
        ..Config::new("a job is paused and resumed, a request is late")
    });
}

#[test]
fn a_paused_job_stays_paused_through_a_flush() {
    check(Config {
        nodes: 2,
        ticks: vec![1, 7],
        horizon: 8,
        faults: Faults {
            directives: 1,
            flushes: 1,
            ..NONE
        },
        ..Config::new("a job is paused, the store is flushed")
    });
}
