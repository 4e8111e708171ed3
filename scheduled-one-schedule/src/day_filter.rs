//! The days of a month that match: plain days and weekdays, and Quartz's `L`, `W` and `#`, which the `cron`
//! crate lacks.
//!
//! Everything is a set of bits, and a month's answer is one: so a list may mix plain values with all the
//! others (`1,15,L`, `MON#1,FRIL`), and both fields together are one AND.
//!
//! Source: the `CronExpression` documentation of Quartz and of Spring. Where those two differ, or are silent:
//! `31W` and `L-30` do not exist in a month too short for them, and `W` never leaves its month, nor does `L-3W`.

/// The days one expression allows. Weekdays count from 0 = Sunday; day `d` of the month is bit `d`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DayFilter {
    /// Plain days of the month: bits 1–31.
    pub(crate) days: u32,
    /// `L-n`: bit n, 0–30. `L` is bit 0.
    pub(crate) days_before_last: u32,
    /// `15W`, the weekday (Monday to Friday) nearest to the 15th in its month: bits 1–31.
    pub(crate) nearest_weekday: u32,
    /// `L-nW`, the weekday nearest to the day n before the last: bit n, 0–30. `LW` is bit 0.
    pub(crate) weekdays_before_last: u32,
    /// Plain weekdays: bits 0–6.
    pub(crate) weekdays: u8,
    /// `FRIL`, the last Friday: bits 0–6.
    pub(crate) weekdays_last: u8,
    /// `MON#2`, the second Monday: bit 0 of element 1.
    pub(crate) weekdays_nth: [u8; 5],
}

/// Length and first weekday of a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Month {
    /// Number of days, 28–31.
    pub(crate) length: u32,
    /// Weekday of the first, 0 = Sunday.
    pub(crate) first_weekday: u32,
}

impl DayFilter {
    /// The matching days of a month, as bits 1–31.
    pub(crate) fn in_month(&self, month: Month) -> u32 {
        self.by_day(month) & self.by_weekday(month) & month.all_days()
    }

    fn by_day(&self, month: Month) -> u32 {
        let mut matching = self.days;
        for back in bits(self.days_before_last) {
            if back < month.length {
                matching |= 1 << (month.length - back);
            }
        }
        for day in bits(self.nearest_weekday) {
            if day <= month.length {
                matching |= 1 << month.nearest_weekday(day);
            }
        }
        for back in bits(self.weekdays_before_last) {
            if back < month.length {
                matching |= 1 << month.nearest_weekday(month.length - back);
            }
        }
        matching
    }

    fn by_weekday(&self, month: Month) -> u32 {
        /// The first and every seventh day after it.
        const WEEKLY: u32 = 1 | 1 << 7 | 1 << 14 | 1 << 21 | 1 << 28;
        const ALL_WEEKDAYS: u8 = 0b111_1111;
        if self.weekdays == ALL_WEEKDAYS {
            return month.all_days();
        }
        let mut matching = 0;
        for weekday in 0..7 {
            let first = 1 + (weekday + 7 - month.first_weekday) % 7;
            if self.weekdays & 1 << weekday != 0 {
                matching |= WEEKLY << first;
            }
            if self.weekdays_last & 1 << weekday != 0 {
                matching |= 1 << (first + (month.length - first) / 7 * 7);
            }
            for (weeks, nth) in (0..).zip(self.weekdays_nth) {
                let day = first + 7 * weeks;
                if nth & 1 << weekday != 0 && day <= month.length {
                    matching |= 1 << day;
                }
            }
        }
        matching
    }
}

impl Month {
    fn all_days(self) -> u32 {
        // Bits 1 to length. 64 bits on the way, because bit 32 is one past a month of 31 days.
        u32::try_from((1_u64 << (self.length + 1)) - 2).unwrap_or(u32::MAX - 1)
    }

    fn weekday(self, day: u32) -> u32 {
        (self.first_weekday + day - 1) % 7
    }

    fn nearest_weekday(self, day: u32) -> u32 {
        match self.weekday(day) {
            6 if day == 1 => 3,
            6 => day - 1,
            0 if day == self.length => day - 2,
            0 => day + 1,
            _ => day,
        }
    }
}

/// The numbers of the bits set, lowest first.
fn bits(mut set: u32) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let lowest = (set != 0).then(|| set.trailing_zeros())?;
        set &= set - 1;
        Some(lowest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// August 2026 begins on a Saturday and ends on a Monday.
    const AUGUST: Month = Month {
        length: 31,
        first_weekday: 6,
    };
    /// May 2026 begins on a Friday and ends on a Sunday.
    const MAY: Month = Month {
        length: 31,
        first_weekday: 5,
    };
    /// February 2026 begins on a Sunday and ends on a Saturday.
    const FEBRUARY: Month = Month {
        length: 28,
        first_weekday: 0,
    };

    fn days(set: u32) -> Vec<u32> {
        bits(set).collect()
    }

    fn by_day(filter: DayFilter, month: Month) -> Vec<u32> {
        days(
            DayFilter {
                weekdays: 0b111_1111,
                ..filter
            }
            .in_month(month),
        )
    }

    fn by_weekday(filter: DayFilter, month: Month) -> Vec<u32> {
        days(
            DayFilter {
                days: u32::MAX,
                ..filter
            }
            .in_month(month),
        )
    }

    #[test]
    fn nearest_weekday_never_leaves_its_month() {
        let first = DayFilter {
            nearest_weekday: 1 << 1,
            ..DayFilter::default()
        };
        assert_eq!(
            by_day(first.clone(), AUGUST),
            [3],
            "Saturday the 1st: Monday the 3rd, not July"
        );
        assert_eq!(by_day(first.clone(), FEBRUARY), [2], "Sunday the 1st");
        assert_eq!(by_day(first, MAY), [1], "Friday the 1st");
        let last = DayFilter {
            nearest_weekday: 1 << 31,
            ..DayFilter::default()
        };
        assert_eq!(
            by_day(last.clone(), MAY),
            [29],
            "Sunday the 31st: Friday the 29th, not June"
        );
        assert_eq!(by_day(last, FEBRUARY), [], "there is no 31st");
        let middle = DayFilter {
            nearest_weekday: 1 << 15 | 1 << 16,
            ..DayFilter::default()
        };
        assert_eq!(by_day(middle, AUGUST), [14, 17], "a weekend is split");
    }

    #[test]
    fn days_are_counted_back_from_the_last() {
        let back = DayFilter {
            days_before_last: 1 | 1 << 3 | 1 << 29,
            ..DayFilter::default()
        };
        assert_eq!(by_day(back.clone(), MAY), [2, 28, 31]);
        assert_eq!(
            by_day(back, FEBRUARY),
            [25, 28],
            "29 days before the 28th is no day"
        );
        let last_weekday = DayFilter {
            weekdays_before_last: 1,
            ..DayFilter::default()
        };
        assert_eq!(by_day(last_weekday.clone(), MAY), [29]);
        assert_eq!(by_day(last_weekday.clone(), FEBRUARY), [27]);
        assert_eq!(by_day(last_weekday, AUGUST), [31]);
        let near_the_end = DayFilter {
            weekdays_before_last: 1 << 1 | 1 << 3 | 1 << 30,
            ..DayFilter::default()
        };
        assert_eq!(
            by_day(near_the_end.clone(), MAY),
            [1, 28, 29],
            "Friday the 1st, Thursday the 28th, and Friday the 29th for Saturday the 30th"
        );
        assert_eq!(
            by_day(near_the_end.clone(), FEBRUARY),
            [25, 27],
            "30 days before the 28th is no day"
        );
        assert_eq!(
            by_day(near_the_end, AUGUST),
            [3, 28, 31],
            "Saturday the 1st: Monday the 3rd; Sunday the 30th: Monday the 31st"
        );
    }

    #[test]
    fn weekdays_are_counted_from_either_end() {
        let last_friday = DayFilter {
            weekdays_last: 1 << 5,
            ..DayFilter::default()
        };
        assert_eq!(by_weekday(last_friday.clone(), MAY), [29]);
        assert_eq!(by_weekday(last_friday, AUGUST), [28]);
        let nth = DayFilter {
            weekdays_nth: [1 << 1, 0, 0, 0, 1 << 1],
            ..DayFilter::default()
        };
        assert_eq!(
            by_weekday(nth.clone(), AUGUST),
            [3, 31],
            "first and fifth Monday"
        );
        assert_eq!(by_weekday(nth, MAY), [4], "May has four Mondays");
        let mondays = DayFilter {
            weekdays: 1 << 1,
            ..DayFilter::default()
        };
        assert_eq!(by_weekday(mondays, FEBRUARY), [2, 9, 16, 23]);
    }
}
