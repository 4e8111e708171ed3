//! Durations as people write them: `90s`, `500ms`, `1h30m`, `2d`.

use std::time::Duration;

use crate::error::{ScheduleError, ScheduleErrorKind, quote};

/// Unit names, largest first, with their length in milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Long names of units, which are refused with the short name in the help.
const LONG_NAMES: [(&str, &str); 19] = [
    ("day", "d"),
    ("days", "d"),
    ("hour", "h"),
    ("hours", "h"),
    ("hr", "h"),
    ("hrs", "h"),
    ("min", "m"),
    ("mins", "m"),
    ("minute", "m"),
    ("minutes", "m"),
    ("sec", "s"),
    ("secs", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("msec", "ms"),
    ("msecs", "ms"),
    ("millis", "ms"),
    ("millisecond", "ms"),
    ("milliseconds", "ms"),
];

/// Longest text that is parsed, in bytes. The longest meaningful text has about 60.
const TEXT_MAX: usize = 100;

/// Reads a duration: whole numbers with the units `d`, `h`, `m`, `s`, `ms`, largest first, without
/// spaces. Zero is a duration (`0s`).
///
/// ```
/// use scheduled_one_schedule::parse_duration;
/// use std::time::Duration;
///
/// assert_eq!(parse_duration("1h30m").unwrap(), Duration::from_secs(5400));
/// assert_eq!(parse_duration("500ms").unwrap(), Duration::from_millis(500));
/// assert!(parse_duration("5 sec").unwrap_err().help().unwrap().contains("`5s`"));
/// ```
///
/// # Errors
///
/// [`ScheduleErrorKind::Duration`]: empty, no unit, an unknown unit, a fraction, units out of order or
/// twice, or more than `u64::MAX` milliseconds.
pub fn parse_duration(text: &str) -> Result<Duration, ScheduleError> {
    if text.trim().is_empty() {
        return Err(
            ScheduleError::new(ScheduleErrorKind::Duration, "the duration is empty")
                .with_help("write a number and a unit, such as `90s`, `500ms`, `1h30m` or `2d`"),
        );
    }
    if text.len() > TEXT_MAX {
        return Err(refused(text, "is too long").with_help(format!("at most {TEXT_MAX} bytes")));
    }
    let mut total_ms: u64 = 0;
    let mut rest = text;
    let mut units = UNITS.as_slice();
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        let letters = after.len()
            - after
                .trim_start_matches(|c: char| c.is_ascii_alphabetic())
                .len();
        let (unit, after) = after.split_at(letters);
        let Some(at) = UNITS
            .iter()
            .position(|(name, _)| *name == unit)
            .filter(|_| digits > 0)
        else {
            return Err(bad_part(text));
        };
        let Some(left) = units.iter().position(|(name, _)| *name == unit) else {
            return Err(refused(text, "has its units twice or out of order")
                .with_help("write each unit once, largest first, such as `1h30m`"));
        };
        units = &units[left + 1..];
        total_ms = number
            .parse::<u64>()
            .ok()
            .and_then(|count| count.checked_mul(UNITS[at].1))
            .and_then(|ms| total_ms.checked_add(ms))
            .ok_or_else(|| {
                refused(text, "is too large")
                    .with_help(format!("the longest duration is {}ms", u64::MAX))
            })?;
        rest = after;
    }
    Ok(Duration::from_millis(total_ms))
}

/// The shortest text for a duration of whole milliseconds: the largest single unit that divides it.
pub(crate) fn format_ms(ms: u64) -> String {
    let unit = UNITS
        .iter()
        .find(|(_, length)| ms != 0 && ms.is_multiple_of(*length));
    match unit {
        Some((name, length)) => format!("{}{name}", ms / length),
        None => "0s".to_owned(),
    }
}

fn refused(text: &str, why: &str) -> ScheduleError {
    ScheduleError::new(
        ScheduleErrorKind::Duration,
        format!("the duration {} {why}", quote(text)),
    )
}

/// The error for a text that is not `(number unit)+`, by the kind of mistake.
fn bad_part(text: &str) -> ScheduleError {
    const UNITS_HELP: &str = "the units are `d`, `h`, `m`, `s` and `ms`, as in `1h30m`";
    let compact: String = text.split_whitespace().collect();
    if compact.bytes().all(|b| b.is_ascii_digit()) {
        // A number may be too large for one of them, or for both.
        let offered = [format!("{compact}s"), format!("{compact}ms")];
        let offered = offered.iter().filter(|text| parse_duration(text).is_ok());
        let offered: Vec<_> = offered.map(|text| format!("`{text}`")).collect();
        return refused(text, "has no unit").with_help(match offered.is_empty() {
            true => UNITS_HELP.to_owned(),
            false => format!("write {}; {UNITS_HELP}", offered.join(" or ")),
        });
    }
    if text.contains(['.', ',']) {
        return refused(text, "has a fraction").with_help(
            "use whole numbers and a smaller unit, such as `1500ms` for one and a half seconds",
        );
    }
    if text.starts_with(['-', '+']) {
        return refused(text, "has a sign").with_help("durations are not negative; write `90s`");
    }
    match with_short_unit(&compact).filter(|short| parse_duration(short).is_ok()) {
        Some(short) => refused(text, "is not written with a unit directly after the number")
            .with_help(format!("write `{short}`; {UNITS_HELP}")),
        None => refused(text, "is not a list of numbers with units").with_help(UNITS_HELP),
    }
}

/// A number and a unit by its long name, in any case and without spaces (`5Minutes`), as a duration (`5m`).
fn with_short_unit(compact: &str) -> Option<String> {
    let lower = compact.to_ascii_lowercase();
    let number = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &lower[number.len()..];
    let by_long_name = LONG_NAMES.iter().find(|(long, _)| *long == unit);
    let by_name = || {
        UNITS
            .iter()
            .map(|(name, _)| *name)
            .find(|name| *name == unit)
    };
    let short = by_long_name.map(|(_, short)| *short).or_else(by_name)?;
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| format!("{number}{short}"))
}

/// A duration as other schedulers write one (`5m`, `5 minutes`, `minute`), in the form of this crate.
pub(crate) fn from_elsewhere(text: &str) -> Option<String> {
    let compact: String = text.split_whitespace().collect();
    let with_number = if compact.starts_with(|c: char| c.is_ascii_digit()) {
        compact
    } else {
        format!("1{compact}")
    };
    let short = with_short_unit(&with_number).unwrap_or(with_number);
    parse_duration(&short).is_ok().then_some(short)
}
