//! What happened, by name: a test proves nothing about what did not occur.

use std::collections::BTreeMap;
use std::fmt::Debug;

use scheduled_one_protocol::machine::{Record, Waiting};
use scheduled_one_protocol::message::{
    Claim, Claimed, DueTick, EARLY_TOLERANCE_MS, Grant, Intent, Overlap, Target, Verdict,
};
use scheduled_one_protocol::{Start, UnitName};

use super::of_lanes;
use super::requests::MOST_MARGIN_MS;
use super::workload::Workload;

/// All that can happen to a store which a test can only send requests to, by name.
pub const BEHAVIOURS: [&str; 139] = [
    "claim granted",
    "claim granted in a slot",
    "claim granted again",
    "claim granted again in a slot",
    "claim granted of catch-up",
    "claim skipped",
    "claim skipped, queue full",
    "claim skipped, all slots taken",
    "claim skipped, the unit itself is in the way",
    "claim queued",
    "claim queued behind a tick",
    "claim queued beside an attempt",
    "claim queued, the run is seen to stop",
    "claim queued, another is superseded",
    "claim queued, an attempt goes on",
    "claim busy",
    "claim markedmissed",
    "claim markedmissed, busy",
    "claim decided",
    "claim conflict",
    "claim early",
    "claim early by its jitter",
    "claim early, busy",
    "claim late",
    "claim quarantined",
    "claim quarantined by the lease of a registration",
    "claim of a short lease granted within a quarantine",
    "claim stale",
    "claim stale in a slot",
    "claim ready",
    "next granted",
    "next granted again",
    "next granted in a slot",
    "next granted of an attempt",
    "next granted, others wait",
    "next granted, others expired",
    "next busy",
    "next stale",
    "next queueempty",
    "next queueempty, all expired",
    "next late",
    "next quarantined",
    "claim drops what has started",
    "register drops what has started",
    "register tells of a start",
    "renew tells of an attempt",
    "write_off of a run that another has followed",
    "write_off of a run that was tried again",
    "claim tells of a start",
    "renew until",
    "renew stop",
    "renew readopted",
    "renew lost",
    "renew late",
    "finish recorded",
    "finish recorded before",
    "finish recorded before, another has its place",
    "finish recorded, retried",
    "finish recorded, tells of an attempt",
    "finish refused, tells of an attempt",
    "finish recorded, forgotten",
    "finish recorded, forgotten and retried",
    "finish recorded, ready",
    "finish refused",
    "write_off lost",
    "write_off taken over",
    "write_off changed",
    "write_off quarantined",
    "register registeredunit",
    "register states a lease",
    "register states the lease of the last run",
    "register takes the place of another schedule",
    "register leaves another schedule its place",
    "register of a lower generation leaves another schedule its place",
    "register of a higher generation succeeds",
    "register succeeds a node that is gone",
    "register repeats what another node saw",
    "register, the job is gone",
    "register, the job is not gone",
    "register, a job that was gone returns",
    "claim otherschedule",
    "record",
    "inspect",
    "heartbeat",
    "heartbeat ready",
    "overdue",
    "unclaimed",
    "members are named",
    "members are known",
    "a list of jobs is returned",
    "a list of jobs is missing",
    "other buckets",
    "claim paused",
    "claim moved",
    "next paused",
    "next granted of an attempt, paused",
    "control nothing",
    "control to",
    "control conflict",
    "control, what was seen is news",
    "control, what was seen is known",
    "ask queued",
    "ask known",
    "take granted",
    "take granted again",
    "take granted of an attempt",
    "take granted beside a run",
    "take skipped",
    "take busy",
    "take busy, a tick waits",
    "take busy, the run is told to stop",
    "take queueempty",
    "take stale",
    "take stale, the run of the unit",
    "take late",
    "take quarantined",
    "take drops what has started",
    "take ready",
    "claim lane",
    "next lane",
    "claim with the lane, its run is in the way",
    "claim with the lane, it waits for a backfill",
    "claim with the lane, it is empty",
    "renew cancelled",
    "cancel cancelling",
    "cancel gone",
    "checkpoint, there is none",
    "checkpoint found",
    "checkpoint written",
    "checkpoint superseded",
    "forget removed",
    "forget removed, with its directives",
    "forget, nothing is ahead",
    "forget, marks are taken back",
    "forget unknown",
    "forget lives",
    "forget described",
    "forget quarantined",
    "forget running",
];

/// What happens only to a store that may have lost its memory.
const AFTER_MEMORY_LOSS: [&str; 9] = [
    "forget quarantined",
    "take quarantined",
    "claim quarantined",
    "claim quarantined by the lease of a registration",
    "claim of a short lease granted within a quarantine",
    "register states a lease",
    "register states the lease of the last run",
    "next quarantined",
    "write_off quarantined",
];

/// The behaviours that did not happen; without those of a memory loss, if there was none.
pub(super) fn missing(seen: &BTreeMap<String, u64>, with_memory_loss: bool) -> Vec<&'static str> {
    let needed = |what: &&str| with_memory_loss || !AFTER_MEMORY_LOSS.contains(what);
    let missing = BEHAVIOURS.into_iter().filter(needed);
    missing.filter(|what| !seen.contains_key(*what)).collect()
}

/// The first word of a value, in the words of [`BEHAVIOURS`].
pub(super) fn answer(operation: &str, value: &impl Debug) -> String {
    let text = format!("{value:?}").replace("TakenOver", "taken over");
    let word = text.split(|c: char| !c.is_alphanumeric() && c != ' ');
    let word = word.map(|word| word.trim().to_lowercase());
    format!(
        "{operation} {}",
        word.into_iter().next().unwrap_or_default()
    )
}

/// The records of a claim: its unit, and the slots it may take.
pub(super) fn records(workload: &Workload, claim: &Claim) -> Vec<Record> {
    let most = match &claim.target {
        Target::Tick(due) => match due.overlap {
            Overlap::Allow(most) => most,
            _ => 0,
        },
        Target::Queued { .. } => 0,
    };
    let slots = (1..=most).map(|slot| workload.record(&claim.unit.with_slot(slot)));
    std::iter::once(workload.record(&claim.unit))
        .chain(slots)
        .collect()
}

/// The tick of a claim; a claim from the queue has none.
fn due_tick(claim: &Claim) -> Option<&DueTick> {
    match &claim.target {
        Target::Tick(due) => Some(due),
        Target::Queued { .. } => None,
    }
}

pub(super) fn claimed(workload: &mut Workload, claim: &Claim, before: &[Record], reply: &Claimed) {
    let after = workload.record(&claim.unit);
    let before_it = &before[0];
    let news = after.marks.start > before_it.marks.start;
    workload.count_if(news, "claim tells of a start");
    let start_of = |it: &Waiting| {
        let (tick, attempt) = (it.tick, it.attempt);
        Some(Start { tick, attempt })
    };
    let kept = |it: &&Waiting| start_of(it) > claim.bounds.start;
    let kept = before_it.waiting.iter().filter(kept).count();
    workload.count_if(
        news && kept < before_it.waiting.len(),
        "claim drops what has started",
    );
    let again = before
        .iter()
        .any(|r| r.running && r.run.nonce == claim.nonce);
    if reply.ready {
        workload.count("claim ready");
    }
    quarantined(workload, claim, before_it, &reply.verdict, again);
    of_lanes::with_lane(workload, claim, before_it, &reply.verdict);
    let due = due_tick(claim);
    let intent = due.map(|due| due.intent);
    let kind = match intent {
        None => "next",
        Some(_) => "claim",
    };
    let plain = answer(kind, &reply.verdict);
    workload.count(&plain);
    match (&reply.verdict, due) {
        (Verdict::Granted(grant), Some(due)) if due.intent != Intent::MarkMissed => {
            granted(workload, claim, due, grant, again);
        }
        (Verdict::Granted(grant), None) => {
            let popped = before_it.waiting.len() - after.waiting.len();
            workload.count_if(again, "next granted again");
            workload.count_if(claim.unit.slot() > 0 && !again, "next granted in a slot");
            workload.count_if(grant.attempt > 1 && !again, "next granted of an attempt");
            let paused = workload.in_force(&claim.unit).paused && !again;
            workload.count_if(paused, "next granted of an attempt, paused");
            workload.count_if(
                !after.waiting.is_empty() && !again,
                "next granted, others wait",
            );
            workload.count_if(popped > 1, "next granted, others expired");
        }
        (Verdict::QueueEmpty, _) => {
            let expired = !before_it.waiting.is_empty();
            workload.count_if(expired, "next queueempty, all expired");
        }
        (_, Some(due)) => not_granted(workload, claim, due, before_it, &reply.verdict),
        _ => {}
    }
}

/// A unit waits for its own lease, or for the longest that a registration has stated.
fn quarantined(
    workload: &mut Workload,
    claim: &Claim,
    before: &Record,
    verdict: &Verdict,
    again: bool,
) {
    let meta = &workload.model.meta;
    match verdict {
        Verdict::Quarantined { until_ms } => {
            let own_ms = meta.quarantine_from_ms + claim.lease_ms + MOST_MARGIN_MS;
            let stated = *until_ms == before.quarantine_until_ms && *until_ms > own_ms;
            workload.count_if(stated, "claim quarantined by the lease of a registration");
        }
        Verdict::Granted(_) if !again => {
            let others_wait = workload.now_ms < meta.quarantine_until_ms;
            let what = "claim of a short lease granted within a quarantine";
            workload.count_if(others_wait, what);
        }
        _ => {}
    }
}

fn granted(workload: &mut Workload, claim: &Claim, due: &DueTick, grant: &Grant, again: bool) {
    let slot = grant.unit.slot() - claim.unit.slot();
    workload.count_if(slot > 0 && !again, "claim granted in a slot");
    workload.count_if(slot == 0 && again, "claim granted again");
    workload.count_if(slot > 0 && again, "claim granted again in a slot");
    let catches_up = due.intent == Intent::CatchUp && !again;
    workload.count_if(catches_up, "claim granted of catch-up");
}

/// A tick that was claimed and does not start now; `before` is the record of its unit.
fn not_granted(
    workload: &mut Workload,
    claim: &Claim,
    due: &DueTick,
    before: &Record,
    verdict: &Verdict,
) {
    match verdict {
        Verdict::Skipped => {
            let in_the_way = before.running || !before.waiting.is_empty();
            let queue = matches!(due.overlap, Overlap::Queue(_));
            let allow = matches!(due.overlap, Overlap::Allow(_));
            workload.count_if(queue, "claim skipped, queue full");
            workload.count_if(allow && !in_the_way, "claim skipped, all slots taken");
            let blocked = allow && in_the_way;
            workload.count_if(blocked, "claim skipped, the unit itself is in the way");
        }
        Verdict::Queued => queued(workload, due, before),
        Verdict::MarkedMissed => {
            workload.count_if(before.running, "claim markedmissed, busy");
        }
        Verdict::Early { by_ms } => {
            workload.count_if(*by_ms <= EARLY_TOLERANCE_MS, "claim early, busy");
            let by_jitter = due.tick.ms() <= workload.now_ms;
            workload.count_if(by_jitter, "claim early by its jitter");
        }
        Verdict::Stale(run) if due.intent != Intent::MarkMissed => {
            workload.count_if(run.unit != claim.unit, "claim stale in a slot");
        }
        _ => {}
    }
}

fn queued(workload: &mut Workload, due: &DueTick, before: &Record) {
    let cancel = due.overlap == Overlap::CancelRunning;
    let waited = |attempts: bool| {
        let mut waiting = before.waiting.iter();
        waiting.any(|it| (it.attempt > 1) == attempts)
    };
    workload.count_if(!cancel && waited(false), "claim queued behind a tick");
    workload.count_if(!cancel && waited(true), "claim queued beside an attempt");
    let stops = cancel && before.running;
    workload.count_if(stops, "claim queued, the run is seen to stop");
    workload.count_if(
        cancel && waited(false),
        "claim queued, another is superseded",
    );
    workload.count_if(cancel && waited(true), "claim queued, an attempt goes on");
}

/// What a batch of the other kinds did to a record.
pub(super) fn changed(workload: &mut Workload, operation: &str, unit: &UnitName, before: &Record) {
    let after = workload.record(unit);
    let (marks, run) = (before.marks, &before.run);
    let dropped = after.waiting.len() < before.waiting.len();
    let news = after.marks.start > marks.start;
    match operation {
        "register" => {
            workload.count_if(news, "register tells of a start");
            let (from_ms, until_ms) = (
                workload.model.meta.quarantine_from_ms,
                after.quarantine_until_ms,
            );
            let states = until_ms > before.quarantine_until_ms;
            workload.count_if(states, "register states a lease");
            let of_run = states && until_ms > from_ms + workload.most_quarantine_ms();
            workload.count_if(of_run, "register states the lease of the last run");
            workload.count_if(news && dropped, "register drops what has started");
        }
        "renew" => {
            let same = after.run.nonce == run.nonce && after.run.seq > run.seq;
            let tells = same && after.run.attempt > run.attempt;
            workload.count_if(tells, "renew tells of an attempt");
        }
        _ if before.running && !after.running && run.takeovers > 0 && !run.stop => {
            let newest = marks.start;
            let followed = newest.is_some_and(|start| start.tick > run.tick);
            let again =
                newest.is_some_and(|start| start.tick == run.tick && start.attempt > run.attempt);
            workload.count_if(followed, "write_off of a run that another has followed");
            workload.count_if(again, "write_off of a run that was tried again");
        }
        _ => {}
    }
}
