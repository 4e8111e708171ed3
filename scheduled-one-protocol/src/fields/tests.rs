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
        directives: Directives::parse("a 7 8 9 10 - - - - -").unwrap(),
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
