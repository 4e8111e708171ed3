//! Encodes requests as KEYS and ARGV, in the order that the head of each script has.

mod checkpoint;
mod claim;
mod control;
mod forget;
mod heartbeat;
mod lane;

use std::borrow::Cow;

use scheduled_one_protocol::machine::damage::MAX_EXACT;
use scheduled_one_protocol::message::{
    Caller, Cause, Finish, KnownRequest, MAX_BATCH, Occasion, OverdueRun, Register, Renew, RunId,
};
use scheduled_one_protocol::{
    FencingToken, LedgerRecord, ScheduleId, Start, StoreError, TickMs, UnitName,
};

use crate::keys::{Keys, MAX_NAME_BYTES, is_job};
use crate::script::{self, Operation, Request};

pub(crate) use crate::encode::checkpoint::checkpoint;
pub(crate) use crate::encode::claim::claim;
pub(crate) use crate::encode::control::control;
pub(crate) use crate::encode::forget::forget;
pub(crate) use crate::encode::heartbeat::heartbeat;
pub(crate) use crate::encode::lane::{ask, cancel, take};

/// A request under construction, with the first value that cannot be encoded.
struct Draft<'a> {
    keys: &'a Keys,
    request: Request<'a>,
    /// Margin of a quarantine, and number of buckets. These are the last values, so that the values of each script
    /// begin at the same index.
    last_values: [i64; 2],
    refused: Option<StoreError>,
}

impl<'a> Draft<'a> {
    /// A request with this number of items; most items have at most two keys.
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
            last_values: [caller.margin_ms, caller.buckets.into()],
            refused: None,
        };
        if items > MAX_BATCH {
            draft.refuse(format!("a batch of {items}, more than {MAX_BATCH}"));
        }
        draft
    }

    fn unit(&mut self, unit: &UnitName) {
        if !is_job(unit.job()) {
            self.refuse(format!(
                "the name {unit:?}: names are 1 to {MAX_NAME_BYTES} of A-Z a-z 0-9 _ . : / -, \
                 and perhaps #shard and ~slot behind that"
            ));
        }
        self.request.key(self.keys.job(unit));
    }

    /// Adds the keys that a script needs in addition for the lanes among these units: the record of the unit, and the
    /// requests.
    fn lanes(&mut self, units: impl IntoIterator<Item = &'a UnitName>) -> &mut Self {
        for lane in units.into_iter().filter(|unit| unit.is_lane()) {
            let unit = lane.without_slot();
            self.request.key(self.keys.job(&unit));
            self.request.key(self.keys.requests(&unit));
        }
        self
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

    /// A tick, or 0 for none: no schedule has a tick at the epoch.
    fn tick(&mut self, tick: Option<TickMs>) -> &mut Self {
        self.int(tick.map_or(0, TickMs::ms))
    }

    /// The identity of a schedule, or an empty text for none.
    fn schedule(&mut self, id: Option<ScheduleId>) -> &mut Self {
        self.text(id.map_or_else(String::new, |id| id.to_string()))
    }

    /// A start, or two zeros for none.
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
            .text(
                run.origin
                    .as_ref()
                    .map_or_else(String::new, ToString::to_string),
            )
    }

    fn refuse(&mut self, what: String) {
        self.refused.get_or_insert(StoreError::Refused(what));
    }

    fn done(mut self) -> Result<Request<'a>, StoreError> {
        for value in self.last_values {
            self.int(value);
        }
        self.refused.map_or(Ok(self.request), Err)
    }
}

pub(crate) fn renew<'a>(
    keys: &'a Keys,
    caller: &'a Caller,
    renewals: &'a [Renew],
) -> Result<Request<'a>, StoreError> {
    let mut draft = Draft::new(&script::RENEW, keys, caller, renewals.len());
    for renew in renewals {
        draft.unit(&renew.run.unit);
        draft.run(&renew.run).int(renew.valid_until_ms);
    }
    draft.lanes(renewals.iter().map(|renew| &renew.run.unit));
    draft.done()
}

pub(crate) fn finish<'a>(
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
            .int(finish.fired_at_ms.unwrap_or(0))
            .int(finish.ended_at_ms)
            .flag(finish.retried);
    }
    draft.lanes(finishes.iter().map(|finish| &finish.run.unit));
    draft.done()
}

pub(crate) fn register<'a>(
    keys: &'a Keys,
    caller: &'a Caller,
    registrations: &'a [Register],
) -> Result<Request<'a>, StoreError> {
    let mut draft = Draft::new(&script::REGISTER, keys, caller, registrations.len());
    draft
        .request
        .key(keys.nodes.clone())
        .key(keys.due.clone())
        .key(keys.asked.clone())
        .key(keys.asks.clone());
    draft.text(&caller.node);
    for registration in registrations {
        draft.unit(&registration.unit);
        let decides = registration.decides.as_ref();
        let (occasion, valid_until_ms) = match registration.occasion {
            Occasion::Start { valid_until_ms } => ("start", valid_until_ms),
            Occasion::Again => ("again", 0),
            Occasion::Succession => ("succession", 0),
            Occasion::Gone => ("gone", 0),
        };
        draft
            .int(registration.first_seen_ms)
            .tick(registration.bounds.decided)
            .count(registration.bounds.token.get())
            .start(registration.bounds.start)
            .int(registration.lease_ms)
            .schedule(registration.schedule)
            .text(decides.map_or_else(String::new, ToString::to_string))
            .text(occasion)
            .int(valid_until_ms)
            .int(registration.next_due_ms.unwrap_or(0))
            .text(known(&registration.requests))
            .count(registration.generation.into());
    }
    draft.lanes(registrations.iter().map(|registration| &registration.unit));
    draft.done()
}

pub(crate) fn write_off<'a>(
    keys: &'a Keys,
    caller: &'a Caller,
    runs: &'a [OverdueRun],
) -> Result<Request<'a>, StoreError> {
    let mut draft = Draft::new(&script::WRITE_OFF, keys, caller, runs.len());
    for run in runs {
        draft.unit_and_log(&run.unit);
        draft.text(&run.nonce).count(run.seq);
    }
    draft.lanes(runs.iter().map(|run| &run.unit));
    draft.done()
}

pub(crate) fn record<'a>(
    keys: &'a Keys,
    caller: &'a Caller,
    lines: &'a [LedgerRecord],
) -> Result<Request<'a>, StoreError> {
    let mut draft = Draft::new(&script::RECORD, keys, caller, lines.len());
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
            .text(line.identity.as_deref().unwrap_or_default())
            .flag(line.retried)
            .text(line.cause.map_or("", Cause::as_str))
            .text(&line.request)
            .text(&line.actor);
    }
    draft.done()
}

pub(crate) fn inspect<'a>(
    keys: &'a Keys,
    caller: &'a Caller,
    units: &'a [UnitName],
) -> Result<Request<'a>, StoreError> {
    let mut draft = Draft::new(&script::INSPECT, keys, caller, units.len());
    for unit in units {
        draft.unit(unit);
    }
    draft.lanes(units).count(units.len() as u64);
    draft.done()
}

/// Ticks and ids of requests, as one text.
fn known(requests: &[KnownRequest]) -> String {
    let one = |known: &KnownRequest| format!("{} {}", known.tick, known.id);
    requests.iter().map(one).collect::<Vec<_>>().join(" ")
}

pub(crate) fn read_overdue<'a>(keys: &Keys, now_ms: i64, units: &'a [UnitName]) -> Request<'a> {
    let mut request = Request::with_capacity(1 + units.len(), 1 + units.len());
    request.key(keys.leases.clone()).int(now_ms);
    for unit in units {
        request.key(keys.job(unit.as_str())).text(unit.as_str());
    }
    request
}
