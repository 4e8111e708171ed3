//! Each guard of a node is needed: without a guard, the model finds a history that breaks a promise. The tests show as
//! well that the model can find one.

use model_tests::{
    C1, Config, Faults, Guards, KNOWN, ONE, S1, S2, S4, S7, S8, S9, VALID, WANTED,
    check_until_found,
};
use scheduled_one_protocol::message::Overlap;

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

/// The first node registers after the flush, does not renew its run any more, and polls it longer than the second node
/// would wait for its own lease.
#[test]
fn without_the_stated_lease_the_model_finds_s2() {
    let faults = Faults {
        flushes: 1,
        cuts: 1,
        ..Faults::default()
    };
    let guards = Guards {
        states_lease: false,
        ..Guards::default()
    };
    let config = Config {
        ticks: vec![1, 6],
        first_lease: 8,
        horizon: 11,
        ..two_nodes("no lease is stated", faults, guards)
    };
    check_until_found(config, S2);
}

/// The nodes register again after the flush in any order: without what they saw, the last of them would decide.
#[test]
fn without_telling_the_schedule_the_model_finds_another_one_that_decides() {
    let faults = Faults {
        crashes: 1,
        restarts: 1,
        flushes: 1,
        ..Faults::default()
    };
    let guards = Guards {
        tells_schedule: false,
        ..Guards::default()
    };
    let config = Config {
        ticks: vec![1, 4, 8],
        other_ticks: vec![2, 6, 9],
        horizon: 10,
        ..two_nodes("the schedule is not repeated", faults, guards)
    };
    check_until_found(config, ONE);
}

#[test]
fn with_a_registration_as_gone_that_names_no_other_the_model_finds_a_lost_schedule() {
    let faults = Faults {
        crashes: 1,
        restarts: 1,
        gone: 1,
        ..Faults::default()
    };
    let guards = Guards {
        names_looked: false,
        ..Guards::default()
    };
    let config = Config {
        nodes: 1,
        ..two_nodes("gone, whoever has registered since", faults, guards)
    };
    check_until_found(config, ONE);
}

#[test]
fn without_the_version_in_claims_the_model_finds_a_tick_of_another_schedule() {
    let faults = Faults {
        reschedules: 1,
        late_requests: 1,
        ..Faults::default()
    };
    let guards = Guards {
        names_version: false,
        ..Guards::default()
    };
    let config = Config {
        wanted_ticks: vec![2, 4],
        ..two_nodes("claims without a version", faults, guards)
    };
    check_until_found(config, WANTED);
}

/// A pause, and a store that forgets it, which no node repeats to it.
fn forgotten_pause() -> Config {
    let faults = Faults {
        directives: 1,
        flushes: 1,
        ..Faults::default()
    };
    let guards = Guards {
        repeats_directives: false,
        ..Guards::default()
    };
    Config {
        ticks: vec![1, 7],
        horizon: 8,
        ..two_nodes("directives are not repeated", faults, guards)
    }
}

#[test]
fn without_repeating_directives_the_model_finds_a_grant_in_a_pause() {
    check_until_found(forgotten_pause(), S7);
}

#[test]
fn without_repeating_directives_the_model_finds_two_directives() {
    check_until_found(forgotten_pause(), C1);
}

#[test]
fn without_repeating_directives_the_model_finds_a_tick_of_another_schedule() {
    let faults = Faults {
        reschedules: 1,
        flushes: 1,
        ..Faults::default()
    };
    let guards = Guards {
        repeats_directives: false,
        ..Guards::default()
    };
    let config = Config {
        ticks: vec![1, 7],
        wanted_ticks: vec![6],
        horizon: 7,
        ..two_nodes("a schedule is not repeated", faults, guards)
    };
    check_until_found(config, WANTED);
}

/// Two nodes, one tick, and what somebody asks for.
fn asked_for(name: &'static str, faults: Faults, guards: Guards) -> Config {
    Config {
        ticks: vec![1],
        overlap: Overlap::Queue(1),
        horizon: 7,
        ..two_nodes(name, faults, guards)
    }
}

/// The one that asked twice, because no reply came.
#[test]
fn without_knowing_ids_the_model_finds_s8() {
    let faults = Faults {
        asks: 2,
        ..Faults::default()
    };
    let guards = Guards {
        knows_ids: false,
        ..Guards::default()
    };
    check_until_found(asked_for("ids are not kept", faults, guards), S8);
}

/// The store forgot the request, and is asked again. One node is enough.
#[test]
fn without_remembering_requests_the_model_finds_s8() {
    let faults = Faults {
        asks: 2,
        flushes: 1,
        ..Faults::default()
    };
    let guards = Guards {
        remembers_requests: false,
        ..Guards::default()
    };
    let config = Config {
        nodes: 1,
        ..asked_for("nodes do not repeat ids", faults, guards)
    };
    check_until_found(config, S8);
}

#[test]
fn without_the_lane_in_claims_the_model_finds_s2() {
    let faults = Faults {
        asks: 1,
        ..Faults::default()
    };
    let guards = Guards {
        brings_lane: false,
        ..Guards::default()
    };
    check_until_found(
        asked_for("claims do not look at the lane", faults, guards),
        S2,
    );
}

/// The run that was named has ended, and another one goes on.
#[test]
fn without_the_token_of_a_cancel_the_model_finds_s9() {
    let faults = Faults {
        cancels: 1,
        ..Faults::default()
    };
    let guards = Guards {
        names_token: false,
        ..Guards::default()
    };
    let config = Config {
        ticks: vec![1, 2],
        ..asked_for("a cancel is for whatever runs", faults, guards)
    };
    check_until_found(config, S9);
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

/// The store has recorded the end, is flushed, and accepts the renewal: the unit stays busy with a run that is not
/// polled, as long as renewals continue.
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
