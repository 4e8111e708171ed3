//! Ways in for tests that make up what comes from outside (`tests/fuzz`): what
//! an operator writes as URL, and what a server answers. No part of the API.

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use deadpool_redis::redis::{Value, parse_redis_value};
use scheduled_one_schedule::Schedule;

use super::super::message::{
    Claim, Claimed, Head, Inspected, Intent, LedgerRecord, Overlap, Reply, Started,
};
use super::url::{Address, BadUrl, FromFiles};
use super::{ConnectError, decode};
use crate::audit::{Books, UnitState};
use crate::clock::{Clock, ManualClock};
use crate::cluster_clock::ClusterClock;
use crate::ledger::{LedgerEntry, instant};
use crate::store::bucket::Bucket;

/// Most items of a request that a reply is read for.
const MAX_ITEMS: usize = 3;
/// Longest name of a value in an error.
const MAX_ERROR: usize = 1_000;

/// A URL as errors and logs show it, or why it is none; both in two forms.
pub fn url(url: &str) -> Result<[String; 2], [String; 2]> {
    // A user without a password is taken where the password is in a file.
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

/// What a server sent, as the reply to each operation; and then what a node
/// computes from what could be read. Returns as what it could be read.
///
/// # Panics
///
/// A reply that does not fit was taken, or an error has no end.
pub fn reply(bytes: &[u8]) -> Vec<&'static str> {
    parse_redis_value(bytes).map_or_else(|_| Vec::new(), |value| value_as_reply(&value))
}

fn value_as_reply(value: &Value) -> Vec<&'static str> {
    let batches = (0..=MAX_ITEMS).flat_map(|items| batches(value, items));
    batches.chain(others(value)).collect()
}

/// The replies that have an answer for each item.
fn batches(value: &Value, items: usize) -> Vec<&'static str> {
    let claims: Vec<Claim> = (0..items).map(claim).collect();
    let units: Vec<String> = claims.iter().map(|claim| claim.unit.clone()).collect();
    let mut read = Vec::new();
    let claimed = checked(decode::claim(value.clone(), &claims));
    if let Some(Reply { head, body }) = claimed {
        take_head(&head);
        assert_eq!(body.len(), items);
        body.iter().for_each(take_marks);
        read.push("claim");
    }
    macro_rules! read {
        ($($operation:ident),+) => {$(
            if let Some(Reply { head, body }) = checked(decode::$operation(value.clone(), &units)) {
                take_head(&head);
                assert_eq!(body.len(), items);
                read.push(stringify!($operation));
            }
        )+};
    }
    read!(renew, finish, enroll, write_off, record);
    if let Some(Reply { head, body }) = checked(decode::inspect(value.clone(), &units)) {
        take_head(&head);
        assert_eq!(body.len(), items);
        take_account(Vec::new(), &body);
        read.push("inspect");
    }
    if let Some(overdue) = checked(decode::look(value.clone(), &units)) {
        assert!(overdue.len() <= items);
        read.push("look");
    }
    read
}

/// The others.
fn others(value: &Value) -> Vec<&'static str> {
    let mut read = Vec::new();
    if let Some((reply, _)) = checked(decode::beat(value.clone())) {
        take_head(&reply.head);
        read.push("beat");
    }
    if let Some(lines) = checked(decode::ledger("job", "so:{test}:log:job", value.clone())) {
        take_account(lines, &[Inspected::default()]);
        read.push("ledger");
    }
    read
}

/// Nothing if it could not be read; errors have an end, and can be shown.
fn checked<T>(result: Result<T, super::StoreError>) -> Option<T> {
    result
        .inspect_err(|error| assert!(error.to_string().len() < MAX_ERROR))
        .ok()
}

fn claim(number: usize) -> Claim {
    Claim {
        unit: format!("job#{number}"),
        tick_ms: 1_000,
        due_ms: 1_000,
        after_ms: 0,
        floor_hwm_ms: 0,
        floor_token: 0,
        floor_started: Started::default(),
        nonce: String::new(),
        valid_until_ms: 0,
        lease_ms: 5_000,
        intent: Intent::Run,
        missed: None,
        overlap: Overlap::Skip,
        reruns: 0,
    }
}

/// A node sets its idea of the time by each reply.
fn take_head(head: &Head) {
    let clock = ManualClock::new();
    let now = clock.boottime();
    let cluster = ClusterClock::new(Arc::new(clock), Duration::from_secs(5), Bucket::WHOLE);
    for now_us in [head.now_us, 1_000_000, head.now_us] {
        cluster.learn(now_us, now, now);
        let _ = cluster.now_ms();
        let _ = cluster.until(head.quarantine_until_ms);
        let _ = cluster.until_surely(head.quarantine_until_ms);
        let _ = cluster.pause_left();
    }
}

/// It looks for the next tick after the marks.
fn take_marks(claimed: &Claimed) {
    if let Ok(schedule) = Schedule::every(Duration::from_secs(60), Duration::ZERO) {
        let _ = schedule.next_after(claimed.marks.decided_to_ms());
    }
}

/// Ledger and state as users see them.
fn take_account(lines: Vec<LedgerRecord>, inspected: &[Inspected]) {
    let Ok(schedule) = Schedule::every(Duration::from_secs(60), Duration::ZERO) else {
        return;
    };
    let lines: Vec<LedgerEntry> = lines.into_iter().map(Into::into).collect();
    for line in &lines {
        let _ = (line.lateness(), line.took(), format!("{line:?}"));
    }
    let state = |unit: &Inspected| UnitState {
        decided_to_ms: unit.marks.decided_to_ms(),
        born_ms: unit.marks.born_ms,
        running: unit.running_ms.into_iter().collect(),
        waiting: unit.waiting_ms.clone(),
    };
    let states: Vec<(u32, UnitState)> = (0..).zip(inspected.iter().map(state)).collect();
    let hour_ms = 3_600_000;
    for units in [states, Vec::new()] {
        let books = Books {
            lines: lines.clone(),
            full: false,
            units,
        };
        let newest = lines.iter().map(|line| line.tick).max();
        let to_ms = newest.unwrap_or(DateTime::UNIX_EPOCH).timestamp_millis();
        let ticks = books.audit(&schedule, to_ms.saturating_sub(hour_ms), to_ms);
        for tick in ticks {
            assert_eq!(instant(tick.tick.timestamp_millis()), tick.tick);
        }
    }
}

#[cfg(test)]
mod tests {
    use deadpool_redis::redis::PushKind;
    use proptest::prelude::*;

    use super::*;

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

    /// A head, and anything behind it.
    fn headed() -> impl Strategy<Value = Value> {
        let numbers = (any::<i64>(), 0..1_000_i64, prop::bool::ANY);
        let body = prop::collection::vec(leaf(), 0..20);
        (numbers, body).prop_map(|((wild, tame, is_wild), body)| {
            let int = Value::Int(if is_wild { wild } else { tame });
            let head = [int.clone(), Value::BulkString(b"me".to_vec()), int];
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
            // With more behind it than it can have, a head is no reply.
            let fits = parts.len() <= 3 + MAX_ITEMS;
            prop_assert!(fits || !read.contains(&"record"), "{value:?}");
        }
    }
}
