//! Each guard is needed: without it, the model finds a history in which a
//! promise is broken. So these tests test the model as well.

use model_tests::{Config, Faults, Guards, KNOWN, S1, S2, S4, VALID, check_until_found};

fn two_nodes(name: &'static str, faults: Faults, guards: Guards) -> Config {
    Config {
        nodes: 2,
        faults,
        guards,
        ..Config::new(name)
    }
}

#[test]
fn without_the_poll_check_the_model_finds_s4() {
    let faults = Faults {
        pauses: 1,
        ..Faults::default()
    };
    let guards = Guards {
        poll_check: false,
        ..Guards::default()
    };
    let config = two_nodes("no poll check", faults, guards);
    check_until_found(config.clone(), S4);
    check_until_found(
        Config {
            takeovers: 1,
            ..config
        },
        S2,
    );
}

#[test]
fn with_leases_counted_from_the_answer_the_model_finds_s4() {
    let faults = Faults {
        late_replies: 1,
        cuts: 1,
        ..Faults::default()
    };
    let guards = Guards {
        counted_from_sending: false,
        ..Guards::default()
    };
    let config = two_nodes("leases counted from the answer", faults, guards);
    check_until_found(config.clone(), S4);
    check_until_found(
        Config {
            takeovers: 1,
            ..config
        },
        S2,
    );
}

#[test]
fn without_observed_takeover_the_model_finds_s2() {
    let faults = Faults {
        jumps: 1,
        cuts: 1,
        ..Faults::default()
    };
    let guards = Guards {
        observed_takeover: false,
        pauses_after_jump: false,
        ..Guards::default()
    };
    check_until_found(two_nodes("no observed takeover", faults, guards), S2);
    // With the pause after a jump, it takes a node that was not up then.
    let config = Config {
        takeovers: 1,
        faults: Faults {
            jumps: 1,
            crashes: 1,
            restarts: 1,
            cuts: 1,
            ..Faults::default()
        },
        guards: Guards {
            observed_takeover: false,
            ..Guards::default()
        },
        ..two_nodes("no observed takeover, a node starts", faults, guards)
    };
    check_until_found(config, S2);
}

#[test]
fn without_bounds_the_model_finds_s1() {
    let faults = Faults {
        flushes: 1,
        cuts: 1,
        ..Faults::default()
    };
    let guards = Guards {
        bounds: false,
        ..Guards::default()
    };
    check_until_found(two_nodes("no bounds", faults, guards), S1);
}

#[test]
fn without_registering_again_the_model_finds_s1() {
    let faults = Faults {
        flushes: 1,
        cuts: 1,
        ..Faults::default()
    };
    let guards = Guards {
        registers_again: false,
        ..Guards::default()
    };
    check_until_found(two_nodes("no registering again", faults, guards), S1);
}

#[test]
fn with_another_nonce_for_a_repeated_claim_the_model_finds_a_run_nobody_knows() {
    let faults = Faults {
        late_replies: 1,
        ..Faults::default()
    };
    let guards = Guards {
        same_nonce: false,
        ..Guards::default()
    };
    check_until_found(two_nodes("another nonce", faults, guards), KNOWN);
}

#[test]
fn without_waiting_for_the_record_the_model_finds_s1() {
    let faults = Faults {
        cuts: 1,
        ..Faults::default()
    };
    let guards = Guards {
        waits_for_recorded: false,
        ..Guards::default()
    };
    let config = Config {
        takeovers: 1,
        retries: 1,
        ticks: vec![1],
        ..two_nodes("no waiting for the record", faults, guards)
    };
    check_until_found(config, S1);
}

#[test]
fn without_valid_until_the_model_finds_that_an_old_request_does_something() {
    let faults = Faults {
        pauses: 1,
        late_requests: 1,
        ..Faults::default()
    };
    let guards = Guards {
        valid_until: false,
        ..Guards::default()
    };
    let config = Config {
        nodes: 1,
        ..two_nodes("no valid_until", faults, guards)
    };
    check_until_found(config, VALID);
}

/// The store has recorded the end, is flushed, and believes the renewal: the
/// unit stays busy with a run that nobody polls, for as long as it is renewed.
#[test]
fn with_renewals_of_a_run_that_has_ended_the_model_finds_a_run_nobody_polls() {
    let faults = Faults {
        flushes: 1,
        ..Faults::default()
    };
    let guards = Guards {
        ended_is_not_renewed: false,
        ..Guards::default()
    };
    let config = Config {
        nodes: 1,
        ticks: vec![1],
        horizon: 3,
        ..two_nodes("an ended run is renewed", faults, guards)
    };
    check_until_found(config, KNOWN);
}
