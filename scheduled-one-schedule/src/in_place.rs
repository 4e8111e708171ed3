//! A schedule in place of another one, as operators write it.

use std::sync::Arc;
use std::time::Duration;

use crate::duration::parse_duration;
use crate::error::ScheduleError;
use crate::zone::Zone;
use crate::{Kind, Schedule};

/// What stands in front of the period of a fixed rate.
const EVERY: &str = "every ";
/// What stands in front of its offset.
const OFFSET: &str = " offset ";

impl Schedule {
    /// Reads a schedule from one text: `every 5m`, `every 90s offset 10s`, or a cron expression, which is read in the
    /// time zone.
    ///
    /// ```
    /// use scheduled_one_schedule::{Schedule, Zone};
    ///
    /// let rate = Schedule::parse("every 90s offset 10s", Zone::utc()).unwrap();
    /// assert_eq!(rate.next_after(0), Some(10_000));
    /// let hourly = Schedule::parse("0 0 * * * *", Zone::utc()).unwrap();
    /// assert_eq!(hourly.next_after(0), Some(3_600_000));
    /// ```
    ///
    /// # Errors
    ///
    /// As those of [`cron`](Self::cron), [`every`](Self::every) and [`parse_duration`].
    pub fn parse(text: &str, zone: Zone) -> Result<Self, ScheduleError> {
        let text = text.trim();
        let Some(rate) = text.strip_prefix(EVERY) else {
            return Self::cron(text, zone);
        };
        let (period, offset) = match rate.split_once(OFFSET) {
            Some((period, offset)) => (period, parse_duration(offset.trim())?),
            None => (rate, Duration::ZERO),
        };
        Self::every(parse_duration(period.trim())?, offset)
    }

    /// The restriction of this schedule with another rate: what it takes is taken from `plain`, which has no
    /// restriction of its own.
    ///
    /// ```
    /// use std::time::Duration;
    /// use scheduled_one_schedule::{Restriction, Schedule, Zone};
    ///
    /// # fn main() -> Result<(), scheduled_one_schedule::ScheduleError> {
    /// let weekdays = Restriction::new(Zone::utc()).except("SUN")?;
    /// let nightly = Schedule::cron("0 30 2 * * *", Zone::utc())?.restricted(weekdays)?;
    /// let later = nightly.with_rate_of(Schedule::cron("0 0 4 * * *", Zone::utc())?)?;
    /// // Sunday, January 4, 1970, has no tick.
    /// assert_eq!(later.next_after(3 * 86_400_000), Some((4 * 24 + 4) * 3_600_000));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The restriction leaves no tick of that rate.
    pub fn with_rate_of(&self, plain: Schedule) -> Result<Self, ScheduleError> {
        match &self.0 {
            Kind::Restricted(restricted) => {
                let restricted = restricted.with_plain(plain)?;
                Ok(Self(Kind::Restricted(Arc::new(restricted))))
            }
            Kind::Cron(_) | Kind::Every(_) | Kind::Manual => Ok(plain),
        }
    }
}
