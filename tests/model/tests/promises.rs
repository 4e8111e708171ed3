//! The promises of `docs/protocol.md`, in every history within the bounds of the tests. Each test has one job, a few
//! nodes and a budget of faults, and prints the number of states.

use model_tests::{Config, Faults, check};
use scheduled_one_protocol::message::Overlap;

const NONE: Faults = Faults::NONE;

#[test]
fn nothing_goes_wrong() {
    check(Config::new("nothing goes wrong"));
}

#[test]
fn nodes_die_and_others_start() {
    check(Config {
        faults: Faults {
            crashes: 2,
            restarts: 1,
            ..NONE
        },
        ..Config::new("nodes die and others start")
    });
}

#[test]
fn a_node_is_cut_off_and_one_dies() {
    check(Config {
        faults: Faults {
            crashes: 1,
            cuts: 1,
            ..NONE
        },
        ..Config::new("a node is cut off and one dies")
    });
}

#[test]
fn a_node_stands_still_and_an_answer_is_late() {
    check(Config {
        nodes: 2,
        faults: Faults {
            pauses: 1,
            late_replies: 1,
            ..NONE
        },
        ..Config::new("a node stands still and an answer is late")
    });
}

#[test]
fn nodes_stand_still() {
    check(Config {
        faults: Faults { pauses: 1, ..NONE },
        ..Config::new("one of three nodes stands still")
    });
}

#[test]
fn requests_and_answers_are_late() {
    check(Config {
        nodes: 2,
        faults: Faults {
            late_requests: 1,
            late_replies: 1,
            crashes: 1,
            ..NONE
        },
        ..Config::new("a request and an answer are late, a node dies")
    });
}

#[test]
fn messages_are_late_among_three() {
    check(Config {
        horizon: 6,
        ticks: vec![1, 2],
        faults: Faults {
            late_requests: 1,
            late_replies: 1,
            ..NONE
        },
        ..Config::new("a request and an answer are late, of three nodes")
    });
}

#[test]
fn copies_arrive_later() {
    check(Config {
        nodes: 2,
        faults: Faults {
            copies: 1,
            late_requests: 1,
            ..NONE
        },
        ..Config::new("a copy and a request are late")
    });
}

#[test]
fn runs_are_taken_over() {
    check(Config {
        takeovers: 1,
        horizon: 10,
        faults: Faults {
            cuts: 1,
            pauses: 1,
            ..NONE
        },
        nodes: 2,
        ..Config::new("takeover: a node is cut off, one stands still")
    });
}

#[test]
fn runs_are_taken_over_and_tried_again() {
    check(Config {
        takeovers: 1,
        retries: 1,
        ticks: vec![1],
        nodes: 2,
        faults: Faults {
            pauses: 1,
            late_replies: 1,
            ..NONE
        },
        ..Config::new("takeover and retry: a node stands still, an answer is late")
    });
}

#[test]
fn a_tick_waits() {
    check(Config {
        overlap: Overlap::Queue(1),
        nodes: 2,
        faults: Faults {
            crashes: 1,
            late_replies: 1,
            ..NONE
        },
        ..Config::new("queue: a node dies, an answer is late")
    });
}

#[test]
fn a_tick_waits_and_runs_are_taken_over() {
    check(Config {
        overlap: Overlap::Queue(1),
        takeovers: 1,
        horizon: 11,
        faults: Faults {
            crashes: 1,
            cuts: 1,
            ..NONE
        },
        nodes: 2,
        ..Config::new("queue and takeover: a node dies, one is cut off")
    });
}

#[test]
fn a_tick_has_the_one_before_stop() {
    check(Config {
        overlap: Overlap::CancelRunning,
        takeovers: 1,
        nodes: 2,
        faults: Faults {
            crashes: 1,
            late_requests: 1,
            ..NONE
        },
        ..Config::new("cancel_running and takeover: a node dies, a request is late")
    });
}

#[test]
fn the_store_is_flushed() {
    check(Config {
        nodes: 2,
        faults: Faults {
            flushes: 1,
            cuts: 1,
            ..NONE
        },
        ..Config::new("flush: a node is cut off")
    });
}

#[test]
fn a_unit_waits_for_its_own_lease() {
    check(Config {
        nodes: 2,
        other_lease: 40,
        faults: Faults {
            flushes: 1,
            cuts: 1,
            ..NONE
        },
        ..Config::new("flush: another job has a lease ten times as long")
    });
}

/// A node of another release has runs with a longer lease.
#[test]
fn a_unit_waits_for_the_longest_lease_that_was_stated() {
    check(Config {
        nodes: 2,
        ticks: vec![1, 8],
        first_lease: 8,
        horizon: 11,
        faults: Faults {
            flushes: 1,
            cuts: 1,
            ..NONE
        },
        ..Config::new("flush: two leases, a node is cut off")
    });
}

/// Nodes of two releases: the one that starts last decides, also after a restart of the other, and after a flush.
#[test]
fn one_schedule_decides() {
    check(Config {
        nodes: 2,
        ticks: vec![1, 4, 8],
        other_ticks: vec![2, 6, 9],
        horizon: 10,
        faults: Faults {
            crashes: 1,
            restarts: 1,
            flushes: 1,
            ..NONE
        },
        ..Config::new("two schedules: a node dies and starts again, flush")
    });
}

#[test]
fn the_store_is_flushed_with_late_messages() {
    check(Config {
        nodes: 2,
        overlap: Overlap::Queue(1),
        faults: Faults {
            flushes: 1,
            late_requests: 1,
            ..NONE
        },
        ..Config::new("queue: flush, a request is late")
    });
}

#[test]
fn what_only_dead_nodes_saw_may_start_twice() {
    check(Config {
        nodes: 2,
        ticks: vec![1],
        starts_twice: true,
        faults: Faults {
            flushes: 1,
            crashes: 1,
            cuts: 1,
            ..NONE
        },
        ..Config::new("flush: a node dies, one is cut off")
    });
}

#[test]
fn a_failover_loses_the_newest_writes() {
    check(Config {
        horizon: 8,
        ticks: vec![1, 2],
        starts_twice: true,
        faults: Faults {
            failovers: 1,
            lost_writes: 3,
            crashes: 1,
            ..NONE
        },
        ..Config::new("failover: a node dies")
    });
}

#[test]
fn a_failover_brings_back_what_waited() {
    check(Config {
        overlap: Overlap::Queue(1),
        nodes: 2,
        horizon: 10,
        faults: Faults {
            failovers: 1,
            lost_writes: 4,
            ..NONE
        },
        ..Config::new("queue: failover")
    });
}

#[test]
fn a_failover_brings_back_what_was_taken_over() {
    check(Config {
        takeovers: 1,
        nodes: 2,
        horizon: 14,
        faults: Faults {
            failovers: 1,
            lost_writes: 3,
            crashes: 1,
            ..NONE
        },
        ..Config::new("takeover: failover, a node dies")
    });
}

#[test]
fn a_failover_and_retries() {
    check(Config {
        takeovers: 1,
        retries: 1,
        ticks: vec![1],
        nodes: 2,
        horizon: 12,
        faults: Faults {
            failovers: 1,
            lost_writes: 3,
            crashes: 1,
            ..NONE
        },
        ..Config::new("takeover and retry: failover, a node dies")
    });
}

#[test]
fn the_clock_of_the_store_is_set() {
    check(Config {
        takeovers: 1,
        nodes: 2,
        faults: Faults {
            jumps: 1,
            cuts: 1,
            ..NONE
        },
        ..Config::new("takeover: the clock is set, a node is cut off")
    });
}

#[test]
fn the_clock_of_the_store_is_set_at_a_failover() {
    check(Config {
        nodes: 2,
        faults: Faults {
            jumps: 1,
            failovers: 1,
            lost_writes: 2,
            ..NONE
        },
        ..Config::new("failover to a clock that is wrong")
    });
}

#[test]
fn a_message_is_under_way_while_its_node_stands_still() {
    check(Config {
        nodes: 1,
        horizon: 10,
        faults: Faults {
            pauses: 1,
            late_requests: 1,
            ..NONE
        },
        ..Config::new("one node stands still, a request is late")
    });
}
