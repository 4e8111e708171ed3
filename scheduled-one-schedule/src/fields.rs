//! The values that a validated expression matches, as sets of bits, and the search for the next match.
//!
//! Local time here is a plain number: seconds since 1970-01-01T00:00:00 on the wall clock, as if it were UTC.

use chrono::{Datelike, NaiveDate};

use crate::day_filter::{DayFilter, Month};

const DAY_S: i64 = 86_400;
const FIRST_YEAR: i32 = 1970;

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

    /// The first matching day at or after one, counted from 1970-01-01. Looks at no more than the months of
    /// 131 years.
    pub(crate) fn next_day(&self, from_day: i64) -> Option<i64> {
        let from = NaiveDate::from_epoch_days(i32::try_from(from_day).ok()?)?;
        let mut year = self.next_year(from.year())?;
        let (mut month, mut day) = if year == from.year() {
            (from.month(), from.day())
        } else {
            (1, 1)
        };
        loop {
            while let Some(found) = next_bit(u64::from(self.months), month) {
                if found != month {
                    (month, day) = (found, 1);
                }
                let first = NaiveDate::from_ymd_opt(year, month, 1)?;
                let days = self.days.in_month(calendar_month(first));
                if let Some(day) = next_bit(u64::from(days), day) {
                    return Some(i64::from(first.to_epoch_days()) + i64::from(day) - 1);
                }
                (month, day) = (month + 1, 1);
            }
            year = self.next_year(year + 1)?;
            (month, day) = (1, 1);
        }
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

fn calendar_month(first: NaiveDate) -> Month {
    let length = u32::from(first.num_days_in_month());
    Month {
        length,
        first_weekday: first.weekday().num_days_from_sunday(),
    }
}

/// The lowest bit set at or above a number.
fn next_bit(set: u64, from: u32) -> Option<u32> {
    let rest = u64::MAX.checked_shl(from)? & set;
    (rest != 0).then(|| rest.trailing_zeros())
}
