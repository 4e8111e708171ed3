//! Encodes claims: the usual values in their places, unusual ones as a map.

use scheduled_one_protocol::message::{Caller, Claim, DueTick, Intent, MAX_BATCH, Overlap, Target};
use scheduled_one_protocol::{StoreError, TickMs};

use super::Draft;
use crate::keys::Keys;
use crate::message_pack::Map;
use crate::script::{self, Request};

pub(crate) fn claim<'a>(
    keys: &'a Keys,
    caller: &'a Caller,
    claims: &'a [Claim],
) -> Result<Request<'a>, StoreError> {
    let mut draft = Draft::new(&script::CLAIM, keys, caller, claims.len());
    draft.request.key(keys.due.clone()).key(keys.ctl.clone());
    // Usually all claims of a request have the same.
    let valid_until_ms = claims.first().map_or(0, |claim| claim.valid_until_ms);
    draft.int(valid_until_ms);
    for claim in claims {
        let (tick, after, next_due_ms) = match &claim.target {
            Target::Tick(due) => (due.tick, due.after, due.next_due_ms),
            Target::Queued { oldest } => (*oldest, None, None),
        };
        draft.unit_and_log(&claim.unit);
        draft
            .text(&claim.nonce)
            .int(tick.ms())
            .tick(after)
            .count(claim.bounds.token.get())
            .int(claim.lease_ms)
            .schedule(claim.schedule)
            .int(next_due_ms.unwrap_or(0));
        let unusual = unusual(&mut draft, claim, after, valid_until_ms);
        draft.request.bytes(unusual.into_bytes());
        slots(&mut draft, claim);
        if claim.with_lane && claim.unit.is_whole() {
            draft.unit(&claim.unit.lane());
        }
    }
    draft.done()
}

/// The unusual values of a claim, by the names that `claim.lua` has for them. Nearly all claims have none.
fn unusual(
    draft: &mut Draft<'_>,
    claim: &Claim,
    after: Option<TickMs>,
    valid_until_ms: i64,
) -> Map {
    let mut map = Map::default();
    match &claim.target {
        Target::Tick(due) => match due.intent {
            Intent::Run => {}
            Intent::CatchUp => map.text("intent", "catch_up"),
            Intent::MarkMissed => map.text("intent", "mark_missed"),
        },
        Target::Queued { .. } => map.text("intent", "next"),
    }
    if claim.with_lane && claim.unit.is_whole() {
        map.truth("lane");
    }
    if claim.valid_until_ms != valid_until_ms {
        map.int("valid_until", draft.exact(claim.valid_until_ms));
    }
    if claim.bounds.decided != after {
        let decided_ms = claim.bounds.decided.map_or(0, TickMs::ms);
        map.int("floor_hwm", draft.exact(decided_ms));
    }
    if let Some(start) = claim.bounds.start {
        let mut started = Map::default();
        started.int("tick", draft.exact(start.tick.ms()));
        started.int("attempt", start.attempt.into());
        map.map("started", started);
    }
    if claim.control > 0 {
        let control = i64::try_from(claim.control).unwrap_or(i64::MAX);
        map.int("control", draft.exact(control));
    }
    // The record has the other values of a waiting tick.
    if let Target::Tick(due) = &claim.target {
        unusual_tick(draft, &mut map, due, claim.takeovers);
    }
    map
}

fn unusual_tick(draft: &mut Draft<'_>, map: &mut Map, due: &DueTick, takeovers: u32) {
    if due.due_ms != due.tick.ms() {
        map.int("due", draft.exact(due.due_ms));
    }
    if takeovers > 0 {
        map.int("takeovers", takeovers.into());
    }
    match due.overlap {
        Overlap::Skip => {}
        Overlap::Queue(most) => map.int("queue", most.into()),
        Overlap::CancelRunning => map.truth("cancel_running"),
        Overlap::Allow(most) => map.int("allow", most.into()),
    }
    if let Some(missed) = &due.missed {
        let count = i64::try_from(missed.count).unwrap_or(i64::MAX);
        let mut range = Map::default();
        range.int("first", draft.exact(missed.first.ms()));
        range.int("last", draft.exact(missed.last.ms()));
        range.int("count", draft.exact(count));
        range.text("outcome", missed.outcome.as_str());
        range.text("reason", &missed.reason);
        map.map("missed", range);
    }
}

/// Adds the records of the slots that a claim may take. A claim from the queue names its slot itself.
fn slots(draft: &mut Draft<'_>, claim: &Claim) {
    let most = match &claim.target {
        Target::Tick(DueTick {
            overlap: Overlap::Allow(most),
            ..
        }) => *most,
        _ => 0,
    };
    if most as usize > MAX_BATCH {
        return draft.refuse(format!("{most} slots, more than {MAX_BATCH}"));
    }
    if most > 0 && !claim.unit.is_whole() {
        return draft.refuse(format!(
            "the unit {}~1: a slot or a lane has no slots",
            claim.unit
        ));
    }
    for slot in 1..=most {
        draft.unit(&claim.unit.with_slot(slot));
    }
}
