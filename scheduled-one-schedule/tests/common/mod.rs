//! Readable instants for the tests.
#![allow(dead_code, reason = "each test binary uses its own part")]

use jiff::Timestamp;
use scheduled_one_schedule::{Schedule, Zone, ZoneData};

/// `2026-03-29T01:00:00Z` (or with an offset) as Unix milliseconds.
pub(crate) fn ms(text: &str) -> i64 {
    match text.parse::<Timestamp>() {
        Ok(at) => at.as_millisecond(),
        Err(error) => panic!("{text}: {error}"),
    }
}

/// Unix milliseconds as `2026-03-29T01:00:00Z`.
pub(crate) fn show(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms).map_or_else(|_| at_ms.to_string(), |at| format!("{at:.0}"))
}

/// Some zones with the rules that version 2025b of the zone data had: what a test of rules asserts of them stays
/// true, whatever governments decide.
pub(crate) fn pinned() -> ZoneData {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/zoneinfo");
    ZoneData::from_folder(folder).unwrap_or_else(|error| panic!("{error}"))
}

/// A zone that must exist, with the rules that are compiled in.
pub(crate) fn zone(name: &str) -> Zone {
    let zone = ZoneData::compiled_in().zone(name);
    zone.unwrap_or_else(|error| panic!("{error}"))
}

/// An expression that must parse, in a zone that must exist.
pub(crate) fn cron(expression: &str, zone_name: &str) -> Schedule {
    let schedule = Schedule::cron(expression, zone(zone_name));
    schedule.unwrap_or_else(|error| panic!("{expression}: {error}"))
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

/// What a help offers to paste: in backquotes behind `write`, or between the quotes of `start = "…"` there.
pub(crate) fn offered(help: &str) -> impl Iterator<Item = &str> {
    let behind_write = help.split("write ").skip(1);
    let in_backquotes = behind_write.filter_map(|rest| rest.split('`').nth(1));
    in_backquotes.map(|text| match text.split_once(" = \"") {
        Some((_, value)) => value.trim_end_matches('"'),
        None => text
            .split("\", \"")
            .next()
            .unwrap_or(text)
            .trim_matches('"'),
    })
}
