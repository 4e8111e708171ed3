//! Findings of the longer examination: clocks, round trips, high-water marks in the future.

use std::time::Duration;

use scheduled_one_protocol::machine::damage::MAX_AHEAD_MS;

use crate::doctor::{Finding, Severity};
use crate::keys::Keys;

/// Largest offset of the wall clock without a warning.
const OFFSET: Duration = Duration::from_secs(1);

/// Largest distance of a high-water mark into the future without a warning: clocks are set back by less.
const AHEAD_MS: i64 = 60_000;

/// Most units that a finding names.
const MAX_NAMED: usize = 5;

/// The script that an operator runs to take decisions back.
const TAKE_BACK: &str = include_str!("take_back.lua");

/// Samples of the clock of Redis.
#[derive(Clone, Debug)]
pub(crate) struct ClockFacts {
    /// Wall clock of this machine minus that of Redis, in milliseconds.
    pub(crate) offset_ms: i64,
    /// Round trips, by the boot clock.
    pub(crate) round_trips: Vec<Duration>,
}

/// The high-water mark of a unit.
#[derive(Clone, Debug)]
pub(crate) struct HighWaterMark {
    pub(crate) key: String,
    /// `None`: the key holds no record.
    pub(crate) hwm_ms: Option<i64>,
}

/// Compares the wall clock with that of Redis.
pub(crate) fn clock(facts: &ClockFacts) -> Finding {
    let ClockFacts { offset_ms, .. } = facts;
    if u128::from(offset_ms.unsigned_abs()) <= OFFSET.as_millis() {
        let found = format!("this machine's wall clock is {offset_ms} ms off that of Redis");
        return Finding::ok("clock", found);
    }
    Finding::new(
        Severity::Warning,
        "clock",
        format!(
            "this machine's wall clock is {offset_ms} ms off that of Redis. Jobs are not affected: \
             ticks follow the clock of Redis; but if that is the wrong one, all of them are"
        ),
        "see which of the two is wrong, and let a time service keep it",
    )
}

/// Compares the round trip with the shortest lease.
pub(crate) fn round_trip(facts: &ClockFacts, lease: Duration) -> Finding {
    let mut sorted = facts.round_trips.clone();
    sorted.sort_unstable();
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    let most = sorted.last().copied().unwrap_or_default();
    let found = format!(
        "{:.1} ms, at most {:.1} ms of {}",
        median.as_secs_f64() * 1000.0,
        most.as_secs_f64() * 1000.0,
        sorted.len()
    );
    if median <= lease / 10 {
        return Finding::ok("round_trip", found);
    }
    Finding::new(
        Severity::Warning,
        "round_trip",
        format!(
            "{found}: more than a tenth of the shortest lease ({lease:?}), so a few slow answers \
             lose it"
        ),
        "a Redis that is nearer, or a longer lease",
    )
}

/// Finds units that are decided far into the future. `now_ms` is the time of Redis, or that of this machine if it is
/// later.
pub(crate) fn marks(keys: &Keys, marks: &[HighWaterMark], now_ms: i64) -> Finding {
    let unreadable: Vec<&HighWaterMark> =
        marks.iter().filter(|mark| mark.hwm_ms.is_none()).collect();
    if let Some(first) = unreadable.first() {
        return Finding::new(
            Severity::Warning,
            "marks",
            format!(
                "{} of {} keys of jobs hold something else: those jobs stand still; the first is {}",
                unreadable.len(),
                marks.len(),
                first.key
            ),
            "delete these keys, or choose another namespace",
        );
    }
    let ahead = |mark: &&HighWaterMark| mark.hwm_ms.is_some_and(|hwm| hwm > now_ms + AHEAD_MS);
    let wild: Vec<&HighWaterMark> = marks.iter().filter(ahead).collect();
    if wild.is_empty() {
        let found = format!("{} units looked at, none decided ahead of now", marks.len());
        return Finding::ok("marks", found);
    }
    let named: Vec<String> = wild
        .iter()
        .take(MAX_NAMED)
        .map(|mark| {
            let ahead_s = (mark.hwm_ms.unwrap_or_default() - now_ms) / 1000;
            format!("{} ({ahead_s} s ahead)", mark.key)
        })
        .collect();
    Finding::new(
        Severity::Warning,
        "marks",
        format!(
            "{} of {} units count as decided up to an instant that has not come, so they do not \
             run until then: {}. The clock of Redis was ahead once",
            wild.len(),
            marks.len(),
            named.join(", ")
        ),
        format!(
            "see that the clock of Redis is right; then wait, or stop all nodes of the namespace, because they \
             remember what was decided, run this, and start them again. What waits in queues is forgotten, and a tick \
             that ran ahead of its time runs when it comes:\n{}",
            take_back(keys, now_ms)
        ),
    )
}

/// The command that takes back what was decided ahead of the clock of Redis, but not before `now_ms`.
fn take_back(keys: &Keys, now_ms: i64) -> String {
    let lines = TAKE_BACK.lines().map(str::trim);
    let script: Vec<&str> = lines.filter(|line| !line.starts_with("--")).collect();
    let script = script.join(" ");
    format!(
        "EVAL '{script}' 2 {} {} {now_ms} {MAX_AHEAD_MS}",
        keys.due, keys.leases
    )
}
