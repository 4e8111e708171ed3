//! Requests as KEYS and ARGV: the order is that of the heads of the scripts.

use std::borrow::Cow;

use crate::keys::{Keys, MAX_NAME_BYTES, is_name};
use crate::script::Request;
use scheduled_one_protocol::message::{
    Caller, Claim, Finish, Heartbeat, Intent, MAX_BATCH, NODE_GONE_MS, OverdueRun, Overlap,
    Register, Renew, RunId, Target,
};
use scheduled_one_protocol::{FencingToken, LedgerRecord, Start, StoreError, TickMs, UnitName};

/// Numbers of the scripts are doubles: above this they are no longer exact.
/// Microseconds get there in 2255.
pub(crate) const MAX_EXACT: u64 = 1 << 53;

/// A request under construction; remembers what it refuses.
struct Draft<'a> {
    keys: &'a Keys,
    request: Request<'a>,
    /// Goes last: so each script has its own values from the same place on.
    buckets: u32,
    refused: Option<StoreError>,
}

impl<'a> Draft<'a> {
    /// `per_key` and `per_value`: how many an item adds, to allocate once.
    fn new(
        keys: &'a Keys,
        caller: &'a Caller,
        items: usize,
        per_key: usize,
        per_value: usize,
    ) -> Self {
        let mut request = Request::with_capacity(4 + items * per_key, 8 + items * per_value);
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

    fn unit(&mut self, unit: &UnitName) {
        if !is_name(unit.job()) {
            self.refuse(format!(
                "the name {unit:?}: names are 1 to {MAX_NAME_BYTES} of A-Z a-z 0-9 _ . : / -, \
                 and perhaps #shard and ~slot behind that"
            ));
        }
        self.request.key(self.keys.job(unit.as_str()));
    }

    fn unit_and_log(&mut self, unit: &UnitName) {
        self.unit(unit);
        self.request.key(self.keys.log(unit.job()));
    }

    fn text(&mut self, text: impl Into<Cow<'a, str>>) -> &mut Self {
        self.request.text(text);
        self
    }

    fn int(&mut self, int: i64) -> &mut Self {
        if int.unsigned_abs() > MAX_EXACT {
            self.refuse(format!("the number {int}: beyond 2^53 it is not exact"));
        }
        self.request.int(int);
        self
    }

    /// A tick, or 0 for none: no schedule has a tick at the epoch.
    fn tick(&mut self, tick: Option<TickMs>) -> &mut Self {
        self.int(tick.map_or(0, TickMs::ms))
    }

    /// A bound: the newest tick, and the attempt of a start.
    fn start(&mut self, start: Option<Start>) -> &mut Self {
        self.tick(start.map(|start| start.tick))
            .count(start.map_or(0, |start| start.attempt).into())
    }

    fn count(&mut self, count: u64) -> &mut Self {
        self.int(i64::try_from(count).unwrap_or(i64::MAX))
    }

    fn flag(&mut self, flag: bool) -> &mut Self {
        self.int(flag.into())
    }

    fn run(&mut self, run: &'a RunId) -> &mut Self {
        self.text(&run.nonce)
            .int(run.tick.ms())
            .count(run.token.get())
            .count(run.attempt.into())
            .int(run.lease_ms)
            .int(run.granted_at_ms)
            .count(run.takeovers.into())
    }

    fn refuse(&mut self, what: String) {
        self.refused.get_or_insert(StoreError::Refused(what));
    }

    fn done(mut self) -> Result<Request<'a>, StoreError> {
        self.request.int(self.buckets.into());
        self.refused.map_or(Ok(self.request), Err)
    }
}

pub(crate) fn claim<'a>(
    keys: &'a Keys,
    caller: &'a Caller,
    claims: &'a [Claim],
) -> Result<Request<'a>, StoreError> {
    let mut draft = Draft::new(keys, caller, claims.len(), 2, 6);
    // One for all, as a rule.
    let valid_until_ms = claims.first().map_or(0, |claim| claim.valid_until_ms);
    draft.int(valid_until_ms);
    for claim in claims {
        let (tick, after) = match &claim.target {
            Target::Tick(due) => (due.tick, due.after),
            Target::Queued { oldest } => (*oldest, None),
        };
        draft.unit_and_log(&claim.unit);
        draft
            .text(&claim.nonce)
            .int(tick.ms())
            .tick(after)
            .count(claim.bounds.token.get())
            .int(claim.lease_ms);
        what(&mut draft, claim, valid_until_ms);
    }
    draft.done()
}

/// What a claim asks for: letters, and the values that go with them.
fn what<'a>(draft: &mut Draft<'a>, claim: &'a Claim, valid_until_ms: i64) {
    let late = claim.valid_until_ms != valid_until_ms;
    let due = match &claim.target {
        Target::Tick(due) => Some(due),
        Target::Queued { .. } => None, // the waiting tick has the rest
    };
    let after = due.and_then(|due| due.after);
    let floor = claim.bounds.decided != after;
    let later = due.filter(|due| due.due_ms != due.tick.ms());
    let takeovers = claim.takeovers > 0 && due.is_some();
    let (overlap, most) = match due.map(|due| due.overlap) {
        None | Some(Overlap::Skip) => ("", None),
        Some(Overlap::Queue(most)) => ("q", Some(most)),
        Some(Overlap::CancelRunning) => ("s", None),
        Some(Overlap::Allow(most)) => ("a", Some(most)),
    };
    let missed = due.and_then(|due| due.missed.as_ref());
    let intent = match due.map(|due| due.intent) {
        Some(Intent::Run) => "r",
        Some(Intent::CatchUp) => "c",
        Some(Intent::MarkMissed) => "f",
        None => "n",
    };
    let letter = |it_is: bool, letter| if it_is { letter } else { "" };
    let letters = [
        intent,
        letter(late, "v"),
        letter(floor, "h"),
        letter(later.is_some(), "d"),
        letter(takeovers, "t"),
        overlap,
        letter(missed.is_some(), "m"),
        letter(claim.bounds.start.is_some(), "b"),
    ];
    match letters {
        ["r", "", "", "", "", "", "", ""] => draft.text("r"), // nearly all of them
        _ => draft.text(letters.concat()),
    };
    if late {
        draft.int(claim.valid_until_ms);
    }
    if floor {
        draft.tick(claim.bounds.decided);
    }
    if let Some(due) = later {
        draft.int(due.due_ms);
    }
    if takeovers {
        draft.count(claim.takeovers.into());
    }
    if let Some(most) = most {
        draft.count(most.into());
    }
    if let Some(missed) = missed {
        draft
            .int(missed.first.ms())
            .int(missed.last.ms())
            .count(missed.count)
            .text(missed.outcome.as_str())
            .text(&missed.reason);
    }
    if let Some(start) = claim.bounds.start {
        draft.int(start.tick.ms()).count(start.attempt.into());
    }
    if let Some(Overlap::Allow(most)) = due.map(|due| due.overlap) {
        if most as usize > MAX_BATCH {
            return draft.refuse(format!("{most} slots, more than {MAX_BATCH}"));
        }
        for slot in 1..=most {
            draft.unit(&claim.unit.with_slot(slot));
        }
    }
}

pub(crate) fn renew<'a>(
    keys: &'a Keys,
    caller: &'a Caller,
    renewals: &'a [Renew],
) -> Result<Request<'a>, StoreError> {
    let mut draft = Draft::new(keys, caller, renewals.len(), 1, 8);
    for renew in renewals {
        draft.unit(&renew.run.unit);
        draft.run(&renew.run).int(renew.valid_until_ms);
    }
    draft.done()
}

pub(crate) fn finish<'a>(
    keys: &'a Keys,
    caller: &'a Caller,
    finishes: &'a [Finish],
) -> Result<Request<'a>, StoreError> {
    let mut draft = Draft::new(keys, caller, finishes.len(), 2, 13);
    for finish in finishes {
        draft.unit_and_log(&finish.run.unit);
        draft
            .run(&finish.run)
            .text(finish.outcome.as_str())
            .text(&finish.reason)
            .text(&finish.error)
            .int(finish.fired_at_ms.unwrap_or(0))
            .int(finish.ended_at_ms)
            .flag(finish.retried);
    }
    draft.done()
}

pub(crate) fn register<'a>(
    keys: &'a Keys,
    caller: &'a Caller,
    registrations: &'a [Register],
) -> Result<Request<'a>, StoreError> {
    let mut draft = Draft::new(keys, caller, registrations.len(), 1, 5);
    for registration in registrations {
        draft.unit(&registration.unit);
        draft
            .int(registration.first_seen_ms)
            .tick(registration.bounds.decided)
            .count(registration.bounds.token.get())
            .start(registration.bounds.start);
    }
    draft.done()
}

pub(crate) fn write_off<'a>(
    keys: &'a Keys,
    caller: &'a Caller,
    runs: &'a [OverdueRun],
) -> Result<Request<'a>, StoreError> {
    let mut draft = Draft::new(keys, caller, runs.len(), 2, 2);
    for run in runs {
        draft.unit_and_log(&run.unit);
        draft.text(&run.nonce).count(run.seq);
    }
    draft.done()
}

pub(crate) fn heartbeat<'a>(
    keys: &'a Keys,
    caller: &'a Caller,
    heartbeat: Heartbeat,
) -> Result<Request<'a>, StoreError> {
    let mut draft = Draft::new(keys, caller, 0, 0, 0);
    draft.request.key(keys.nodes.clone());
    draft
        .text(&caller.node)
        .text(match heartbeat {
            Heartbeat::Alive => "alive",
            Heartbeat::Leaving => "leaving",
        })
        .int(NODE_GONE_MS)
        .int(MAX_BATCH as i64);
    draft.done()
}

pub(crate) fn record<'a>(
    keys: &'a Keys,
    caller: &'a Caller,
    lines: &'a [LedgerRecord],
) -> Result<Request<'a>, StoreError> {
    let mut draft = Draft::new(keys, caller, lines.len(), 2, 12);
    for line in lines {
        draft.unit_and_log(&line.unit);
        draft
            .int(line.tick.ms())
            .int(line.last_tick.ms())
            .count(line.count)
            .text(line.outcome.as_str())
            .text(&line.reason)
            .text(&line.node)
            .count(line.token.map_or(0, FencingToken::get))
            .count(line.attempt.unwrap_or(0).into())
            .int(line.fired_at_ms.unwrap_or(0))
            .int(line.ended_at_ms)
            .text(&line.error)
            .flag(line.retried);
    }
    draft.done()
}

pub(crate) fn inspect<'a>(
    keys: &'a Keys,
    caller: &'a Caller,
    units: &[UnitName],
) -> Result<Request<'a>, StoreError> {
    let mut draft = Draft::new(keys, caller, units.len(), 1, 0);
    for unit in units {
        draft.unit(unit);
    }
    draft.done()
}

pub(crate) fn look<'a>(keys: &Keys, now_ms: i64, units: &'a [UnitName]) -> Request<'a> {
    let mut request = Request::with_capacity(1 + units.len(), 1 + units.len());
    request.key(keys.leases.clone()).int(now_ms);
    for unit in units {
        request.key(keys.job(unit.as_str())).text(unit.as_str());
    }
    request
}
