//! Decodes replies of the scripts, in the order that the head of each script has. A reply that does not fit is an
//! error that names the script, never a panic.

mod checkpoint;
mod control;
mod forget;
mod heartbeat;
mod lane;
mod ledger;
mod overdue;

use deadpool_redis::redis::Value;
use scheduled_one_protocol::machine::damage::MAX_EXACT;
use scheduled_one_protocol::message::{
    Claim, Claimed, Finished, Grant, Head, OverdueRun, Recorded, RegisteredUnit, Renewed, Reply,
    Target, UnitStatus, Verdict, Watermarks, WrittenOff,
};
use scheduled_one_protocol::{DecidingSchedule, FencingToken, Start, StoreError, TickMs, UnitName};

use crate::classify;
use crate::codes::{ClaimCode, FinishCode, InspectCode, RenewCode, WriteOffCode};

pub(crate) use crate::decode::checkpoint::checkpoint;
pub(crate) use crate::decode::control::control;
pub(crate) use crate::decode::forget::forget;
pub(crate) use crate::decode::heartbeat::heartbeat;
pub(crate) use crate::decode::lane::{ask, cancel, take};
pub(crate) use crate::decode::ledger::{ledger, trail};
pub(crate) use crate::decode::overdue::read_overdue;

/// Longest reason for a lost line in an error text.
const MAX_REASON: usize = 400;

/// A flat reply, read from front to back.
struct Reader {
    script: &'static str,
    values: std::vec::IntoIter<Value>,
}

impl Reader {
    fn new(script: &'static str, reply: Value) -> Result<Self, StoreError> {
        match reply {
            Value::Array(values) => Ok(Reader {
                script,
                values: values.into_iter(),
            }),
            other => Err(malformed(script, &shape(Some(other)))),
        }
    }

    /// An integer within the range that scripts represent exactly. Sums of such integers do not overflow.
    fn int(&mut self) -> Result<i64, StoreError> {
        match self.values.next() {
            Some(Value::Int(int)) if int.unsigned_abs() <= MAX_EXACT => Ok(int),
            other => Err(malformed(self.script, &shape(other))),
        }
    }

    fn count(&mut self) -> Result<u64, StoreError> {
        let int = self.int()?;
        u64::try_from(int).map_err(|_| malformed(self.script, &int))
    }

    /// A count of at most 32 bits.
    fn small(&mut self) -> Result<u32, StoreError> {
        let int = self.int()?;
        u32::try_from(int).map_err(|_| malformed(self.script, &int))
    }

    fn text(&mut self) -> Result<String, StoreError> {
        match self.values.next() {
            Some(Value::BulkString(bytes)) => String::from_utf8(bytes)
                .map_err(|error| malformed(self.script, &error.utf8_error())),
            other => Err(malformed(self.script, &shape(other))),
        }
    }

    /// A name that is only displayed. It may be any bytes, because an operator may have edited it.
    fn shown(&mut self) -> Result<String, StoreError> {
        match self.values.next() {
            Some(Value::BulkString(bytes)) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            other => Err(malformed(self.script, &shape(other))),
        }
    }

    /// A code of the table of the script.
    fn code<C>(&mut self, from_number: impl Fn(i64) -> Option<C>) -> Result<C, StoreError> {
        let number = self.int()?;
        from_number(number).ok_or_else(|| malformed(self.script, &number))
    }

    /// A code to which `ready` may be added, and whether it was.
    fn code_and_ready<C>(
        &mut self,
        ready: i64,
        from_number: impl Fn(i64) -> Option<C>,
    ) -> Result<(C, bool), StoreError> {
        self.code(|number| match number >= ready {
            true => Some((from_number(number - ready)?, true)),
            false => Some((from_number(number)?, false)),
        })
    }

    /// A number, and as many names.
    fn names(&mut self) -> Result<Vec<String>, StoreError> {
        let count = self.count()?;
        (0..count).map(|_| self.shown()).collect()
    }

    fn head(&mut self) -> Result<Head, StoreError> {
        Ok(Head {
            now_us: self.count()?,
            serving: self.text()?,
            quarantine_from_ms: self.int()?,
            quarantine_until_ms: self.int()?,
            control_version: self.count()?,
        })
    }

    fn token(&mut self) -> Result<FencingToken, StoreError> {
        Ok(FencingToken(self.count()?))
    }

    fn tick(&mut self) -> Result<TickMs, StoreError> {
        Ok(TickMs(self.int()?))
    }

    /// The watermarks without the newest start. The scripts return 0 for none.
    fn marks(&mut self) -> Result<Watermarks, StoreError> {
        let known = |ms| Some(ms).filter(|ms| *ms != 0);
        Ok(Watermarks {
            first_seen_ms: known(self.int()?),
            decided: known(self.int()?).map(TickMs),
            token: self.token()?,
            start: None,
        })
    }

    fn start(&mut self) -> Result<Option<Start>, StoreError> {
        let (tick, attempt) = (self.tick()?, self.small()?);
        let is_some = tick.ms() != 0 || attempt != 0;
        Ok(is_some.then_some(Start { tick, attempt }))
    }

    /// The watermarks with the newest start.
    fn all_marks(&mut self) -> Result<Watermarks, StoreError> {
        let marks = self.marks()?;
        Ok(Watermarks {
            start: self.start()?,
            ..marks
        })
    }

    /// The schedule that decides, or an empty text for none.
    fn schedule(&mut self) -> Result<Option<DecidingSchedule>, StoreError> {
        let text = self.shown()?;
        let schedule = DecidingSchedule::parse(&text);
        let is_fit = text.is_empty() || schedule.is_some();
        is_fit
            .then_some(schedule)
            .ok_or_else(|| malformed(self.script, &text))
    }

    /// Verifies that nothing is left.
    fn end(mut self) -> Result<(), StoreError> {
        match self.values.next() {
            None => Ok(()),
            more => Err(malformed(self.script, &shape(more))),
        }
    }
}

/// What stands where something else should be, without texts: parameters of requests may be secret.
fn shape(value: Option<Value>) -> String {
    match value {
        Some(Value::BulkString(bytes)) => format!("a text of {} bytes", bytes.len()),
        Some(Value::Array(values)) => format!("a list of {}", values.len()),
        other => format!("{other:?}"),
    }
}

/// The error for a reply that does not fit. `source`: the script or the key.
fn malformed(source: &str, found: &dyn std::fmt::Debug) -> StoreError {
    let found: String = format!("{found:?}").chars().take(80).collect();
    StoreError::Refused(format!(
        "the reply of {source} is not what it should be, found {found}: \
         is that a Redis, and are all nodes of one version?"
    ))
}

/// Decodes a head and a reply for each item.
fn batch<I, T>(
    script: &'static str,
    reply: Value,
    items: &[I],
    read: impl Fn(&mut Reader, &I) -> Result<T, StoreError>,
) -> Result<Reply<Vec<T>>, StoreError> {
    let mut reader = Reader::new(script, reply)?;
    let head = reader.head()?;
    let mut body = Vec::with_capacity(items.len());
    for item in items {
        body.push(read(&mut reader, item)?);
    }
    reader.end()?;
    Ok(Reply { head, body })
}

pub(crate) fn claim(reply: Value, claims: &[Claim]) -> Result<Reply<Vec<Claimed>>, StoreError> {
    batch("claim", reply, claims, |reader, claim| {
        let mut marks = reader.marks()?;
        let (code, ready) = reader.code_and_ready(ClaimCode::READY, ClaimCode::from_number)?;
        let verdict = verdict(reader, claim, code, marks.token)?;
        if marks.token > claim.bounds.token {
            marks.start = match (code, &verdict) {
                (ClaimCode::Granted, Verdict::Granted(grant)) => Some(Start {
                    tick: grant.tick,
                    attempt: 1,
                }),
                _ => reader.start()?,
            };
        }
        Ok(Claimed {
            marks,
            ready,
            verdict,
        })
    })
}

/// The verdict of a claim, from its code and the values after it.
fn verdict(
    reader: &mut Reader,
    claim: &Claim,
    code: ClaimCode,
    token: FencingToken,
) -> Result<Verdict, StoreError> {
    Ok(match code {
        ClaimCode::Granted => match &claim.target {
            Target::Tick(due) => Verdict::Granted(Grant {
                unit: claim.unit.clone(),
                tick: due.tick,
                token,
                until_ms: reader.int()?,
                attempt: 1,
            }),
            Target::Queued { .. } => return Err(malformed(reader.script, &code)),
        },
        ClaimCode::GrantedRun => {
            let (tick, token, until_ms) = (reader.tick()?, reader.token()?, reader.int()?);
            let (attempt, slot) = (reader.small()?, reader.small()?);
            Verdict::Granted(Grant {
                unit: in_slot(&claim.unit, slot),
                tick,
                token,
                until_ms,
                attempt,
            })
        }
        ClaimCode::Decided => Verdict::Decided {
            owner: reader.shown()?,
        },
        ClaimCode::Early => Verdict::Early {
            by_ms: reader.int()?,
        },
        ClaimCode::Stale => {
            let slot = reader.small()?;
            Verdict::Stale(overdue_run(reader, &in_slot(&claim.unit, slot))?)
        }
        ClaimCode::StaleLane => {
            let _ = reader.small()?;
            Verdict::Stale(overdue_run(reader, &claim.unit.lane())?)
        }
        ClaimCode::Lane => Verdict::Lane,
        ClaimCode::Skipped => Verdict::Skipped,
        ClaimCode::MarkedMissed => Verdict::MarkedMissed,
        ClaimCode::Conflict => Verdict::Conflict,
        ClaimCode::Late => Verdict::Late,
        ClaimCode::Quarantined => Verdict::Quarantined {
            until_ms: reader.int()?,
        },
        ClaimCode::Queued => Verdict::Queued,
        ClaimCode::Busy => Verdict::Busy,
        ClaimCode::QueueEmpty => Verdict::QueueEmpty,
        ClaimCode::OtherSchedule => {
            let decides = reader.schedule()?;
            Verdict::OtherSchedule(decides.ok_or_else(|| malformed(reader.script, &code))?)
        }
        ClaimCode::Paused => Verdict::Paused,
        ClaimCode::Moved => Verdict::Moved,
    })
}

/// The unit in a slot; 0 is the unit itself. A claim from the queue of a slot names that slot itself.
fn in_slot(unit: &UnitName, slot: u32) -> UnitName {
    match slot {
        0 => unit.clone(),
        _ => unit.with_slot(slot),
    }
}

/// An overdue run of the unit: nonce, sequence number and lease.
fn overdue_run(reader: &mut Reader, unit: &UnitName) -> Result<OverdueRun, StoreError> {
    Ok(OverdueRun {
        unit: unit.clone(),
        nonce: reader.text()?,
        seq: reader.count()?,
        lease_ms: reader.int()?,
    })
}

pub(crate) fn renew<I>(reply: Value, items: &[I]) -> Result<Reply<Vec<Renewed>>, StoreError> {
    batch("renew", reply, items, |reader, _| {
        Ok(match reader.code(RenewCode::from_number)? {
            RenewCode::Until => Renewed::Until(reader.int()?),
            RenewCode::Readopted => Renewed::Readopted(reader.int()?),
            RenewCode::Stop => Renewed::Stop(reader.int()?),
            RenewCode::Cancelled => Renewed::Cancelled {
                until_ms: reader.int()?,
                why: reader.shown()?,
            },
            RenewCode::Lost => Renewed::Lost,
            RenewCode::Late => Renewed::Late,
        })
    })
}

pub(crate) fn finish<I>(reply: Value, items: &[I]) -> Result<Reply<Vec<Finished>>, StoreError> {
    batch("finish", reply, items, |reader, _| {
        let (code, ready) = reader.code_and_ready(FinishCode::READY, FinishCode::from_number)?;
        Ok(Finished {
            recorded: code == FinishCode::Recorded,
            ready,
        })
    })
}

pub(crate) fn register<I>(
    reply: Value,
    items: &[I],
) -> Result<Reply<Vec<RegisteredUnit>>, StoreError> {
    batch("register", reply, items, |reader, _| {
        Ok(RegisteredUnit {
            marks: reader.all_marks()?,
            decides: reader.schedule()?,
        })
    })
}

pub(crate) fn write_off<I>(
    reply: Value,
    items: &[I],
) -> Result<Reply<Vec<WrittenOff>>, StoreError> {
    batch("write_off", reply, items, |reader, _| {
        Ok(match reader.code(WriteOffCode::from_number)? {
            WriteOffCode::Lost => WrittenOff::Lost,
            WriteOffCode::Changed => WrittenOff::Changed,
            WriteOffCode::Quarantined => WrittenOff::Quarantined,
            WriteOffCode::TakenOver => WrittenOff::TakenOver,
        })
    })
}

pub(crate) fn record<I>(reply: Value, items: &[I]) -> Result<Reply<Vec<Recorded>>, StoreError> {
    batch("record", reply, items, |reader, _| {
        let why = reader.shown()?;
        Ok(match why.is_empty() {
            true => Recorded::Written,
            false => {
                let why: String = why.chars().take(MAX_REASON).collect();
                Recorded::Lost(classify::line_lost(&why))
            }
        })
    })
}

pub(crate) fn inspect<I>(reply: Value, items: &[I]) -> Result<Reply<Vec<UnitStatus>>, StoreError> {
    batch("inspect", reply, items, |reader, _| {
        let marks = reader.all_marks()?;
        let decides = reader.schedule()?;
        let run = match reader.code(InspectCode::from_number)? {
            InspectCode::Idle => None,
            InspectCode::Running => Some((reader.tick()?, reader.token()?)),
        };
        let count = reader.count()?;
        let waiting = (0..count).map(|_| reader.tick());
        Ok(UnitStatus {
            marks,
            running: run.map(|(tick, _)| tick),
            token: run.map(|(_, token)| token),
            waiting: waiting.collect::<Result<_, _>>()?,
            decides,
        })
    })
}
