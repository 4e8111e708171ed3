//! Replies of the scripts, read in the order that their heads tell. What does
//! not read is an error that names the script, never a panic.

use std::borrow::Cow;
use std::str::FromStr;

use deadpool_redis::redis::Value;

use crate::encode::MAX_EXACT;
use crate::fault;
use scheduled_one_protocol::message::{
    Claim, Claimed, Finished, Grant, Head, HeartbeatReply, MAX_NODES, OverdueRun, Recorded,
    Renewed, Reply, Target, UnitStatus, Verdict, Watermarks, WrittenOff,
};
use scheduled_one_protocol::{
    FencingToken, LedgerRecord, Outcome, Start, StoreError, TickMs, UnitName,
};

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

    fn token(&mut self) -> Result<FencingToken, StoreError> {
        Ok(FencingToken(self.count()?))
    }

    fn tick(&mut self) -> Result<TickMs, StoreError> {
        Ok(TickMs(self.int()?))
    }

    /// The watermarks without the newest start. The scripts write 0 where there is none.
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

    fn all_marks(&mut self) -> Result<Watermarks, StoreError> {
        let marks = self.marks()?;
        Ok(Watermarks {
            start: self.start()?,
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

/// Is added to a verdict if something waits in the unit and can start.
const READY: i64 = 100;

pub(crate) fn claim(reply: Value, claims: &[Claim]) -> Result<Reply<Vec<Claimed>>, StoreError> {
    batch("claim", reply, claims, |reader, claim| {
        let mut marks = reader.marks()?;
        let code = reader.int()?;
        let ready = code >= READY;
        let verdict = verdict(reader, code % READY, claim, marks.token)?;
        if marks.token > claim.bounds.token {
            marks.start = match (code % READY, &verdict) {
                (0, Verdict::Granted(grant)) => Some(Start {
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

fn verdict(
    reader: &mut Reader,
    code: i64,
    claim: &Claim,
    token: FencingToken,
) -> Result<Verdict, StoreError> {
    Ok(match (code, &claim.target) {
        (0, Target::Tick(due)) => Verdict::Granted(Grant {
            unit: claim.unit.clone(),
            tick: due.tick,
            token,
            until_ms: reader.int()?,
            attempt: 1,
        }),
        (1, _) => Verdict::Skipped,
        (2, _) => Verdict::MarkedMissed,
        (3, _) => Verdict::Decided {
            owner: reader.shown()?,
        },
        (4, _) => Verdict::Conflict,
        (5, _) => Verdict::Early {
            by_ms: reader.int()?,
        },
        (6, _) => Verdict::Late,
        (7, _) => Verdict::Quarantined,
        (8, _) => {
            let slot = reader.small()?;
            Verdict::Stale(overdue_run(reader, &in_slot(&claim.unit, slot))?)
        }
        (9, _) => {
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
        (10, _) => Verdict::Queued,
        (11, _) => Verdict::Busy,
        (12, _) => Verdict::QueueEmpty,
        _ => return Err(malformed(reader.script, &code)),
    })
}

/// A claim from the queue of a slot names the slot itself.
fn in_slot(unit: &UnitName, slot: u32) -> UnitName {
    match slot {
        0 => unit.clone(),
        _ => unit.with_slot(slot),
    }
}

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
        Ok(match reader.int()? {
            0 => Renewed::Until(reader.int()?),
            1 => Renewed::Readopted(reader.int()?),
            2 => Renewed::Lost,
            3 => Renewed::Late,
            4 => Renewed::Stop(reader.int()?),
            code => return Err(malformed(reader.script, &code)),
        })
    })
}

pub(crate) fn finish<I>(reply: Value, items: &[I]) -> Result<Reply<Vec<Finished>>, StoreError> {
    batch("finish", reply, items, |reader, _| match reader.int()? {
        code @ 0..=3 => Ok(Finished {
            recorded: code & 1 == 0,
            ready: code & 2 != 0,
        }),
        code => Err(malformed(reader.script, &code)),
    })
}

pub(crate) fn register<I>(reply: Value, items: &[I]) -> Result<Reply<Vec<Watermarks>>, StoreError> {
    batch("enroll", reply, items, |reader, _| reader.all_marks())
}

pub(crate) fn write_off<I>(
    reply: Value,
    items: &[I],
) -> Result<Reply<Vec<WrittenOff>>, StoreError> {
    batch("write_off", reply, items, |reader, _| {
        match reader.int()? {
            0 => Ok(WrittenOff::Lost),
            1 => Ok(WrittenOff::Changed),
            2 => Ok(WrittenOff::Quarantined),
            3 => Ok(WrittenOff::TakenOver),
            code => Err(malformed(reader.script, &code)),
        }
    })
}

/// The reply without the overdue runs, and the names of their units. A name that no script has stored is left out:
/// somebody edited the key, and no node has such a unit.
pub(crate) fn heartbeat(
    reply: Value,
) -> Result<(Reply<HeartbeatReply>, Vec<UnitName>), StoreError> {
    let mut reader = Reader::new("beat", reply)?;
    let head = reader.head()?;
    // Sorted here: how Redis sorts texts depends on its locale.
    let mut nodes = reader.names()?;
    nodes.sort_unstable();
    nodes.truncate(MAX_NODES);
    let ready = reader.names()?;
    let mut overdue = Vec::new();
    while !reader.values.as_slice().is_empty() {
        overdue.push(reader.text()?);
    }
    let units = |names: Vec<String>| {
        names
            .iter()
            .filter_map(|name| UnitName::parse(name))
            .collect()
    };
    let body = HeartbeatReply {
        nodes,
        ready: units(ready),
        overdue: Vec::new(),
    };
    Ok((Reply { head, body }, units(overdue)))
}

pub(crate) fn record<I>(reply: Value, items: &[I]) -> Result<Reply<Vec<Recorded>>, StoreError> {
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

pub(crate) fn inspect<I>(reply: Value, items: &[I]) -> Result<Reply<Vec<UnitStatus>>, StoreError> {
    batch("inspect", reply, items, |reader, _| {
        let marks = reader.all_marks()?;
        let running = match reader.int()? {
            0 => None,
            _ => Some(reader.tick()?),
        };
        let count = reader.count()?;
        let waiting = (0..count).map(|_| reader.tick());
        Ok(UnitStatus {
            marks,
            running,
            waiting: waiting.collect::<Result<_, _>>()?,
        })
    })
}

pub(crate) fn look(reply: Value, units: &[UnitName]) -> Result<Vec<OverdueRun>, StoreError> {
    let mut reader = Reader::new("look", reply)?;
    let mut overdue = Vec::with_capacity(units.len());
    for unit in units {
        if reader.int()? == 1 {
            overdue.push(overdue_run(&mut reader, unit)?);
        }
    }
    reader.end()?;
    Ok(overdue)
}

/// The lines of a job's ledger, as `XREVRANGE` tells them.
pub(crate) fn ledger(job: &str, key: &str, reply: Value) -> Result<Vec<LedgerRecord>, StoreError> {
    let Value::Array(entries) = reply else {
        return Err(malformed(key, &reply));
    };
    entries
        .into_iter()
        .map(|entry| line(job, key, entry))
        .collect()
}

fn line(job: &str, key: &str, entry: Value) -> Result<LedgerRecord, StoreError> {
    let (id, fields) = match entry {
        Value::Array(parts) => match <[Value; 2]>::try_from(parts) {
            Ok([Value::BulkString(id), Value::Array(fields)]) => (id, fields),
            other => return Err(malformed(key, &other)),
        },
        other => return Err(malformed(key, &other)),
    };
    let id = String::from_utf8_lossy(&id);
    Line { key, id, fields }.record(job)
}

/// An entry of a ledger.
struct Line<'a> {
    key: &'a str,
    id: Cow<'a, str>,
    fields: Vec<Value>,
}

impl Line<'_> {
    fn record(&self, job: &str) -> Result<LedgerRecord, StoreError> {
        Ok(LedgerRecord {
            unit: match self.text("unit") {
                Some(_) => self.parsed("unit", UnitName::parse)?,
                None => UnitName::new(job, 0),
            },
            retried: self.text("retried").is_some(),
            tick: TickMs(self.read("tick")?),
            last_tick: TickMs(self.read("last")?),
            count: self.read("n")?,
            outcome: self.parsed("out", Outcome::from_word)?,
            reason: self.read("why")?,
            node: self.read("node")?,
            token: Some(FencingToken(self.read("tok")?)).filter(|token| token.get() > 0),
            attempt: Some(self.read("att")?).filter(|attempt| *attempt > 0),
            fired_at_ms: Some(self.read("fired")?).filter(|fired_at_ms| *fired_at_ms > 0),
            ended_at_ms: self.read("ended")?,
            error: self.read("err")?,
        })
    }

    fn text(&self, name: &str) -> Option<String> {
        self.fields.chunks_exact(2).find_map(|pair| match pair {
            [Value::BulkString(n), Value::BulkString(v)] if n == name.as_bytes() => {
                Some(String::from_utf8_lossy(v).into_owned())
            }
            _ => None,
        })
    }

    fn read<T: FromStr>(&self, name: &str) -> Result<T, StoreError> {
        self.parsed(name, |text| text.parse().ok())
    }

    fn parsed<T>(&self, name: &str, parse: fn(&str) -> Option<T>) -> Result<T, StoreError> {
        let text = self.text(name);
        text.as_deref().and_then(parse).ok_or_else(|| {
            let found: Option<String> = text.map(|text| text.chars().take(40).collect());
            StoreError::Refused(format!(
                "the ledger {key} has an entry {id} with {found:?} as {name}: somebody edited it; \
                 delete the entry (XDEL {key} {id}), or the key",
                key = self.key,
                id = self.id,
            ))
        })
    }
}
