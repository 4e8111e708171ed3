//! Units that stand still although others are claimed: each waits for its own
//! lease after a loss of memory or a jump of the store's clock. What they wait
//! for, and until when, is logged.

use std::time::Duration;

use crate::cluster_clock::{ClockJump, ClusterClock};
use crate::event;
use crate::node::claiming::Claiming;
use crate::node::units::Units;
use crate::store_client::{StoreClient, StoreHealth};
use scheduled_one_protocol::{Severity, TickMs};

/// Whether a node has seen the store before the quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Never,
    Before,
}

/// Each unit waits for its own lease after a loss of memory.
pub(super) fn wait_in_quarantine(
    client: &StoreClient,
    units: &mut Units,
    now_ms: i64,
    known: Known,
) {
    let Some(from_ms) = client.health_now().quarantine_from_ms() else {
        return;
    };
    units.stand_still_in_quarantine(from_ms);
    if known == Known::Before {
        client.bucket_metrics.quarantine_began();
    }
    let waiting = units.standing_still(now_ms);
    if !waiting.is_empty() {
        event::quarantine(client.bucket, &waiting, known == Known::Before);
    }
}

impl Claiming {
    /// After a jump of the store's clock no unit is claimed for its lease, and some may be decided up to an instant
    /// that the clock now shows as far ahead. All units are planned again: instants by the clock before mean nothing.
    pub(super) fn wait_after_jump(
        &mut self,
        client: &StoreClient,
        units: &mut Units,
        cluster: &ClusterClock,
    ) {
        if let Some(ClockJump { seen_at, by_ms }) = cluster.take_jump() {
            let seen_ms = cluster.at_ms(seen_at);
            units.stand_still_after_jump(seen_ms, by_ms);
            self.plan_again(units, seen_ms);
            warn_of_marks(client, units, seen_ms);
        }
    }
}

/// Warns of units that are decided far ahead of the store's clock, as the doctor does: they do not run until then.
pub(super) fn warn_of_marks(client: &StoreClient, units: &Units, now_ms: i64) {
    let ahead = units.decided_ahead(now_ms);
    if ahead.is_empty() {
        return;
    }
    let marks = units.high_water_marks(now_ms);
    let finding = client.judge_marks(&marks, TickMs(now_ms));
    if finding.severity >= Severity::Warning {
        event::decided_ahead(&finding, &ahead);
    }
}

/// For how long the store refuses to write off a run of a lease in ms: until the end of the quarantine of its unit.
pub(super) fn write_off_refused_for<'a>(
    cluster: &'a ClusterClock,
    seen: &'a StoreHealth,
) -> impl Fn(i64) -> Duration + 'a {
    |lease_ms| cluster.until(seen.quarantine_until_ms(lease_ms))
}
