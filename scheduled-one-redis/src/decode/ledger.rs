//! Decodes ledgers and the trail, whose lines an operator may have edited.

use std::str::FromStr;

use deadpool_redis::redis::Value;
use scheduled_one_protocol::message::Cause;
use scheduled_one_protocol::{
    FencingToken, LedgerRecord, Outcome, StoreError, TickMs, TrailEntry, TrailLine, UnitName,
};

use crate::decode::malformed;

/// Decodes the lines of a job's ledger from the reply to `XREVRANGE`.
pub(crate) fn ledger(job: &str, key: &str, reply: Value) -> Result<Vec<LedgerRecord>, StoreError> {
    let Value::Array(entries) = reply else {
        return Err(malformed(key, &reply));
    };
    entries
        .into_iter()
        .map(|entry| Line::of("ledger", key, entry)?.record(job))
        .collect()
}

/// Decodes the entries of the trail from the reply to `XREVRANGE`.
pub(crate) fn trail(key: &str, reply: Value) -> Result<Vec<TrailLine>, StoreError> {
    let Value::Array(entries) = reply else {
        return Err(malformed(key, &reply));
    };
    entries
        .into_iter()
        .map(|entry| Line::of("trail", key, entry)?.entry())
        .collect()
}

/// An entry of a stream: its id, and its fields.
fn entry_of(key: &str, entry: Value) -> Result<(String, Vec<Value>), StoreError> {
    let (id, fields) = match entry {
        Value::Array(parts) => match <[Value; 2]>::try_from(parts) {
            Ok([Value::BulkString(id), Value::Array(fields)]) => (id, fields),
            other => return Err(malformed(key, &other)),
        },
        other => return Err(malformed(key, &other)),
    };
    Ok((String::from_utf8_lossy(&id).into_owned(), fields))
}

/// An entry of the stream that a ledger or the trail is.
struct Line<'a> {
    what: &'a str,
    key: &'a str,
    id: String,
    fields: Vec<Value>,
}

impl<'a> Line<'a> {
    fn of(what: &'a str, key: &'a str, entry: Value) -> Result<Self, StoreError> {
        let (id, fields) = entry_of(key, entry)?;
        Ok(Line {
            what,
            key,
            id,
            fields,
        })
    }

    fn entry(&self) -> Result<TrailLine, StoreError> {
        Ok(TrailLine {
            id: self.id.parse().unwrap_or_default(),
            entry: TrailEntry {
                at_ms: self.read("at")?,
                action: self.read("act")?,
                subject: self.read("subj")?,
                actor: self.text("by").unwrap_or_default(),
                note: self.text("note").unwrap_or_default(),
                request: self.text("req").unwrap_or_default(),
                version: self.optional("ver")?.unwrap_or_default(),
                before: self.optional("was")?.unwrap_or_default(),
                token: self.optional("tok")?.map(FencingToken),
                instant_ms: self.optional("for")?,
            },
        })
    }

    /// A number that the entry may lack.
    fn optional<T: FromStr>(&self, name: &str) -> Result<Option<T>, StoreError> {
        match self.text(name) {
            Some(_) => self.read(name).map(Some),
            None => Ok(None),
        }
    }

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
            identity: self.text("id"),
            token: Some(FencingToken(self.read("tok")?)).filter(|token| token.get() > 0),
            attempt: Some(self.read("att")?).filter(|attempt| *attempt > 0),
            fired_at_ms: Some(self.read("fired")?).filter(|fired_at_ms| *fired_at_ms > 0),
            ended_at_ms: self.read("ended")?,
            error: self.read("err")?,
            cause: match self.text("cause") {
                Some(_) => Some(self.parsed("cause", Cause::from_word)?),
                None => None,
            },
            actor: self.text("by").unwrap_or_default(),
            request: self.text("req").unwrap_or_default(),
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
                "the {what} {key} has an entry {id} with {found:?} as {name}: somebody edited it; \
                 delete the entry (XDEL {key} {id}), or the key",
                what = self.what,
                key = self.key,
                id = self.id,
            ))
        })
    }
}
