//! What a rollback of the store lost counts when a run is written off.

use super::*;
use crate::unit::UnitName;
use crate::value::{Start, TickMs};

const NOW: Now = Now { us: 50_000_000 };

/// A run whose lease has ended, and which may be taken over so often.
fn stalled(takeovers: u32) -> Record {
    let mut record = Record {
        running: true,
        ..Record::default()
    };
    record.marks.decided = Some(TickMs(7_000));
    record.run.tick = TickMs(7_000);
    record.run.attempt = 1;
    record.run.takeovers = takeovers;
    record.run.nonce = "n".to_owned();
    record
}

fn written_off(record: &mut Record) -> WrittenOff {
    let overdue = record.overdue_run(&UnitName::new("a", 0));
    let caller = Caller {
        node: "node".to_owned(),
        name: "node".to_owned(),
        quarantine_ms: 0,
        margin_ms: 0,
        ledger_limit: 9,
        buckets: 1,
    };
    write_off(
        &Meta::default(),
        record,
        &overdue,
        &caller,
        NOW,
        &mut Vec::new(),
    )
}

#[test]
fn a_takeover_that_a_rollback_lost_was_one_too() {
    let start = |attempt| Start {
        tick: TickMs(7_000),
        attempt,
    };
    for (takeovers, started, waits) in [
        (1, None, Some((2, 0))),
        (1, Some(start(2)), None),
        (2, Some(start(2)), Some((3, 0))),
        (2, Some(start(3)), None),
    ] {
        let mut record = stalled(takeovers);
        record.marks.start = started;
        let written = written_off(&mut record);
        let waiting = record.waiting.front();
        let waiting = waiting.map(|waiting| (waiting.attempt, waiting.takeovers));
        assert_eq!(waiting, waits, "{takeovers}, {started:?}");
        assert_eq!(written == WrittenOff::TakenOver, waits.is_some());
    }
}
