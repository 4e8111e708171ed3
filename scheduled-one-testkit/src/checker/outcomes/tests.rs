//! Histories that keep E1, and that break it.

use std::time::Duration;

use scheduled_one_schedule::policy::Scope;

use super::super::JobRules;
use super::super::testing::{History, audit, event, fault, rules_of};
use super::*;

const OK: TickStatus = TickStatus::Decided(Outcome::Ok);
const SKIPPED: TickStatus = TickStatus::Decided(Outcome::Skipped);
const DAY_US: u64 = 86_400_000_000;

fn killed() -> FaultWindow {
    fault(FaultKind::Killed, "a", 5, 6)
}

fn loss() -> FaultWindow {
    fault(FaultKind::MemoryLoss, "a", 5, 6)
}

fn ran(how: EventKind) -> [Event; 2] {
    [
        event(EventKind::Start, 10, "a", 1, 100),
        event(how, 20, "a", 1, 100),
    ]
}

#[test]
fn outcomes_agree_with_what_was_seen() {
    let agree = |events: &[Event], status| {
        let mut history = History::of([]).with_fault(killed());
        history.events = events.to_vec();
        rules_of(&history.with_audit(audit([(1, status)])))
    };
    let (ended, failed, panicked) = (
        ran(EventKind::End),
        ran(EventKind::Fail),
        ran(EventKind::Panic),
    );
    let started = &ended[..1];
    for (outcome, good, bad) in [
        (
            Outcome::Ok,
            vec![&ended[..]],
            vec![&failed[..], started, &[]],
        ),
        (
            Outcome::Failed,
            vec![&failed[..]],
            vec![&ended[..], &panicked, started, &[]],
        ),
        (
            Outcome::Panicked,
            vec![&panicked[..]],
            vec![&ended[..], &failed, started, &[]],
        ),
        (Outcome::TimedOut, vec![&ended[..], started], vec![&[][..]]),
        // Signalled while it ended, or before its function was called.
        (Outcome::Cancelled, vec![&ended[..], started, &[]], vec![]),
        // The finish never arrived.
        (Outcome::Lost, vec![&ended[..], started, &[]], vec![]),
        (Outcome::Missed, vec![&[][..]], vec![&ended[..], started]),
        (Outcome::Skipped, vec![&[][..]], vec![&ended[..], started]),
        (Outcome::TakenOver, vec![], vec![&ended[..], &[]]),
        (Outcome::FinishedWithoutLease, vec![], vec![&ended[..], &[]]),
    ] {
        for events in good {
            assert_eq!(
                agree(events, TickStatus::Decided(outcome)),
                [],
                "{outcome} of {events:?}"
            );
        }
        for events in bad {
            assert_eq!(
                agree(events, TickStatus::Decided(outcome)),
                [Rule::E1],
                "{outcome} of {events:?}"
            );
        }
    }
    for status in [
        TickStatus::Open,
        TickStatus::NoLongerKept,
        TickStatus::Unknown,
    ] {
        assert_eq!(agree(&ended, status), [Rule::E1], "{status:?}");
    }
}

#[test]
fn where_only_starts_are_seen_these_must_agree() {
    let agree = |events: &[Event], status| {
        let mut history = History::of([]).with_audit(audit([(1, status)]));
        history.detail = Detail::Starts;
        history.events = events.to_vec();
        rules_of(&history)
    };
    let started = [event(EventKind::Start, 10, "a", 1, 100)];
    for outcome in [
        Outcome::Ok,
        Outcome::Failed,
        Outcome::Panicked,
        Outcome::TimedOut,
    ] {
        assert_eq!(agree(&started, TickStatus::Decided(outcome)), []);
        assert_eq!(agree(&[], TickStatus::Decided(outcome)), [Rule::E1]);
    }
    assert_eq!(agree(&started, SKIPPED), [Rule::E1]);
    assert_eq!(agree(&[], SKIPPED), []);
}

fn line(first_ms: i64, last_ms: i64, outcome: Outcome) -> LedgerLine {
    LedgerLine {
        shard: 0,
        first_ms,
        last_ms,
        outcome,
        ..LedgerLine::default()
    }
}

#[test]
fn a_tick_has_one_outcome() {
    let history = |ledger: Vec<LedgerLine>| {
        History::default().with_audit(Audit {
            ledger,
            ..audit([])
        })
    };
    let (ok, note) = (Outcome::Ok, Outcome::FinishedWithoutLease);
    let retried = LedgerLine {
        retried: true,
        ..line(1, 1, Outcome::Failed)
    };
    let other_shard = LedgerLine {
        shard: 1,
        ..line(1, 1, ok)
    };
    let good = vec![
        retried,
        line(1, 1, ok),
        line(1, 1, note),
        other_shard,
        line(2, 9, Outcome::Missed),
    ];
    assert_eq!(rules_of(&history(good)), []);
    for bad in [
        [line(1, 1, ok), line(1, 1, Outcome::Lost)],
        [line(3, 3, ok), line(2, 9, Outcome::Missed)],
        [line(2, 9, Outcome::Missed), line(9, 9, ok)],
        [line(2, 9, Outcome::Missed), line(1, 2, Outcome::Missed)],
    ] {
        assert_eq!(rules_of(&history(bad.to_vec())), [Rule::E1], "{bad:?}");
        assert_eq!(
            rules_of(&history(bad.to_vec()).with_fault(loss())),
            [],
            "lost"
        );
    }
}

#[test]
fn nothing_is_lost_or_missed_without_a_cause() {
    for outcome in [Outcome::Lost, Outcome::Missed, Outcome::Cancelled] {
        let history = || History::default().with_audit(audit([(1, TickStatus::Decided(outcome))]));
        assert_eq!(rules_of(&history()), [Rule::E1]);
        let flaky = fault(FaultKind::Flaky, "a", 5, 6);
        assert_eq!(rules_of(&history().with_fault(flaky)), [Rule::E1]);
        assert_eq!(rules_of(&history().with_fault(killed())), []);
        let later = fault(FaultKind::Killed, "a", DAY_US, DAY_US + 1);
        assert_eq!(rules_of(&history().with_fault(later)), [Rule::E1]);
    }
}

#[test]
fn every_tick_is_accounted_for() {
    let history = |ticks: &[i64], change: fn(&mut Audit)| {
        let mut audit = Audit {
            every_ms: 10,
            ..audit([])
        };
        audit.ticks.extend(ticks.iter().map(|tick_ms| AuditTick {
            shard: 0,
            node: None,
            tick_ms: *tick_ms,
            status: SKIPPED,
        }));
        change(&mut audit);
        History::default().with_audit(audit)
    };
    let all = [10, 20, 30];
    assert_eq!(rules_of(&history(&all, |_| {})), []);
    assert_eq!(rules_of(&history(&[10, 30], |_| {})), [Rule::E1]);
    assert_eq!(rules_of(&history(&[10, 20, 20, 30], |_| {})), [Rule::E1]);
    assert_eq!(rules_of(&history(&all, |it| it.to_ms = Some(40))), []);
    assert_eq!(
        rules_of(&history(&all, |it| it.to_ms = Some(41))),
        [Rule::E1]
    );
    assert_eq!(
        rules_of(&history(&all, |it| it.from_ms = Some(0))),
        [Rule::E1]
    );
    assert_eq!(rules_of(&history(&[], |_| {})), []);
    assert_eq!(rules_of(&history(&all, |it| it.at_least = 3)), []);
    assert_eq!(rules_of(&history(&all, |it| it.at_least = 4)), [Rule::E1]);
    // What started is accounted for, too, whatever the period is.
    let mut history = history(&[10, 20], |it| it.every_ms = 0);
    history
        .events
        .push(event(EventKind::Start, 10, "a", 15, 100));
    assert_eq!(rules_of(&history), [Rule::E1]);
}

#[test]
fn each_shard_is_accounted_for() {
    let audit = Audit {
        at_least: 1,
        ..audit([(1, SKIPPED)])
    };
    let history = History::of([]).with_audit(audit);
    assert_eq!(rules_of(&history), []);
    assert_eq!(
        rules_of(&history.where_job(|job| job.shards = 2)),
        [Rule::E1]
    );
}

#[test]
fn a_store_that_lost_its_memory_may_not_know_but_must_decide() {
    let history = |status| {
        History::default()
            .with_fault(loss())
            .with_audit(audit([(1, status)]))
    };
    assert_eq!(rules_of(&history(TickStatus::Unknown)), []);
    assert_eq!(rules_of(&history(TickStatus::Open)), [Rule::E1]);
    assert_eq!(rules_of(&history(TickStatus::NoLongerKept)), [Rule::E1]);
    // What was due long after it is known.
    let mut late = history(TickStatus::Unknown);
    late.events
        .push(event(EventKind::Start, DAY_US, "a", 1, 100));
    assert_eq!(rules_of(&late), [Rule::E1]);
    let mut late = history(TickStatus::Unknown);
    late.tick_offset_us = Some(DAY_US as i64);
    assert_eq!(rules_of(&late), [Rule::E1]);
    late.tolerance.aftermath = Duration::from_micros(2 * DAY_US);
    assert_eq!(rules_of(&late), []);
}

#[test]
fn of_a_local_job_only_a_dead_node_may_leave_nothing_known() {
    let local = |job: &mut JobRules| job.scope = Scope::EveryNode;
    let history = |status, node: Option<&str>| {
        let mut audit = audit([(1, status)]);
        audit.ticks[0].node = node.map(str::to_owned);
        History::of(ran(EventKind::End))
            .where_job(local)
            .with_audit(audit)
    };
    assert_eq!(rules_of(&history(TickStatus::Unknown, None)), [Rule::E1]);
    assert_eq!(
        rules_of(&history(TickStatus::Unknown, None).with_fault(killed())),
        []
    );
    assert_eq!(rules_of(&history(OK, Some("a"))), []);
    assert_eq!(rules_of(&history(OK, Some("b"))), [Rule::E1]);
}

#[test]
fn a_ledger_is_an_audit() {
    let ledger = vec![
        line(10, 20, Outcome::Missed),
        line(40, 40, Outcome::Skipped),
    ];
    let of_ledger = |to_ms| Audit::of_ledger("job", 10, 10, to_ms, ledger.clone());
    assert_eq!(of_ledger(41).ticks.len(), 3);
    let history = |to_ms| {
        History::default()
            .with_fault(killed())
            .with_audit(of_ledger(to_ms))
    };
    assert_eq!(rules_of(&history(30)), []);
    assert_eq!(rules_of(&history(41)), [Rule::E1], "tick 30");
}
