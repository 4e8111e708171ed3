//! The promises hold whichever nodes claim a tick: which node a unit prefers decides nothing.

use model_tests::{Config, Faults, check};

const NONE: Faults = Faults::NONE;

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
