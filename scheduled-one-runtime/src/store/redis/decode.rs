//! Replies of the scripts, read in the order that their heads tell. What does
//! not read is an error that names the script, never a panic.

use deadpool_redis::redis::Value;

use super::super::StoreError;
use super::super::message::{
    Claim, Claimed, Finished, Head, Inspected, MAX_NODES, Marks, Pulse, Recorded, Renewed, Reply,
    Started, Verdict, Watched, WrittenOff, place_of,
};
use super::super::protocol::damage::MAX_EXACT;
use super::codes::{ClaimCode, FinishCode, InspectCode, LookCode, RenewCode, WriteOffCode};
use super::fault;

mod ledger;

pub(super) use ledger::ledger;

/// Longest text that is shown of why a line is lost.
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
            other => Err(malformed(script, &other)),
        }
    }

    /// Beyond what the scripts can count to, no number is theirs; below it, what
    /// is computed from it does not overflow.
    fn int(&mut self) -> Result<i64, StoreError> {
        match self.values.next() {
            Some(Value::Int(int)) if int.unsigned_abs() <= MAX_EXACT => Ok(int),
            other => Err(malformed(self.script, &other)),
        }
    }

    fn count(&mut self) -> Result<u64, StoreError> {
        let int = self.int()?;
        u64::try_from(int).map_err(|_| malformed(self.script, &int))
    }

    fn small(&mut self) -> Result<u32, StoreError> {
        let int = self.int()?;
        u32::try_from(int).map_err(|_| malformed(self.script, &int))
    }

    fn text(&mut self) -> Result<String, StoreError> {
        match self.values.next() {
            Some(Value::BulkString(bytes)) => {
                String::from_utf8(bytes).map_err(|error| malformed(self.script, &error))
            }
            other => Err(malformed(self.script, &other)),
        }
    }

    /// A name that is only shown: any bytes, as somebody may have edited it.
    fn shown(&mut self) -> Result<String, StoreError> {
        match self.values.next() {
            Some(Value::BulkString(bytes)) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            other => Err(malformed(self.script, &other)),
        }
    }

    /// A code of the script's table.
    fn code<C>(&mut self, of: impl Fn(i64) -> Option<C>) -> Result<C, StoreError> {
        let number = self.int()?;
        of(number).ok_or_else(|| malformed(self.script, &number))
    }

    /// A code to which `ready` may be added, and whether it is.
    fn code_and_ready<C>(
        &mut self,
        ready: i64,
        of: impl Fn(i64) -> Option<C>,
    ) -> Result<(C, bool), StoreError> {
        self.code(|number| match number >= ready {
            true => Some((of(number - ready)?, true)),
            false => Some((of(number)?, false)),
        })
    }

    /// As many names as the number in front of them says.
    fn names(&mut self) -> Result<Vec<String>, StoreError> {
        let count = self.count()?;
        (0..count).map(|_| self.shown()).collect()
    }

    fn head(&mut self) -> Result<Head, StoreError> {
        Ok(Head {
            now_us: self.count()?,
            serving: self.text()?,
            quarantine_until_ms: self.int()?,
        })
    }

    fn marks(&mut self) -> Result<Marks, StoreError> {
        Ok(Marks {
            born_ms: self.int()?,
            hwm_ms: self.int()?,
            token: self.count()?,
            started: Started::default(),
        })
    }

    fn started(&mut self) -> Result<Started, StoreError> {
        Ok(Started {
            tick_ms: self.int()?,
            attempt: self.small()?,
        })
    }

    fn all_marks(&mut self) -> Result<Marks, StoreError> {
        let marks = self.marks()?;
        Ok(Marks {
            started: self.started()?,
            ..marks
        })
    }

    fn end(mut self) -> Result<(), StoreError> {
        match self.values.next() {
            None => Ok(()),
            more => Err(malformed(self.script, &more)),
        }
    }
}

fn malformed(source: &str, found: &dyn std::fmt::Debug) -> StoreError {
    let found: String = format!("{found:?}").chars().take(80).collect();
    StoreError::Refused(format!(
        "the reply of {source} is not what it should be, found {found}: \
         is that a Redis, and are all nodes of one version?"
    ))
}

/// A head and one answer for each of the items.
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

pub(super) fn claim(reply: Value, claims: &[Claim]) -> Result<Reply<Vec<Claimed>>, StoreError> {
    batch("claim", reply, claims, |reader, claim| {
        let mut marks = reader.marks()?;
        let (code, ready) = reader.code_and_ready(ClaimCode::READY, ClaimCode::of)?;
        let verdict = verdict(reader, claim, code, marks.token)?;
        if marks.token > claim.floor_token {
            marks.started = match code {
                ClaimCode::Granted => Started {
                    tick_ms: claim.tick_ms,
                    attempt: 1,
                },
                _ => reader.started()?,
            };
        }
        Ok(Claimed {
            marks,
            ready,
            verdict,
        })
    })
}

/// What follows the code of a claim.
fn verdict(
    reader: &mut Reader,
    claim: &Claim,
    code: ClaimCode,
    token: u64,
) -> Result<Verdict, StoreError> {
    Ok(match code {
        ClaimCode::Granted => Verdict::Granted {
            tick_ms: claim.tick_ms,
            token,
            until_ms: reader.int()?,
            attempt: 1,
            place: 0,
        },
        ClaimCode::GrantedRun => Verdict::Granted {
            tick_ms: reader.int()?,
            token: reader.count()?,
            until_ms: reader.int()?,
            attempt: reader.small()?,
            place: reader.small()?,
        },
        ClaimCode::Decided => Verdict::Decided {
            owner: reader.shown()?,
        },
        ClaimCode::Early => Verdict::Early {
            by_ms: reader.int()?,
        },
        ClaimCode::Stale => {
            let place = reader.small()?;
            Verdict::Stale(watched(reader, &place_of(&claim.unit, place))?)
        }
        ClaimCode::Skipped => Verdict::Skipped,
        ClaimCode::Forgone => Verdict::Forgone,
        ClaimCode::Moved => Verdict::Moved,
        ClaimCode::Late => Verdict::Late,
        ClaimCode::Quarantined => Verdict::Quarantined,
        ClaimCode::Queued => Verdict::Queued,
        ClaimCode::Busy => Verdict::Busy,
        ClaimCode::Nothing => Verdict::Nothing,
    })
}

fn watched(reader: &mut Reader, unit: &str) -> Result<Watched, StoreError> {
    Ok(Watched {
        unit: unit.to_owned(),
        nonce: reader.text()?,
        seq: reader.count()?,
        lease_ms: reader.int()?,
    })
}

pub(super) fn renew<I>(reply: Value, items: &[I]) -> Result<Reply<Vec<Renewed>>, StoreError> {
    batch("renew", reply, items, |reader, _| {
        Ok(match reader.code(RenewCode::of)? {
            RenewCode::Until => Renewed::Until(reader.int()?),
            RenewCode::Readopted => Renewed::Readopted(reader.int()?),
            RenewCode::Stop => Renewed::Stop(reader.int()?),
            RenewCode::Lost => Renewed::Lost,
            RenewCode::Late => Renewed::Late,
        })
    })
}

pub(super) fn finish<I>(reply: Value, items: &[I]) -> Result<Reply<Vec<Finished>>, StoreError> {
    batch("finish", reply, items, |reader, _| {
        let (code, ready) = reader.code_and_ready(FinishCode::READY, FinishCode::of)?;
        Ok(Finished {
            recorded: code == FinishCode::Recorded,
            ready,
        })
    })
}

pub(super) fn enroll<I>(reply: Value, items: &[I]) -> Result<Reply<Vec<Marks>>, StoreError> {
    batch("enroll", reply, items, |reader, _| reader.all_marks())
}

pub(super) fn write_off<I>(
    reply: Value,
    items: &[I],
) -> Result<Reply<Vec<WrittenOff>>, StoreError> {
    batch("write_off", reply, items, |reader, _| {
        Ok(match reader.code(WriteOffCode::of)? {
            WriteOffCode::Lost => WrittenOff::Lost,
            WriteOffCode::Changed => WrittenOff::Changed,
            WriteOffCode::Quarantined => WrittenOff::Quarantined,
            WriteOffCode::TakenOver => WrittenOff::TakenOver,
        })
    })
}

/// The pulse without what is overdue, and the names of that.
pub(super) fn beat(reply: Value) -> Result<(Reply<Pulse>, Vec<String>), StoreError> {
    let mut reader = Reader::new("beat", reply)?;
    let head = reader.head()?;
    // Sorted here: how Redis sorts texts depends on its locale.
    let mut nodes = reader.names()?;
    nodes.sort_unstable();
    nodes.truncate(MAX_NODES);
    let ready = reader.names()?;
    let mut units = Vec::new();
    while !reader.values.as_slice().is_empty() {
        units.push(reader.text()?);
    }
    let body = Pulse {
        nodes,
        ready,
        overdue: Vec::new(),
    };
    Ok((Reply { head, body }, units))
}

pub(super) fn record<I>(reply: Value, items: &[I]) -> Result<Reply<Vec<Recorded>>, StoreError> {
    batch("record", reply, items, |reader, _| {
        let why = reader.shown()?;
        Ok(match why.is_empty() {
            true => Recorded::Written,
            false => {
                let why: String = why.chars().take(MAX_REASON).collect();
                Recorded::Lost(fault::line_lost(&why))
            }
        })
    })
}

pub(super) fn inspect<I>(reply: Value, items: &[I]) -> Result<Reply<Vec<Inspected>>, StoreError> {
    batch("inspect", reply, items, |reader, _| {
        let marks = reader.all_marks()?;
        let running_ms = match reader.code(InspectCode::of)? {
            InspectCode::Idle => None,
            InspectCode::Running => Some(reader.int()?),
        };
        let waiting = reader.count()?;
        let waiting_ms = (0..waiting).map(|_| reader.int());
        Ok(Inspected {
            marks,
            running_ms,
            waiting_ms: waiting_ms.collect::<Result<_, _>>()?,
        })
    })
}

pub(super) fn look(reply: Value, units: &[String]) -> Result<Vec<Watched>, StoreError> {
    let mut reader = Reader::new("look", reply)?;
    let mut overdue = Vec::with_capacity(units.len());
    for unit in units {
        if reader.code(LookCode::of)? == LookCode::Overdue {
            overdue.push(watched(&mut reader, unit)?);
        }
    }
    reader.end()?;
    Ok(overdue)
}
