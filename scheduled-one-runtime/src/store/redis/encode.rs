//! Requests as KEYS and ARGV: the order is that of the heads of the scripts.

use super::super::StoreError;
use super::super::memory::NODE_GONE_MS;
use super::super::message::{
    Beat, Caller, Claim, Enroll, Finish, Intent, MAX_BATCH, Renew, RunId, Watched,
};
use super::keys::{Keys, MAX_NAME_BYTES, is_name};
use super::script::Request;

/// Numbers of the scripts are doubles: above this they are no longer exact.
/// Microseconds get there in 2255.
pub(super) const MAX_EXACT: u64 = 1 << 53;

/// A request under construction; remembers what it refuses.
struct Draft<'a> {
    keys: &'a Keys,
    request: Request<'a>,
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
        let mut request = Request::with_capacity(3 + items * per_key, 7 + items * per_value);
        request
            .key(keys.meta.clone())
            .key(keys.leases.clone())
            .int(caller.quarantine_ms)
            .text(&caller.name)
            .int(i64::try_from(caller.ledger_limit).unwrap_or(i64::MAX));
        let mut draft = Draft {
            keys,
            request,
            refused: None,
        };
        if items > MAX_BATCH {
            draft.refuse(format!("a batch of {items}, more than {MAX_BATCH}"));
        }
        draft
    }

    fn unit(&mut self, unit: &str) {
        if !is_name(unit) {
            self.refuse(format!(
                "the name {unit:?}: names are 1 to {MAX_NAME_BYTES} of A-Z a-z 0-9 _ . : / -"
            ));
        }
        self.request.key(self.keys.job(unit));
    }

    fn unit_and_log(&mut self, unit: &str) {
        self.unit(unit);
        self.request.key(self.keys.log(unit));
    }

    fn text(&mut self, text: &'a str) -> &mut Self {
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

    fn count(&mut self, count: u64) -> &mut Self {
        self.int(i64::try_from(count).unwrap_or(i64::MAX))
    }

    fn run(&mut self, run: &'a RunId) -> &mut Self {
        self.text(&run.nonce)
            .int(run.tick_ms)
            .count(run.token)
            .count(run.attempt.into())
            .int(run.lease_ms)
            .int(run.granted_at_ms)
    }

    fn refuse(&mut self, what: String) {
        self.refused.get_or_insert(StoreError::Refused(what));
    }

    fn done(self) -> Result<Request<'a>, StoreError> {
        self.refused.map_or(Ok(self.request), Err)
    }
}

pub(super) fn claim<'a>(
    keys: &'a Keys,
    caller: &'a Caller,
    claims: &'a [Claim],
) -> Result<Request<'a>, StoreError> {
    let mut draft = Draft::new(keys, caller, claims.len(), 2, 8);
    for claim in claims {
        draft.unit_and_log(&claim.unit);
        draft
            .text(&claim.nonce)
            .int(claim.tick_ms)
            .int(claim.after_ms)
            .int(claim.floor_hwm_ms)
            .count(claim.floor_token)
            .int(claim.valid_until_ms)
            .int(claim.lease_ms)
            .text(match (claim.intent, &claim.missed) {
                (Intent::Run, None) => "r",
                (Intent::Forgo, None) => "f",
                (Intent::Run, Some(_)) => "R",
                (Intent::Forgo, Some(_)) => "F",
            });
        if let Some(missed) = &claim.missed {
            draft
                .int(missed.first_ms)
                .int(missed.last_ms)
                .count(missed.count)
                .text(&missed.reason);
        }
    }
    draft.done()
}

pub(super) fn renew<'a>(
    keys: &'a Keys,
    caller: &'a Caller,
    renewals: &'a [Renew],
) -> Result<Request<'a>, StoreError> {
    let mut draft = Draft::new(keys, caller, renewals.len(), 1, 7);
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
    let mut draft = Draft::new(keys, caller, finishes.len(), 2, 11);
    for finish in finishes {
        draft.unit_and_log(&finish.run.unit);
        draft
            .run(&finish.run)
            .text(finish.outcome.as_str())
            .text(&finish.reason)
            .text(&finish.error)
            .int(finish.fired_at_ms)
            .int(finish.ended_at_ms);
    }
    draft.done()
}

pub(super) fn enroll<'a>(
    keys: &'a Keys,
    caller: &'a Caller,
    enrolls: &'a [Enroll],
) -> Result<Request<'a>, StoreError> {
    let mut draft = Draft::new(keys, caller, enrolls.len(), 1, 3);
    for enroll in enrolls {
        draft.unit(&enroll.unit);
        draft
            .int(enroll.first_seen_ms)
            .int(enroll.floor_hwm_ms)
            .count(enroll.floor_token);
    }
    draft.done()
}

pub(super) fn write_off<'a>(
    keys: &'a Keys,
    caller: &'a Caller,
    runs: &'a [Watched],
) -> Result<Request<'a>, StoreError> {
    let mut draft = Draft::new(keys, caller, runs.len(), 2, 2);
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
    let mut draft = Draft::new(keys, caller, 0, 0, 0);
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

pub(super) fn look<'a>(keys: &Keys, now_ms: i64, units: &'a [String]) -> Request<'a> {
    let mut request = Request::with_capacity(1 + units.len(), 1 + units.len());
    request.key(keys.leases.clone()).int(now_ms);
    for unit in units {
        request.key(keys.job(unit)).text(unit);
    }
    request
}
