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

use crate::ledger::LedgerRecord;
use crate::machine::damage::Damage;
use crate::machine::{LivingNode, Meta, Record};
use crate::message::{JobList, JobsDigest, Request};
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
        let shown = match &value {
            Value::Null => "null".to_owned(),
            Value::Int(number) => number.to_string(),
            Value::Flag(flag) => flag.to_string(),
            Value::Text(text) => text.clone(),
        };
        (self.set)(into, value).ok_or_else(|| Damage::new(self.name, &shown))
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
];

/// A list of jobs, by its digest.
pub type ListOfJobs = (JobsDigest, JobList);

/// The fields of a list of jobs; each living node has the digest of one.
#[rustfmt::skip] // a field is a line
pub const JOB_LIST: &[Field<ListOfJobs>] = &[
    text("digest", |l| value(&l.0), |l, v| set(&mut l.0, v)),
    text("names", |l| value(&l.1), |l, v| set(&mut l.1, v)),
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
mod tests {
    use super::column::waiting;
    use super::*;
    use crate::directive::Directives;
    use crate::machine::Run;
    use crate::message::{Cause, OnBusy, Origin, Watermarks};
    use crate::outcome::Outcome;
    use crate::schedule::DecidingSchedule;
    use crate::unit::UnitName;
    use crate::value::FencingToken;

    /// All values differ, and none is the default. A new field of the struct does not compile here before it has one.
    fn record() -> Record {
        Record {
            marks: Watermarks {
                first_seen_ms: Some(1),
                decided: Some(TickMs(2)),
                token: FencingToken(3),
                start: Some(Start {
                    tick: TickMs(4),
                    attempt: 5,
                }),
            },
            running: true,
            run: Run {
                tick: TickMs(6),
                owner: "seven".to_owned(),
                nonce: "eight".to_owned(),
                token: FencingToken(9),
                attempt: 10,
                lease_ms: 11,
                granted_at_ms: 12,
                until_ms: 13,
                seq: 14,
                takeovers: 15,
                stop: true,
                stop_why: "by ann".to_owned(),
                origin: Origin::parse("rerun 28 1 id ann"),
            },
            has_lane: true,
            done: "sixteen".to_owned(),
            quarantine_until_ms: 23,
            decides: DecidingSchedule::parse("000000000000001a:24:25:node"),
            waiting: [waiting("17:18:19"), waiting("20:21:22")]
                .into_iter()
                .flatten()
                .collect(),
            next_due_ms: Some(27),
        }
    }

    fn meta() -> Meta {
        Meta {
            version: 1,
            serving: "two".to_owned(),
            quarantine_from_ms: 3,
            quarantine_until_ms: 4,
            buckets: 5,
            membership_version: 6,
            control_version: 7,
            directives: Directives::parse("a 7 8 9 10 - - - -").unwrap(),
        }
    }

    fn line() -> LedgerRecord {
        LedgerRecord {
            unit: UnitName::new("one", 2),
            tick: TickMs(3),
            last_tick: TickMs(4),
            count: 5,
            outcome: Outcome::TakenOver,
            retried: true,
            reason: "six".to_owned(),
            node: "seven".to_owned(),
            identity: Some("seven and a half".to_owned()),
            token: Some(FencingToken(8)),
            attempt: Some(9),
            fired_at_ms: Some(10),
            ended_at_ms: 11,
            error: "twelve\0".to_owned(),
            cause: Some(Cause::Backfill),
            actor: "thirteen".to_owned(),
            request: "fourteen".to_owned(),
        }
    }

    fn request() -> Request {
        Request {
            id: "one".to_owned(),
            cause: Cause::Rerun,
            actor: "two".to_owned(),
            note: "three".to_owned(),
            logical: Some(TickMs(4)),
            on_busy: Some(OnBusy::Allow),
            parameters: "{\"five\": 5}".to_owned(),
        }
    }

    fn copy<T>(fields: &[Field<T>], from: &T, mut into: T) -> T {
        for field in fields {
            let value = (field.get)(from);
            assert!(field.nullable || value != Value::Null, "{}", field.name);
            field.put(&mut into, value).unwrap();
        }
        into
    }

    #[test]
    fn what_is_stored_is_read_again() {
        assert_eq!(copy(RECORD, &record(), Record::default()), record());
        assert_eq!(
            copy(RECORD, &Record::default(), record()),
            Record::default()
        );
        assert_eq!(copy(META, &meta(), Meta::default()), meta());
        assert_eq!(copy(LINE, &line(), blank_line()), line());
        assert_eq!(copy(REQUEST, &request(), blank_request()), request());
        assert_eq!(copy(REQUEST, &blank_request(), request()), blank_request());
        let other = LedgerRecord {
            unit: UnitName::new("other", 0),
            ..blank_line()
        };
        assert_eq!(copy(LINE, &other, line()), other);
    }

    #[test]
    fn names_are_different_and_fit_for_statements() {
        fn check<T>(fields: &[Field<T>]) {
            let mut names: Vec<&str> = fields.iter().map(|field| field.name).collect();
            let plain = |name: &&str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            assert!(names.iter().all(plain), "{names:?}");
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), fields.len());
        }
        check(RECORD);
        check(META);
        check(LINE);
        check(REQUEST);
    }

    #[test]
    fn a_value_that_no_request_stores_is_damage() {
        let text = |text: &str| Value::Text(text.to_owned());
        let cases = [
            ("token", Value::Int(-1)),
            ("run_attempt", Value::Int(1 << 32)),
            ("run_tick_ms", Value::Null),
            ("running", Value::Int(1)),
            ("start_attempt", Value::Null),
            ("decides", text("1")),
            ("waiting", text("1")),
            ("waiting", text("1:2:3:4")),
            ("waiting", text("1:2:3  4:5:6")),
            ("waiting", text("1:-2:3")),
        ];
        for (name, value) in cases {
            let mut record = record();
            let field = RECORD.iter().find(|field| field.name == name).unwrap();
            let damage = field.put(&mut record, value.clone()).unwrap_err();
            assert_eq!(damage.field, name, "{value:?}");
            assert_eq!(record, self::record());
        }
        let mut line = line();
        let outcome = LINE.iter().find(|field| field.name == "outcome").unwrap();
        let damage = outcome.put(&mut line, text("odd")).unwrap_err();
        assert_eq!(damage, Damage::new("outcome", "odd"));
        assert!(LINE[0].put(&mut line, text("a#01")).is_err());
    }
}
