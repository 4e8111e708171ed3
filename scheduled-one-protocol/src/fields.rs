//! The records as flat fields: what a store with columns keeps. A store makes its tables, its statements and its rows
//! from these lists, so that a new field of a record is one line here, and a column there.
//!
//! ```
//! use scheduled_one_protocol::fields::{self, Value};
//! use scheduled_one_protocol::machine::Record;
//!
//! let mut record = Record::default();
//! for field in fields::RECORD {
//!     let stored = (field.get)(&record); // to a column of that name …
//!     field.put(&mut record, stored).expect("a value that was stored"); // … and back
//! }
//! let names: Vec<&str> = fields::RECORD.iter().map(|field| field.name).collect();
//! assert!(names.contains(&"token"));
//! assert_eq!((fields::RECORD[0].get)(&record), Value::Null);
//! ```

mod blank;
mod column;
mod take_back;

use crate::catalog::CatalogEntry;
use crate::ledger::LedgerRecord;
use crate::machine::damage::Damage;
use crate::machine::{LivingNode, Meta, Record};
use crate::message::{Checkpoint, JobList, JobsDigest, Request};
use crate::trail::TrailEntry;
use crate::value::{Start, TickMs};

pub use blank::{blank_line, blank_request};
use column::Column;
pub use take_back::take_back;

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A signed integer of 64 bits.
    Int,
    /// True or false.
    Flag,
    /// A text. It may hold any character, also the zero character.
    Text,
}

/// The value of a column.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// Nothing.
    Null,
    /// A value of [`Kind::Int`].
    Int(i64),
    /// A value of [`Kind::Flag`].
    Flag(bool),
    /// A value of [`Kind::Text`].
    Text(String),
}

/// One field of a `T`, and the column for it.
pub struct Field<T: 'static> {
    /// The name of the column: lower-case letters and `_`.
    pub name: &'static str,
    /// The type of the column.
    pub kind: Kind,
    /// Whether the column may hold [`Value::Null`].
    pub nullable: bool,
    /// The value to store.
    pub get: fn(&T) -> Value,
    set: fn(&mut T, Value) -> Option<()>,
}

impl<T> Field<T> {
    /// Sets the field from a stored value. Fields are set in the order of their list.
    ///
    /// # Errors
    ///
    /// No request of the protocol stores this value: the field is unchanged.
    pub fn put(&self, into: &mut T, value: Value) -> Result<(), Damage> {
        let stored = value.clone();
        (self.set)(into, value).ok_or_else(|| {
            let shown = match stored {
                Value::Null => "null".to_owned(),
                Value::Int(number) => number.to_string(),
                Value::Flag(flag) => flag.to_string(),
                Value::Text(text) => text,
            };
            Damage::new(self.name, &shown)
        })
    }
}

const fn int<T>(
    name: &'static str,
    get: fn(&T) -> Value,
    set: fn(&mut T, Value) -> Option<()>,
) -> Field<T> {
    Field {
        name,
        kind: Kind::Int,
        nullable: false,
        get,
        set,
    }
}

const fn nullable<T>(
    name: &'static str,
    get: fn(&T) -> Value,
    set: fn(&mut T, Value) -> Option<()>,
) -> Field<T> {
    Field {
        nullable: true,
        ..int(name, get, set)
    }
}

const fn nullable_text<T>(
    name: &'static str,
    get: fn(&T) -> Value,
    set: fn(&mut T, Value) -> Option<()>,
) -> Field<T> {
    Field {
        nullable: true,
        ..text(name, get, set)
    }
}

const fn flag<T>(
    name: &'static str,
    get: fn(&T) -> Value,
    set: fn(&mut T, Value) -> Option<()>,
) -> Field<T> {
    Field {
        kind: Kind::Flag,
        ..int(name, get, set)
    }
}

const fn text<T>(
    name: &'static str,
    get: fn(&T) -> Value,
    set: fn(&mut T, Value) -> Option<()>,
) -> Field<T> {
    Field {
        kind: Kind::Text,
        ..int(name, get, set)
    }
}

/// The fields of the record of a unit; its name is the key of the row.
#[rustfmt::skip] // a field is a line
pub const RECORD: &[Field<Record>] = &[
    nullable("first_seen_ms", |r| value(&r.marks.first_seen_ms), |r, v| set(&mut r.marks.first_seen_ms, v)),
    nullable("decided_ms", |r| value(&r.marks.decided), |r, v| set(&mut r.marks.decided, v)),
    int("token", |r| value(&r.marks.token), |r, v| set(&mut r.marks.token, v)),
    nullable("start_tick_ms", |r| value(&r.marks.start.map(|start| start.tick)), set_start_tick),
    nullable("start_attempt", |r| value(&r.marks.start.map(|start| start.attempt)), set_start_attempt),
    flag("running", |r| value(&r.running), |r, v| set(&mut r.running, v)),
    int("run_tick_ms", |r| value(&r.run.tick), |r, v| set(&mut r.run.tick, v)),
    text("run_owner", |r| value(&r.run.owner), |r, v| set(&mut r.run.owner, v)),
    text("run_nonce", |r| value(&r.run.nonce), |r, v| set(&mut r.run.nonce, v)),
    int("run_token", |r| value(&r.run.token), |r, v| set(&mut r.run.token, v)),
    int("run_attempt", |r| value(&r.run.attempt), |r, v| set(&mut r.run.attempt, v)),
    int("run_lease_ms", |r| value(&r.run.lease_ms), |r, v| set(&mut r.run.lease_ms, v)),
    int("run_granted_at_ms", |r| value(&r.run.granted_at_ms), |r, v| set(&mut r.run.granted_at_ms, v)),
    int("run_until_ms", |r| value(&r.run.until_ms), |r, v| set(&mut r.run.until_ms, v)),
    int("run_seq", |r| value(&r.run.seq), |r, v| set(&mut r.run.seq, v)),
    int("run_takeovers", |r| value(&r.run.takeovers), |r, v| set(&mut r.run.takeovers, v)),
    flag("run_stop", |r| value(&r.run.stop), |r, v| set(&mut r.run.stop, v)),
    text("run_stop_why", |r| value(&r.run.stop_why), |r, v| set(&mut r.run.stop_why, v)),
    nullable_text("run_origin", |r| value(&r.run.origin), |r, v| set(&mut r.run.origin, v)),
    flag("has_lane", |r| value(&r.has_lane), |r, v| set(&mut r.has_lane, v)),
    text("done_nonce", |r| value(&r.done), |r, v| set(&mut r.done, v)),
    int("quarantine_until_ms", |r| value(&r.quarantine_until_ms), |r, v| set(&mut r.quarantine_until_ms, v)),
    nullable_text("decides", |r| value(&r.decides), |r, v| set(&mut r.decides, v)),
    text("waiting", |r| value(&r.waiting), |r, v| set(&mut r.waiting, v)),
    nullable("next_due_ms", |r| value(&r.next_due_ms), |r, v| set(&mut r.next_due_ms, v)),
];

/// The fields of what is stored once for a bucket.
#[rustfmt::skip] // a field is a line
pub const META: &[Field<Meta>] = &[
    int("version", |m| value(&m.version), |m, v| set(&mut m.version, v)),
    text("serving", |m| value(&m.serving), |m, v| set(&mut m.serving, v)),
    int("quarantine_from_ms", |m| value(&m.quarantine_from_ms), |m, v| set(&mut m.quarantine_from_ms, v)),
    int("quarantine_until_ms", |m| value(&m.quarantine_until_ms), |m, v| set(&mut m.quarantine_until_ms, v)),
    int("buckets", |m| value(&m.buckets), |m, v| set(&mut m.buckets, v)),
    int("membership_version", |m| value(&m.membership_version), |m, v| set(&mut m.membership_version, v)),
    int("control_version", |m| value(&m.control_version), |m, v| set(&mut m.control_version, v)),
    text("directives", |m| value(&m.directives), |m, v| set(&mut m.directives, v)),
];

/// The fields of a living node; its identity is the key of the row.
#[rustfmt::skip] // a field is a line
pub const NODE: &[Field<LivingNode>] = &[
    int("at_ms", |n| value(&n.beat_ms), |n, v| set(&mut n.beat_ms, v)),
    text("name", |n| value(&n.name), |n, v| set(&mut n.name, v)),
    text("jobs", |n| value(&n.jobs), |n, v| set(&mut n.jobs, v)),
    text("labels", |n| value(&n.labels), |n, v| set(&mut n.labels, v)),
    int("running", |n| value(&n.load.running), |n, v| set(&mut n.load.running, v)),
    int("room", |n| value(&n.load.room), |n, v| set(&mut n.load.room, v)),
    nullable("offset_ms", |n| value(&n.clock_offset_ms), |n, v| set(&mut n.clock_offset_ms, v)),
];

/// A list of jobs, by its digest.
pub type ListOfJobs = (JobsDigest, JobList);

/// The fields of a list of jobs; each living node has the digest of one.
#[rustfmt::skip] // a field is a line
pub const JOB_LIST: &[Field<ListOfJobs>] = &[
    text("digest", |l| value(&l.0), |l, v| set(&mut l.0, v)),
    text("names", |l| value(&l.1), |l, v| set(&mut l.1, v)),
];

/// The fields of a job in the catalog; its name is the key of the row.
#[rustfmt::skip] // a field is a line
pub const CATALOG: &[Field<CatalogEntry>] = &[
    int("first_ms", |e| value(&e.first_ms), |e, v| set(&mut e.first_ms, v)),
    int("last_ms", |e| value(&e.last_ms), |e, v| set(&mut e.last_ms, v)),
    text("descriptor", |e| value(&e.text), |e, v| set(&mut e.text, v)),
];

/// The fields of a checkpoint; its unit is the key of the row.
#[rustfmt::skip] // a field is a line
pub const CHECKPOINT: &[Field<Checkpoint>] = &[
    int("token", |c| value(&c.token), |c, v| set(&mut c.token, v)),
    text("content", |c| value(&c.text), |c, v| set(&mut c.text, v)),
];

/// The fields of a line of a ledger.
#[rustfmt::skip] // a field is a line
pub const LINE: &[Field<LedgerRecord>] = &[
    text("unit", |l| value(&l.unit), |l, v| set(&mut l.unit, v)),
    int("tick_ms", |l| value(&l.tick), |l, v| set(&mut l.tick, v)),
    int("last_tick_ms", |l| value(&l.last_tick), |l, v| set(&mut l.last_tick, v)),
    int("ticks", |l| value(&l.count), |l, v| set(&mut l.count, v)),
    text("outcome", |l| value(&l.outcome), |l, v| set(&mut l.outcome, v)),
    flag("retried", |l| value(&l.retried), |l, v| set(&mut l.retried, v)),
    text("reason", |l| value(&l.reason), |l, v| set(&mut l.reason, v)),
    text("node", |l| value(&l.node), |l, v| set(&mut l.node, v)),
    nullable_text("identity", |l| value(&l.identity), |l, v| set(&mut l.identity, v)),
    nullable("token", |l| value(&l.token), |l, v| set(&mut l.token, v)),
    nullable("attempt", |l| value(&l.attempt), |l, v| set(&mut l.attempt, v)),
    nullable("fired_at_ms", |l| value(&l.fired_at_ms), |l, v| set(&mut l.fired_at_ms, v)),
    int("ended_at_ms", |l| value(&l.ended_at_ms), |l, v| set(&mut l.ended_at_ms, v)),
    text("error", |l| value(&l.error), |l, v| set(&mut l.error, v)),
    nullable_text("cause", |l| value(&l.cause), |l, v| set(&mut l.cause, v)),
    text("actor", |l| value(&l.actor), |l, v| set(&mut l.actor, v)),
    text("request", |l| value(&l.request), |l, v| set(&mut l.request, v)),
];

/// The fields of an entry of the trail; its number is the key of the row.
#[rustfmt::skip] // a field is a line
pub const TRAIL: &[Field<TrailEntry>] = &[
    int("at_ms", |e| value(&e.at_ms), |e, v| set(&mut e.at_ms, v)),
    text("action", |e| value(&e.action), |e, v| set(&mut e.action, v)),
    text("subject", |e| value(&e.subject), |e, v| set(&mut e.subject, v)),
    text("actor", |e| value(&e.actor), |e, v| set(&mut e.actor, v)),
    text("note", |e| value(&e.note), |e, v| set(&mut e.note, v)),
    text("request", |e| value(&e.request), |e, v| set(&mut e.request, v)),
    int("version", |e| value(&e.version), |e, v| set(&mut e.version, v)),
    int("version_before", |e| value(&e.before), |e, v| set(&mut e.before, v)),
    nullable("token", |e| value(&e.token), |e, v| set(&mut e.token, v)),
    nullable("instant_ms", |e| value(&e.instant_ms), |e, v| set(&mut e.instant_ms, v)),
];

/// The fields of a request; its lane and its tick there are the key of the row.
#[rustfmt::skip] // a field is a line
pub const REQUEST: &[Field<Request>] = &[
    text("id", |q| value(&q.id), |q, v| set(&mut q.id, v)),
    text("cause", |q| value(&q.cause), |q, v| set(&mut q.cause, v)),
    text("actor", |q| value(&q.actor), |q, v| set(&mut q.actor, v)),
    text("note", |q| value(&q.note), |q, v| set(&mut q.note, v)),
    nullable("logical_ms", |q| value(&q.logical), |q, v| set(&mut q.logical, v)),
    nullable_text("on_busy", |q| value(&q.on_busy), |q, v| set(&mut q.on_busy, v)),
    text("parameters", |q| value(&q.parameters), |q, v| set(&mut q.parameters, v)),
];

/// The newest start is two columns; the tick comes first.
fn set_start_tick(record: &mut Record, value: Value) -> Option<()> {
    let tick: Option<TickMs> = Column::from_value(value)?;
    record.marks.start = tick.map(|tick| Start { tick, attempt: 0 });
    Some(())
}

fn set_start_attempt(record: &mut Record, value: Value) -> Option<()> {
    match (&mut record.marks.start, Option::from_value(value)?) {
        (Some(start), Some(attempt)) => start.attempt = attempt,
        (None, None) => {}
        _ => return None,
    }
    Some(())
}

fn value(field: &impl Column) -> Value {
    field.to_value()
}

fn set<C: Column>(field: &mut C, value: Value) -> Option<()> {
    *field = C::from_value(value)?;
    Some(())
}

#[cfg(test)]
mod tests;
