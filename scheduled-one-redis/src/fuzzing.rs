//! Entry points for fuzz tests (`tests/fuzz`): URLs of operators and replies of servers. No part of the API.

use deadpool_redis::redis::{Value, parse_redis_value};
use scheduled_one_protocol::message::{
    Ask, Cancel, Cause, Claim, Claimed, DueTick, Head, Intent, LowerBounds, Overlap, Reply,
    Request, Take, Target, UnitStatus,
};
use scheduled_one_protocol::{FencingToken, LedgerRecord, TickMs, UnitName};

use crate::url::{Address, BadUrl, FromFiles};
use crate::{ConnectError, decode};

/// Most items of a request that a reply is decoded for.
const MAX_ITEMS: usize = 3;
/// Longest error text, in bytes.
const MAX_ERROR: usize = 1_000;

/// The URL as displayed by `Display` and `Debug`, or the error in both forms.
///
/// # Errors
///
/// The URL cannot be used.
pub fn url(url: &str) -> Result<[String; 2], [String; 2]> {
    // Accepted: a user without a password, where the password is in a file.
    let from_files = FromFiles {
        redis: url.len() % 2 == 1,
        sentinels: url.len() % 4 > 1,
    };
    match Address::parse(url, from_files) {
        Ok(address) => Ok([address.to_string(), format!("{address:?}")]),
        Err(BadUrl(why)) => {
            let error = ConnectError::BadUrl(why);
            Err([error.to_string(), format!("{error:?}")])
        }
    }
}

/// A value that one operation accepts as its reply.
#[derive(Debug)]
pub struct Read {
    /// Name of the operation.
    pub operation: &'static str,
    /// Head of the reply, if the operation has one.
    pub head: Option<Head>,
    /// Replies to claims.
    pub claimed: Vec<Claimed>,
    /// Status of units.
    pub inspected: Vec<UnitStatus>,
    /// Lines of a ledger.
    pub lines: Vec<LedgerRecord>,
}

impl Read {
    fn new(operation: &'static str, head: Option<Head>) -> Self {
        Read {
            operation,
            head,
            claimed: Vec::new(),
            inspected: Vec::new(),
            lines: Vec::new(),
        }
    }
}

/// Decodes the bytes of a server as the reply to each operation, and returns each success.
///
/// # Panics
///
/// An operation accepts a reply that does not fit, or an error text is too long.
pub fn reply(bytes: &[u8]) -> Vec<Read> {
    parse_redis_value(bytes).map_or_else(|_| Vec::new(), |value| value_as_reply(&value))
}

fn value_as_reply(value: &Value) -> Vec<Read> {
    let batches = (0..=MAX_ITEMS).flat_map(|items| batches(value, items));
    let lanes = (0..=MAX_ITEMS).flat_map(|items| lanes(value, items));
    batches.chain(lanes).chain(others(value)).collect()
}

/// Decodes as the operations with a reply for each item.
fn batches(value: &Value, items: usize) -> Vec<Read> {
    let claims: Vec<Claim> = (0..items).map(claim).collect();
    let units: Vec<UnitName> = claims.iter().map(|claim| claim.unit.clone()).collect();
    let mut read = Vec::new();
    let claimed = checked(decode::claim(value.clone(), &claims));
    if let Some(Reply { head, body }) = claimed {
        assert_eq!(body.len(), items);
        read.push(Read {
            claimed: body,
            ..Read::new("claim", Some(head))
        });
    }
    macro_rules! read {
        ($($operation:ident),+) => {$(
            if let Some(Reply { head, body }) = checked(decode::$operation(value.clone(), &units)) {
                assert_eq!(body.len(), items);
                read.push(Read::new(stringify!($operation), Some(head)));
            }
        )+};
    }
    read!(renew, finish, register, write_off, record);
    if let Some(Reply { head, body }) = checked(decode::inspect(value.clone(), &units)) {
        assert_eq!(body.len(), items);
        read.push(Read {
            inspected: body,
            ..Read::new("inspect", Some(head))
        });
    }
    if let Some(overdue) = checked(decode::read_overdue(value.clone(), &units)) {
        assert!(overdue.len() <= items);
        read.push(Read::new("read_overdue", None));
    }
    read
}

/// The same of requests for runs.
fn lanes(value: &Value, items: usize) -> Vec<Read> {
    let units = || (0..items).map(|number| UnitName::new("job", number as u32));
    let asks: Vec<Ask> = units().map(ask).collect();
    let takes: Vec<Take> = units().map(take).collect();
    let cancels: Vec<Cancel> = units().map(cancel).collect();
    let mut read = Vec::new();
    if let Some(Reply { head, body }) = checked(decode::ask(value.clone(), &asks)) {
        assert_eq!(body.len(), items);
        read.push(Read::new("ask", Some(head)));
    }
    if let Some(Reply { head, body }) = checked(decode::cancel(value.clone(), &cancels)) {
        assert_eq!(body.len(), items);
        read.push(Read::new("cancel", Some(head)));
    }
    if let Some(Reply { head, body }) = checked(decode::take(value.clone(), &takes)) {
        assert_eq!(body.len(), items);
        read.push(Read {
            claimed: body.into_iter().map(|taken| taken.claimed).collect(),
            ..Read::new("take", Some(head))
        });
    }
    read
}

/// Decodes as the other operations.
fn others(value: &Value) -> Vec<Read> {
    let mut read = Vec::new();
    if let Some((reply, _)) = checked(decode::heartbeat(value.clone())) {
        read.push(Read::new("heartbeat", Some(reply.head)));
    }
    for wants_catalog in [false, true] {
        let key = "so:{test}:ctl";
        if let Some(reply) = checked(decode::control(key, wants_catalog, value.clone())) {
            read.push(Read::new("control", Some(reply.head)));
        }
    }
    if let Some(lines) = checked(decode::ledger("job", "so:{test}:log:job", value.clone())) {
        read.push(Read {
            lines,
            inspected: vec![UnitStatus::default()],
            ..Read::new("ledger", None)
        });
    }
    read
}

/// The success, if it is one. Verifies that an error text is not too long.
fn checked<T>(result: Result<T, crate::StoreError>) -> Option<T> {
    result
        .inspect_err(|error| assert!(error.to_string().len() < MAX_ERROR))
        .ok()
}

fn ask(unit: UnitName) -> Ask {
    let request = Request {
        id: "deploy-42".to_owned(),
        cause: Cause::Manual,
        actor: String::new(),
        note: String::new(),
        logical: None,
        on_busy: None,
        parameters: String::new(),
    };
    Ask { unit, request }
}

fn take(unit: UnitName) -> Take {
    Take {
        lane: unit.lane(),
        nonce: String::new(),
        valid_until_ms: 0,
        lease_ms: 5_000,
        takeovers: 0,
        bounds: LowerBounds::default(),
        overlap: Overlap::Skip,
    }
}

fn cancel(unit: UnitName) -> Cancel {
    Cancel {
        unit,
        token: FencingToken(1),
        by: String::new(),
        note: String::new(),
    }
}

fn claim(number: usize) -> Claim {
    let tick = TickMs(1_000);
    Claim {
        unit: UnitName::new("job", number as u32),
        nonce: String::new(),
        valid_until_ms: 0,
        lease_ms: 5_000,
        takeovers: 0,
        schedule: None,
        control: 0,
        bounds: LowerBounds::default(),
        target: Target::Tick(DueTick {
            tick,
            due_ms: tick.ms(),
            after: None,
            next_due_ms: None,
            intent: Intent::Run,
            overlap: Overlap::Skip,
            missed: None,
        }),
        with_lane: false,
    }
}

#[cfg(test)]
mod tests {
    use deadpool_redis::redis::PushKind;
    use proptest::prelude::*;

    use super::*;

    /// Values of a head.
    const HEAD: usize = 5;

    fn leaf() -> impl Strategy<Value = Value> {
        prop_oneof![
            4 => any::<i64>().prop_map(Value::Int),
            4 => (-3..20_i64).prop_map(Value::Int),
            4 => any::<Vec<u8>>().prop_map(Value::BulkString),
            2 => "[a-z#~0-9]{0,9}".prop_map(|text| Value::BulkString(text.into_bytes())),
            1 => ".{0,9}".prop_map(Value::SimpleString),
            1 => any::<f64>().prop_map(Value::Double),
            1 => any::<bool>().prop_map(Value::Boolean),
            1 => Just(Value::Nil),
            1 => Just(Value::Okay),
        ]
    }

    fn value() -> impl Strategy<Value = Value> {
        leaf().prop_recursive(3, 40, 12, |inner| {
            let list = prop::collection::vec(inner.clone(), 0..12);
            let pairs = prop::collection::vec((inner.clone(), inner), 0..4);
            prop_oneof![
                4 => list.clone().prop_map(Value::Array),
                1 => list.clone().prop_map(Value::Set),
                1 => pairs.prop_map(Value::Map),
                1 => list.prop_map(|data| Value::Push { kind: PushKind::Message, data }),
            ]
        })
    }

    /// A head and any values after it.
    fn headed() -> impl Strategy<Value = Value> {
        let numbers = (any::<i64>(), 0..1_000_i64, prop::bool::ANY);
        let body = prop::collection::vec(leaf(), 0..20);
        (numbers, body).prop_map(|((wild, tame, is_wild), body)| {
            let int = Value::Int(if is_wild { wild } else { tame });
            let serving = Value::BulkString(b"me".to_vec());
            let head: [Value; HEAD] = [int.clone(), serving, int.clone(), int.clone(), int];
            Value::Array(head.into_iter().chain(body).collect())
        })
    }

    proptest! {
        #[test]
        fn no_value_panics_and_none_but_a_list_is_a_reply(value in value()) {
            let read = value_as_reply(&value);
            let is_list = matches!(value, Value::Array(_));
            prop_assert!(is_list || read.is_empty(), "{read:?} {value:?}");
        }

        #[test]
        fn nothing_behind_a_head_panics(value in headed()) {
            let read = value_as_reply(&value);
            let Value::Array(parts) = &value else { unreachable!() };
            // A head with more values than an operation has is no reply.
            let fits = parts.len() <= HEAD + MAX_ITEMS;
            prop_assert!(fits || read.iter().all(|read| read.operation != "record"), "{value:?}");
        }
    }
}
