//! Time zones: their names, their transitions, and the way from local ticks to UTC instants.
//!
//! The rule across daylight saving is that of Debian's cron(8) and of Cronos:
//!
//! - [`Pace::Fixed`]: a tick is due when the local clock *first reaches or passes* its local time. So a time
//!   in a gap is due at the end of the gap, several in one gap are due once, and a repeated time counts once.
//! - [`Pace::Interval`]: a tick is due at every instant whose local time matches. So nothing happens for
//!   times that do not exist, and repeated times are due both times.
//!
//! Both are computed per *span*, a stretch of constant offset. There local time is UTC plus a constant, and
//! the search for the next match is ordered in UTC by construction.

use std::sync::OnceLock;

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::{TZ_VARIANTS, Tz};

use crate::error::{ScheduleError, ScheduleErrorKind, quote};

/// End of the computed time, exclusive: 2100-01-01T00:00:00Z, in Unix seconds. Zone data ends there too.
pub(crate) const HORIZON_S: i64 = 4_102_444_800;

const DAY_S: i64 = 86_400;

/// Local time is never further from UTC than this, nor moves by more at once. (Widest since 1970: +14 h;
/// largest jump: 24 h, Samoa 2011.) Two days are ample.
const REACH_S: i64 = 2 * DAY_S;

/// The rule for a tick in a gap or a repetition of local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Named times of day: once each, never skipped.
    Fixed,
    /// A rhythm: every so often of real time.
    Interval,
}

/// A stretch of constant offset; it ends where the next begins.
#[derive(Clone, Copy, Debug)]
struct Span {
    /// First instant, Unix seconds.
    start_s: i64,
    /// Local minus UTC, seconds.
    offset_s: i64,
    /// Local time up to here, exclusive, was on the clock before the span began.
    seen_s: i64,
}

/// The first tick at or after `from_s` (Unix seconds, not negative), where `next_local` gives the first match
/// at or after a local time.
pub(crate) fn next_tick(
    zone: Tz,
    pace: Pace,
    from_s: i64,
    next_local: impl Fn(i64) -> Option<i64>,
) -> Option<i64> {
    let spans = spans(zone);
    let mut at_s = from_s;
    // Every round moves at least one span on, and the jump below skips the years without a match.
    while at_s < HORIZON_S {
        let index = spans
            .partition_point(|span| span.start_s <= at_s)
            .saturating_sub(1);
        let span = spans.get(index)?;
        let end_s = spans.get(index + 1).map_or(HORIZON_S, |next| next.start_s);
        let mut local_s = at_s + span.offset_s;
        if pace == Pace::Fixed {
            let owed = at_s == span.start_s && span.seen_s < local_s;
            if owed && next_local(span.seen_s).is_some_and(|tick_s| tick_s < local_s) {
                return Some(at_s);
            }
            local_s = local_s.max(span.seen_s);
        }
        let tick_s = next_local(local_s).unwrap_or(HORIZON_S + REACH_S);
        if tick_s - span.offset_s < end_s {
            return Some(tick_s - span.offset_s);
        }
        // No local match before `tick_s`, so nothing is due long before it. Only right after `from_s` can the
        // clock go back to matches that we have left behind.
        at_s = if end_s > from_s + REACH_S {
            end_s.max(tick_s - REACH_S)
        } else {
            end_s
        };
    }
    None
}

/// The spans of a zone from 1970 to the horizon, in order. Computed once per zone and process (about a
/// millisecond), at most 10 KiB each.
fn spans(zone: Tz) -> &'static [Span] {
    static SPANS: [OnceLock<Box<[Span]>>; TZ_VARIANTS.len()] =
        [const { OnceLock::new() }; TZ_VARIANTS.len()];
    // A zone's number is below the number of zones; the empty slice is for the compiler.
    SPANS
        .get(zone as usize)
        .map_or(&[], |cell| cell.get_or_init(|| find_spans(zone)))
}

/// The shortest span in the zone data since 1970 is 6.96 days (Morocco after Ramadan, Brazil in 2000). Half of
/// that cannot step over one. A test watches it.
const STEP_S: i64 = 3 * DAY_S;

/// The spans, found by probing: `chrono-tz` does not publish its transitions, so the offset is read in steps,
/// and bisected where it differs.
fn find_spans(zone: Tz) -> Box<[Span]> {
    let begin_s = -REACH_S;
    let first = offset_s(zone, begin_s);
    let mut spans = vec![Span {
        start_s: begin_s,
        offset_s: first,
        seen_s: begin_s + first,
    }];
    let mut at_s = begin_s;
    let (mut offset, mut seen_s) = (first, begin_s + first);
    while zone != Tz::UTC && at_s < HORIZON_S {
        let mut until_s = at_s + STEP_S;
        if offset_s(zone, until_s) != offset {
            let mut before_s = at_s;
            while until_s - before_s > 1 {
                let middle_s = before_s + (until_s - before_s) / 2;
                if offset_s(zone, middle_s) == offset {
                    before_s = middle_s
                } else {
                    until_s = middle_s
                }
            }
            seen_s = seen_s.max(until_s + offset);
            offset = offset_s(zone, until_s);
            spans.push(Span {
                start_s: until_s,
                offset_s: offset,
                seen_s,
            });
        }
        at_s = until_s;
    }
    spans.into_boxed_slice()
}

fn offset_s(zone: Tz, at_s: i64) -> i64 {
    let at = DateTime::from_timestamp(at_s, 0)
        .unwrap_or_default()
        .naive_utc();
    i64::from(zone.offset_from_utc_datetime(&at).fix().local_minus_utc())
}

/// Abbreviations and the zones that their users mean; ambiguous ones have several.
const ABBREVIATIONS: [(&str, &str); 16] = [
    ("PST", "`America/Los_Angeles`"),
    ("PDT", "`America/Los_Angeles`"),
    ("PT", "`America/Los_Angeles`"),
    ("MDT", "`America/Denver`"),
    ("CDT", "`America/Chicago`"),
    ("EDT", "`America/New_York`"),
    ("ET", "`America/New_York`"),
    ("CST", "`America/Chicago` or `Asia/Shanghai`"),
    ("BST", "`Europe/London`"),
    ("CEST", "`Europe/Berlin`"),
    ("IST", "`Asia/Kolkata`, `Europe/Dublin` or `Asia/Jerusalem`"),
    ("JST", "`Asia/Tokyo`"),
    ("KST", "`Asia/Seoul`"),
    ("SGT", "`Asia/Singapore`"),
    ("AEST", "`Australia/Sydney`"),
    ("BEIJING", "`Asia/Shanghai`"),
];

/// The IANA time zone of a name, such as `Asia/Shanghai`.
///
/// ```
/// use scheduled_one_schedule::{Tz, parse_zone};
///
/// assert_eq!(parse_zone("Europe/Berlin").unwrap(), Tz::Europe__Berlin);
/// assert!(parse_zone("Asia/Shanghia").unwrap_err().help().unwrap().contains("`Asia/Shanghai`"));
/// ```
///
/// # Errors
///
/// [`ScheduleErrorKind::Zone`], with the nearest name. Names are exact: `asia/shanghai` is refused too, so
/// that a zone is written one way everywhere.
pub fn parse_zone(name: &str) -> Result<Tz, ScheduleError> {
    if let Ok(zone) = name.parse::<Tz>() {
        return Ok(zone);
    }
    let message = format!("there is no time zone {}", quote(name));
    let help = match suggest(name) {
        Some(names) => format!("did you mean {names}?"),
        None => "use an IANA name, such as `Asia/Shanghai`, `Europe/Berlin` or `UTC`".to_owned(),
    };
    Err(ScheduleError::new(ScheduleErrorKind::Zone, message).with_help(help))
}

fn suggest(name: &str) -> Option<String> {
    /// Longer than any zone's name: bounds the work below.
    const NAME_MAX: usize = 64;
    let wanted = name.trim().to_ascii_lowercase();
    if wanted.is_empty() || wanted.len() > NAME_MAX {
        return None;
    }
    if let Some(names) = suggest_for_offset(&wanted) {
        return Some(names);
    }
    let wanted = wanted.replace([' ', '-'], "_");
    let abbreviation = ABBREVIATIONS
        .iter()
        .find(|(short, _)| short.eq_ignore_ascii_case(&wanted));
    if let Some((_, names)) = abbreviation {
        return Some((*names).to_owned());
    }
    TZ_VARIANTS
        .iter()
        .map(|zone| {
            let full = zone.name().to_ascii_lowercase();
            let city = full.rsplit('/').next().unwrap_or(&full);
            let by_city = edit_distance(&wanted, city);
            // On a tie the full name wins over the city, and the earlier zone over the later.
            let distance = (2 * edit_distance(&wanted, &full)).min(2 * by_city + 1);
            (distance, zone)
        })
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= 1 + 2 * (wanted.len() / 3))
        .map(|(_, zone)| quote(zone.name()))
}

/// `UTC+8`, `+08:00`: whole hours have a zone, whose sign is the other way round (POSIX).
fn suggest_for_offset(wanted: &str) -> Option<String> {
    let offset = wanted.trim_start_matches("utc").trim_start_matches("gmt");
    let (sign, most, hours) = match offset.split_at_checked(1)? {
        ("+", hours) => ('-', 14, hours),
        ("-", hours) => ('+', 12, hours),
        _ => return None,
    };
    let hours = hours
        .strip_suffix("00")
        .unwrap_or(hours)
        .trim_end_matches(':');
    let hours: u8 = hours
        .parse()
        .ok()
        .filter(|hours| (1..=most).contains(hours))?;
    Some(format!(
        "`Etc/GMT{sign}{hours}` (its sign is turned round) or a city's zone"
    ))
}

/// Levenshtein's distance in bytes.
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_ordered_and_at_least_two_steps_long() {
        for zone in TZ_VARIANTS {
            let spans = find_spans(zone);
            for pair in spans.windows(2) {
                let (one, next) = (pair[0], pair[1]);
                let length_s = next.start_s - one.start_s;
                assert!(
                    one.start_s < 0 || length_s > 2 * STEP_S,
                    "{zone}: {one:?} {length_s} s"
                );
                assert_ne!(one.offset_s, next.offset_s, "{zone}");
                assert!(next.seen_s >= next.start_s + one.offset_s, "{zone}");
                assert!((next.offset_s - one.offset_s).abs() <= DAY_S, "{zone}");
                assert!(next.offset_s.abs() < REACH_S / 2, "{zone}");
            }
        }
    }

    #[test]
    fn a_span_begins_at_the_very_second() {
        let spans = find_spans(Tz::America__New_York);
        // 2026-03-08T07:00:00Z and 2026-11-01T06:00:00Z.
        for start_s in [1_772_953_200, 1_793_512_800] {
            assert!(
                spans.iter().any(|span| span.start_s == start_s),
                "{start_s}"
            );
            assert_ne!(
                offset_s(Tz::America__New_York, start_s - 1),
                offset_s(Tz::America__New_York, start_s)
            );
        }
        assert_eq!(find_spans(Tz::UTC).len(), 1);
        assert_eq!(find_spans(Tz::Asia__Tokyo).len(), 1);
    }
}
