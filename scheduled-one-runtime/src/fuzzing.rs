//! Entry points for fuzz targets: what a node computes from replies that a fuzzer made up. No part of the API.

use std::sync::Arc;
use std::time::Duration;

use scheduled_one_control::audit::{AuditInput, UnitState};
use scheduled_one_protocol::clock::{Clock, ManualClock};
use scheduled_one_protocol::message::{Claimed, Head, UnitStatus};
use scheduled_one_protocol::{Bucket, LedgerRecord, TickMs};
use scheduled_one_schedule::Schedule;

use crate::audit::Audit;
use crate::cluster_clock::ClusterClock;
use crate::ledger::{LedgerEntry, instant};

/// Takes the head of a reply into the estimate of the cluster's clock.
pub fn take_head(head: &Head) {
    let clock = ManualClock::new();
    let now = clock.boottime();
    let cluster = ClusterClock::new(Arc::new(clock), Duration::from_secs(5), Bucket::WHOLE);
    for now_us in [head.now_us, 1_000_000, head.now_us] {
        cluster.learn(now_us, now, now);
        let _ = cluster.now_ms();
        let _ = cluster.until(head.quarantine_until_ms);
        let _ = cluster.until_surely(head.quarantine_until_ms);
        let _ = cluster.take_jump();
    }
}

/// Computes the next tick after the watermarks of a reply.
pub fn take_marks(claimed: &Claimed) {
    if let Ok(schedule) = Schedule::every(Duration::from_secs(60), Duration::ZERO) {
        let _ = schedule.next_after(claimed.marks.decided_to().map_or(0, TickMs::ms));
    }
}

/// Reads ledger and state, and audits them.
pub fn take_account(lines: Vec<LedgerRecord>, inspected: &[UnitStatus]) {
    let Ok(schedule) = Schedule::every(Duration::from_secs(60), Duration::ZERO) else {
        return;
    };
    for line in lines.iter().cloned().map(LedgerEntry::of) {
        let _ = (line.lateness(), line.took(), format!("{line:?}"));
    }
    let state = |unit: &UnitStatus| UnitState {
        decided_to_ms: unit.marks.decided_to().map_or(0, TickMs::ms),
        first_seen_ms: unit.marks.first_seen_ms.unwrap_or(0),
        since_ms: unit.decides.as_ref().map_or(0, |it| it.since_ms),
        running: unit.running.map(TickMs::ms).into_iter().collect(),
        waiting: unit.waiting.iter().map(|tick| tick.ms()).collect(),
    };
    let states: Vec<(u32, UnitState)> = (0..).zip(inspected.iter().map(state)).collect();
    let hour_ms = 3_600_000;
    for units in [states, Vec::new()] {
        let input = AuditInput {
            lines: lines.clone(),
            full: false,
            units,
            pauses: Vec::new(),
        };
        let newest = lines.iter().map(|line| line.tick.ms()).max();
        let to_ms = newest.unwrap_or_default();
        let audit = input.whole(&schedule, to_ms.saturating_sub(hour_ms), to_ms);
        for tick in Audit::of(audit).ticks {
            assert_eq!(instant(tick.tick.as_millisecond()), tick.tick);
        }
    }
}
