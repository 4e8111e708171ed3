//! Histories that keep S8, S9 and E2, and that break them.

use scheduled_one_protocol::Outcome;
use scheduled_one_schedule::policy::{OnNodeLoss, Overlap};

use super::super::testing::{History, attempt, audit, event, fault, rules_of};
use super::super::{Event, EventKind, FaultKind};
use super::*;

/// A sign of the run of a request.
fn of(request: &str, event: Event) -> Event {
    Event {
        request: request.to_owned(),
        ..event
    }
}

fn start(request: &str, at_us: u64, node: &str, token: u64) -> Event {
    of(request, event(EventKind::Start, at_us, node, 7, token))
}

fn end(request: &str, at_us: u64, token: u64) -> Event {
    of(request, event(EventKind::End, at_us, "a", 7, token))
}

fn asked(id: &str) -> Requested {
    Requested {
        job: "job".to_owned(),
        id: id.to_owned(),
        asked_us: 8,
        acknowledged: true,
        ..Requested::default()
    }
}

fn line(request: &str, outcome: Outcome, token: u64) -> LedgerLine {
    LedgerLine {
        first_ms: 7,
        last_ms: 7,
        outcome,
        request: request.to_owned(),
        token,
        ..LedgerLine::default()
    }
}

/// What was asked for ran like this, and the ledger says that.
fn account<const N: usize>(events: [Event; N], ledger: Vec<LedgerLine>) -> History {
    let mut history = History::of(events).with_audit(Audit {
        ledger,
        ..audit([])
    });
    history.requests = vec![asked("r")];
    history
}

#[test]
fn an_id_starts_once() {
    let other = History::of([
        start("r", 10, "a", 100),
        end("r", 11, 100),
        start("s", 20, "a", 101),
        end("s", 21, 101),
    ]);
    assert_eq!(rules_of(&other), [], "two requests for one instant");
    let [begun, ended] = [start("r", 10, "a", 100), end("r", 11, 100)];
    let twice = History::of([begun, ended, start("r", 20, "b", 101)]);
    assert_eq!(rules_of(&twice), [Rule::S8]);
    let other_shard = Event {
        shard: 1,
        ..start("r", 30, "b", 101)
    };
    assert_eq!(
        rules_of(&History::of([start("r", 10, "a", 100), other_shard])),
        []
    );
}

#[test]
fn the_attempts_at_a_request_are_those_that_policies_allow() {
    let taken_over = || {
        let second = attempt(2, start("r", 30, "b", 101));
        History::of([start("r", 10, "a", 100), second])
    };
    assert_eq!(rules_of(&taken_over()), [Rule::S8]);
    let rerun = |job: &mut JobRules| job.on_node_loss = OnNodeLoss::Rerun(1);
    assert_eq!(rules_of(&taken_over().where_job(rerun)), []);
}

#[test]
fn a_request_is_no_tick() {
    // The rerun of an old tick: neither a second start (S1) nor an older tick after a newer one (S5).
    let tick = |at_us, tick_ms, token| event(EventKind::Start, at_us, "a", tick_ms, token);
    let rerun = History::of([tick(10, 7, 100), tick(20, 8, 101), start("r", 30, "b", 102)]);
    assert_eq!(rules_of(&rerun), []);
    let pauses = super::super::Directed {
        subject: "*".to_owned(),
        version: 1,
        pauses: true,
        ..super::super::Directed::default()
    };
    let in_a_pause = History {
        directives: vec![pauses],
        ..History::of([of("r", event(EventKind::Grant, 3_000_000, "a", 7, 100))])
    };
    assert_eq!(rules_of(&in_a_pause), [], "no pause stops requests");
}

#[test]
fn requests_and_ticks_exclude_each_other() {
    let overlap = |beside| {
        let mut history = History::of([
            event(EventKind::Start, 10, "a", 1, 100),
            start("r", 15, "b", 101),
            event(EventKind::Poll, 16, "a", 1, 100),
        ]);
        history.requests = vec![Requested {
            beside,
            ..asked("r")
        }];
        history
    };
    assert_eq!(rules_of(&overlap(false)), [Rule::S2]);
    assert_eq!(rules_of(&overlap(true)), []);
    let allow = |job: &mut JobRules| job.overlap = Overlap::Allow(2);
    assert_eq!(rules_of(&overlap(false).where_job(allow)), []);
    // Two requests never overlap.
    let mut two = overlap(true);
    two.events[0].request = "q".to_owned();
    two.events[2].request = "q".to_owned();
    assert_eq!(rules_of(&two), [Rule::S2]);
    assert_eq!(rules_of(&two.where_job(allow)), [Rule::S2]);
}

#[test]
fn tokens_increase_over_unit_and_lane() {
    let history = |token| {
        History::of([
            event(EventKind::Start, 10, "a", 1, 100),
            start("r", 20, "b", token),
        ])
    };
    assert_eq!(rules_of(&history(101)), []);
    assert_eq!(rules_of(&history(99)), [Rule::S3]);
    assert_eq!(rules_of(&history(100)), [Rule::S3], "shared");
    let accepted = |token| of("r", event(EventKind::Accepted, 25, "b", 7, token));
    let mut effects = history(101);
    effects.events.push(accepted(101));
    effects
        .events
        .push(event(EventKind::Accepted, 26, "a", 1, 100));
    assert_eq!(rules_of(&effects), [Rule::S6]);
}

#[test]
fn a_request_ends_in_one_line() {
    let ran = || [start("r", 10, "a", 100), end("r", 20, 100)];
    let ok = || line("r", Outcome::Ok, 100);
    assert_eq!(rules_of(&account(ran(), vec![ok()])), []);
    assert_eq!(rules_of(&account(ran(), vec![])), [Rule::E2]);
    assert_eq!(rules_of(&account(ran(), vec![ok(), ok()])), [Rule::E2]);
    assert_eq!(
        rules_of(&account(ran(), vec![line("s", Outcome::Ok, 100)])),
        [Rule::E2]
    );
    let retried = LedgerLine {
        retried: true,
        ..line("r", Outcome::Failed, 100)
    };
    let note = line("r", Outcome::FinishedWithoutLease, 100);
    assert_eq!(rules_of(&account(ran(), vec![retried, note, ok()])), []);
    // Without a reply, it may have been taken or not.
    let mut unanswered = account([], vec![]);
    unanswered.requests[0].acknowledged = false;
    assert_eq!(rules_of(&unanswered), []);
    unanswered.requests.push(asked("r"));
    assert_eq!(rules_of(&unanswered), [Rule::E2], "but for its repetition");
}

#[test]
fn a_line_is_what_the_run_saw() {
    let failed = || line("r", Outcome::Failed, 100);
    let ran = || [start("r", 10, "a", 100), end("r", 20, 100)];
    assert_eq!(rules_of(&account(ran(), vec![failed()])), [Rule::E2]);
    let skipped = || line("r", Outcome::Skipped, 0);
    assert_eq!(rules_of(&account(ran(), vec![skipped()])), [Rule::E2]);
    assert_eq!(rules_of(&account([], vec![skipped()])), []);
    assert_eq!(
        rules_of(&account([], vec![line("r", Outcome::Ok, 100)])),
        [Rule::E2]
    );
    let lost = || {
        account(
            [start("r", 10, "a", 100)],
            vec![line("r", Outcome::Lost, 100)],
        )
    };
    assert_eq!(rules_of(&lost()), [Rule::E2]);
    assert_eq!(
        rules_of(&lost().with_fault(fault(FaultKind::Killed, "a", 12, 13))),
        []
    );
    // One that waited until a fault came.
    let late = fault(FaultKind::Killed, "a", 90_000_000, 90_000_001);
    let unstarted = || account([], vec![line("r", Outcome::Lost, 100)]);
    assert_eq!(rules_of(&unstarted()), [Rule::E2]);
    assert_eq!(rules_of(&unstarted().with_fault(late)), []);
}

#[test]
fn a_loss_of_memory_may_lose_a_request_and_its_line() {
    let loss = || fault(FaultKind::MemoryLoss, "a", 9, 9);
    assert_eq!(rules_of(&account([], vec![]).with_fault(loss())), []);
    let mut later = account([], vec![]).with_fault(loss());
    later.requests[0].asked_us = 90_000_000;
    assert_eq!(rules_of(&later), [Rule::E2]);
}

#[test]
fn lines_of_requests_are_no_outcomes_of_ticks() {
    let tick = LedgerLine {
        first_ms: 7,
        last_ms: 7,
        ..LedgerLine::default()
    };
    let ran = [start("r", 10, "a", 100), end("r", 20, 100)];
    let lines = vec![tick, line("r", Outcome::Ok, 100)];
    assert_eq!(rules_of(&account(ran, lines)), []);
}

#[test]
fn a_cancel_stops_only_the_run_that_it_names() {
    let history = |named: u64| {
        let stopped = LedgerLine {
            by_operator: true,
            ..line("r", Outcome::Cancelled, 101)
        };
        let mut history = account([start("r", 10, "a", 101)], vec![stopped]);
        history.cancels = vec![CancelRequested {
            job: "job".to_owned(),
            shard: 0,
            token: named,
            asked_us: 12,
        }];
        history
    };
    assert_eq!(rules_of(&history(101)), []);
    assert_eq!(rules_of(&history(100)), [Rule::S9], "the successor");
    let mut of_another = history(101);
    of_another.cancels[0].job = "other".to_owned();
    assert_eq!(rules_of(&of_another), [Rule::S9]);
    let mut of_another = history(101);
    of_another.cancels[0].shard = 1;
    assert_eq!(
        rules_of(&of_another),
        [Rule::S9],
        "a shard with the same token"
    );
    // Others may stop it.
    let mut shutdown = history(100);
    shutdown.audits[0].ledger[0].by_operator = false;
    assert_eq!(rules_of(&shutdown), []);
}
