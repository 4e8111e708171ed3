//! The values that a validated expression matches, as sets of bits, and the search for the next match.
//!
//! Local time here is a plain number: seconds since 1970-01-01T00:00:00 on the wall clock, as if it were UTC.

use jiff::civil::Date;
use jiff::tz::Offset;

use crate::day_filter::{DayFilter, Month};

const DAY_S: i64 = 86_400;
const FIRST_YEAR: i32 = 1970;
const LAST_YEAR: i32 = 2099;

/// The parsed fields. Bits instead of the `cron` crate's ordered sets, which take 250 to 900 bytes a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fields {
    /// Bits 0–59.
    pub(crate) seconds: u64,
    /// Bits 0–59.
    pub(crate) minutes: u64,
    /// Bits 0–23.
    pub(crate) hours: u32,
    /// Bits 1–12.
    pub(crate) months: u16,
    /// Bits 0–130 for 1970–2100.
    pub(crate) years: [u64; 3],
    pub(crate) days: DayFilter,
}

impl Fields {
    /// The first matching local second at or after one, neither before 1970.
    pub(crate) fn next_local(&self, from_s: i64) -> Option<i64> {
        let from_s = from_s.max(0);
        let (today, second) = (from_s.div_euclid(DAY_S), from_s.rem_euclid(DAY_S));
        let day = self.next_day(today)?;
        if day == today {
            if let Some(second) = self.next_time(second) {
                return Some(day * DAY_S + second);
            }
            return Some(self.next_day(today + 1)? * DAY_S + self.next_time(0)?);
        }
        Some(day * DAY_S + self.next_time(0)?)
    }

    /// The number of matching local seconds in `from_s..to_s`, neither before 1970; at least `enough`, if there are so
    /// many. By days: within a day it is a product of the numbers of hours, minutes and seconds.
    pub(crate) fn count_local(&self, from_s: i64, to_s: i64, enough: u64) -> u64 {
        let (from_s, to_s) = (from_s.max(0), to_s.max(0));
        if from_s >= to_s {
            return 0;
        }
        let (first, last) = (from_s.div_euclid(DAY_S), to_s.div_euclid(DAY_S));
        let (from, to) = (from_s.rem_euclid(DAY_S), to_s.rem_euclid(DAY_S));
        let matches = |day| self.next_day(day) == Some(day);
        if first == last {
            return match matches(first) {
                true => self.count_before(to) - self.count_before(from),
                false => 0,
            };
        }
        let whole = self.count_before(DAY_S); // hour 24, so all of them
        let mut count = 0;
        if matches(first) {
            count += whole - self.count_before(from);
        }
        let mut next = first + 1;
        while count < enough
            && let Some(day) = self.next_day(next)
            && day < last
        {
            count += whole;
            next = day + 1;
        }
        if matches(last) {
            count += self.count_before(to);
        }
        count
    }

    /// The number of matching seconds of a day before one.
    fn count_before(&self, second: i64) -> u64 {
        let below = |set: u64, end: i64| {
            let end = u32::try_from(end).unwrap_or(0);
            let mask = 1_u64.checked_shl(end).map_or(u64::MAX, |bit| bit - 1);
            u64::from((set & mask).count_ones())
        };
        let has = |set: u64, value: i64| below(set, value + 1) > below(set, value);
        let (hour, minute) = (second / 3600, second / 60 % 60);
        let hours = u64::from(self.hours);
        let a_minute = below(self.seconds, 60);
        let an_hour = below(self.minutes, 60) * a_minute;
        let mut count = below(hours, hour) * an_hour;
        if has(hours, hour) {
            count += below(self.minutes, minute) * a_minute;
            if has(self.minutes, minute) {
                count += below(self.seconds, second % 60);
            }
        }
        count
    }

    /// The first matching day at or after one, counted from 1970-01-01. Looks at no more than the months of
    /// 131 years.
    pub(crate) fn next_day(&self, from_day: i64) -> Option<i64> {
        let from = date_of(from_day)?;
        let mut year = self.next_year(i32::from(from.year()))?;
        let (mut month, mut day) = if year == i32::from(from.year()) {
            (number(from.month()), number(from.day()))
        } else {
            (1, 1)
        };
        loop {
            while let Some(found) = next_bit(u64::from(self.months), month) {
                if found != month {
                    (month, day) = (found, 1);
                }
                let first =
                    Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, 1).ok()?;
                let days = self.days.in_month(calendar_month(first));
                if let Some(day) = next_bit(u64::from(days), day) {
                    return Some(day_of(first) + i64::from(day) - 1);
                }
                (month, day) = (month + 1, 1);
            }
            year = self.next_year(year + 1)?;
            (month, day) = (1, 1);
        }
    }

    /// The allowed years, if not all are.
    pub(crate) fn listed_years(&self) -> impl Iterator<Item = u32> {
        let all = (FIRST_YEAR..=LAST_YEAR).filter(|year| self.next_year(*year) == Some(*year));
        let years: Vec<i32> = all.collect();
        let is_all = years.len() as i32 == LAST_YEAR - FIRST_YEAR + 1;
        let listed = years.into_iter().filter(move |_| !is_all);
        listed.map(|year| year.unsigned_abs())
    }

    /// The first allowed year at or after one.
    pub(crate) fn next_year(&self, from: i32) -> Option<i32> {
        let from = u32::try_from(from - FIRST_YEAR).unwrap_or(0);
        let words = (0_u32..).zip(self.years).skip((from / 64) as usize);
        for (number, word) in words {
            if let Some(bit) = next_bit(word, from.saturating_sub(number * 64)) {
                return i32::try_from(number * 64 + bit)
                    .ok()
                    .map(|year| year + FIRST_YEAR);
            }
        }
        None
    }

    /// The first matching second of a day at or after one.
    fn next_time(&self, from: i64) -> Option<i64> {
        let from = u32::try_from(from).ok()?;
        let (hour, minute, second) = (from / 3600, from / 60 % 60, from % 60);
        let hours = u64::from(self.hours);
        if next_bit(hours, hour) == Some(hour) {
            if next_bit(self.minutes, minute) == Some(minute)
                && let Some(second) = next_bit(self.seconds, second)
            {
                return Some(time(hour, minute, second));
            }
            if let Some(minute) = next_bit(self.minutes, minute + 1) {
                return Some(time(hour, minute, next_bit(self.seconds, 0)?));
            }
        }
        let hour = next_bit(hours, hour + 1)?;
        Some(time(
            hour,
            next_bit(self.minutes, 0)?,
            next_bit(self.seconds, 0)?,
        ))
    }
}

fn time(hour: u32, minute: u32, second: u32) -> i64 {
    i64::from(hour * 3600 + minute * 60 + second)
}

fn calendar_month(first: Date) -> Month {
    Month {
        length: number(first.days_in_month()),
        first_weekday: number(first.weekday().to_sunday_zero_offset()),
    }
}

/// The date of a day counted from 1970-01-01.
pub(crate) fn date_of(day: i64) -> Option<Date> {
    let midnight = jiff::Timestamp::from_second(day.checked_mul(DAY_S)?).ok()?;
    Some(Offset::UTC.to_datetime(midnight).date())
}

/// The day of a date, counted from 1970-01-01.
pub(crate) fn day_of(date: Date) -> i64 {
    let midnight = Offset::UTC.to_timestamp(date.at(0, 0, 0, 0));
    midnight.map_or(0, |at| at.as_second().div_euclid(DAY_S))
}

/// A part of a date; none is negative here.
fn number(part: i8) -> u32 {
    u32::try_from(part).unwrap_or(0)
}

/// The lowest bit set at or above a number.
fn next_bit(set: u64, from: u32) -> Option<u32> {
    let rest = u64::MAX.checked_shl(from)? & set;
    (rest != 0).then(|| rest.trailing_zeros())
}
