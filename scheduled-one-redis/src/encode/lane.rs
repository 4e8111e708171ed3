//! Encodes requests for runs, claims of them, and cancels.

use scheduled_one_protocol::message::{Ask, Caller, Cancel, MAX_BATCH, OnBusy, Overlap, Take};
use scheduled_one_protocol::{StoreError, TickMs, check_asks};

use super::Draft;
use crate::keys::Keys;
use crate::message_pack::Map;
use crate::script::{self, Request};

pub(crate) fn ask<'a>(
    keys: &'a Keys,
    caller: &'a Caller,
    asks: &'a [Ask],
) -> Result<Request<'a>, StoreError> {
    check_asks(asks)?;
    let mut draft = Draft::new(&script::ASK, keys, caller, asks.len());
    draft
        .request
        .key(keys.asked.clone())
        .key(keys.asks.clone())
        .key(keys.trail.clone());
    for ask in asks {
        draft.unit(&ask.unit);
        draft.unit(&ask.unit.lane());
        draft.request.key(keys.requests(&ask.unit));
        let wanted = &ask.request;
        let mut map = Map::default();
        map.text("id", &wanted.id);
        map.text("cause", wanted.cause.as_str());
        map.text("actor", &wanted.actor);
        map.text("note", &wanted.note);
        map.int("logical", draft.exact(wanted.logical.map_or(0, TickMs::ms)));
        map.text("busy", wanted.on_busy.map_or("", OnBusy::as_str));
        map.text("params", &wanted.parameters);
        draft.text(&wanted.id).request.bytes(map.into_bytes());
    }
    draft.done()
}

pub(crate) fn take<'a>(
    keys: &'a Keys,
    caller: &'a Caller,
    takes: &'a [Take],
) -> Result<Request<'a>, StoreError> {
    let mut draft = Draft::new(&script::TAKE, keys, caller, takes.len());
    draft.request.key(keys.ctl.clone());
    for take in takes {
        let (policy, slots) = match take.overlap {
            Overlap::Skip => ("skip", 0),
            Overlap::Queue(_) => ("queue", 0),
            Overlap::CancelRunning => ("cancel_running", 0),
            Overlap::Allow(most) => ("allow", most),
        };
        if slots as usize > MAX_BATCH {
            draft.refuse(format!("{slots} slots, more than {MAX_BATCH}"));
            break;
        }
        let unit = take.lane.without_slot();
        draft.unit_and_log(&take.lane);
        draft.unit(&unit);
        draft.request.key(keys.requests(&unit));
        for slot in 1..=slots {
            draft.unit(&unit.with_slot(slot));
        }
        draft
            .text(&take.nonce)
            .int(take.valid_until_ms)
            .int(take.lease_ms)
            .count(take.takeovers.into())
            .tick(take.bounds.decided)
            .count(take.bounds.token.get())
            .start(take.bounds.start)
            .text(policy)
            .count(slots.into());
    }
    draft.done()
}

pub(crate) fn cancel<'a>(
    keys: &'a Keys,
    caller: &'a Caller,
    cancels: &'a [Cancel],
) -> Result<Request<'a>, StoreError> {
    let mut draft = Draft::new(&script::CANCEL, keys, caller, cancels.len());
    draft.request.key(keys.trail.clone());
    for cancel in cancels {
        draft.unit(&cancel.unit);
        draft
            .count(cancel.token.get())
            .text(cancel.why())
            .text(&cancel.by)
            .text(&cancel.note);
    }
    draft.lanes(cancels.iter().map(|cancel| &cancel.unit));
    draft.done()
}
