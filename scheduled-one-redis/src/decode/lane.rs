//! Decodes the replies to requests for runs.

use deadpool_redis::redis::Value;
use scheduled_one_protocol::message::{
    Ask, Asked, Cancel, Cancelled, Cause, Claimed, Grant, OnBusy, Reply, Request, Take, Taken,
    Verdict,
};
use scheduled_one_protocol::{StoreError, TickMs};

use super::{Reader, batch, malformed, overdue_run};
use crate::codes::{AskCode, CancelCode, ClaimCode};

pub(crate) fn ask(reply: Value, asks: &[Ask]) -> Result<Reply<Vec<Asked>>, StoreError> {
    batch("ask", reply, asks, |reader, _| {
        Ok(match reader.code(AskCode::from_number)? {
            AskCode::Queued => Asked::Queued {
                tick: reader.tick()?,
            },
            AskCode::Known => Asked::Known {
                tick: reader.tick()?,
            },
            AskCode::Full => Asked::Full,
        })
    })
}

pub(crate) fn cancel(
    reply: Value,
    cancels: &[Cancel],
) -> Result<Reply<Vec<Cancelled>>, StoreError> {
    batch("cancel", reply, cancels, |reader, _| {
        Ok(match reader.code(CancelCode::from_number)? {
            CancelCode::Cancelling => Cancelled::Cancelling,
            CancelCode::Gone => Cancelled::Gone,
        })
    })
}

pub(crate) fn take(reply: Value, takes: &[Take]) -> Result<Reply<Vec<Taken>>, StoreError> {
    batch("take", reply, takes, |reader, take| {
        let mut marks = reader.marks()?;
        let (code, ready) = reader.code_and_ready(ClaimCode::READY, ClaimCode::from_number)?;
        let mut request = None;
        let verdict = match code {
            ClaimCode::GrantedRun => {
                let grant = grant(reader, take)?;
                request = stored_request(reader)?;
                Verdict::Granted(grant)
            }
            ClaimCode::Stale => {
                let slot = reader.small()?;
                Verdict::Stale(overdue_run(reader, &take.lane.with_slot(slot))?)
            }
            ClaimCode::StaleLane => {
                let _ = reader.small()?;
                Verdict::Stale(overdue_run(reader, &take.lane)?)
            }
            ClaimCode::Quarantined => Verdict::Quarantined {
                until_ms: reader.int()?,
            },
            ClaimCode::Late => Verdict::Late,
            ClaimCode::Busy => Verdict::Busy,
            ClaimCode::Skipped => Verdict::Skipped,
            ClaimCode::QueueEmpty => Verdict::QueueEmpty,
            other => return Err(malformed(reader.script, &other)),
        };
        if marks.token > take.bounds.token {
            marks.start = reader.start()?;
        }
        let claimed = Claimed {
            marks,
            ready,
            verdict,
        };
        Ok(Taken { claimed, request })
    })
}

fn grant(reader: &mut Reader, take: &Take) -> Result<Grant, StoreError> {
    let (tick, token, until_ms) = (reader.tick()?, reader.token()?, reader.int()?);
    let (attempt, _) = (reader.small()?, reader.small()?);
    Ok(Grant {
        unit: take.lane.clone(),
        tick,
        token,
        until_ms,
        attempt,
    })
}

fn stored_request(reader: &mut Reader) -> Result<Option<Request>, StoreError> {
    if reader.int()? == 0 {
        return Ok(None);
    }
    let (id, cause) = (reader.text()?, reader.text()?);
    let (actor, note) = (reader.text()?, reader.text()?);
    let (logical_ms, on_busy, parameters) = (reader.int()?, reader.text()?, reader.text()?);
    Ok(Some(Request {
        id,
        cause: Cause::from_word(&cause).ok_or_else(|| malformed(reader.script, &cause))?,
        actor,
        note,
        logical: Some(TickMs(logical_ms)).filter(|tick| tick.ms() != 0),
        on_busy: match on_busy.as_str() {
            "" => None,
            word => Some(OnBusy::from_word(word).ok_or_else(|| malformed(reader.script, &word))?),
        },
        parameters,
    }))
}
