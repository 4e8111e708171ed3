//! The promises hold whichever nodes claim a tick: which node a unit prefers decides nothing.

use model_tests::{Config, Faults, check};

const NONE: Faults = Faults {
    crashes: 0,
    restarts: 0,
    pauses: 0,
    cuts: 0,
    late_requests: 0,
    late_replies: 0,
    copies: 0,
    failovers: 0,
    lost_writes: 0,
    flushes: 0,
    jumps: 0,
    directives: 0,
    asks: 0,
    cancels: 0,
    reschedules: 0,
    gone: 0,
};

/// Preferences decide nothing: a node may leave a tick to others, or claim it, whatever it believes of them.
#[test]
fn ticks_are_left_to_others_and_one_dies() {
    check(Config {
        leaves_ticks: true,
        faults: Faults { crashes: 1, ..NONE },
        ..Config::new("ticks are left to others, a node dies")
    });
}

#[test]
fn ticks_are_left_to_others_and_the_store_fails_over() {
    check(Config {
        nodes: 2,
        leaves_ticks: true,
        horizon: 10,
        faults: Faults {
            failovers: 1,
            lost_writes: 3,
            ..NONE
        },
        ..Config::new("ticks are left to others, a failover")
    });
}
