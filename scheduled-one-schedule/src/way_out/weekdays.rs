//! Weekdays by number, and days in the wrong field.

use super::Reads;
use crate::day_filter::DayFilter;
use crate::day_of_month::day_of_month;
use crate::error::{ScheduleError, ScheduleErrorKind, paste, quote};
use crate::field::number;
use crate::weekday::{DAY_OF_WEEK, day_of_week};
use crate::weekday_numbers::{Reading, in_names};

/// A weekday as the day of month, or the other way round.
pub(super) fn in_wrong_field(parts: &[&str], reads: Reads<'_>) -> Option<ScheduleError> {
    let (day, weekday) = (*parts.get(3)?, *parts.get(5)?);
    let any = |part: &str| matches!(part, "*" | "?");
    let upper = weekday.to_ascii_uppercase();
    let is_day = (upper.contains('W') || upper.contains("L-"))
        && day_of_week(weekday, &mut DayFilter::default()).is_err()
        && day_of_month(weekday, &mut DayFilter::default()).is_ok();
    let is_weekday = day_of_month(day, &mut DayFilter::default()).is_err()
        && day.contains(|c: char| c.is_ascii_alphabetic())
        && day_of_week(day, &mut DayFilter::default()).is_ok();
    let mut moved = parts.to_vec();
    let (what, free) = if is_day {
        (moved[3], moved[5]) = (weekday, "?");
        (
            format!(
                "the day of week field {} is a day of the month",
                quote(weekday)
            ),
            any(day),
        )
    } else if is_weekday {
        (moved[3], moved[5]) = ("?", day);
        (
            format!("the day of month field {} is a weekday", quote(day)),
            any(weekday),
        )
    } else {
        return None;
    };
    let moved = moved.join(" ");
    let help = if free && reads(&moved).is_ok() {
        format!("write {}", paste(&moved))
    } else {
        "the fourth field is the day of month, the sixth the day of week".to_owned()
    };
    Some(ScheduleError::new(ScheduleErrorKind::Field, what).with_help(help))
}

/// Weekdays by number: the expression in each reading, or why it is none.
pub(super) fn numeric_weekdays(
    error: &ScheduleError,
    parts: &[&str],
    reads: Reads<'_>,
) -> Option<ScheduleError> {
    if error.kind() != ScheduleErrorKind::NumericWeekday {
        return None;
    }
    let text = *parts.get(5)?;
    let expression = |reading| {
        let mut parts = parts.to_vec();
        let names = in_names(text, reading)?;
        parts[5] = &names;
        Some(parts.join(" "))
    };
    let (quartz, spring) = (expression(Reading::Quartz), expression(Reading::Spring));
    if quartz.is_none() && spring.is_none() {
        return Some(DAY_OF_WEEK.error(text, text, "is not a weekday", None));
    }
    let has = |what: &dyn Fn(&str) -> bool| text.split(',').any(what);
    let counted = has(&|item| item.starts_with("*/") || item.starts_with('/'));
    let croniter = has(&|item| item.starts_with(['L', 'l']));
    let mut readings = if quartz == spring {
        vec![(quartz, "")]
    } else if counted {
        vec![
            (quartz, " (as Quartz and crontab read it)"),
            (spring, " (as Spring does)"),
        ]
    } else if croniter {
        vec![
            (spring, " (as croniter and crontab count)"),
            (quartz, " (as Quartz does)"),
        ]
    } else {
        vec![
            (quartz, " (as Quartz reads it)"),
            (spring, " (as Spring and crontab do)"),
        ]
    };
    if let Some(names) = same_weekday(text) {
        let mut parts = parts.to_vec();
        parts[5] = &names;
        readings.insert(0, (Some(parts.join(" ")), ""));
    }
    readings.retain(|(expression, _)| expression.is_some());
    let refusals: Vec<_> = readings
        .iter()
        .filter_map(|(expression, _)| reads(expression.as_deref()?).err())
        .collect();
    readings.retain(|(expression, _)| expression.as_deref().is_some_and(|it| reads(it).is_ok()));
    // Without a reading that is an expression, the number is not what is wrong.
    if readings.is_empty() {
        return refusals.into_iter().next();
    }
    let written: Vec<_> = readings
        .iter()
        .map(|(expression, by)| format!("{}{by}", paste(expression.as_deref().unwrap_or_default())))
        .collect();
    Some(
        error
            .clone()
            .with_help(format!("write {}", written.join(" or "))),
    )
}

/// `MON#1,3` with the weekday before each number.
fn same_weekday(text: &str) -> Option<String> {
    let mut name = None;
    let items = text
        .split(',')
        .map(|item| match (item.split_once('#'), name) {
            (Some((before, _)), _) => {
                name = Some(before);
                Some(item.to_owned())
            }
            (None, Some(before)) if number(item).is_some() => Some(format!("{before}#{item}")),
            _ => None,
        });
    let names = items.collect::<Option<Vec<_>>>()?.join(",");
    (names != text).then_some(names)
}
