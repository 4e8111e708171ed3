//! Cron expressions: text → validated fields, with errors that carry the way out.
//!
//! Seconds first, six or seven fields, as Quartz and Spring have them. The `cron` crate parses the plain
//! values. The fields are checked before that, so that errors name the field, and `L`, `W` and `#`, which the
//! `cron` crate lacks, are parsed here. After a refusal, `way_out.rs` looks for what the text means elsewhere.

use std::fmt;

use cron::TimeUnitSpec;

use crate::aliases::ALIASES;
use crate::day_filter::DayFilter;
use crate::day_of_month::{DAY_OF_MONTH, day_of_month};
use crate::error::{ScheduleError, ScheduleErrorKind, quote};
use crate::field::{HOUR, MINUTE, MONTH, SECOND, YEAR};
use crate::fields::Fields;
use crate::identity::{Digest, ScheduleIdentity};
use crate::way_out;
use crate::weekday::{DAY_OF_WEEK, day_of_week};
use crate::zone::{self, HORIZON_S, Pace, Zone};

/// The longest expression, in bytes. (Every minute by name, in full, is 170.)
const EXPRESSION_MAX: usize = 512;

/// First year in which an expression must have a tick: the year in which this line was written. A constant,
/// because this crate reads no clock, and an expression that compiled must not stop compiling on New Year's Day.
const PRESENT_YEAR: i32 = 2026;
/// The first of January of [`PRESENT_YEAR`], in days and seconds since 1970.
const PRESENT_DAY: i64 = 20_454;
pub(crate) const PRESENT_S: i64 = PRESENT_DAY * 86_400;

/// A validated expression in its zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cron {
    fields: Fields,
    /// The expression with single spaces and upper-case names.
    text: Box<str>,
    zone: Zone,
    pace: Pace,
    /// Kept, because a zone may have hundreds of rules to digest.
    identity: ScheduleIdentity,
}

impl Cron {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn new(expression: &str, zone: Zone) -> Result<Self, ScheduleError> {
        if expression.len() > EXPRESSION_MAX {
            let message = format!("the cron expression {} is too long", quote(expression));
            return Err(ScheduleError::new(ScheduleErrorKind::Expression, message)
                .with_help(format!("at most {EXPRESSION_MAX} bytes")));
        }
        Self::read(expression, zone).map_err(|error| {
            let reads = |text: &str| Self::read(text, Zone::utc()).map(drop);
            way_out::improve(error, expression.trim(), &reads)
        })
    }

    /// Reads an expression, with errors that look at one field at a time.
    fn read(expression: &str, zone: Zone) -> Result<Self, ScheduleError> {
        let (text, parts) = split(expression)?;
        let fields = parse(&parts)?;
        let pace = pace(&parts, &fields);
        let mut cron = Self {
            fields,
            text,
            zone,
            pace,
            identity: ScheduleIdentity::new(&Digest::default()),
        };
        cron.check_it_comes(&parts)?;
        let mut digest = Digest::default();
        digest.text(&cron.to_string());
        cron.zone.digest(&mut digest);
        cron.identity = ScheduleIdentity::new(&digest);
        Ok(cron)
    }

    pub(crate) fn identity(&self) -> ScheduleIdentity {
        self.identity
    }

    pub(crate) fn fields(&self) -> &Fields {
        &self.fields
    }

    pub(crate) fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The first tick after an instant, in Unix seconds.
    pub(crate) fn next_after_s(&self, after_s: i64) -> Option<i64> {
        let from_s = after_s.saturating_add(1).max(0);
        zone::next_tick(self.zone.spans(), self.pace, from_s, |local_s| {
            self.fields.next_local(local_s)
        })
    }

    /// The number of ticks in `from_s..to_s`, in Unix seconds; at least `enough`, if there are so many.
    pub(crate) fn count_s(&self, from_s: i64, to_s: i64, enough: u64) -> u64 {
        zone::count_ticks(
            self.zone.spans(),
            self.pace,
            (from_s.max(0), to_s),
            |local_s| self.fields.next_local(local_s),
            |from_s, to_s| self.fields.count_local(from_s, to_s, enough),
        )
    }

    fn check_it_comes(&self, parts: &[&str]) -> Result<(), ScheduleError> {
        let never = |message| ScheduleError::new(ScheduleErrorKind::Never, message);
        if self.fields.next_year(PRESENT_YEAR).is_none() {
            let year = quote(parts.get(6).copied().unwrap_or("*"));
            return Err(never(format!(
                "the year field {year} only names years that are past"
            ))
            .with_help(format!("use {PRESENT_YEAR}-2099, or leave the year out")));
        }
        let day = self.fields.next_day(PRESENT_DAY);
        if day.is_none_or(|day| day * 86_400 >= HORIZON_S) {
            return Err(no_such_date(parts));
        }
        // The search starts two days early, because in the far east the year begins before it does in UTC. In the
        // far west the last hours of 2099 are after the horizon.
        if self.next_after_s(PRESENT_S - 2 * 86_400).is_none() {
            let message = format!(
                "the time never comes: in {}, {} only names times after 2099 ends in UTC",
                self.zone.name(),
                quote(&self.text)
            );
            return Err(never(message).with_help("ticks end with 2099-12-31T23:59:59Z"));
        }
        Ok(())
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cron \"{}\" in {}", self.text, self.zone.name())
    }
}

/// The error for fields that allow something alone and nothing together.
fn no_such_date(parts: &[&str]) -> ScheduleError {
    let restricted: Vec<_> = [
        (3, &DAY_OF_MONTH),
        (4, &MONTH),
        (5, &DAY_OF_WEEK),
        (6, &YEAR),
    ]
    .into_iter()
    .filter_map(|(at, field)| parts.get(at).map(|part| (field.name, *part)))
    .filter(|(_, part)| !matches!(*part, "*" | "?"))
    .map(|(name, part)| format!("{name} {}", quote(part)))
    .collect();
    let message = format!(
        "the date never comes: no day from {PRESENT_YEAR} to 2099 has {}",
        restricted.join(" and ")
    );
    let last = match parts.get(3) {
        Some(&("29" | "30" | "31")) => {
            "; for the last day of a month write `L` as the day of month"
        }
        _ => "",
    };
    ScheduleError::new(ScheduleErrorKind::Never, message)
        .with_help(format!("a day must match every one of these fields{last}"))
}

/// The text to show, and its six or seven fields.
fn split(expression: &str) -> Result<(Box<str>, Vec<&str>), ScheduleError> {
    let trimmed = expression.trim();
    if let Some((alias, full)) = ALIASES
        .iter()
        .find(|(alias, _)| alias.eq_ignore_ascii_case(trimmed))
    {
        return Ok(((*alias).into(), full.split(' ').collect()));
    }
    let parts: Vec<&str> = trimmed.split_whitespace().collect();
    let count = parts.len();
    match count {
        6 | 7 => Ok((parts.join(" ").to_ascii_uppercase().into(), parts)),
        0 => {
            let message = "the cron expression is empty";
            Err(ScheduleError::new(ScheduleErrorKind::Expression, message))
        }
        _ => {
            let plural = if count == 1 { "" } else { "s" };
            let message = format!(
                "the cron expression {} has {count} field{plural}",
                quote(trimmed)
            );
            let spaces = trimmed.contains([',', '-', '/']) && count > 7;
            let spaces = if spaces {
                " (no spaces inside a field)"
            } else {
                ""
            };
            Err(ScheduleError::new(ScheduleErrorKind::FieldCount, message).with_help(format!(
                "it takes six or seven{spaces}: second, minute, hour, day of month, month, day of week and, \
                 if wanted, year; such as `0 30 9 * * MON-FRI`"
            )))
        }
    }
}

fn parse(parts: &[&str]) -> Result<Fields, ScheduleError> {
    let mut days = DayFilter::default();
    let text = |at: usize| parts.get(at).copied().unwrap_or("*");
    let (second, minute) = (SECOND.check(text(0))?, MINUTE.check(text(1))?);
    let hour = HOUR.check(text(2))?;
    let day = day_of_month(text(3), &mut days)?;
    let month = MONTH.check(text(4))?;
    let year = YEAR.check(text(6))?;
    day_of_week(text(5), &mut days)?;
    let plain_day = day.as_deref().unwrap_or("*");
    let plain = format!("{second} {minute} {hour} {plain_day} {month} * {year}");
    let parsed = plain.parse::<cron::Schedule>().map_err(|error| {
        // Not known to be reachable, as the fields were checked above.
        let message = format!(
            "the cron expression {} was refused: {error}",
            quote(&parts.join(" "))
        );
        ScheduleError::new(ScheduleErrorKind::Expression, message)
            .with_help("write six fields, such as `0 30 9 * * MON-FRI`")
    })?;
    if day.is_some() {
        days.days = narrow(parsed.days_of_month());
    }
    Ok(Fields {
        seconds: bits(parsed.seconds()),
        minutes: bits(parsed.minutes()),
        hours: narrow(parsed.hours()),
        months: u16::try_from(bits(parsed.months())).unwrap_or(0),
        years: years(parsed.years()),
        days,
    })
}

/// A range, a step or a star in the second, minute or hour field is a rhythm, and so is a list of every value.
fn pace(parts: &[&str], fields: &Fields) -> Pace {
    let rhythm = parts
        .iter()
        .take(3)
        .any(|part| part.contains(['*', '/', '-']));
    let every_value = fields.seconds.count_ones() == 60
        || fields.minutes.count_ones() == 60
        || fields.hours.count_ones() == 24;
    if rhythm || every_value {
        Pace::Interval
    } else {
        Pace::Fixed
    }
}

/// A field below 64 as bits.
fn bits(field: &impl TimeUnitSpec) -> u64 {
    field
        .iter()
        .fold(0, |set, value| set | 1_u64.checked_shl(value).unwrap_or(0))
}

fn narrow(field: &impl TimeUnitSpec) -> u32 {
    // Hours and days are below 32, so no bit is lost.
    (bits(field) & u64::from(u32::MAX)) as u32
}

fn years(field: &impl TimeUnitSpec) -> [u64; 3] {
    let mut set = [0_u64; 3];
    for year in field.iter() {
        let bit = year.saturating_sub(1970);
        if let Some(word) = set.get_mut((bit / 64) as usize) {
            *word |= 1 << (bit % 64);
        }
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::day_of;

    #[test]
    fn the_present_is_the_first_of_january() {
        let year = i16::try_from(PRESENT_YEAR).expect("a year");
        assert_eq!(day_of(jiff::civil::date(year, 1, 1)), PRESENT_DAY);
    }

    #[test]
    fn a_job_costs_little_memory() {
        // The documentation of `Schedule` says 150 bytes: this, two counters, and the text.
        assert!(size_of::<Cron>() <= 120, "{} bytes", size_of::<Cron>());
    }
}
