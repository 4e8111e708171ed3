//! Decodes ledgers, whose lines an operator may have edited.

use std::borrow::Cow;
use std::str::FromStr;

use deadpool_redis::redis::Value;
use scheduled_one_protocol::message::Cause;
use scheduled_one_protocol::{FencingToken, LedgerRecord, Outcome, StoreError, TickMs, UnitName};

use crate::decode::malformed;

/// Decodes the lines of a job's ledger from the reply to `XREVRANGE`.
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

/// An entry of the stream that a ledger is.
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
                "the ledger {key} has an entry {id} with {found:?} as {name}: somebody edited it; \
                 delete the entry (XDEL {key} {id}), or the key",
                key = self.key,
                id = self.id,
            ))
        })
    }
}
