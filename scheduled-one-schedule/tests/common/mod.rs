//! Readable instants for the tests.
#![allow(dead_code, reason = "each test binary uses its own part")]

use chrono::{DateTime, SecondsFormat};
use scheduled_one_schedule::{Schedule, parse_zone};

/// `2026-03-29T01:00:00Z` (or with an offset) as Unix milliseconds.
pub(crate) fn ms(text: &str) -> i64 {
    match DateTime::parse_from_rfc3339(text) {
        Ok(at) => at.timestamp_millis(),
        Err(error) => panic!("{text}: {error}"),
    }
}

/// Unix milliseconds as `2026-03-29T01:00:00Z`.
pub(crate) fn show(at_ms: i64) -> String {
    DateTime::from_timestamp_millis(at_ms)
        .map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true))
        .unwrap_or_else(|| at_ms.to_string())
}

/// An expression that must parse, in a zone that must exist.
pub(crate) fn cron(expression: &str, zone: &str) -> Schedule {
    let zone = parse_zone(zone).unwrap_or_else(|error| panic!("{error}"));
    Schedule::cron(expression, zone).unwrap_or_else(|error| panic!("{expression}: {error}"))
}

/// The next ticks after an instant, as text in UTC.
pub(crate) fn next(schedule: &Schedule, after: &str, count: usize) -> Vec<String> {
    let mut at_ms = ms(after);
    let mut ticks = Vec::new();
    while ticks.len() < count {
        let Some(tick_ms) = schedule.next_after(at_ms) else {
            break;
        };
        assert!(
            tick_ms > at_ms,
            "{schedule} went from {} to {}",
            show(at_ms),
            show(tick_ms)
        );
        ticks.push(show(tick_ms));
        at_ms = tick_ms;
    }
    ticks
}
