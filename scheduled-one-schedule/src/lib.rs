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

/// Times and days that are taken from a schedule.
mod restriction;

/// The ticks that are left.
mod restricted;

/// A schedule in place of another one.
mod in_place;

/// Days with a name.
mod calendar;

/// What tells two schedules apart.
mod identity;

/// A schedule for people.
mod words;

/// The error of all parsers: a message and the way out.
mod error;

pub mod alert;

pub mod policy;

pub mod name;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

// For the attribute's own suggestions.
#[doc(hidden)]
pub use spelling::distance;

pub use crate::calendar::Calendar;
pub use crate::duration::parse_duration;
pub use crate::error::{ScheduleError, ScheduleErrorKind};
pub use crate::every::{MAX_PERIOD, MIN_PERIOD};
pub use crate::identity::ScheduleIdentity;
pub use crate::restriction::Restriction;
pub use crate::zone::{Zone, parse_zone};
pub use crate::zone_data::ZoneData;

use crate::cron::Cron;
use crate::every::Every;
use crate::identity::Digest;
use crate::restricted::{Restricted, latest};

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
    Restricted(Arc<Restricted>),
    Manual,
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

    /// No tick at all: for a job that runs only if somebody asks for it.
    ///
    /// ```
    /// use scheduled_one_schedule::Schedule;
    ///
    /// assert_eq!(Schedule::manual().next_after(0), None);
    /// assert_eq!(Schedule::manual().to_string(), "on request");
    /// ```
    #[must_use]
    pub fn manual() -> Self {
        Self(Kind::Manual)
    }

    /// The schedule without the ticks that a restriction takes: before its start, from its end on, outside of its
    /// times of day, and on its days. What is taken is no tick for any function of the schedule.
    ///
    /// ```
    /// use scheduled_one_schedule::{Restriction, Schedule, Zone};
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), scheduled_one_schedule::ScheduleError> {
    /// let nights = Restriction::new(Zone::utc()).within("22:00-06:00")?;
    /// let schedule = Schedule::every(Duration::from_secs(3600), Duration::ZERO)?.restricted(nights)?;
    /// // After 05:00 of the first day comes 22:00.
    /// assert_eq!(schedule.next_after(5 * 3_600_000), Some(22 * 3_600_000));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// There is no tick left from 2026 on, with the part of the restriction that takes the last one; or a calendar is
    /// named that was not given.
    pub fn restricted(self, restriction: Restriction) -> Result<Self, ScheduleError> {
        if restriction.is_empty() {
            return Ok(self);
        }
        let restricted = Restricted::new(self, restriction)?;
        Ok(Self(Kind::Restricted(Arc::new(restricted))))
    }

    /// The first tick strictly after an instant (Unix milliseconds).
    ///
    /// For cron: whole seconds, from 1970 until the end of 2099, then `None`; so for a restricted schedule. The work is
    /// bounded, whatever the expression.
    #[must_use]
    pub fn next_after(&self, after_ms: i64) -> Option<i64> {
        match &self.0 {
            Kind::Every(every) => every.next_after(after_ms),
            Kind::Manual => None,
            Kind::Restricted(restricted) => restricted.next_within(after_ms, i64::MAX),
            Kind::Cron(cron) => cron
                .next_after_s(after_ms.div_euclid(1000))
                .map(|tick_s| tick_s * 1000),
        }
    }

    /// The newest tick in `(after_ms, until_ms]` (Unix milliseconds).
    ///
    /// By arithmetic for a fixed rate. For cron by bisection of [`next_after`](Self::next_after), which only
    /// grows: about 30 steps for any range, never one per tick. For a restricted schedule by bisection, if the
    /// newest tick of the plain one is taken.
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
            Kind::Manual => return None,
            Kind::Restricted(restricted) => return restricted.latest_within(after_ms, until_ms),
            Kind::Cron(cron) => cron,
        };
        // The range in which ticks can be; it keeps the sums below from overflowing.
        let until_s = until_ms.div_euclid(1000).min(zone::HORIZON_S);
        let after_s = after_ms.div_euclid(1000).max(-1);
        let latest_s = latest(after_s, until_s, |after_s, until_s| {
            cron.next_after_s(after_s)
                .filter(|tick_s| *tick_s <= until_s)
        });
        latest_s.map(|tick_s| tick_s * 1000)
    }

    /// The number of ticks in `(after_ms, until_ms]` (Unix milliseconds), at most `cap`.
    ///
    /// By arithmetic for a fixed rate. For cron a step for each day that has ticks, and within a day by arithmetic; the
    /// same for each stretch that a restriction leaves.
    #[must_use]
    pub fn count_within(&self, after_ms: i64, until_ms: i64, cap: u64) -> u64 {
        match &self.0 {
            Kind::Every(every) => every.count_within(after_ms, until_ms, cap),
            Kind::Manual => 0,
            Kind::Restricted(restricted) => restricted.count_within(after_ms, until_ms, cap),
            Kind::Cron(cron) => {
                let from_s = after_ms.div_euclid(1000).saturating_add(1);
                let to_s = until_ms.div_euclid(1000).saturating_add(1);
                cron.count_s(from_s, to_s, cap).min(cap)
            }
        }
    }

    /// The ticks strictly after an instant (Unix milliseconds), in order: without end for a fixed rate.
    ///
    /// ```
    /// use scheduled_one_schedule::{Schedule, Zone};
    ///
    /// let hourly = Schedule::cron("@hourly", Zone::utc()).unwrap();
    /// let next: Vec<i64> = hourly.after(0).take(2).collect();
    /// assert_eq!(next, [3_600_000, 7_200_000]);
    /// ```
    pub fn after(&self, after_ms: i64) -> impl Iterator<Item = i64> + '_ {
        let next = |after: &i64| self.next_after(*after);
        std::iter::successors(next(&after_ms), next)
    }

    /// The ticks in a half-open range of instants (Unix milliseconds), in order: its start may be one, its end is
    /// none.
    ///
    /// ```
    /// use scheduled_one_schedule::{Schedule, Zone};
    ///
    /// let hourly = Schedule::cron("@hourly", Zone::utc()).unwrap();
    /// assert_eq!(hourly.matching(0..7_200_000).collect::<Vec<_>>(), [0, 3_600_000]);
    /// ```
    pub fn matching(&self, range_ms: Range<i64>) -> impl Iterator<Item = i64> + '_ {
        let Range { start, end } = range_ms;
        // No schedule has a tick at the first instant that there is.
        self.after(start.saturating_sub(1))
            .take_while(move |tick_ms| *tick_ms < end)
    }

    /// The time zone of a cron expression or of a restriction; UTC for a fixed rate alone, which has none.
    #[must_use]
    pub fn zone(&self) -> Zone {
        match &self.0 {
            Kind::Restricted(restricted) => restricted.zone(),
            Kind::Cron(cron) => cron.zone().clone(),
            Kind::Every(_) | Kind::Manual => Zone::utc(),
        }
    }

    /// The cron expression, with single spaces and upper-case names; `None` of another kind of schedule. A restriction
    /// is not in it.
    #[must_use]
    pub fn cron_text(&self) -> Option<&str> {
        match &self.0 {
            Kind::Cron(cron) => Some(cron.text()),
            Kind::Restricted(restricted) => restricted.plain().cron_text(),
            Kind::Every(_) | Kind::Manual => None,
        }
    }

    /// What tells this schedule apart from others: the same on each node whose ticks are the same.
    #[must_use]
    pub fn identity(&self) -> ScheduleIdentity {
        if let Kind::Cron(cron) = &self.0 {
            return cron.identity();
        }
        let mut digest = Digest::default();
        digest.text(&self.to_string());
        self.digest(&mut digest);
        ScheduleIdentity::new(&digest)
    }

    /// Adds what the text does not say: rules of zones, dates of calendars.
    fn digest(&self, digest: &mut Digest) {
        match &self.0 {
            Kind::Cron(cron) => cron.zone().digest(digest),
            Kind::Every(_) | Kind::Manual => {}
            Kind::Restricted(restricted) => restricted.digest(digest),
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Cron(cron) => cron.fmt(f),
            Kind::Every(every) => every.fmt(f),
            Kind::Manual => f.write_str("on request"),
            Kind::Restricted(restricted) => restricted.fmt(f),
        }
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schedule({self})")
    }
}
