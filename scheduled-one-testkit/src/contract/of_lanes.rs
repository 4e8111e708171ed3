//! What happened to lanes, by name.

use scheduled_one_protocol::machine::Record;
use scheduled_one_protocol::message::{Cause, Claim, Intent, Take, Taken, Target, Verdict};

use super::behaviours::answer;
use super::workload::Workload;

/// A claim that brings the lane.
pub(super) fn with_lane(
    workload: &mut Workload,
    claim: &Claim,
    before: &Record,
    verdict: &Verdict,
) {
    let lane = workload.record(&claim.unit.lane());
    if !claim.with_lane || !claim.unit.is_whole() || before.running {
        return;
    }
    let blocks = lane.running && lane.run.origin.as_ref().is_none_or(|origin| !origin.beside);
    let held = matches!(
        verdict,
        Verdict::Busy | Verdict::Stale(_) | Verdict::Skipped | Verdict::Queued
    );
    let what = "claim with the lane, its run is in the way";
    workload.count_if(blocks && held && before.waiting.is_empty(), what);
    let origin = lane.run.origin.as_ref();
    let is_backfill = origin.is_some_and(|origin| origin.cause == Cause::Backfill);
    let is_run = matches!(&claim.target, Target::Tick(due) if due.intent == Intent::Run);
    let waits = blocks && is_backfill && is_run && *verdict == Verdict::Busy;
    workload.count_if(waits, "claim with the lane, it waits for a backfill");
    let after = workload.record(&claim.unit);
    let what = "claim with the lane, it is empty";
    workload.count_if(before.has_lane && !after.has_lane, what);
}

/// A claim of a request; `lane` and `own` are the records before.
pub(super) fn taken(
    workload: &mut Workload,
    take: &Take,
    lane: &Record,
    own: &Record,
    reply: &Taken,
) {
    let after = workload.record(&take.lane);
    let verdict = &reply.claimed.verdict;
    workload.count(&answer("take", verdict));
    workload.count_if(reply.claimed.ready, "take ready");
    let news = after.marks.start > lane.marks.start;
    let granted = usize::from(matches!(verdict, Verdict::Granted(_) | Verdict::Skipped));
    let drops = after.waiting.len() + granted < lane.waiting.len();
    workload.count_if(news && drops, "take drops what has started");
    match verdict {
        Verdict::Granted(grant) => {
            let again = lane.running && lane.run.nonce == take.nonce;
            workload.count_if(again, "take granted again");
            workload.count_if(grant.attempt > 1 && !again, "take granted of an attempt");
            workload.count_if(own.running && !again, "take granted beside a run");
        }
        Verdict::Busy => {
            let waits = !lane.running && !own.running && !own.waiting.is_empty();
            workload.count_if(waits, "take busy, a tick waits");
            let own_after = workload.record(&take.lane.without_slot());
            let stops = own_after.run.stop && !own.run.stop;
            workload.count_if(stops, "take busy, the run is told to stop");
        }
        Verdict::Stale(run) => {
            workload.count_if(run.unit != take.lane, "take stale, the run of the unit");
        }
        _ => {}
    }
}
