//! Histories that keep S1, S2, S3 and S5, and that break them.

use scheduled_one_schedule::policy::{OnLeaseLost, OnNodeLoss, Overlap, Scope};

use super::super::testing::{History, attempt, event, fault, rules_of};
use super::*;

fn start(at_us: u64, node: &str, tick_ms: i64, token: u64) -> Event {
    event(EventKind::Start, at_us, node, tick_ms, token)
}

#[test]
fn each_tick_and_attempt_starts_once() {
    let twice = History::of([start(10, "a", 1, 100), start(30, "b", 1, 101)]);
    assert_eq!(rules_of(&twice), [Rule::S1]);
    assert_eq!(twice.check()[0].ticks, [1]);
    let other_shard = Event {
        shard: 1,
        ..start(30, "b", 1, 101)
    };
    let shards = History::of([start(10, "a", 1, 100), other_shard]);
    assert_eq!(rules_of(&shards), []);
}

#[test]
fn attempts_are_those_that_policies_allow() {
    let second = |token| attempt(2, start(30, "a", 1, token));
    let retried = || History::of([start(10, "a", 1, 100), second(100)]);
    assert_eq!(rules_of(&retried()), [Rule::S1]);
    assert_eq!(rules_of(&retried().where_job(|job| job.retries = 1)), []);
    let taken_over = || History::of([start(10, "a", 1, 100), second(101)]);
    assert_eq!(rules_of(&taken_over()), [Rule::S1]);
    let rerun = |job: &mut JobRules| job.on_node_loss = OnNodeLoss::Rerun(1);
    assert_eq!(rules_of(&taken_over().where_job(rerun)), []);
    // Each run makes its retries: the fourth attempt is the last.
    let many = |last: u32| {
        let fourth = attempt(last, start(30, "a", 1, 101));
        History::of([start(10, "a", 1, 100), fourth]).where_job(|job| {
            job.retries = 1;
            job.on_node_loss = OnNodeLoss::Rerun(1);
        })
    };
    assert_eq!(rules_of(&many(4)), []);
    assert_eq!(rules_of(&many(5)), [Rule::S1]);
}

#[test]
fn runs_do_not_overlap() {
    let events = |polled_us| {
        [
            start(10, "a", 1, 100),
            start(15, "b", 2, 101),
            event(EventKind::Poll, polled_us, "a", 1, 100),
        ]
    };
    assert_eq!(rules_of(&History::of(events(14))), []);
    assert_eq!(rules_of(&History::of(events(16))), [Rule::S2]);
    let finish = |job: &mut JobRules| job.on_lease_lost = OnLeaseLost::Finish;
    assert_eq!(rules_of(&History::of(events(16)).where_job(finish)), []);
    // Clocks that may be wrong by more than that prove nothing.
    let [a, b, poll] = events(16);
    let uncertain = Event {
        uncertainty_us: 2,
        ..poll
    };
    assert_eq!(rules_of(&History::of([a, b, uncertain])), []);
    // To be dropped is not to run.
    let [a, b, _] = events(16);
    let dropped = event(EventKind::Drop, 16, "a", 1, 100);
    assert_eq!(rules_of(&History::of([a, b, dropped])), []);
}

#[test]
fn as_many_runs_overlap_as_are_allowed() {
    let events = || {
        [
            start(10, "a", 1, 100),
            start(15, "b", 2, 101),
            start(20, "c", 3, 102),
            event(EventKind::End, 30, "a", 1, 100),
            event(EventKind::End, 30, "b", 2, 101),
        ]
    };
    let allow = |most| move |job: &mut JobRules| job.overlap = Overlap::Allow(most);
    assert_eq!(rules_of(&History::of(events()).where_job(allow(3))), []);
    assert_eq!(
        rules_of(&History::of(events()).where_job(allow(2))),
        [Rule::S2]
    );
}

#[test]
fn a_run_goes_on_between_its_attempts() {
    let events = [
        start(10, "a", 1, 100),
        event(EventKind::Fail, 11, "a", 1, 100),
        start(12, "b", 2, 101),
        event(EventKind::End, 13, "b", 2, 101),
        attempt(2, start(20, "a", 1, 100)),
    ];
    let history = History::of(events).where_job(|job| {
        job.retries = 1;
        job.overlap = Overlap::Allow(1);
    });
    let rules = rules_of(&history);
    assert!(rules.contains(&Rule::S2), "{rules:?}");
}

#[test]
fn attempts_of_a_run_do_not_overlap() {
    let events = |polled_us| {
        [
            start(10, "a", 1, 100),
            attempt(2, start(20, "a", 1, 100)),
            event(EventKind::Poll, polled_us, "a", 1, 100),
        ]
    };
    let retries = |job: &mut JobRules| job.retries = 1;
    assert_eq!(rules_of(&History::of(events(19)).where_job(retries)), []);
    assert_eq!(
        rules_of(&History::of(events(21)).where_job(retries)),
        [Rule::S2]
    );
}

#[test]
fn a_poll_that_was_under_way_is_no_overlap_but_two_are() {
    let pause = fault(FaultKind::Paused, "a", 12, 40);
    let events = [
        start(10, "a", 1, 100),
        start(15, "b", 2, 101),
        event(EventKind::Poll, 41, "a", 1, 100),
    ];
    let mut history = History::of(events).with_fault(pause);
    assert_eq!(rules_of(&history), []);
    history.tolerance.wake_up = std::time::Duration::ZERO;
    assert_eq!(rules_of(&history), [Rule::S2]);
    history.tolerance = super::super::Tolerance::default();
    history.events.push(event(EventKind::Poll, 42, "a", 1, 100));
    assert_eq!(rules_of(&history), [Rule::S2]);
}

#[test]
fn tokens_increase() {
    let pair = |token, job: fn(&mut JobRules)| {
        let history = History::of([start(10, "a", 1, 100), start(15, "b", 2, token)]);
        rules_of(&history.where_job(job))
    };
    assert_eq!(pair(101, |_| {}), []);
    assert_eq!(pair(100, |_| {}), [Rule::S3]);
    assert_eq!(pair(99, |_| {}), [Rule::S3]);
    // Overlapping runs start in any order, but never with one token.
    let allow: fn(&mut JobRules) = |job| job.overlap = Overlap::Allow(2);
    assert_eq!(pair(99, allow), []);
    assert_eq!(pair(100, allow), [Rule::S3]);
}

#[test]
fn grants_come_in_the_order_of_tokens_and_each_start_has_one() {
    let grant = |at_us, tick_ms, token| event(EventKind::Grant, at_us, "a", tick_ms, token);
    let good = [
        grant(1, 1, 100),
        grant(2, 1, 100),
        grant(3, 2, 101),
        grant(4, 1, 100),
    ];
    assert_eq!(
        rules_of(&History::of(good)),
        [],
        "repeated ones are no new grants"
    );
    let bad = [grant(1, 1, 100), grant(2, 2, 100)];
    assert_eq!(rules_of(&History::of(bad)), [Rule::S3]);
    let bad = [grant(1, 1, 100), grant(2, 2, 99)];
    assert_eq!(rules_of(&History::of(bad)), [Rule::S3]);
    let granted = [grant(1, 1, 100), start(2, "a", 1, 100)];
    assert_eq!(rules_of(&History::of(granted)), []);
    let ungranted = [grant(1, 1, 100), start(2, "a", 1, 101)];
    assert_eq!(rules_of(&History::of(ungranted)), [Rule::S3]);
}

#[test]
fn takeovers_in_slots_may_share_a_token_where_that_is_said() {
    let pair = |kind: EventKind, number: u32, most: u32, said: bool| {
        let events = [event(kind, 10, "a", 1, 100), event(kind, 11, "a", 2, 100)];
        let mut history =
            History::of(events.map(|event| attempt(number, event))).where_job(|job| {
                job.overlap = Overlap::Allow(most);
                job.on_node_loss = OnNodeLoss::Rerun(1);
            });
        history.tolerance.slot_takeovers_share_tokens = said;
        rules_of(&history)
    };
    for kind in [EventKind::Grant, EventKind::Start] {
        assert_eq!(pair(kind, 2, 2, true), []);
        assert_eq!(pair(kind, 2, 2, false), [Rule::S3]);
        assert_eq!(pair(kind, 1, 2, true), [Rule::S3], "first attempts");
        assert_eq!(pair(kind, 2, 1, true), [Rule::S3], "no slots");
    }
}

#[test]
fn ticks_start_in_their_order() {
    let pair = |tick_ms, job: fn(&mut JobRules)| {
        let history = History::of([start(10, "a", 1, 100), start(15, "b", tick_ms, 101)]);
        rules_of(&history.where_job(job))
    };
    assert_eq!(pair(2, |_| {}), []);
    assert_eq!(pair(0, |_| {}), [Rule::S5]);
    assert_eq!(pair(0, |job| job.overlap = Overlap::Allow(2)), []);
}

#[test]
fn of_local_jobs_each_node_starts_a_tick_once() {
    let local = |job: &mut JobRules| job.scope = Scope::EveryNode;
    let two = [start(10, "a", 1, 0), start(10, "b", 1, 0)];
    assert_eq!(rules_of(&History::of(two).where_job(local)), []);
    let twice = [start(10, "a", 1, 0), start(11, "a", 1, 0)];
    assert_eq!(rules_of(&History::of(twice).where_job(local)), [Rule::S1]);
}
