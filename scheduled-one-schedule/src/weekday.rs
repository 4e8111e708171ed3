//! The day-of-week field, by names only.
//!
//! Quartz counts 1 = Sunday; Spring and crontab count 1 = Monday. A number that moved here from the other
//! world would run a day off, without an error. So numbers are refused; `weekday_numbers.rs` spells both readings.

use crate::day_filter::DayFilter;
use crate::error::{ScheduleError, ScheduleErrorKind, quote};
use crate::field::{Field, is_chosen, is_name, number, with_short_names};

pub(crate) const DAY_OF_WEEK: Field = Field {
    name: "day of week",
    min: 0,
    max: 6,
    names: &[],
    allowed: "SUN-SAT, `?`, `MON#2` (second Monday), `FRIL` (last Friday)",
    unit: None,
};

pub(crate) const NAMES: [&str; 7] = [
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

/// Checks the day of week into `days`.
pub(crate) fn day_of_week(text: &str, days: &mut DayFilter) -> Result<(), ScheduleError> {
    if text == "?" {
        days.weekdays = ALL;
        return Ok(());
    }
    let mut numeric = false;
    for item in text.split(',') {
        let upper = item.to_ascii_uppercase();
        if is_numeric(&upper) {
            numeric = true;
        } else if let Err(flaw) = read(&upper, days) {
            let hint = flaw.hint.or_else(|| way_out(&upper));
            let item = if item.is_empty() { text } else { item };
            return Err(DAY_OF_WEEK.error(text, item, &flaw.why, hint));
        }
    }
    if numeric {
        return Err(numeric_error(text));
    }
    Ok(())
}

/// Why an item is refused, and what to write, if that follows from the reason.
struct Flaw {
    why: String,
    hint: Option<String>,
}

fn flaw(why: impl Into<String>, hint: Option<&str>) -> Flaw {
    Flaw {
        why: why.into(),
        hint: hint.map(str::to_owned),
    }
}

/// Reads an item, in upper case, into `days`.
fn read(upper: &str, days: &mut DayFilter) -> Result<(), Flaw> {
    if upper.is_empty() {
        return Err(flaw("has an empty item in its list", None));
    }
    if upper == "*" {
        days.weekdays = ALL;
    } else if let Some((name, nth)) = upper.split_once('#') {
        let weekday = weekday(name).ok_or_else(|| no_weekday_before_number(name))?;
        let set = number(nth).and_then(|nth| {
            let at = (nth as usize).wrapping_sub(1);
            days.weekdays_nth.get_mut(at)
        });
        *set.ok_or_else(|| bad_number(nth))? |= 1 << weekday;
    } else if upper == "L" {
        let hint = "write `SAT` (Quartz's reading), or `FRIL` for the last Friday of a month";
        let why = "is ambiguous: the last day of which week";
        return Err(flaw(why, Some(hint)));
    } else if let Some(weekday) = weekday(upper) {
        days.weekdays |= 1 << weekday;
    } else if let Some(weekday) = upper.strip_suffix('L').and_then(weekday) {
        days.weekdays_last |= 1 << weekday;
    } else {
        days.weekdays |= range(upper)?;
    }
    Ok(())
}

fn no_weekday_before_number(name: &str) -> Flaw {
    if name.is_empty() {
        return flaw("has no weekday before `#`", None);
    }
    flaw(
        format!("has {} before `#`, which is not a weekday", quote(name)),
        None,
    )
}

fn bad_number(nth: &str) -> Flaw {
    let why = match number(nth) {
        Some(_) => "can never come",
        None => "needs a number after `#`",
    };
    flaw(why, None)
}

/// `MON-FRI` or `MON-FRI/2`. A week is a circle: `FRI-MON` is four days, `MON-SUN` all, `SUN-SUN` one.
fn range(upper: &str) -> Result<u8, Flaw> {
    let (base, step) = match upper.split_once('/') {
        Some((base, step)) => {
            let step = DAY_OF_WEEK.step(step);
            let why = "has a bad step after `/`";
            (base, step.ok_or_else(|| flaw(why, Some("a step is 1-6")))?)
        }
        None => (upper, 1),
    };
    let Some((first, last)) = base.split_once('-') else {
        return Err(match weekday(base) {
            Some(_) => {
                let hint = format!("write where the range ends, such as `{base}-SUN/{step}`");
                flaw("is a step without an end", Some(&hint))
            }
            None => flaw("is not a weekday", None),
        });
    };
    let (Some(first), Some(last)) = (weekday(first), weekday(last)) else {
        return Err(flaw("is not a range of weekdays", None));
    };
    let length = (last + 7 - first) % 7;
    Ok((0..=length)
        .step_by(step as usize)
        .fold(0, |set, day| set | 1 << ((first + day) % 7)))
}

/// What to write in place of a refused item.
fn way_out(upper: &str) -> Option<String> {
    if is_chosen(upper.split('/').next()?) {
        return Some("write a weekday, such as `SUN`".to_owned());
    }
    if let Some((base, nth)) = upper.split_once('#')
        && let Some(days) = weekdays_of(base)
    {
        let each = |nth: u32| {
            let items: Vec<_> = days.iter().map(|day| format!("{day}#{nth}")).collect();
            items.join(",")
        };
        return match (
            nth,
            days.len(),
            number(nth).filter(|nth| (1..=5).contains(nth)),
        ) {
            ("L" | "LAST" | "-1", 1, _) => Some(format!("write `{}L`", days[0])),
            (_, 1, _) => {
                several(days[0], nth).or_else(|| Some("a month has `#1` to `#5`".to_owned()))
            }
            (_, _, Some(1)) if base == "MON-FRI" => Some(format!(
                "write `{}` for the first of each; for the first working day of a month write `1W` as the day of month",
                each(1)
            )),
            (_, _, Some(nth)) => Some(format!("write `{}`", each(nth))),
            _ => Some("a month has `#1` to `#5`".to_owned()),
        };
    }
    let nth = upper.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let fix = if let Some(day) = weekdays_of(&upper[..upper.len() - nth.len()])
        && let Some(nth) = number(nth).filter(|nth| (1..=5).contains(nth))
    {
        format!("{}#{nth}", day[0])
    } else if let Some(day) = last_weekday(upper) {
        format!("{day}L")
    } else {
        with_short_names(upper, &NAMES)
            .filter(|fix| read(fix, &mut DayFilter::default()).is_ok())?
    };
    Some(format!("write `{fix}`"))
}

/// `1-3` after `MON#`: each with its own `#`.
fn several(day: &str, nth: &str) -> Option<String> {
    let (first, last) = nth.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    let items: Vec<_> = (first..=last.min(5))
        .map(|nth| format!("{day}#{nth}"))
        .collect();
    (first >= 1 && last <= 5 && !items.is_empty()).then(|| format!("write `{}`", items.join(",")))
}

/// The weekday of `LFRI`, `FRI-L` and `FRIDAYLAST`.
fn last_weekday(upper: &str) -> Option<&'static str> {
    let before = upper
        .strip_suffix("LAST")
        .or_else(|| upper.strip_suffix('L'));
    let before = before.map(|name| name.trim_end_matches(['-', '#']));
    let after = upper
        .strip_prefix("LAST")
        .or_else(|| upper.strip_prefix('L'));
    let after = after.map(|name| name.trim_start_matches(['-', '#']));
    let weekday = before.and_then(weekday).or_else(|| weekday(after?))?;
    NAMES.get(weekday as usize).map(|name| &name[..3])
}

/// The names of the days of a weekday or a range, such as `MON-FRI`.
fn weekdays_of(upper: &str) -> Option<Vec<&'static str>> {
    let first = weekday(upper.split('-').next()?)?;
    let mut days = DayFilter::default();
    read(upper, &mut days).ok()?;
    let in_week = (first..first + 7).map(|day| day % 7);
    let in_set = in_week.filter(|day| days.weekdays & 1 << day != 0);
    Some(in_set.map(|day| &NAMES[day as usize][..3]).collect())
}

/// 0 for Sunday to 6 for Saturday, from an upper-case name.
pub(crate) fn weekday(upper: &str) -> Option<u32> {
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

/// True if an item is a weekday by number, or counted from an unsaid first day (`*/2`). Numbers after `#` and in a
/// step of named weekdays are fine.
pub(crate) fn is_numeric(upper: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let base = upper.split(['/', '#']).next().unwrap_or_default();
    let nth_of_range = upper.contains('#') && base.contains('-');
    let range = !nth_of_range
        && base.split('-').any(is_number)
        && base
            .split('-')
            .all(|part| is_number(part) || weekday(part).is_some());
    let last = base.strip_suffix('L').or_else(|| base.strip_prefix('L'));
    range || last.is_some_and(is_number) || upper.starts_with("*/") || upper.starts_with('/')
}

/// The error for numbers. The way out needs the other fields, and is added by `way_out.rs`.
fn numeric_error(text: &str) -> ScheduleError {
    let counted = |item: &str| item.starts_with("*/") || item.starts_with('/');
    let why = if text.split(',').any(counted) {
        "does not say on which day its count starts: Quartz and crontab start on SUN, Spring on MON"
    } else {
        "has a number: Quartz reads 1 as SUN, Spring and crontab read 1 as MON"
    };
    let message = format!("the day of week field {} {why}", quote(text));
    ScheduleError::new(ScheduleErrorKind::NumericWeekday, message)
        .with_help(format!("write names; allowed: {}", DAY_OF_WEEK.allowed))
}
