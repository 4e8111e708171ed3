//! What nodes and their store make of a store that was rolled back.

use scheduled_one_runtime::store::message::{Caller, Finish, Marks, Outcome, RunId, WrittenOff};
use scheduled_one_runtime::store::protocol::{self, Meta, Now, Record, Run};

fn caller() -> Caller {
    Caller {
        node: "node".into(),
        name: "Node".into(),
        quarantine_ms: 0,
        ledger_limit: 50,
        buckets: 1,
    }
}

/// A failover brought back the time before the run's first retry.
fn rolled_back() -> Record {
    Record {
        marks: Marks {
            hwm_ms: 1_000,
            token: 5,
            ..Marks::default()
        },
        running: true,
        run: Run {
            tick_ms: 1_000,
            nonce: "nonce".into(),
            token: 5,
            attempt: 1,
            lease_ms: 5_000,
            until_ms: 6_000,
            seq: 1,
            reruns: 1,
            ..Run::default()
        },
        ..Record::default()
    }
}

fn finish(record: &mut Record, attempt: u32, retried: bool) {
    let end = Finish {
        run: RunId {
            unit: "job".into(),
            tick_ms: 1_000,
            nonce: "nonce".into(),
            token: 5,
            attempt,
            lease_ms: 5_000,
            granted_at_ms: 1_000,
            reruns: 1,
        },
        outcome: Outcome::Failed,
        retried,
        reason: String::new(),
        error: String::new(),
        fired_at_ms: 1_000,
        ended_at_ms: 2_000,
    };
    let now = Now { us: 2_000_000 };
    let finished = protocol::finish(record, &end, &caller(), now, &mut Vec::new());
    assert!(finished.recorded);
}

#[test]
fn an_attempt_that_ends_tells_of_those_before_it() {
    let mut record = rolled_back();
    finish(&mut record, 3, true);
    assert_eq!((record.running, record.run.attempt), (true, 4));
    let (watched, now) = (record.watched("job"), Now { us: 6_000_000 });
    let (meta, ledger) = (Meta::default(), &mut Vec::new());
    let end = protocol::write_off(&meta, &mut record, &watched, &caller(), now, ledger);
    assert_eq!(end, WrittenOff::TakenOver);
    assert_eq!(record.waiting[0].attempt, 5, "attempt 4 may have begun");

    let mut record = rolled_back();
    finish(&mut record, 3, false);
    assert_eq!((record.running, record.run.attempt), (false, 3));
}
