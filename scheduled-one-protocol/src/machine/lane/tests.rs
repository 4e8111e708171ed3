use std::collections::HashMap;

use super::*;
use crate::message::{Ask, Cause, Claim, DueTick, KnownRequest, Occasion, Register, Target};

const NOW: Now = Now { us: 1_000_000 };

fn request(on_busy: Option<OnBusy>) -> Request {
    Request {
        id: "id".to_owned(),
        cause: Cause::Manual,
        actor: "ann".to_owned(),
        note: String::new(),
        logical: None,
        on_busy,
        parameters: String::new(),
    }
}

fn caller() -> Caller {
    Caller {
        node: "node".to_owned(),
        name: "Node".to_owned(),
        quarantine_ms: 0,
        margin_ms: 0,
        ledger_limit: 9,
        buckets: 1,
    }
}

fn take_of_backfill(own: &mut Record, lane: &mut Record) -> Verdict {
    let request = Request {
        cause: Cause::Backfill,
        ..request(Some(OnBusy::Wait))
    };
    let first = lane.first_tick(&LowerBounds::default());
    let first = first.map(|tick| (tick, request));
    take_stored(own, lane, first, &Meta::default(), &mut Vec::new())
}

fn take_it(own: &mut Record, lane: &mut Record, on_busy: Option<OnBusy>) -> Verdict {
    let first = lane.first_tick(&LowerBounds::default());
    let first = first.map(|tick| (tick, request(on_busy)));
    take_stored(own, lane, first, &Meta::default(), &mut Vec::new())
}

/// Takes what waits; `first` is stored as its request.
fn take_stored(
    own: &mut Record,
    lane: &mut Record,
    first: Option<(TickMs, Request)>,
    meta: &Meta,
    ledger: &mut Vec<LedgerRecord>,
) -> Verdict {
    let take = Take {
        lane: UnitName::new("a", 0).lane(),
        nonce: format!("{}+", lane.run.nonce), // not that of the run before
        valid_until_ms: 2_000,
        lease_ms: 500,
        takeovers: 0,
        bounds: LowerBounds::default(),
        overlap: Overlap::Skip,
    };
    let mut unit = UnitRecords {
        own,
        slots: &mut [],
        lane: Some(lane),
    };
    let first = first.as_ref();
    let taken = super::take(meta, &mut unit, first, &take, &caller(), NOW, ledger);
    taken.claimed.verdict
}

fn claim_tick(own: &mut Record, lane: Option<&mut Record>) -> Verdict {
    let claim = Claim {
        unit: UnitName::new("a", 0),
        nonce: "of-tick".to_owned(),
        valid_until_ms: 2_000,
        lease_ms: 500,
        takeovers: 0,
        schedule: None,
        control: 0,
        bounds: LowerBounds::default(),
        with_lane: lane.is_some(),
        target: Target::Tick(DueTick::new(TickMs(1_000))),
    };
    let mut unit = UnitRecords {
        own,
        slots: &mut [],
        lane,
    };
    let (meta, caller) = (Meta::default(), caller());
    let claimed = super::super::claim(&meta, &mut unit, &claim, &caller, NOW, &mut Vec::new());
    claimed.verdict
}

#[test]
fn each_request_has_a_tick_of_its_own_and_a_lane_is_full_at_last() {
    let (mut own, mut lane) = (Record::default(), Record::default());
    for n in 0..MAX_WAITING_REQUESTS as i64 {
        let tick = TickMs(NOW.ms() + n);
        assert_eq!(ask(&mut own, &mut lane, None, NOW), Asked::Queued { tick });
    }
    assert_eq!(ask(&mut own, &mut lane, None, NOW), Asked::Full);
    let known = Some(TickMs(7));
    let tick = TickMs(7);
    assert_eq!(ask(&mut own, &mut lane, known, NOW), Asked::Known { tick });
    assert_eq!(
        own.marks.decided, None,
        "the ticks of the schedule are left alone"
    );
}

#[test]
fn a_request_that_was_granted_before_a_loss_does_not_wait_again() {
    let unit = UnitName::new("a", 0);
    let mut set = crate::WorkingSet {
        now: NOW,
        ..crate::WorkingSet::default()
    };
    let asks = [Ask {
        unit: unit.clone(),
        request: request(None),
    }];
    let tick = TickMs(NOW.ms());
    assert_eq!(set.ask(&asks), [Asked::Queued { tick }]);
    let granted = TickMs(NOW.ms() - 100);
    let registration = Register {
        unit: unit.lane(),
        first_seen_ms: 0,
        lease_ms: 500,
        schedule: None,
        generation: 0,
        occasion: Occasion::Again,
        decides: None,
        bounds: LowerBounds::default(),
        next_due_ms: None,
        requests: vec![KnownRequest {
            id: "id".to_owned(),
            tick: granted,
        }],
    };
    (set.meta.version, set.records) = (
        1,
        HashMap::from([(unit.lane(), set.records[&unit.lane()].clone())]),
    );
    set.register(&caller(), &[registration]);
    assert!(set.records[&unit].has_lane && set.meta.version == CONTROL_VERSION);
    assert!(set.records[&unit.lane()].waiting.is_empty());
    assert_eq!(set.ended_requests, [(unit.lane(), tick)]);
    assert_eq!(set.ask(&asks), [Asked::Known { tick: granted }]);
}

#[test]
fn unit_and_lane_exclude_each_other_and_tokens_increase_over_both() {
    let (mut own, mut lane) = (Record::default(), Record::default());
    ask(&mut own, &mut lane, None, NOW);
    let taken = take_it(&mut own, &mut lane, None);
    assert!(matches!(taken, Verdict::Granted(_)), "{taken:?}");
    assert_eq!(claim_tick(&mut own, None), Verdict::Lane);
    assert_eq!(claim_tick(&mut own, Some(&mut lane)), Verdict::Skipped);
    lane.running = false;
    own.marks.decided = None;
    let Verdict::Granted(grant) = claim_tick(&mut own, Some(&mut lane)) else {
        panic!("the lane is empty");
    };
    assert!(grant.token > lane.marks.token && !own.has_lane);
    for (on_busy, expected) in [
        (None, Verdict::Skipped), // as the policy says
        (Some(OnBusy::Wait), Verdict::Busy),
    ] {
        ask(&mut own, &mut lane, None, NOW);
        assert_eq!(take_it(&mut own, &mut lane, on_busy), expected);
    }
    assert!(!own.run.stop);
    assert_eq!(
        take_it(&mut own, &mut lane, Some(OnBusy::Cancel)),
        Verdict::Busy
    );
    assert!(own.run.stop);
    let Verdict::Granted(beside) = take_it(&mut own, &mut lane, Some(OnBusy::Allow)) else {
        panic!("it starts beside");
    };
    assert!(beside.token > grant.token && own.holds("of-tick") && !lane.blocks());
}

#[test]
fn a_tick_waits_for_a_run_of_a_backfill() {
    let (mut own, mut lane) = (Record::default(), Record::default());
    ask(&mut own, &mut lane, None, NOW);
    let taken = take_of_backfill(&mut own, &mut lane);
    assert!(matches!(taken, Verdict::Granted(_)), "{taken:?}");
    assert_eq!(claim_tick(&mut own, Some(&mut lane)), Verdict::Busy);
    assert_eq!(own.marks.decided, None, "nothing is decided");
    (own.running, own.run.until_ms) = (true, 2_000);
    assert_eq!(
        claim_tick(&mut own, Some(&mut lane)),
        Verdict::Skipped,
        "a run of the schedule is in its way"
    );
    (own.running, own.marks.decided) = (false, None);
    lane.run.until_ms = NOW.ms();
    let stale = claim_tick(&mut own, Some(&mut lane));
    assert!(matches!(stale, Verdict::Stale(_)), "{stale:?}");
    lane.running = false;
    let granted = claim_tick(&mut own, Some(&mut lane));
    assert!(matches!(granted, Verdict::Granted(_)), "{granted:?}");
}

#[test]
fn a_takeover_whose_request_was_forgotten_ends_as_lost() {
    let (mut own, mut lane, mut ledger) = (Record::default(), Record::default(), Vec::new());
    ask(&mut own, &mut lane, None, NOW);
    take_it(&mut own, &mut lane, None);
    (lane.running, lane.run.nonce) = (false, String::new());
    lane.waiting.push_front(Waiting {
        tick: lane.run.tick,
        attempt: 2,
        takeovers: 0,
    });
    let taken = take_stored(&mut own, &mut lane, None, &Meta::default(), &mut ledger);
    assert_eq!(taken, Verdict::QueueEmpty);
    assert!(lane.free());
    assert_eq!(
        (ledger[0].outcome, &*ledger[0].request),
        (Outcome::Lost, "id")
    );
}

#[test]
fn a_lane_waits_for_the_leases_that_were_stated_of_it() {
    let (mut own, mut lane) = (Record::default(), Record::default());
    ask(&mut own, &mut lane, None, NOW);
    lane.quarantine_until_ms = NOW.ms() + 700;
    let meta = Meta {
        quarantine_from_ms: NOW.ms() - 700,
        ..Meta::default()
    };
    let taken = take_stored(&mut own, &mut lane, None, &meta, &mut Vec::new());
    let until_ms = NOW.ms() + 700;
    assert_eq!(taken, Verdict::Quarantined { until_ms });
}

#[test]
fn a_run_is_cancelled_for_the_first_request_that_wants_its_place() {
    let (mut own, mut lane) = (Record::default(), Record::default());
    (own.running, own.run.until_ms) = (true, 2_000);
    ask(&mut own, &mut lane, None, NOW);
    assert_eq!(
        take_it(&mut own, &mut lane, Some(OnBusy::Wait)),
        Verdict::Busy
    );
    assert!(!own.run.stop);
    assert_eq!(
        take_it(&mut own, &mut lane, Some(OnBusy::Cancel)),
        Verdict::Busy
    );
    let why = request(None);
    let why = format!("by request {} of {}", why.id, why.actor);
    assert!(
        own.run.stop && own.run.stop_why == why,
        "{}",
        own.run.stop_why
    );
    // Somebody cancelled it before.
    own.run.stop_why = "by ann".to_owned();
    take_it(&mut own, &mut lane, Some(OnBusy::Cancel));
    assert_eq!(own.run.stop_why, "by ann");
}

#[test]
fn a_cancel_names_one_run() {
    let mut record = Record {
        running: true,
        ..Record::default()
    };
    record.run.token = FencingToken(7);
    let of = |token| Cancel {
        unit: UnitName::new("a", 0),
        token: FencingToken(token),
        by: "ann".to_owned(),
        note: String::new(),
    };
    let mut trail = Vec::new();
    let mut cancel = |record: &mut Record, token| cancel(record, &of(token), NOW, &mut trail);
    assert_eq!(cancel(&mut record, 6), Cancelled::Gone);
    assert!(!record.run.stop);
    assert_eq!(cancel(&mut record, 7), Cancelled::Cancelling);
    assert_eq!(cancel(&mut record, 7), Cancelled::Cancelling);
    assert!(record.run.stop && record.run.stop_why == "by ann");
    record.running = false;
    assert_eq!(cancel(&mut record, 7), Cancelled::Gone);
    let entered: Vec<_> = trail
        .iter()
        .map(|entry| (&*entry.action, &*entry.actor))
        .collect();
    assert_eq!(entered, [("cancel", "ann")], "a repetition has no entry");
}
