//! Any text as an expression, a duration or a zone, at any time.

use std::time::Duration;

use scheduled_one_schedule::{Schedule, parse_duration, parse_zone};

/// Ticks that are looked at of one schedule.
const TICKS: usize = 12;
/// 1970 to 2100: nothing is due beyond.
const RANGE_MS: i64 = 4_102_444_800_000;

/// A line each: an expression, a zone, a period, an offset; and bytes for an
/// instant. Nothing panics; each tick is after the one before, and found from
/// the millisecond before it.
pub fn expression(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.splitn(5, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (cron, zone, period, offset) = (line(), line(), line(), line());
    let after_ms = instant(line().as_bytes());
    let berlin = || parse_zone("Europe/Berlin").expect("a zone");
    let zone = parse_zone(zone).unwrap_or_else(|_| berlin());
    match Schedule::cron(cron, zone.clone()) {
        Ok(schedule) => {
            ticks(&schedule, after_ms);
            let shown = schedule.to_string();
            let inner = shown.split('"').nth(1).unwrap_or_default();
            assert_eq!(Schedule::cron(inner, zone), Ok(schedule), "{shown}");
        }
        Err(error) => {
            let _ = (error.to_string(), error.help(), error.kind());
        }
    }
    let period = parse_duration(period).unwrap_or(Duration::from_secs(90));
    let offset = parse_duration(offset).unwrap_or_default();
    if let Ok(schedule) = Schedule::every(period, offset) {
        ticks(&schedule, after_ms);
    }
}

/// Any instant, mostly one of the years in which something is due.
fn instant(bytes: &[u8]) -> i64 {
    let mut raw = [0; 8];
    let count = bytes.len().min(8);
    raw[..count].copy_from_slice(&bytes[..count]);
    let any = i64::from_le_bytes(raw);
    match bytes.len() {
        8.. => any,
        _ => any.rem_euclid(RANGE_MS),
    }
}

fn ticks(schedule: &Schedule, after_ms: i64) {
    let (mut at_ms, mut count) = (after_ms, 0);
    while count < TICKS {
        let Some(tick_ms) = schedule.next_after(at_ms) else {
            break;
        };
        assert!(tick_ms > at_ms, "{schedule} stands still at {at_ms}");
        let again = schedule.next_after(tick_ms - 1);
        assert_eq!(again, Some(tick_ms), "{schedule} misses its own tick");
        (at_ms, count) = (tick_ms, count + 1);
    }
    let latest = schedule.latest_within(after_ms, at_ms);
    assert_eq!(latest, (count > 0).then_some(at_ms), "{schedule}");
    let counted = schedule.count_within(after_ms, at_ms, TICKS as u64 + 1);
    assert_eq!(counted, count as u64, "{schedule} after {after_ms}");
}
