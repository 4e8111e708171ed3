//! An operator forgets the job (`docs/protocol.md`), in every history within the bounds of the tests; and guards of
//! that are needed.

use model_tests::{Config, Faults, Guards, S2, WHOLE, check, check_until_found};

/// A node dies, another one starts at any time, and the operator looks and asks at any time.
fn dies() -> Config {
    Config {
        nodes: 1,
        ticks: vec![1, 5, 7],
        horizon: 7,
        faults: Faults {
            crashes: 1,
            restarts: 1,
            forgets: 1,
            ..Faults::default()
        },
        ..Config::new("forget: a node dies, another one starts")
    }
}

/// The only node that has the job is cut off, and reaches the store again.
fn is_cut_off() -> Config {
    Config {
        nodes: 1,
        ticks: vec![1, 2, 6],
        horizon: 7,
        faults: Faults {
            cuts: 1,
            forgets: 1,
            ..Faults::default()
        },
        ..Config::new("forget: a node is cut off, and reaches the store again")
    }
}

#[test]
fn a_job_is_forgotten_while_a_node_starts() {
    check(dies());
}

#[test]
fn a_job_is_forgotten_while_its_node_is_cut_off() {
    check(is_cut_off());
}

/// One of two nodes dies: the other one keeps the job, or dies, too.
#[test]
fn a_job_of_a_living_node_is_not_forgotten() {
    check(Config {
        nodes: 2,
        ticks: vec![1, 4],
        horizon: 5,
        faults: Faults {
            crashes: 2,
            forgets: 1,
            ..Faults::default()
        },
        ..Config::new("forget: two nodes die")
    });
}

/// The clock of the store is ahead and set back, its only node dies, and an operator takes the decisions back.
fn was_ahead() -> Config {
    Config {
        nodes: 1,
        ticks: vec![1, 6],
        horizon: 7,
        faults: Faults {
            jumps: 2,
            crashes: 1,
            restarts: 1,
            forgets: 1,
            ..Faults::default()
        },
        ..Config::new("decisions ahead of the clock are taken back")
    }
}

#[test]
fn decisions_ahead_of_the_clock_are_taken_back() {
    check(was_ahead());
}

#[test]
fn without_a_look_at_the_nodes_the_model_finds_two_runs() {
    let guards = Guards {
        forget_sees_nodes: false,
        forget_sees_runs: false,
        ..Guards::default()
    };
    let config = Config {
        nodes: 2,
        ticks: vec![1, 2],
        horizon: 3,
        faults: Faults {
            forgets: 1,
            ..Faults::default()
        },
        guards,
        ..Config::new("a job of living nodes is forgotten")
    };
    check_until_found(config, S2);
}

/// The run of a node that is cut off goes on, and a new node starts the next tick.
#[test]
fn without_a_look_at_the_runs_the_model_finds_two_runs() {
    let guards = Guards {
        forget_sees_runs: false,
        ..Guards::default()
    };
    let config = Config {
        nodes: 2,
        ticks: vec![1, 6],
        first_lease: 8,
        horizon: 7,
        faults: Faults {
            cuts: 1,
            crashes: 1,
            restarts: 1,
            forgets: 1,
            ..Faults::default()
        },
        guards,
        ..Config::new("a job with a run is forgotten")
    };
    check_until_found(config, S2);
}

#[test]
fn without_registering_unseen_jobs_the_model_finds_half_a_job() {
    let guards = Guards {
        registers_unseen: false,
        ..Guards::default()
    };
    check_until_found(Config { guards, ..dies() }, WHOLE);
    check_until_found(
        Config {
            guards,
            ..is_cut_off()
        },
        WHOLE,
    );
}
