//! The promises of requests for runs (S8, S9 and E2 in `docs/protocol.md`), in every history within the bounds of the
//! tests. All requests have one id, as those of somebody who got no reply.

use model_tests::{Config, Faults, check};
use scheduled_one_protocol::message::Overlap;

const NONE: Faults = Faults::NONE;

#[test]
fn an_id_is_asked_for_twice() {
    check(Config {
        nodes: 1,
        ticks: vec![1],
        horizon: 3,
        overlap: Overlap::Queue(1),
        faults: Faults {
            asks: 2,
            late_replies: 1,
            ..NONE
        },
        ..Config::new("a run is asked for twice, an answer is late")
    });
}

#[test]
fn a_request_meets_a_tick() {
    check(Config {
        nodes: 2,
        ticks: vec![1],
        horizon: 2,
        faults: Faults {
            asks: 1,
            copies: 1,
            ..NONE
        },
        ..Config::new("a run is asked for, a copy of a request is late")
    });
}

#[test]
fn a_requested_run_is_taken_over() {
    check(Config {
        nodes: 2,
        ticks: vec![1],
        horizon: 7,
        takeovers: 1,
        overlap: Overlap::Queue(1),
        faults: Faults {
            asks: 1,
            crashes: 1,
            ..NONE
        },
        ..Config::new("a run is asked for, a node dies: takeover")
    });
}

#[test]
fn a_cancel_races_the_end_of_its_run() {
    check(Config {
        nodes: 1,
        ticks: vec![1, 2],
        horizon: 3,
        overlap: Overlap::Queue(1),
        faults: Faults {
            asks: 1,
            cancels: 1,
            ..NONE
        },
        ..Config::new("a run is asked for, one is cancelled")
    });
}

#[test]
fn the_store_forgets_a_request() {
    check(Config {
        nodes: 1,
        ticks: vec![1],
        horizon: 7,
        overlap: Overlap::Queue(1),
        faults: Faults {
            asks: 2,
            flushes: 1,
            ..NONE
        },
        ..Config::new("a run is asked for twice, the store is flushed")
    });
}

#[test]
fn a_failover_forgets_a_request() {
    check(Config {
        nodes: 1,
        ticks: vec![1],
        horizon: 7,
        overlap: Overlap::Queue(1),
        faults: Faults {
            asks: 2,
            failovers: 1,
            lost_writes: 2,
            ..NONE
        },
        ..Config::new("a run is asked for twice, a failover loses changes")
    });
}
