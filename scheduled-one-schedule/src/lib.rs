//! *When* a scheduled-one job is due: cron expressions and fixed rates to UTC instants; and its policies.
//!
//! A pure crate: no clock, no `unsafe`, and no I/O but the reading of [zone data](ZoneData). The attribute and the
//! runtime share this one parser, so a job that compiles also starts. All instants are UTC Unix milliseconds.
//!
//! ```
//! use scheduled_one_schedule::{Schedule, parse_zone};
//!
//! # fn main() -> Result<(), scheduled_one_schedule::ScheduleError> {
//! let mondays = Schedule::cron("0 0 9 * * MON", parse_zone("Asia/Shanghai")?)?;
//! // From Thursday 2026-01-01T00:00:00Z: Monday, January 5, 09:00 in Shanghai.
//! assert_eq!(mondays.next_after(1_767_225_600_000), Some(1_767_574_800_000));
//! assert_eq!(mondays.to_string(), r#"cron "0 0 9 * * MON" in Asia/Shanghai"#);
//! # Ok(())
//! # }
//! ```
//!
#![doc = include_str!("../docs/schedules.md")]

// The modules in the order in which an expression meets them.

/// Text → six or seven fields → validated expression.
mod cron;

/// Words for whole expressions, such as `@daily`.
mod aliases;

/// The grammar of one field, and its errors.
mod field;

/// The day-of-month field: `L`, `W`.
mod day_of_month;

/// The day-of-week field: names only, `L`, `#`.
mod weekday;

/// Weekdays by number, as other schedulers read them.
mod weekday_numbers;

/// After a refusal: what the text means elsewhere, and what to write here.
mod way_out;

/// The matching values, as bits, and the search for the next match in local time.
mod fields;

/// `L`, `W` and `#`.
mod day_filter;

/// Local time → UTC, across daylight saving.
mod zone;

/// Where the rules of zones come from.
mod zone_data;

/// How far two words are apart.
mod spelling;

/// Names of zones that do not exist: what to write instead.
mod zone_suggestion;

/// The tables for it: cities, abbreviations.
mod zone_names;

/// Fixed rates.
mod every;

/// Durations: `90s`, `1h30m`.
mod duration;

/// What tells two schedules apart.
mod identity;

/// The error of all parsers: a message and the way out.
mod error;

pub mod policy;

pub mod name;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

// For the attribute's own suggestions.
#[doc(hidden)]
pub use spelling::distance;

pub use crate::duration::parse_duration;
pub use crate::error::{ScheduleError, ScheduleErrorKind};
pub use crate::every::{MAX_PERIOD, MIN_PERIOD};
pub use crate::identity::ScheduleIdentity;
pub use crate::zone::{Zone, parse_zone};
pub use crate::zone_data::ZoneData;

use crate::cron::Cron;
use crate::every::Every;
use crate::identity::Digest;

/// The instants at which a job is due.
///
/// Cheap to clone and to keep: 24 bytes, and for cron about 150 more, shared by its clones. `Display` gives
/// the canonical text, such as `cron "0 0 9 * * MON" in Asia/Shanghai` or `every 90s offset 10s`.
#[derive(Clone, PartialEq, Eq)]
pub struct Schedule(Kind);

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    Cron(Arc<Cron>),
    Every(Every),
}

impl Schedule {
    /// A cron expression, read in a time zone. The grammar is in the [crate's documentation](crate).
    ///
    /// ```
    /// use scheduled_one_schedule::{Schedule, Zone};
    ///
    /// assert!(Schedule::cron("0 0 18 LW * ?", Zone::utc()).is_ok());
    /// let error = Schedule::cron("0 0 25 * * ?", Zone::utc()).unwrap_err();
    /// assert_eq!(error.to_string(), "the hour field `25` is out of range; allowed: 0-23");
    /// ```
    ///
    /// # Errors
    ///
    /// Names the field, the text and the way out: see [`ScheduleErrorKind`].
    pub fn cron(expression: &str, zone: Zone) -> Result<Self, ScheduleError> {
        Ok(Self(Kind::Cron(Arc::new(Cron::new(expression, zone)?))))
    }

    /// A fixed rate: every instant at `offset + k × period` since the Unix epoch, for every whole `k`.
    ///
    /// ```
    /// use scheduled_one_schedule::Schedule;
    /// use std::time::Duration;
    ///
    /// let schedule = Schedule::every(Duration::from_secs(90), Duration::from_secs(10)).unwrap();
    /// assert_eq!(schedule.next_after(0), Some(10_000));
    /// assert_eq!(schedule.next_after(10_000), Some(100_000));
    /// ```
    ///
    /// # Errors
    ///
    /// A period below [`MIN_PERIOD`] or above [`MAX_PERIOD`], an offset not below the period, or either not in
    /// whole milliseconds.
    pub fn every(period: Duration, offset: Duration) -> Result<Self, ScheduleError> {
        Ok(Self(Kind::Every(Every::new(period, offset)?)))
    }

    /// The first tick strictly after an instant (Unix milliseconds).
    ///
    /// For cron: whole seconds, from 1970 until the end of 2099, then `None`. The work is bounded, whatever the
    /// expression.
    #[must_use]
    pub fn next_after(&self, after_ms: i64) -> Option<i64> {
        match &self.0 {
            Kind::Every(every) => every.next_after(after_ms),
            Kind::Cron(cron) => cron
                .next_after_s(after_ms.div_euclid(1000))
                .map(|tick_s| tick_s * 1000),
        }
    }

    /// The newest tick in `(after_ms, until_ms]` (Unix milliseconds).
    ///
    /// By arithmetic for a fixed rate. For cron by bisection of [`next_after`](Self::next_after), which only
    /// grows: about 30 steps for any window, never one per tick.
    ///
    /// ```
    /// use scheduled_one_schedule::{Schedule, Zone};
    ///
    /// let hourly = Schedule::cron("@hourly", Zone::utc()).unwrap();
    /// assert_eq!(hourly.latest_within(0, 8_000_000), Some(7_200_000));
    /// assert_eq!(hourly.latest_within(7_200_000, 8_000_000), None);
    /// ```
    #[must_use]
    pub fn latest_within(&self, after_ms: i64, until_ms: i64) -> Option<i64> {
        let cron = match &self.0 {
            Kind::Every(every) => return every.latest_within(after_ms, until_ms),
            Kind::Cron(cron) => cron,
        };
        // The window in which ticks can be; it keeps the sums below from overflowing.
        let until_s = until_ms.div_euclid(1000).min(zone::HORIZON_S);
        let after_s = after_ms.div_euclid(1000).max(-1);
        let next_by = |after_s| {
            cron.next_after_s(after_s)
                .filter(|tick_s| *tick_s <= until_s)
        };
        let mut latest_s = next_by(after_s)?;
        let mut none_after_s = until_s;
        // Invariant: `latest_s` is a tick, and after `none_after_s` there is none.
        while latest_s < none_after_s {
            let middle_s = latest_s + (none_after_s - latest_s) / 2;
            match next_by(middle_s) {
                Some(tick_s) => latest_s = tick_s,
                None => none_after_s = middle_s,
            }
        }
        Some(latest_s * 1000)
    }

    /// The number of ticks in `(after_ms, until_ms]` (Unix milliseconds), at most `cap`.
    ///
    /// By arithmetic for a fixed rate. For cron a step for each day that has ticks, and within a day by arithmetic.
    #[must_use]
    pub fn count_within(&self, after_ms: i64, until_ms: i64, cap: u64) -> u64 {
        match &self.0 {
            Kind::Every(every) => every.count_within(after_ms, until_ms, cap),
            Kind::Cron(cron) => {
                let from_s = after_ms.div_euclid(1000).saturating_add(1);
                let to_s = until_ms.div_euclid(1000).saturating_add(1);
                cron.count_s(from_s, to_s, cap).min(cap)
            }
        }
    }

    /// The time zone of a cron expression; UTC for a fixed rate, which has none.
    #[must_use]
    pub fn zone(&self) -> Zone {
        match &self.0 {
            Kind::Cron(cron) => cron.zone().clone(),
            Kind::Every(_) => Zone::utc(),
        }
    }

    /// What tells this schedule apart from others: the same on each node whose ticks are the same.
    #[must_use]
    pub fn identity(&self) -> ScheduleIdentity {
        match &self.0 {
            Kind::Cron(cron) => cron.identity(),
            Kind::Every(every) => {
                let mut digest = Digest::default();
                digest.text(&every.to_string());
                ScheduleIdentity::new(&digest)
            }
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Cron(cron) => cron.fmt(f),
            Kind::Every(every) => every.fmt(f),
        }
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schedule({self})")
    }
}
