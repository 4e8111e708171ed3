//! Encodes the removal of what is stored of a job.

use scheduled_one_protocol::message::{Caller, Forget, ForgetRequest};
use scheduled_one_protocol::{Backfill, StoreError, UnitName};

use super::Draft;
use crate::keys::{Keys, is_job};
use crate::script::{self, Request};

pub(crate) fn forget<'a>(
    keys: &'a Keys,
    caller: &'a Caller,
    request: &'a ForgetRequest,
) -> Result<Request<'a>, StoreError> {
    request.check().map_err(StoreError::Refused)?;
    let ForgetRequest {
        job,
        units,
        described_ms,
        directive,
        what,
    } = request;
    let mut draft = Draft::new(&script::FORGET, keys, caller, 1);
    if !is_job(job) {
        draft.refuse(format!("to forget {job:?}: that is no name of a job"));
    }
    for key in [
        &keys.nodes,
        &keys.members,
        &keys.lists,
        &keys.jobs,
        &keys.ctl,
        &keys.trail,
        &keys.due,
        &keys.left,
        &keys.asked,
        &keys.asks,
    ] {
        draft.request.key(key.clone());
    }
    draft.request.key(keys.log(job)).key(keys.probe.clone());
    for unit in units {
        draft.unit(unit);
    }
    let lanes = units.iter().filter(|unit| unit.is_lane());
    for unit in lanes.map(UnitName::without_slot) {
        draft.request.key(keys.requests(unit.as_str()));
    }
    draft
        .text(job)
        .text(Backfill::subject(job))
        .int(*described_ms)
        .text(directive.text_without_version())
        .text(&directive.by)
        .text(&directive.note)
        .count(units.len() as u64)
        .flag(*what == Forget::MarksAhead);
    draft.done()
}
