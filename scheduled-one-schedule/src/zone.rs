//! Time zones: their names, their transitions, and the way from local ticks to UTC instants.
//!
//! The rule across daylight saving is that of Cronos:
//!
//! - Local times that the clock skips are due at the end of the gap, once for all of them: no day loses its tick.
//! - Local times that the clock repeats are due the first time for [`Pace::Fixed`], both times for
//!   [`Pace::Interval`].
//!
//! Both are computed per *span*, a stretch of constant offset. There local time is UTC plus a constant, and
//! the search for the next match is ordered in UTC by construction.

use std::fmt;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use crate::error::ScheduleError;
use crate::identity::Digest;
use crate::zone_data::ZoneData;

/// End of the computed time, exclusive: 2100-01-01T00:00:00Z, in Unix seconds. Zone data ends there too.
pub(crate) const HORIZON_S: i64 = 4_102_444_800;

const DAY_S: i64 = 86_400;

/// Local time is never further from UTC than this, nor moves by more at once. (Widest since 1970: +14 h;
/// largest jump: 24 h, Samoa 2011.) Two days are ample.
const REACH_S: i64 = 2 * DAY_S;

/// The rule for local times that the clock repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Named times of day: due the first time.
    Fixed,
    /// A rhythm, every so often of real time: due each time.
    Interval,
}

/// A stretch of constant offset; it ends where the next begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// First instant, Unix seconds.
    start_s: i64,
    /// Local minus UTC, seconds.
    offset_s: i64,
    /// Local time up to here, exclusive, was on the clock before the span began.
    seen_s: i64,
}

/// A span, from its first instant to the first one after it, in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) start_s: i64,
    pub(crate) end_s: i64,
    /// Local minus UTC, seconds.
    pub(crate) offset_s: i64,
}

/// The first tick at or after `from_s` (Unix seconds, not negative), where `next_local` gives the first match
/// at or after a local time.
pub(crate) fn next_tick(
    spans: &[Span],
    pace: Pace,
    from_s: i64,
    next_local: impl Fn(i64) -> Option<i64>,
) -> Option<i64> {
    let mut at_s = from_s;
    // Every round moves at least one span on, and the jump below skips the years without a match.
    while at_s < HORIZON_S {
        let index = spans
            .partition_point(|span| span.start_s <= at_s)
            .saturating_sub(1);
        let span = spans.get(index)?;
        let end_s = spans.get(index + 1).map_or(HORIZON_S, |next| next.start_s);
        let mut local_s = at_s + span.offset_s;
        let after_gap = at_s == span.start_s && span.seen_s < local_s;
        if after_gap && next_local(span.seen_s).is_some_and(|skipped_s| skipped_s < local_s) {
            return Some(at_s);
        }
        if pace == Pace::Fixed {
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

/// The number of ticks in `from_s..to_s` (Unix seconds, not negative), where `next_local` gives the first match at or
/// after a local time, and `count_local` the number of matches in a stretch of local time. Those of [`next_tick`].
pub(crate) fn count_ticks(
    spans: &[Span],
    pace: Pace,
    (from_s, to_s): (i64, i64),
    next_local: impl Fn(i64) -> Option<i64>,
    count_local: impl Fn(i64, i64) -> u64,
) -> u64 {
    let to_s = to_s.min(HORIZON_S);
    let first = spans
        .partition_point(|span| span.start_s <= from_s)
        .saturating_sub(1);
    let mut count = 0;
    for (index, span) in spans.iter().enumerate().skip(first) {
        let begin_s = span.start_s.max(from_s);
        let end_s = spans.get(index + 1).map_or(HORIZON_S, |next| next.start_s);
        let end_s = end_s.min(to_s);
        if begin_s >= end_s {
            break;
        }
        let mut local_s = begin_s + span.offset_s;
        let after_gap = begin_s == span.start_s && span.seen_s < local_s;
        if after_gap && next_local(span.seen_s).is_some_and(|skipped_s| skipped_s < local_s) {
            // The tick for all that was skipped, which may be one of its own, too.
            count += 1;
            local_s += 1;
        }
        if pace == Pace::Fixed {
            local_s = local_s.max(span.seen_s);
        }
        count += count_local(local_s, end_s + span.offset_s);
    }
    count
}

/// The rules of a zone count for a [schedule's identity](crate::ScheduleIdentity) from here on:
/// 2026-01-01T00:00:00Z, in Unix seconds. A correction of the past changes no tick to come.
const RULES_FROM_S: i64 = 1_767_225_600;

/// A time zone with its rules, as one version of the [zone data](ZoneData) has them.
///
/// Two zones are equal if they have the same name and the same rules. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone(Arc<Rules>);

struct Rules {
    name: Box<str>,
    time_zone: TimeZone,
    /// From 1970 to the horizon, in order; at most 10 KiB.
    spans: Box<[Span]>,
}

impl PartialEq for Rules {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.spans == other.spans
    }
}

impl Eq for Rules {}

impl Zone {
    /// Coordinated Universal Time.
    #[must_use]
    pub fn utc() -> Self {
        static UTC: OnceLock<Zone> = OnceLock::new();
        UTC.get_or_init(|| Self::new("UTC", TimeZone::UTC)).clone()
    }

    pub(crate) fn new(name: &str, time_zone: TimeZone) -> Self {
        let spans = find_spans(&time_zone);
        Self(Arc::new(Rules {
            name: name.into(),
            time_zone,
            spans,
        }))
    }

    /// The IANA name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The same zone for the library jiff, to show local times with.
    #[must_use]
    pub fn time_zone(&self) -> &TimeZone {
        &self.0.time_zone
    }

    pub(crate) fn spans(&self) -> &[Span] {
        &self.0.spans
    }

    /// The stretch of constant offset that an instant (Unix seconds) is in.
    pub(crate) fn span_at(&self, at_s: i64) -> Extent {
        let spans = &self.0.spans;
        let index = spans
            .partition_point(|span| span.start_s <= at_s)
            .saturating_sub(1);
        let span = spans.get(index);
        Extent {
            start_s: span.map_or(0, |span| span.start_s),
            end_s: spans
                .get(index + 1)
                .map_or(i64::MAX / 1000, |next| next.start_s),
            offset_s: span.map_or(0, |span| span.offset_s),
        }
    }

    /// An instant (Unix seconds) as the clocks show it, with the offset.
    pub(crate) fn local_text(&self, at_s: i64) -> String {
        let at = Timestamp::from_second(at_s).unwrap_or_default();
        let offset = self.0.time_zone.to_offset(at);
        local_with_offset(offset.to_datetime(at), offset)
    }

    /// Adds the name and the rules to come.
    pub(crate) fn digest(&self, digest: &mut Digest) {
        digest.text(&self.0.name);
        let first = self
            .0
            .spans
            .partition_point(|span| span.start_s <= RULES_FROM_S);
        for (index, span) in self
            .0
            .spans
            .iter()
            .enumerate()
            .skip(first.saturating_sub(1))
        {
            digest.number(if index < first {
                RULES_FROM_S
            } else {
                span.start_s
            });
            digest.number(span.offset_s);
        }
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name())
    }
}

/// A local time with its offset, such as `2026-03-01T00:00+01:00`; with seconds, if there are any.
pub(crate) fn local_with_offset(at: DateTime, offset: Offset) -> String {
    let seconds = match at.second() {
        0 => String::new(),
        second => format!(":{second:02}"),
    };
    let sign = if offset.seconds() < 0 { '-' } else { '+' };
    let minutes = offset.seconds().unsigned_abs() / 60;
    format!(
        "{}T{:02}:{:02}{seconds}{sign}{:02}:{:02}",
        at.date(),
        at.hour(),
        at.minute(),
        minutes / 60,
        minutes % 60
    )
}

/// The spans of a zone from 1970 to the horizon.
fn find_spans(time_zone: &TimeZone) -> Box<[Span]> {
    let timestamp = |at_s| Timestamp::from_second(at_s).unwrap_or_default();
    let begin_s = -REACH_S;
    let begin = timestamp(begin_s);
    let mut offset = i64::from(time_zone.to_offset(begin).seconds());
    let mut seen_s = begin_s + offset;
    let mut spans = vec![Span {
        start_s: begin_s,
        offset_s: offset,
        seen_s,
    }];
    for transition in time_zone.following(begin) {
        let start_s = transition.timestamp().as_second();
        if start_s >= HORIZON_S {
            break;
        }
        let next = i64::from(transition.offset().seconds());
        // A transition may change the name of the time alone.
        if next != offset {
            seen_s = seen_s.max(start_s + offset);
            offset = next;
            spans.push(Span {
                start_s,
                offset_s: offset,
                seen_s,
            });
        }
    }
    spans.into_boxed_slice()
}

/// The time zone of an IANA name, such as `Asia/Shanghai`, in the [zone data of this process](ZoneData::current).
///
/// ```
/// use scheduled_one_schedule::parse_zone;
///
/// assert_eq!(parse_zone("Europe/Berlin").unwrap().name(), "Europe/Berlin");
/// assert!(parse_zone("Asia/Shanghia").unwrap_err().help().unwrap().contains("`Asia/Shanghai`"));
/// ```
///
/// # Errors
///
/// [`ScheduleErrorKind::Zone`](crate::ScheduleErrorKind::Zone), with the name that may be meant;
/// [`ScheduleErrorKind::ZoneData`](crate::ScheduleErrorKind::ZoneData), if there are no zone data where the
/// environment says. Names are exact: `asia/shanghai` is refused too, so that a zone is written one way
/// everywhere.
pub fn parse_zone(name: &str) -> Result<Zone, ScheduleError> {
    ZoneData::current()?.zone(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_ordered_and_within_reach() {
        let data = ZoneData::compiled_in();
        for name in data.names() {
            let zone = data.zone(&name).expect("a zone");
            for pair in zone.spans().windows(2) {
                let (one, next) = (pair[0], pair[1]);
                assert!(one.start_s < next.start_s, "{zone}: {one:?} {next:?}");
                assert_ne!(one.offset_s, next.offset_s, "{zone}");
                assert!(next.seen_s >= next.start_s + one.offset_s, "{zone}");
                assert!((next.offset_s - one.offset_s).abs() <= DAY_S, "{zone}");
                assert!(next.offset_s.abs() < REACH_S / 2, "{zone}");
            }
        }
    }

    #[test]
    fn a_span_begins_at_the_very_second() {
        let zone = |name| ZoneData::compiled_in().zone(name).expect("a zone");
        let new_york = zone("America/New_York");
        // 2026-03-08T07:00:00Z and 2026-11-01T06:00:00Z.
        for start_s in [1_772_953_200, 1_793_512_800] {
            assert!(
                new_york.spans().iter().any(|span| span.start_s == start_s),
                "{start_s}"
            );
        }
        assert_eq!(Zone::utc().spans().len(), 1);
        assert_eq!(zone("Asia/Tokyo").spans().len(), 1);
    }
}
