//! What happened, by name: the test proves nothing about what did not occur.

use std::fmt::Debug;

use scheduled_one_protocol::machine::{Record, Waiting};
use scheduled_one_protocol::message::{
    Claim, Claimed, DueTick, EARLY_TOLERANCE_MS, Finish, Finished, Intent, Overlap, Target, Verdict,
};
use scheduled_one_protocol::{Start, UnitName};

use crate::world::World;

/// How often each of them has to come up in [`crate::OPERATIONS`].
pub(crate) const OFTEN: u64 = 20;
pub(crate) const MUST_OCCUR: [&str; 77] = [
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
    "claim queued, the run is told to stop",
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
    "register watermarks",
    "record",
    "inspect",
    "heartbeat",
    "heartbeat ready",
    "overdue",
    "flush",
    "other process",
    "clock went back",
    "other buckets",
    "buckets not counted",
];

/// The first word of a value, in the words of `MUST_OCCUR`.
pub(crate) fn answer(operation: &str, value: &impl Debug) -> String {
    let text = format!("{value:?}").replace("TakenOver", "taken over");
    let word = text.split(|c: char| !c.is_alphanumeric() && c != ' ');
    let word = word.map(|word| word.trim().to_lowercase());
    format!(
        "{operation} {}",
        word.into_iter().next().unwrap_or_default()
    )
}

/// The records of a claim: its unit, and the slots it may take.
pub(crate) fn records(world: &World, claim: &Claim) -> Vec<Record> {
    let most = match &claim.target {
        Target::Tick(due) => match due.overlap {
            Overlap::Allow(most) => most,
            _ => 0,
        },
        Target::Queued { .. } => 0,
    };
    let slots = (1..=most).map(|slot| world.record(&claim.unit.with_slot(slot)));
    std::iter::once(world.record(&claim.unit))
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

pub(crate) fn claimed(world: &mut World, claim: &Claim, before: &[Record], reply: &Claimed) {
    let after = world.record(&claim.unit);
    let before_it = &before[0];
    let news = after.marks.start > before_it.marks.start;
    world.count_if(news, "claim tells of a start");
    let start_of = |it: &Waiting| {
        let (tick, attempt) = (it.tick, it.attempt);
        Some(Start { tick, attempt })
    };
    let kept = |it: &&Waiting| start_of(it) > claim.bounds.start;
    let kept = before_it.waiting.iter().filter(kept).count();
    world.count_if(
        news && kept < before_it.waiting.len(),
        "claim drops what has started",
    );
    let again = before
        .iter()
        .any(|r| r.running && r.run.nonce == claim.nonce);
    if reply.ready {
        world.count("claim ready");
    }
    let due = due_tick(claim);
    let intent = due.map(|due| due.intent);
    let kind = match intent {
        None => "next",
        Some(_) => "claim",
    };
    let plain = answer(kind, &reply.verdict);
    world.count(&plain);
    let waited = |attempts: bool| {
        let waiting = before_it.waiting.iter();
        waiting.filter(|it| (it.attempt > 1) == attempts).count()
    };
    match (&reply.verdict, intent) {
        (Verdict::Granted(grant), Some(Intent::Run | Intent::CatchUp)) => {
            let slot = grant.unit.slot() - claim.unit.slot();
            world.count_if(slot > 0 && !again, "claim granted in a slot");
            world.count_if(slot == 0 && again, "claim granted again");
            world.count_if(slot > 0 && again, "claim granted again in a slot");
            world.count_if(
                intent == Some(Intent::CatchUp) && !again,
                "claim granted of catch-up",
            );
        }
        (Verdict::Granted(grant), None) => {
            let popped = before_it.waiting.len() - after.waiting.len();
            world.count_if(again, "next granted again");
            world.count_if(claim.unit.slot() > 0 && !again, "next granted in a slot");
            world.count_if(grant.attempt > 1 && !again, "next granted of an attempt");
            world.count_if(
                !after.waiting.is_empty() && !again,
                "next granted, others wait",
            );
            world.count_if(popped > 1, "next granted, others expired");
        }
        (Verdict::QueueEmpty, _) => {
            world.count_if(
                !before_it.waiting.is_empty(),
                "next queueempty, all expired",
            );
        }
        (Verdict::Skipped, _) => {
            let in_the_way = before_it.running || !before_it.waiting.is_empty();
            let overlap = due.map(|due| due.overlap);
            let queue = matches!(overlap, Some(Overlap::Queue(_)));
            let allow = matches!(overlap, Some(Overlap::Allow(_)));
            world.count_if(queue, "claim skipped, queue full");
            world.count_if(allow && !in_the_way, "claim skipped, all slots taken");
            world.count_if(
                allow && in_the_way,
                "claim skipped, the unit itself is in the way",
            );
        }
        (Verdict::Queued, _) => {
            let cancel = due.is_some_and(|due| due.overlap == Overlap::CancelRunning);
            world.count_if(!cancel && waited(false) > 0, "claim queued behind a tick");
            world.count_if(
                !cancel && waited(true) > 0,
                "claim queued beside an attempt",
            );
            world.count_if(
                cancel && before_it.running,
                "claim queued, the run is told to stop",
            );
            world.count_if(
                cancel && waited(false) > 0,
                "claim queued, another is superseded",
            );
            world.count_if(
                cancel && waited(true) > 0,
                "claim queued, an attempt goes on",
            );
        }
        (Verdict::MarkedMissed, _) => world.count_if(before_it.running, "claim markedmissed, busy"),
        (Verdict::Early { by_ms }, _) => {
            world.count_if(*by_ms <= EARLY_TOLERANCE_MS, "claim early, busy");
            world.count_if(
                due.is_some_and(|due| due.tick.ms() <= world.now_ms),
                "claim early by its jitter",
            );
        }
        (Verdict::Stale(watched), Some(Intent::Run | Intent::CatchUp)) => {
            world.count_if(watched.unit != claim.unit, "claim stale in a slot");
        }
        _ => {}
    }
}

/// What a batch of the other kinds did to a record.
pub(crate) fn changed(world: &mut World, operation: &str, unit: &UnitName, before: &Record) {
    let after = world.record(unit);
    let (marks, run) = (before.marks, &before.run);
    let dropped = after.waiting.len() < before.waiting.len();
    let news = after.marks.start > marks.start;
    match operation {
        "register" => {
            world.count_if(news, "register tells of a start");
            world.count_if(news && dropped, "register drops what has started");
        }
        "renew" => {
            let same = after.run.nonce == run.nonce && after.run.seq > run.seq;
            let tells = same && after.run.attempt > run.attempt;
            world.count_if(tells, "renew tells of an attempt");
        }
        _ if before.running && !after.running && run.takeovers > 0 && !run.stop => {
            let newest = marks.start;
            let followed = newest.is_some_and(|start| start.tick > run.tick);
            let again =
                newest.is_some_and(|start| start.tick == run.tick && start.attempt > run.attempt);
            world.count_if(followed, "write_off of a run that another has followed");
            world.count_if(again, "write_off of a run that was tried again");
        }
        _ => {}
    }
}

pub(crate) fn finished(world: &mut World, finish: &Finish, before: &Record, reply: Finished) {
    let after = world.record(&finish.run.unit);
    let tells = before.run.nonce == finish.run.nonce && before.run.attempt < finish.run.attempt;
    let tells = tells && before.running && before.done != finish.run.nonce;
    if !reply.recorded {
        world.count("finish refused");
        world.count_if(tells, "finish refused, tells of an attempt");
        return;
    }
    let repeated = before.done == finish.run.nonce && before.run.nonce != before.done;
    world.count_if(repeated, "finish recorded before, another has its place");
    let known = repeated || before.run.nonce == finish.run.nonce;
    world.count("finish recorded");
    world.count_if(tells, "finish recorded, tells of an attempt");
    world.count_if(*before == after, "finish recorded before");
    world.count_if(
        known && after.running && *before != after,
        "finish recorded, retried",
    );
    world.count_if(!known, "finish recorded, forgotten");
    world.count_if(
        !known && after.running,
        "finish recorded, forgotten and retried",
    );
    world.count_if(reply.ready, "finish recorded, ready");
}
