//! The promises hold whichever nodes claim a tick: which node a unit prefers decides nothing. And whatever nodes
//! believe of each other, a due tick is decided soon.

use model_tests::{Config, Faults, Guards, L, Leaves, check, check_until_found};

const NONE: Faults = Faults::NONE;

/// Preferences decide nothing: a node may leave a tick to others, or claim it, whatever it believes of them.
#[test]
fn ticks_are_left_to_others_and_one_dies() {
    check(Config {
        leaves: Leaves::Everything,
        faults: Faults { crashes: 1, ..NONE },
        ..Config::new("ticks are left to others, a node dies")
    });
}

#[test]
fn ticks_are_left_to_others_and_the_store_fails_over() {
    check(Config {
        nodes: 2,
        leaves: Leaves::Everything,
        horizon: 10,
        faults: Faults {
            failovers: 1,
            lost_writes: 3,
            ..NONE
        },
        ..Config::new("ticks are left to others, a failover")
    });
}

/// Each node leaves ticks to others, whatever it believes of them, until the store says that nobody claims the unit.
fn left(name: &'static str, nodes: usize, faults: Faults) -> Config {
    Config {
        nodes,
        leaves: Leaves::UntilUnclaimed,
        faults,
        ..Config::new(name)
    }
}

#[test]
fn what_all_leave_to_others_is_decided_soon() {
    let faults = Faults { crashes: 1, ..NONE };
    check(left("left until unclaimed, a node dies", 3, faults));
    let faults = Faults {
        crashes: 1,
        restarts: 1,
        cuts: 1,
        ..NONE
    };
    check(left(
        "left until unclaimed, a node dies, one is cut off",
        2,
        faults,
    ));
    let faults = Faults {
        pauses: 1,
        late_replies: 1,
        ..NONE
    };
    check(left(
        "left until unclaimed, a node stands still, an answer is late",
        2,
        faults,
    ));
}

#[test]
fn what_all_leave_to_others_is_decided_soon_after_a_loss_of_memory() {
    let after = |name, faults| Config {
        ticks: vec![1, 7],
        horizon: 9,
        ..left(name, 2, faults)
    };
    let faults = Faults {
        flushes: 1,
        crashes: 1,
        ..NONE
    };
    check(after("left until unclaimed, flush, a node dies", faults));
    let faults = Faults {
        failovers: 1,
        lost_writes: 3,
        ..NONE
    };
    check(after("left until unclaimed, failover", faults));
}

/// A node hangs: it sends heartbeats, and all others believe that it claims what is due.
#[test]
fn what_a_node_that_hangs_leaves_is_decided_soon() {
    let faults = Faults {
        crashes: 1,
        restarts: 1,
        ..NONE
    };
    check(Config {
        first_hangs: true,
        ..left("the first node hangs, a node dies", 3, faults)
    });
    let faults = Faults {
        cuts: 1,
        late_requests: 1,
        ..NONE
    };
    check(Config {
        first_hangs: true,
        ..left(
            "the first node hangs, one is cut off, a request is late",
            2,
            faults,
        )
    });
}

#[test]
fn without_adopting_what_is_unclaimed_the_model_finds_l() {
    let guards = Guards {
        adopts_unclaimed: false,
        ..Guards::default()
    };
    let config = left("unclaimed units are not adopted", 2, NONE);
    check_until_found(Config { guards, ..config }, L);
}

#[test]
fn with_claims_that_do_not_name_the_next_tick_the_model_finds_l() {
    let guards = Guards {
        claims_name_next: false,
        ..Guards::default()
    };
    let config = left("claims do not name the next tick", 2, NONE);
    check_until_found(Config { guards, ..config }, L);
}

#[test]
fn with_registrations_that_do_not_name_the_next_tick_the_model_finds_l() {
    let guards = Guards {
        registrations_name_next: false,
        ..Guards::default()
    };
    let config = left("registrations do not name the next tick", 2, NONE);
    check_until_found(Config { guards, ..config }, L);
}
