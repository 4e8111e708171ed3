//! `start` and `end`: instants, written in a zone or with an offset.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset};

use super::days::date;
use crate::error::{ScheduleError, ScheduleErrorKind, quote};
use crate::zone::{Zone, local_with_offset};
use crate::zone_data::ZoneData;

/// `start` or `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    Start,
    End,
}

impl Bound {
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::End => "end",
        }
    }

    fn kind(self) -> ScheduleErrorKind {
        match self {
            Self::Start => ScheduleErrorKind::Start,
            Self::End => ScheduleErrorKind::End,
        }
    }

    /// The error for the text of this key.
    pub(super) fn error(self, text: &str, why: &str, help: impl Into<String>) -> ScheduleError {
        let message = format!("{} of `{}` {why}", quote(text), self.key());
        ScheduleError::new(self.kind(), message).with_help(help)
    }
}

/// How the clock that shows a local time is named.
enum Clock<'a> {
    OfTheJob,
    Offset(Offset),
    Zone(&'a str),
}

/// Reads `2026-03-01T00:00`, with or without seconds, an offset or a zone. In Unix seconds.
pub(super) fn parse(
    bound: Bound,
    text: &str,
    zone: &Zone,
    zones: Option<&ZoneData>,
) -> Result<i64, ScheduleError> {
    let text = text.trim();
    let (at, clock) = match split(text) {
        Ok(parts) => parts,
        Err(Some(why)) => {
            return Err(bound.error(text, &why, form(bound)));
        }
        Err(None) => {
            let help = meant(bound, text, |fix| parse(bound, fix, zone, zones));
            let help = help.unwrap_or_else(|| form(bound));
            return Err(bound.error(text, "is not a date and a time", help));
        }
    };
    match clock {
        Clock::OfTheJob => in_zone(bound, text, at, zone),
        Clock::Offset(offset) => match offset.to_timestamp(at) {
            Ok(instant) => Ok(instant.as_second()),
            Err(_) => Err(bound.error(text, "is out of range", form(bound))),
        },
        Clock::Zone(name) => {
            let of_data = match zones {
                Some(data) => data.zone(name),
                None => ZoneData::current().and_then(|data| data.zone(name)),
            };
            let named = of_data.map_err(|error| {
                let why = format!("has a zone that cannot be used: {}", error.message());
                bound.error(text, &why, error.help().unwrap_or("use an IANA name"))
            })?;
            in_zone(bound, text, at, &named)
        }
    }
}

fn form(bound: Bound) -> String {
    format!(
        "write it as in `{} = \"2026-03-01T00:00\"`, in the zone of the job, or with `Z`, `+01:00` or a zone behind it",
        bound.key()
    )
}

/// Local time and clock; else `None` for another form, or what is wrong.
fn split(text: &str) -> Result<(DateTime, Clock<'_>), Option<String>> {
    let (day, rest) = text.split_once('T').ok_or(None)?;
    let day = date(day)?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != ':');
    let (time, clock) = rest.split_at(end.unwrap_or(rest.len()));
    let is_form = matches!(time.len(), 5 | 8)
        && time
            .bytes()
            .enumerate()
            .all(|(at, byte)| (byte == b':') == (at == 2 || at == 5));
    if !is_form {
        return Err(None);
    }
    let number = |at: usize| {
        time.get(at..at + 2)
            .map_or(0, |two| two.parse::<i8>().unwrap_or(-1))
    };
    let at = DateTime::new(
        day.year(),
        day.month(),
        day.day(),
        number(0),
        number(3),
        number(6),
        0,
    );
    let at = at.map_err(|_| {
        Some(format!(
            "has the time {}; allowed: 00:00 to 23:59:59",
            quote(time)
        ))
    })?;
    Ok((at, clock_of(clock).ok_or(None)?))
}

fn clock_of(text: &str) -> Option<Clock<'_>> {
    match text.chars().next() {
        None => Some(Clock::OfTheJob),
        Some('Z') if text.len() == 1 => Some(Clock::Offset(Offset::UTC)),
        Some(sign @ ('+' | '-')) if text.len() == 6 => {
            let is_form = (text.bytes().enumerate().skip(1)).all(|(at, byte)| {
                if at == 3 {
                    byte == b':'
                } else {
                    byte.is_ascii_digit()
                }
            });
            let number = |at: usize| text.get(at..at + 2)?.parse::<i32>().ok();
            let (hours, minutes) = is_form.then(|| Some((number(1)?, number(4)?))).flatten()?;
            let seconds = hours * 3600 + minutes * 60;
            let seconds = if sign == '-' { -seconds } else { seconds };
            let offset = Offset::from_seconds(seconds).ok()?;
            (hours < 24 && minutes < 60).then_some(Clock::Offset(offset))
        }
        Some(' ') => Some(Clock::Zone(text.trim())),
        Some('[') => Some(Clock::Zone(text[1..].strip_suffix(']')?)),
        Some(_) => None,
    }
}

/// The instant at which the clocks of a zone show a time. They skip some and show others twice.
fn in_zone(bound: Bound, text: &str, at: DateTime, zone: &Zone) -> Result<i64, ScheduleError> {
    let of_offset = |offset: Offset| {
        offset
            .to_timestamp(at)
            .map_or(0, |instant| instant.as_second())
    };
    match zone.time_zone().to_ambiguous_timestamp(at).offset() {
        AmbiguousOffset::Unambiguous { offset } => Ok(of_offset(offset)),
        AmbiguousOffset::Gap { before, .. } => {
            // With the offset from before the gap, the time lies behind it.
            let resumes_s = zone.span_at(of_offset(before)).start_s;
            let shown = zone.local_text(resumes_s);
            let why = format!("is a time that the clocks in {zone} skip");
            Err(bound.error(
                text,
                &why,
                format!("write `{shown}`, which follows the gap"),
            ))
        }
        AmbiguousOffset::Fold { before, after } => {
            let (first, second) = (local_with_offset(at, before), local_with_offset(at, after));
            let why = format!("is a time that the clocks in {zone} show twice");
            let help = format!("write `{first}` for the first or `{second}` for the second");
            Err(bound.error(text, &why, help))
        }
    }
}

/// The help for a text in another form, once what it offers is known to be accepted.
fn meant(
    bound: Bound,
    text: &str,
    accept: impl Fn(&str) -> Result<i64, ScheduleError>,
) -> Option<String> {
    let write = |fix: &str| match accept(fix) {
        Ok(_) => format!("write `{fix}`"),
        // A time that the clocks skip, or show twice, has a way out of its own.
        Err(error) => error.help().map_or_else(|| form(bound), str::to_owned),
    };
    if let Ok(day) = date(text) {
        let Bound::End = bound else {
            return Some(write(&format!("{day}T00:00")));
        };
        let next = day.tomorrow().unwrap_or(day);
        return Some(match date(&next.to_string()) {
            Ok(_) => {
                let help = write(&format!("{next}T00:00"));
                format!("the end is exclusive: {help} if {day} is the last day")
            }
            Err(_) => format!("leave `end` out: no tick is later than {day}"),
        });
    }
    let with_t = match text.split_once(' ') {
        Some((day, rest)) => format!("{day}T{}", rest.trim_start()),
        None => text.replacen('t', "T", 1).replacen('z', "Z", 1),
    };
    split(&with_t).is_ok().then(|| write(&with_t))
}
