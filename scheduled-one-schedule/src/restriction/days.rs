//! `except`: days on which a job is not due. The text of one item, and the set of days that several make.

use std::fmt;

use jiff::civil::Date;

use crate::error::{ScheduleError, ScheduleErrorKind, quote};
use crate::fields::{date_of, day_of};
use crate::name::check_name;
use crate::weekday::{NAMES, weekday};

/// One item of `except`, or of a calendar. The order is that in which a schedule shows them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Item {
    /// 0 for Monday to 6 for Sunday.
    Weekday(u32),
    /// From a month and day to another, each year; over New Year if the second is earlier.
    Yearly(MonthDay, MonthDay),
    /// From a day to another, both included, counted from 1970-01-01.
    Dates(i64, i64),
    /// The name of a calendar.
    Calendar(Box<str>),
}

/// Month and day, from 1.
type MonthDay = (u8, u8);

/// The forms of an item, as errors show them.
const FORMS: &str = "write a weekday (`SAT`), a date (`2026-05-01`), a range of dates \
                     (`2026-12-24..2027-01-01`) or a date of each year (`12-25`)";

impl Item {
    /// Reads an item. A range of weekdays is several.
    pub(crate) fn parse(text: &str, of: &str) -> Result<Vec<Self>, ScheduleError> {
        let text = text.trim();
        let refused = |(why, help): (String, String)| {
            let message = format!("{} of {of} {why}", quote(text));
            ScheduleError::new(ScheduleErrorKind::Except, message).with_help(help)
        };
        if text.is_empty() {
            let message = format!("{of} has an empty item");
            return Err(ScheduleError::new(ScheduleErrorKind::Except, message).with_help(FORMS));
        }
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return dates(text).map(|item| vec![item]).map_err(refused);
        }
        let upper = text.to_ascii_uppercase();
        if let Some(days) = weekdays(&upper) {
            return Ok(days);
        }
        let instead = match upper.as_str() {
            "WEEKEND" | "WEEKENDS" => Some("write `\"SAT\", \"SUN\"`"),
            "WEEKDAY" | "WEEKDAYS" | "WORKDAYS" => Some("write `MON-FRI`"),
            _ if upper.split(',').all(|part| weekdays(part.trim()).is_some()) => {
                Some("write each as an item of its own, such as `\"SAT\", \"SUN\"`")
            }
            _ => None,
        };
        if let Some(help) = instead {
            return Err(refused(("is not one day".to_owned(), help.to_owned())));
        }
        check_name(text).map_err(|_| {
            let why = "is neither a day nor the name of a calendar".to_owned();
            refused((why, FORMS.to_owned()))
        })?;
        Ok(vec![Self::Calendar(text.into())])
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = |day: i64| date_of(day).unwrap_or_default();
        match self {
            Self::Weekday(from_monday) => {
                let name = NAMES[(*from_monday as usize + 1) % 7];
                f.write_str(&name[..3])
            }
            Self::Yearly((month, day), last) => {
                write!(f, "{month:02}-{day:02}")?;
                match *last == (*month, *day) {
                    true => Ok(()),
                    false => write!(f, "..{:02}-{:02}", last.0, last.1),
                }
            }
            Self::Dates(first, last) if first == last => write!(f, "{}", date(*first)),
            Self::Dates(first, last) => write!(f, "{}..{}", date(*first), date(*last)),
            Self::Calendar(name) => f.write_str(name),
        }
    }
}

/// `SAT`, or `MON-FRI`, in upper case.
fn weekdays(upper: &str) -> Option<Vec<Item>> {
    let from_monday = |name: &str| Some((weekday(name.trim())? + 6) % 7);
    let (first, last) = match upper.split_once('-') {
        Some((first, last)) => (from_monday(first)?, from_monday(last)?),
        None => (from_monday(upper)?, from_monday(upper)?),
    };
    let length = (last + 7 - first) % 7;
    let days = (first..=first + length).map(|day| Item::Weekday(day % 7));
    Some(days.collect())
}

/// One date or a range of dates; else why not, and what to write.
fn dates(text: &str) -> Result<Item, (String, String)> {
    let (first, last) = match text.split_once("..") {
        Some((first, last)) => (first.trim(), last.trim()),
        None => (text, text),
    };
    match (day(first), day(last)) {
        (Ok(Day::Of(first_day)), Ok(Day::Of(last_day))) if first_day <= last_day => {
            Ok(Item::Dates(first_day, last_day))
        }
        (Ok(Day::Of(_)), Ok(Day::Of(_))) => Err((
            "runs backwards".to_owned(),
            format!("write `{last}..{first}`"),
        )),
        (Ok(Day::Yearly(first)), Ok(Day::Yearly(last))) => Ok(Item::Yearly(first, last)),
        (Ok(_), Ok(_)) => Err((
            "has a date of one year and a date of each year".to_owned(),
            "write both with the year, or both without it".to_owned(),
        )),
        (Err(Some(why)), _) | (_, Err(Some(why))) => Err((why, FORMS.to_owned())),
        (Err(None), _) | (_, Err(None)) => Err((
            "is not a date".to_owned(),
            match meant(text) {
                Some(fix) => format!("write `{fix}`"),
                None => FORMS.to_owned(),
            },
        )),
    }
}

enum Day {
    /// Counted from 1970-01-01.
    Of(i64),
    Yearly(MonthDay),
}

/// `2026-05-01` or `12-25`; else `None` for another form, or what is wrong with the date.
fn day(text: &str) -> Result<Day, Option<String>> {
    match text.len() {
        10 => date(text).map(|date| Day::Of(day_of(date))),
        5 => {
            // A leap year has every date.
            let date = date(&format!("2028-{text}"));
            let date =
                date.map_err(|why| why.map(|_| format!("has no such date as {}", quote(text))))?;
            let part = |part: i8| u8::try_from(part).unwrap_or(0);
            Ok(Day::Yearly((part(date.month()), part(date.day()))))
        }
        _ => Err(None),
    }
}

/// The date of `2026-05-01`; else `None` for another form, or what is wrong with it.
pub(super) fn date(text: &str) -> Result<Date, Option<String>> {
    let is_form = text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if !is_form {
        return Err(None);
    }
    let number = |text: &str| text.parse::<i16>().unwrap_or(0);
    let (year, month, day) = (number(&text[..4]), number(&text[5..7]), number(&text[8..]));
    let (month, day) = (i8::try_from(month), i8::try_from(day));
    let (month, day) = (month.unwrap_or(0), day.unwrap_or(0));
    if !(1970..=2099).contains(&year) {
        return Err(Some(format!("has the year {year}; allowed: 1970-2099")));
    }
    match (Date::new(year, month, day), Date::new(year, month, 1)) {
        (Ok(date), _) => Ok(date),
        (_, Ok(first)) => Err(Some(format!(
            "has the day {day} of a month of {} days",
            first.days_in_month()
        ))),
        _ => Err(Some(format!("has the month {month}; allowed: 01-12"))),
    }
}

/// A date, or two in their order, in another form: `1.5.2026`, `2026/5/1`, `20260501`, `2026-12-24-2027-01-01`.
fn meant(text: &str) -> Option<String> {
    let numbers: Vec<&str> = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|number| !number.is_empty())
        .collect();
    let one = |numbers: &[&str]| {
        let fix = match numbers {
            [joined] if joined.len() == 8 => {
                format!("{}-{}-{}", &joined[..4], &joined[4..6], &joined[6..])
            }
            [year, month, day] if year.len() == 4 => format!("{year}-{month:0>2}-{day:0>2}"),
            // With dots the day is first; with slashes it may be either.
            [day, month, year] if year.len() == 4 && text.contains('.') => {
                format!("{year}-{month:0>2}-{day:0>2}")
            }
            [month, day] if text.contains('-') => format!("{month:0>2}-{day:0>2}"),
            _ => return None,
        };
        self::day(&fix).is_ok().then_some(fix)
    };
    // Both have a year, so that their order as texts is that of the days.
    let two = |a: &[&str], b: &[&str]| {
        let (a, b) = (one(a)?, one(b)?);
        Some(format!("{}..{}", (&a).min(&b), (&a).max(&b)))
    };
    match numbers.len() {
        2 if numbers[0].len() == 8 => two(&numbers[..1], &numbers[1..]),
        1..=3 => one(&numbers),
        6 => two(&numbers[..3], &numbers[3..]),
        _ => None,
    }
}

/// A set of days.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Days {
    /// Bits 0–6 from Monday.
    weekdays: u8,
    /// Of each month from January, bits 1–31.
    yearly: [u32; 12],
    /// In order, from and to, both included; they neither overlap nor touch. Counted from 1970-01-01.
    ranges: Box<[(i64, i64)]>,
}

impl Days {
    pub(crate) fn of<'a>(items: impl IntoIterator<Item = &'a Item>) -> Self {
        let mut days = Self::default();
        let mut ranges = Vec::new();
        for item in items {
            match item {
                Item::Weekday(from_monday) => days.weekdays |= 1 << from_monday,
                Item::Yearly(first, last) if first <= last => days.add_yearly(*first, *last),
                Item::Yearly(first, last) => {
                    days.add_yearly(*first, (12, 31));
                    days.add_yearly((1, 1), *last);
                }
                Item::Dates(first, last) => ranges.push((*first, *last)),
                Item::Calendar(_) => {}
            }
        }
        ranges.sort_unstable();
        let mut merged: Vec<(i64, i64)> = Vec::new();
        for (first, last) in ranges {
            match merged.last_mut() {
                Some(before) if first <= before.1 + 1 => before.1 = before.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        days.ranges = merged.into();
        days
    }

    fn add_yearly(&mut self, first: MonthDay, last: MonthDay) {
        for (month, bits) in (1..=12).zip(&mut self.yearly) {
            for day in 1..=31 {
                if (first..=last).contains(&(month, day)) {
                    *bits |= 1 << day;
                }
            }
        }
    }

    /// If a day is in the set: the last day of which that is sure as well.
    pub(crate) fn through(&self, day: i64) -> Option<i64> {
        // The first range that ends on that day or later.
        let at = self.ranges.partition_point(|(_, last)| *last < day);
        let in_range = self.ranges.get(at).filter(|(first, _)| *first <= day);
        if let Some((_, last)) = in_range {
            return Some(*last);
        }
        // 1970-01-01 was a Thursday.
        let from_monday = (day + 3).rem_euclid(7);
        let is_yearly = || {
            let date = date_of(day).unwrap_or_default();
            let bits = self.yearly[date.month().unsigned_abs() as usize - 1];
            bits & 1 << date.day() != 0
        };
        let has_yearly = self.yearly != [0; 12];
        let in_set = self.weekdays & 1 << from_monday != 0 || (has_yearly && is_yearly());
        in_set.then_some(day)
    }

    /// Numbers that say all there is of the set.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = i64> + '_ {
        let ranges = self.ranges.iter().flat_map(|(first, last)| [*first, *last]);
        let yearly = self.yearly.iter().map(|bits| i64::from(*bits));
        [i64::from(self.weekdays)]
            .into_iter()
            .chain(yearly)
            .chain(ranges)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::Weekday;

    use super::*;

    #[test]
    fn weekdays_are_those_of_the_calendar() {
        let monday = Days::of(&[Item::Weekday(0)]);
        for day in 0..40_000 {
            let date = date_of(day).expect("a date");
            assert_eq!(
                monday.through(day).is_some(),
                date.weekday() == Weekday::Monday,
                "{date}"
            );
        }
    }
}
