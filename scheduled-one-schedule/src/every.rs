//! Fixed rates: ticks at `offset + k × period` since the Unix epoch.
//!
//! Aligned to the epoch, not to the start of a process: so replicas that start at different times agree on
//! every tick without messages.

use std::fmt;
use std::time::Duration;

use crate::duration::{format_ms, parse_duration};
use crate::error::{ScheduleError, ScheduleErrorKind};

/// The shortest period: 100 ms. Each tick is one claim on a shared store.
pub const MIN_PERIOD: Duration = Duration::from_millis(100);

/// The longest period: 366 days.
pub const MAX_PERIOD: Duration = Duration::from_secs(366 * 86_400);

/// A validated fixed rate. Invariant: `0 ≤ offset_ms < period_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Every {
    period_ms: i64,
    offset_ms: i64,
}

impl Every {
    pub(crate) fn new(period: Duration, offset: Duration) -> Result<Self, ScheduleError> {
        let refuse = |message: &str| ScheduleError::new(ScheduleErrorKind::Period, message);
        if period < MIN_PERIOD {
            return Err(refuse(&format!("the period {period:?} is too short"))
                .with_help("the shortest period is `100ms`"));
        }
        if period > MAX_PERIOD {
            return Err(refuse(&format!("the period {period:?} is too long"))
                .with_help("the longest period is `366d`; use a cron expression for rarer jobs"));
        }
        let Some(period_ms) = whole_ms(period) else {
            return Err(refuse(&format!(
                "the period {period:?} is not a whole number of milliseconds"
            ))
            .with_help("round it to milliseconds"));
        };
        let refuse = |message: String| ScheduleError::new(ScheduleErrorKind::Offset, message);
        if offset >= period {
            return Err(refuse(format!(
                "the offset {offset:?} is not less than the period {period:?}"
            ))
            .with_help(
                "the offset moves the ticks inside the period: use one from zero up to the period",
            ));
        }
        let Some(offset_ms) = whole_ms(offset) else {
            return Err(refuse(format!(
                "the offset {offset:?} is not a whole number of milliseconds"
            ))
            .with_help("round it to milliseconds"));
        };
        Ok(Self {
            period_ms,
            offset_ms,
        })
    }

    /// Period and offset.
    pub(crate) fn parts_ms(self) -> (i64, i64) {
        (self.period_ms, self.offset_ms)
    }

    pub(crate) fn next_after(self, after_ms: i64) -> Option<i64> {
        self.tick(self.index_at(after_ms) + 1)
    }

    pub(crate) fn latest_within(self, after_ms: i64, until_ms: i64) -> Option<i64> {
        self.tick(self.index_at(until_ms))
            .filter(|tick_ms| *tick_ms > after_ms)
    }

    pub(crate) fn count_within(self, after_ms: i64, until_ms: i64, cap: u64) -> u64 {
        let count = self.index_at(until_ms) - self.index_at(after_ms);
        u64::try_from(count.max(0)).unwrap_or(u64::MAX).min(cap)
    }

    /// The number, counted from the epoch, of the newest tick at or before an instant. 128 bits, so that no
    /// instant overflows.
    fn index_at(self, at_ms: i64) -> i128 {
        (i128::from(at_ms) - i128::from(self.offset_ms)).div_euclid(i128::from(self.period_ms))
    }

    fn tick(self, index: i128) -> Option<i64> {
        i64::try_from(index * i128::from(self.period_ms) + i128::from(self.offset_ms)).ok()
    }
}

impl fmt::Display for Every {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "every {}", format_ms(self.period_ms.unsigned_abs()))?;
        if self.offset_ms != 0 {
            write!(f, " offset {}", format_ms(self.offset_ms.unsigned_abs()))?;
        }
        Ok(())
    }
}

/// Whether a text is a duration that may be a period.
pub(crate) fn is_period(text: &str) -> bool {
    parse_duration(text).is_ok_and(|period| Every::new(period, Duration::ZERO).is_ok())
}

fn whole_ms(duration: Duration) -> Option<i64> {
    let ms = i64::try_from(duration.as_millis()).ok()?;
    duration
        .subsec_nanos()
        .is_multiple_of(1_000_000)
        .then_some(ms)
}
