//! Requests as KEYS and ARGV: the order is that of the heads of the scripts.

use std::borrow::Cow;

use super::super::StoreError;
use super::super::memory::NODE_GONE_MS;
use super::super::message::{
    Beat, Caller, Claim, Enroll, Finish, Intent, LedgerRecord, MAX_BATCH, Overlap, Renew, RunId,
    Started, Watched, job_of, place_of,
};
use super::super::protocol::damage::MAX_EXACT;
use super::keys::{Keys, MAX_NAME_BYTES, is_unit};
use super::message_pack::Map;
use super::script::{self, Operation, Request};

/// A request under construction; remembers what it refuses.
struct Draft<'a> {
    keys: &'a Keys,
    request: Request<'a>,
    /// Goes last: so each script has its own values from the same place on.
    buckets: u32,
    refused: Option<StoreError>,
}

impl<'a> Draft<'a> {
    /// A request for so many items; as a rule, an item has two keys at most.
    fn new(operation: &Operation, keys: &'a Keys, caller: &'a Caller, items: usize) -> Self {
        let mut request = Request::with_capacity(4 + items * 2, 8 + items * operation.values);
        request
            .key(keys.meta.clone())
            .key(keys.leases.clone())
            .key(keys.ready.clone())
            .int(caller.quarantine_ms)
            .text(&caller.name)
            .int(i64::try_from(caller.ledger_limit).unwrap_or(i64::MAX));
        let mut draft = Draft {
            keys,
            request,
            buckets: caller.buckets,
            refused: None,
        };
        if items > MAX_BATCH {
            draft.refuse(format!("a batch of {items}, more than {MAX_BATCH}"));
        }
        draft
    }

    fn unit(&mut self, unit: &str) {
        if !is_unit(unit) {
            self.refuse(format!(
                "the name {unit:?}: names are 1 to {MAX_NAME_BYTES} of A-Z a-z 0-9 _ . : / -, \
                 and perhaps #shard and ~place behind that"
            ));
        }
        self.request.key(self.keys.job(unit));
    }

    fn unit_and_log(&mut self, unit: &str) {
        self.unit(unit);
        self.request.key(self.keys.log(job_of(unit)));
    }

    fn text(&mut self, text: impl Into<Cow<'a, str>>) -> &mut Self {
        self.request.text(text);
        self
    }

    fn int(&mut self, int: i64) -> &mut Self {
        let int = self.exact(int);
        self.request.int(int);
        self
    }

    fn exact(&mut self, int: i64) -> i64 {
        if int.unsigned_abs() > MAX_EXACT {
            self.refuse(format!("the number {int}: beyond 2^53 it is not exact"));
        }
        int
    }

    fn count(&mut self, count: u64) -> &mut Self {
        self.int(i64::try_from(count).unwrap_or(i64::MAX))
    }

    fn flag(&mut self, flag: bool) -> &mut Self {
        self.int(flag.into())
    }

    fn run(&mut self, run: &'a RunId) -> &mut Self {
        self.text(&run.nonce)
            .int(run.tick_ms)
            .count(run.token)
            .count(run.attempt.into())
            .int(run.lease_ms)
            .int(run.granted_at_ms)
            .count(run.reruns.into())
    }

    fn refuse(&mut self, what: String) {
        self.refused.get_or_insert(StoreError::Refused(what));
    }

    fn done(mut self) -> Result<Request<'a>, StoreError> {
        self.request.int(self.buckets.into());
        self.refused.map_or(Ok(self.request), Err)
    }
}

pub(super) fn claim<'a>(
    keys: &'a Keys,
    caller: &'a Caller,
    claims: &'a [Claim],
) -> Result<Request<'a>, StoreError> {
    let mut draft = Draft::new(&script::CLAIM, keys, caller, claims.len());
    // One for all, as a rule.
    let valid_until_ms = claims.first().map_or(0, |claim| claim.valid_until_ms);
    draft.int(valid_until_ms);
    for claim in claims {
        draft.unit_and_log(&claim.unit);
        draft
            .text(&claim.nonce)
            .int(claim.tick_ms)
            .int(claim.after_ms)
            .count(claim.floor_token)
            .int(claim.lease_ms);
        let unusual = unusual(&mut draft, claim, valid_until_ms);
        draft.request.bytes(unusual.into_bytes());
        slots(&mut draft, claim);
    }
    draft.done()
}

/// The unusual values of a claim, by the names that `claim.lua` has for them:
/// nearly all claims have none.
fn unusual(draft: &mut Draft<'_>, claim: &Claim, valid_until_ms: i64) -> Map {
    let mut map = Map::default();
    match claim.intent {
        Intent::Run => {}
        Intent::CatchUp => map.text("intent", "catch_up"),
        Intent::Forgo => map.text("intent", "forgo"),
        Intent::Next => map.text("intent", "next"),
    }
    if claim.valid_until_ms != valid_until_ms {
        map.int("valid_until", draft.exact(claim.valid_until_ms));
    }
    if claim.floor_hwm_ms != claim.after_ms {
        map.int("floor_hwm", draft.exact(claim.floor_hwm_ms));
    }
    let started = claim.floor_started;
    if started != Started::default() {
        let mut start = Map::default();
        start.int("tick", draft.exact(started.tick_ms));
        start.int("attempt", started.attempt.into());
        map.map("started", start);
    }
    // A tick that waits has the other values in the record.
    if claim.intent != Intent::Next {
        unusual_tick(draft, &mut map, claim);
    }
    map
}

fn unusual_tick(draft: &mut Draft<'_>, map: &mut Map, claim: &Claim) {
    if claim.due_ms != claim.tick_ms {
        map.int("due", draft.exact(claim.due_ms));
    }
    if claim.reruns > 0 {
        map.int("takeovers", claim.reruns.into());
    }
    match claim.overlap {
        Overlap::Skip => {}
        Overlap::Queue(most) => map.int("queue", most.into()),
        Overlap::CancelRunning => map.truth("cancel_running"),
        Overlap::Allow(most) => map.int("allow", most.into()),
    }
    if let Some(missed) = &claim.missed {
        let count = i64::try_from(missed.count).unwrap_or(i64::MAX);
        let mut range = Map::default();
        range.int("first", draft.exact(missed.first_ms));
        range.int("last", draft.exact(missed.last_ms));
        range.int("count", draft.exact(count));
        range.text("outcome", missed.outcome.as_str());
        range.text("reason", &missed.reason);
        map.map("missed", range);
    }
}

/// The records of the slots that a claim may take.
fn slots(draft: &mut Draft<'_>, claim: &Claim) {
    let most = match (claim.intent, claim.overlap) {
        (Intent::Next, _) => 0, // its unit may be a slot, and has none
        (_, Overlap::Allow(most)) => most,
        _ => 0,
    };
    if most as usize > MAX_BATCH {
        return draft.refuse(format!("{most} places, more than {MAX_BATCH}"));
    }
    for slot in 1..=most {
        draft.unit(&place_of(&claim.unit, slot));
    }
}

pub(super) fn renew<'a>(
    keys: &'a Keys,
    caller: &'a Caller,
    renewals: &'a [Renew],
) -> Result<Request<'a>, StoreError> {
    let mut draft = Draft::new(&script::RENEW, keys, caller, renewals.len());
    for renew in renewals {
        draft.unit(&renew.run.unit);
        draft.run(&renew.run).int(renew.valid_until_ms);
    }
    draft.done()
}

pub(super) fn finish<'a>(
    keys: &'a Keys,
    caller: &'a Caller,
    finishes: &'a [Finish],
) -> Result<Request<'a>, StoreError> {
    let mut draft = Draft::new(&script::FINISH, keys, caller, finishes.len());
    for finish in finishes {
        draft.unit_and_log(&finish.run.unit);
        draft
            .run(&finish.run)
            .text(finish.outcome.as_str())
            .text(&finish.reason)
            .text(&finish.error)
            .int(finish.fired_at_ms)
            .int(finish.ended_at_ms)
            .flag(finish.retried);
    }
    draft.done()
}

pub(super) fn enroll<'a>(
    keys: &'a Keys,
    caller: &'a Caller,
    enrolls: &'a [Enroll],
) -> Result<Request<'a>, StoreError> {
    let mut draft = Draft::new(&script::ENROLL, keys, caller, enrolls.len());
    for enroll in enrolls {
        draft.unit(&enroll.unit);
        draft
            .int(enroll.first_seen_ms)
            .int(enroll.floor_hwm_ms)
            .count(enroll.floor_token)
            .int(enroll.floor_started.tick_ms)
            .count(enroll.floor_started.attempt.into());
    }
    draft.done()
}

pub(super) fn write_off<'a>(
    keys: &'a Keys,
    caller: &'a Caller,
    runs: &'a [Watched],
) -> Result<Request<'a>, StoreError> {
    let mut draft = Draft::new(&script::WRITE_OFF, keys, caller, runs.len());
    for run in runs {
        draft.unit_and_log(&run.unit);
        draft.text(&run.nonce).count(run.seq);
    }
    draft.done()
}

pub(super) fn beat<'a>(
    keys: &'a Keys,
    caller: &'a Caller,
    beat: &Beat,
) -> Result<Request<'a>, StoreError> {
    let mut draft = Draft::new(&script::BEAT, keys, caller, 0);
    draft.request.key(keys.nodes.clone());
    draft
        .text(&caller.node)
        .text(match beat {
            Beat::Alive => "alive",
            Beat::Leaving => "leaving",
        })
        .int(NODE_GONE_MS)
        .int(MAX_BATCH as i64);
    draft.done()
}

pub(super) fn record<'a>(
    keys: &'a Keys,
    caller: &'a Caller,
    lines: &'a [LedgerRecord],
) -> Result<Request<'a>, StoreError> {
    let mut draft = Draft::new(&script::RECORD, keys, caller, lines.len());
    for line in lines {
        draft.unit_and_log(&line.unit);
        draft
            .int(line.tick_ms)
            .int(line.last_tick_ms)
            .count(line.count)
            .text(line.outcome.as_str())
            .text(&line.reason)
            .text(&line.node)
            .count(line.token)
            .count(line.attempt.into())
            .int(line.fired_at_ms)
            .int(line.ended_at_ms)
            .text(&line.error)
            .flag(line.retried);
    }
    draft.done()
}

pub(super) fn inspect<'a>(
    keys: &'a Keys,
    caller: &'a Caller,
    units: &[String],
) -> Result<Request<'a>, StoreError> {
    let mut draft = Draft::new(&script::INSPECT, keys, caller, units.len());
    for unit in units {
        draft.unit(unit);
    }
    draft.done()
}

pub(super) fn look<'a>(keys: &Keys, now_ms: i64, units: &'a [String]) -> Request<'a> {
    let mut request = Request::with_capacity(1 + units.len(), 1 + units.len());
    request.key(keys.leases.clone()).int(now_ms);
    for unit in units {
        request.key(keys.job(unit)).text(unit);
    }
    request
}
