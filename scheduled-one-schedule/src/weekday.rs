//! The day-of-week field, by names only.
//!
//! Quartz counts 1 = Sunday; Spring and crontab count 1 = Monday. A number that moved here from the other
//! world would run a day off, in silence. So numbers are refused, and the error spells both readings.

use crate::day_filter::DayFilter;
use crate::error::{ScheduleError, ScheduleErrorKind, quote};
use crate::field::{DAY_OF_WEEK, is_name, number};

const NAMES: [&str; 7] = [
    "SUNDAY",
    "MONDAY",
    "TUESDAY",
    "WEDNESDAY",
    "THURSDAY",
    "FRIDAY",
    "SATURDAY",
];
/// Spellings that `cron` and crontab accept in addition to the full name and its first three letters.
const OTHER_NAMES: [(&str, u32); 4] = [("TUES", 2), ("WEDS", 3), ("THUR", 4), ("THURS", 4)];
const ALL: u8 = 0b111_1111;

/// Checks the day of week (the sixth field of `fields`) into `days`.
pub(crate) fn day_of_week(fields: &[&str], days: &mut DayFilter) -> Result<(), ScheduleError> {
    let text = fields.get(5).copied().unwrap_or_default();
    if text == "?" {
        days.weekdays = ALL;
        return Ok(());
    }
    if is_numeric(text) {
        return Err(numeric_error(fields, text));
    }
    for item in text.split(',') {
        check_item(text, item, days)?;
    }
    Ok(())
}

fn check_item(text: &str, item: &str, days: &mut DayFilter) -> Result<(), ScheduleError> {
    let refuse = |why: &str, hint: Option<&str>| {
        Err(DAY_OF_WEEK.error(text, item, why, hint.map(str::to_owned)))
    };
    let upper = item.to_ascii_uppercase();
    if item.is_empty() {
        return Err(DAY_OF_WEEK.error(text, text, "has an empty item in its list", None));
    }
    if upper == "*" {
        days.weekdays = ALL;
    } else if let Some((name, nth)) = upper.split_once('#') {
        let Some(weekday) = weekday(name) else {
            return refuse("has no weekday before `#`", None);
        };
        match number(nth).and_then(|nth| days.weekdays_nth.get_mut((nth as usize).wrapping_sub(1)))
        {
            Some(set) => *set |= 1 << weekday,
            None => return refuse("can never come", Some("a month has `#1` to `#5`")),
        }
    } else if upper == "L" {
        let hint = "write `SAT` (Quartz's reading), or `FRIL` for the last Friday of a month";
        return refuse("is ambiguous: the last day of which week", Some(hint));
    } else if let Some(weekday) = weekday(&upper) {
        days.weekdays |= 1 << weekday;
    } else if let Some(weekday) = upper.strip_suffix('L').and_then(weekday) {
        days.weekdays_last |= 1 << weekday;
    } else {
        days.weekdays |= range(text, item, &upper)?;
    }
    Ok(())
}

/// `MON-FRI` or `MON-FRI/2`. A week is a circle: `FRI-MON` is four days, `MON-SUN` all.
fn range(text: &str, item: &str, upper: &str) -> Result<u8, ScheduleError> {
    let (base, step) = match upper.split_once('/') {
        Some((base, step)) => (base, DAY_OF_WEEK.step(text, item, step)?),
        None => (upper, 1),
    };
    let Some((first, last)) = base.split_once('-') else {
        return match weekday(base) {
            Some(_) => {
                let hint = format!("write where the range ends, such as `{base}-SUN/{step}`");
                Err(DAY_OF_WEEK.error(text, item, "is a step without an end", Some(hint)))
            }
            None => Err(DAY_OF_WEEK.error(text, item, "is not a weekday", None)),
        };
    };
    let (Some(first), Some(last)) = (weekday(first), weekday(last)) else {
        return Err(DAY_OF_WEEK.error(text, item, "is not a range of weekdays", None));
    };
    let length = (last + 7 - first) % 7;
    Ok((0..=length)
        .step_by(step as usize)
        .fold(0, |set, day| set | 1 << ((first + day) % 7)))
}

/// 0 for Sunday to 6 for Saturday, from an upper-case name.
fn weekday(upper: &str) -> Option<u32> {
    let named = NAMES.iter().position(|name| is_name(upper, name));
    let other = || {
        OTHER_NAMES
            .iter()
            .find(|(name, _)| *name == upper)
            .map(|(_, weekday)| *weekday)
    };
    named
        .and_then(|index| u32::try_from(index).ok())
        .or_else(other)
}

/// The scheduler whose weekday numbers are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// 1 = Sunday to 7 = Saturday; `*/2` starts on Sunday.
    Quartz,
    /// 0 and 7 = Sunday, 1 = Monday; `*/2` starts on Monday.
    Spring,
    /// The numbers of Spring, but `*/2` starts on Sunday.
    Crontab,
}

/// True if any weekday of the field is a number, or counted from an unsaid first day (`*/2`). Numbers after
/// `#` and in a step of named weekdays are fine.
fn is_numeric(text: &str) -> bool {
    text.split(',').any(|item| {
        let base = item.split(['/', '#']).next().unwrap_or_default();
        base.contains(|c: char| c.is_ascii_digit()) || item.starts_with("*/")
    })
}

fn numeric_error(fields: &[&str], text: &str) -> ScheduleError {
    let expression = |weekdays: &str| {
        let mut fields = fields.to_vec();
        fields[5] = weekdays;
        quote(&fields.join(" "))
    };
    let help = match (
        in_names(text, Reading::Quartz),
        in_names(text, Reading::Spring),
    ) {
        (Some(quartz), Some(spring)) if quartz == spring => {
            format!("write {}", expression(&quartz))
        }
        (Some(quartz), Some(spring)) if text.contains("*/") => {
            let (quartz, spring) = (expression(&quartz), expression(&spring));
            format!("write {quartz} (as Quartz and crontab read it) or {spring} (as Spring does)")
        }
        (Some(quartz), Some(spring)) => {
            let (quartz, spring) = (expression(&quartz), expression(&spring));
            format!("write {quartz} (as Quartz reads it) or {spring} (as Spring and crontab do)")
        }
        // Quartz has no 0.
        (None, Some(spring)) => {
            format!(
                "write {} (as Spring and crontab read it)",
                expression(&spring)
            )
        }
        _ => return DAY_OF_WEEK.error(text, text, "is not a weekday", None),
    };
    let why = if text.contains("*/") {
        "does not say on which day its count starts: Quartz and crontab start on SUN, Spring on MON"
    } else {
        "has a number: Quartz reads 1 as SUN, Spring and crontab read 1 as MON"
    };
    let message = format!("the day of week field {} {why}", quote(text));
    ScheduleError::new(ScheduleErrorKind::NumericWeekday, message).with_help(help)
}

/// A crontab's day-of-week field with names, if it had numbers and they mean something.
pub(crate) fn from_crontab(text: &str) -> Option<String> {
    is_numeric(text)
        .then(|| in_names(text, Reading::Crontab))
        .flatten()
}

fn in_names(text: &str, reading: Reading) -> Option<String> {
    let items: Option<Vec<_>> = text
        .split(',')
        .map(|item| item_in_names(item, reading))
        .collect();
    let items = items?;
    Some(if items.iter().any(|item| item == "*") {
        "*".to_owned()
    } else {
        items.join(",")
    })
}

/// One item with names for numbers. Steps become the list of their days: which day they start on, and whether
/// the week ends on Saturday or Sunday, is what the readings differ in.
fn item_in_names(item: &str, reading: Reading) -> Option<String> {
    let upper = item.to_ascii_uppercase();
    if let Some((base, step)) = upper.split_once('/') {
        let step = number(step).filter(|step| (1..=7).contains(step))?;
        let (first, last) = match base.split_once('-') {
            Some((first, last)) => (value(first, reading)?, value(last, reading)?),
            None if base == "*" && reading == Reading::Crontab => (0, 6),
            None if base == "*" => (1, 7),
            None => (value(base, reading)?, 7),
        };
        if step == 1 && last >= first + 6 {
            return Some("*".to_owned());
        }
        let days = (first..=last).step_by(step as usize);
        let names: Option<Vec<_>> = days.map(|day| short_name(day, reading)).collect();
        return names
            .filter(|names| !names.is_empty())
            .map(|names| names.join(","));
    }
    let (base, tail) = upper.split_at(upper.find('#').unwrap_or(upper.len()));
    if let Some((first, last)) = base.split_once('-') {
        let (first, last) = (value(first, reading)?, value(last, reading)?);
        let (from, to) = (short_name(first, reading)?, short_name(last, reading)?);
        return Some(if last >= first + 6 {
            "*".to_owned()
        } else {
            format!("{from}-{to}")
        });
    }
    match base.strip_suffix('L').and_then(number) {
        Some(day) => Some(format!("{}L", short_name(day, reading)?)),
        None if number(base).is_some() => {
            Some(format!("{}{tail}", short_name(number(base)?, reading)?))
        }
        None => Some(upper),
    }
}

/// A weekday's number in a reading, from its number or its name.
fn value(text: &str, reading: Reading) -> Option<u32> {
    let from_name = || weekday(text).map(|day| day + u32::from(reading == Reading::Quartz));
    number(text).or_else(from_name)
}

fn short_name(day: u32, reading: Reading) -> Option<&'static str> {
    let index = match reading {
        Reading::Quartz => day.checked_sub(1)?,
        Reading::Spring | Reading::Crontab if day <= 7 => day % 7,
        _ => return None,
    };
    NAMES.get(index as usize).map(|name| &name[..3])
}
