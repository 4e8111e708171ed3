//! What happened, by name: the test proves nothing about what did not occur.

use std::fmt::Debug;

use scheduled_one_protocol::machine::{Record, Waiting};
use scheduled_one_protocol::message::{
    Claim, Claimed, EARLY_TOLERANCE_MS, Finish, Finished, Intent, Overlap, Verdict, place_of,
};

use crate::world::World;

/// How often each of them has to come up in [`crate::OPERATIONS`].
pub(crate) const OFTEN: u64 = 20;
pub(crate) const MUST_OCCUR: [&str; 77] = [
    "claim granted",
    "claim granted in a place",
    "claim granted again",
    "claim granted again in a place",
    "claim granted of catch-up",
    "claim skipped",
    "claim skipped, queue full",
    "claim skipped, all places taken",
    "claim skipped, the unit itself is in the way",
    "claim queued",
    "claim queued behind a tick",
    "claim queued beside an attempt",
    "claim queued, the run is told to stop",
    "claim queued, another is superseded",
    "claim queued, an attempt goes on",
    "claim busy",
    "claim forgone",
    "claim forgone, busy",
    "claim decided",
    "claim moved",
    "claim early",
    "claim early by its jitter",
    "claim early, busy",
    "claim late",
    "claim quarantined",
    "claim stale",
    "claim stale in a place",
    "claim ready",
    "next granted",
    "next granted again",
    "next granted in a place",
    "next granted of an attempt",
    "next granted, others wait",
    "next granted, others expired",
    "next busy",
    "next stale",
    "next nothing",
    "next nothing, all expired",
    "next late",
    "next quarantined",
    "claim drops what has started",
    "enroll drops what has started",
    "enroll tells of a start",
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
    "enroll marks",
    "record",
    "inspect",
    "beat",
    "beat ready",
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

fn started(claim: &Claim) -> (i64, u32) {
    (claim.floor_started.tick_ms, claim.floor_started.attempt)
}

/// The records of a claim: its unit, and the places it may take.
pub(crate) fn records(world: &World, claim: &Claim) -> Vec<Record> {
    let most = match (claim.intent, claim.overlap) {
        (Intent::Next, _) => 0,
        (_, Overlap::Allow(most)) => most,
        _ => 0,
    };
    let places = 0..=most;
    places
        .map(|place| world.record(&place_of(&claim.unit, place)))
        .collect()
}

pub(crate) fn claimed(world: &mut World, claim: &Claim, before: &[Record], reply: &Claimed) {
    let after = world.record(&claim.unit);
    let before_it = &before[0];
    let news = after.marks.started > before_it.marks.started;
    world.count_if(news, "claim tells of a start");
    let kept = |it: &&Waiting| (it.tick_ms, it.attempt) > started(claim);
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
    let kind = match claim.intent {
        Intent::Next => "next",
        _ => "claim",
    };
    let plain = answer(kind, &reply.verdict);
    world.count(&plain);
    let waited = |attempts: bool| {
        let waiting = before_it.waiting.iter();
        waiting.filter(|it| (it.attempt > 1) == attempts).count()
    };
    match (&reply.verdict, claim.intent) {
        (Verdict::Granted { place, .. }, Intent::Run | Intent::CatchUp) => {
            world.count_if(*place > 0 && !again, "claim granted in a place");
            world.count_if(*place == 0 && again, "claim granted again");
            world.count_if(*place > 0 && again, "claim granted again in a place");
            world.count_if(
                claim.intent == Intent::CatchUp && !again,
                "claim granted of catch-up",
            );
        }
        (Verdict::Granted { attempt, .. }, Intent::Next) => {
            let popped = before_it.waiting.len() - after.waiting.len();
            world.count_if(again, "next granted again");
            world.count_if(
                claim.unit.contains('~') && !again,
                "next granted in a place",
            );
            world.count_if(*attempt > 1 && !again, "next granted of an attempt");
            world.count_if(
                !after.waiting.is_empty() && !again,
                "next granted, others wait",
            );
            world.count_if(popped > 1, "next granted, others expired");
        }
        (Verdict::Nothing, _) => {
            world.count_if(!before_it.waiting.is_empty(), "next nothing, all expired");
        }
        (Verdict::Skipped, _) => {
            let in_the_way = before_it.running || !before_it.waiting.is_empty();
            let (queue, allow) = match claim.overlap {
                Overlap::Queue(_) => (true, false),
                Overlap::Allow(_) => (false, true),
                _ => (false, false),
            };
            world.count_if(queue, "claim skipped, queue full");
            world.count_if(allow && !in_the_way, "claim skipped, all places taken");
            world.count_if(
                allow && in_the_way,
                "claim skipped, the unit itself is in the way",
            );
        }
        (Verdict::Queued, _) => {
            let cancel = claim.overlap == Overlap::CancelRunning;
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
        (Verdict::Forgone, _) => world.count_if(before_it.running, "claim forgone, busy"),
        (Verdict::Early { by_ms }, _) => {
            world.count_if(*by_ms <= EARLY_TOLERANCE_MS, "claim early, busy");
            world.count_if(claim.tick_ms <= world.now_ms, "claim early by its jitter");
        }
        (Verdict::Stale(watched), Intent::Run | Intent::CatchUp) => {
            world.count_if(watched.unit != claim.unit, "claim stale in a place");
        }
        _ => {}
    }
}

/// What a batch of the other kinds did to a record.
pub(crate) fn changed(world: &mut World, operation: &str, unit: &str, before: &Record) {
    let after = world.record(unit);
    let (marks, run) = (before.marks, &before.run);
    let dropped = after.waiting.len() < before.waiting.len();
    let news = after.marks.started > marks.started;
    match operation {
        "enroll" => {
            world.count_if(news, "enroll tells of a start");
            world.count_if(news && dropped, "enroll drops what has started");
        }
        "renew" => {
            let same = after.run.nonce == run.nonce && after.run.seq > run.seq;
            let tells = same && after.run.attempt > run.attempt;
            world.count_if(tells, "renew tells of an attempt");
        }
        _ if before.running && !after.running && run.reruns > 0 && !run.stop => {
            let followed = marks.started.tick_ms > run.tick_ms;
            let again = marks.started.tick_ms == run.tick_ms;
            let again = again && marks.started.attempt > run.attempt;
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
