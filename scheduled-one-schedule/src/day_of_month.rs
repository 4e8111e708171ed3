//! The day-of-month field: plain days, `L`, `W`, and both.

use crate::day_filter::DayFilter;
use crate::error::ScheduleError;
use crate::field::{Field, number};

pub(crate) const DAY_OF_MONTH: Field = Field {
    name: "day of month",
    min: 1,
    max: 31,
    names: &[],
    allowed: "1-31, `?`, `L` (last day), `L-3`, `LW` (last weekday), `15W` (weekday nearest the 15th), `L-3W`",
    unit: Some("d"),
};

/// Checks the day of month. Fills `days` with what `cron` lacks and returns the plain part, if there is one.
pub(crate) fn day_of_month(
    text: &str,
    days: &mut DayFilter,
) -> Result<Option<String>, ScheduleError> {
    if text == "?" {
        return Ok(Some("*".to_owned()));
    }
    let mut plain = Vec::new();
    for item in text.split(',') {
        let upper = item.to_ascii_uppercase();
        if !upper.contains(['L', 'W']) {
            let found = counted_back(&upper).map_or_else(
                || DAY_OF_MONTH.item(text, item),
                |hint| Err(DAY_OF_MONTH.error(text, item, "is not a day", Some(hint))),
            );
            plain.push(found?);
        } else if let Err((why, hint)) = special(&upper, days) {
            return Err(DAY_OF_MONTH.error(text, item, why, hint));
        }
    }
    Ok((!plain.is_empty()).then(|| plain.join(",")))
}

/// Days from the end that are written as negative numbers, as in Ruby's fugit: what to write instead.
fn counted_back(upper: &str) -> Option<String> {
    let day = number(upper.strip_prefix('-')?)?;
    match day {
        1 => Some("write `L`".to_owned()),
        2..=31 => Some(format!("write `L-{}`", day - 1)),
        _ => None,
    }
}

/// `L`, `L-3`, `LW`, `L-3W` and `15W`; else why not, and what to write.
fn special(upper: &str, days: &mut DayFilter) -> Result<(), (&'static str, Option<String>)> {
    let back = |text: &str| number(text).filter(|back| (1..=30).contains(back));
    if upper == "L" {
        days.days_before_last |= 1;
    } else if upper == "LW" {
        days.weekdays_before_last |= 1;
    } else if let Some(rest) = upper.strip_prefix("L-") {
        let (number, set) = match rest.strip_suffix('W') {
            Some(number) => (number, &mut days.weekdays_before_last),
            None => (rest, &mut days.days_before_last),
        };
        *set |= 1 << back(number).ok_or_else(|| out_of_range(rest))?;
    } else if let Some(day) = upper.strip_suffix('W').and_then(number) {
        if !(1..=31).contains(&day) {
            return Err(("is out of range", Some("use `1W` to `31W`".to_owned())));
        }
        days.nearest_weekday |= 1 << day;
    } else {
        return Err(unknown(upper));
    }
    Ok(())
}

/// The flaw of `L-0`, `L-31W` and their like, from the text after `L-`.
fn out_of_range(rest: &str) -> (&'static str, Option<String>) {
    let w = if rest.ends_with('W') { "W" } else { "" };
    match number(rest.trim_end_matches('W')) {
        Some(0) => ("counts no days back", Some(format!("write `L{w}`"))),
        Some(_) => (
            "is out of range",
            Some(format!("use `L-1{w}` to `L-30{w}`")),
        ),
        None => (
            "has no number of days after `L-`",
            Some(format!("use `L-1{w}` to `L-30{w}`")),
        ),
    }
}

/// The flaw of other texts with `L` or `W`.
fn unknown(upper: &str) -> (&'static str, Option<String>) {
    let within = |text: &str, most| number(text).filter(|day| (1..=most).contains(day));
    if let Some(back) = upper.strip_prefix("LW-").and_then(|back| within(back, 30)) {
        let hint =
            format!("write `L-{back}W`, the weekday nearest to the day {back} before the last");
        return ("is not a day", Some(hint));
    }
    let from_end = upper.strip_prefix('L').or_else(|| upper.strip_suffix('L'));
    let fix = match upper {
        "WL" | "LW-0" => Some("LW".to_owned()),
        "LAST" => Some("L".to_owned()),
        _ => (from_end.and_then(|back| within(back, 30)))
            .map(|back| format!("L-{back}"))
            .or_else(|| Some(format!("{}W", within(upper.strip_prefix('W')?, 31)?))),
    };
    match fix {
        Some(fix) => ("is not a day", Some(format!("write `{fix}`"))),
        None if upper.ends_with('W') => (
            "is not a single day with `W`",
            Some("use `1W` to `31W`".to_owned()),
        ),
        None => ("is not a day", None),
    }
}
