//! A schedule with a restriction: the ticks of the plain schedule that pass.
//!
//! No search steps through ticks that do not pass. The restriction says until when an answer holds, and the plain
//! schedule jumps there; in a stretch in which all pass, it counts by itself.

use std::fmt;

use crate::Schedule;
use crate::cron::PRESENT_S;
use crate::error::{ScheduleError, ScheduleErrorKind};
use crate::identity::Digest;
use crate::restriction::{Limits, Restriction};
use crate::zone::Zone;

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Restricted {
    plain: Schedule,
    limits: Limits,
}

impl Restricted {
    pub(crate) fn plain(&self) -> &Schedule {
        &self.plain
    }

    pub(crate) fn new(plain: Schedule, restriction: Restriction) -> Result<Self, ScheduleError> {
        Self::of_limits(plain, restriction.into_limits()?)
    }

    /// The same limits for another schedule.
    pub(crate) fn with_plain(&self, plain: Schedule) -> Result<Self, ScheduleError> {
        Self::of_limits(plain, self.limits.clone())
    }

    fn of_limits(plain: Schedule, limits: Limits) -> Result<Self, ScheduleError> {
        let restricted = Self { plain, limits };
        match restricted.comes() {
            true => Ok(restricted),
            false => Err(restricted.never()),
        }
    }

    /// The first tick in `(after_ms, until_ms]`. The work is bounded: a step for each day until then, at most.
    pub(crate) fn next_within(&self, after_ms: i64, until_ms: i64) -> Option<i64> {
        let until_ms = until_ms.min(self.limits.end_ms() - 1);
        let mut after_ms = after_ms.max(self.limits.start_ms() - 1);
        loop {
            let tick_ms = self.plain.next_after(after_ms)?;
            if tick_ms > until_ms {
                return None;
            }
            let stretch = self.limits.stretch(tick_ms);
            if stretch.open {
                return Some(tick_ms);
            }
            // A stretch ends after the instant that is in it.
            after_ms = stretch.until_ms - 1;
        }
    }

    pub(crate) fn latest_within(&self, after_ms: i64, until_ms: i64) -> Option<i64> {
        let until_ms = until_ms.min(self.limits.end_ms() - 1);
        let after_ms = after_ms.max(self.limits.start_ms() - 1);
        // Usually the newest of the plain ones passes.
        let newest_ms = self.plain.latest_within(after_ms, until_ms)?;
        if self.limits.stretch(newest_ms).open {
            return Some(newest_ms);
        }
        latest(after_ms, newest_ms, |after_ms, until_ms| {
            self.next_within(after_ms, until_ms)
        })
    }

    pub(crate) fn count_within(&self, after_ms: i64, until_ms: i64, cap: u64) -> u64 {
        let end_ms = until_ms.saturating_add(1).min(self.limits.end_ms());
        let mut at_ms = after_ms.saturating_add(1).max(self.limits.start_ms());
        let mut count = 0;
        while at_ms < end_ms && count < cap {
            let stretch = self.limits.stretch(at_ms);
            let to_ms = stretch.until_ms.min(end_ms);
            if stretch.open {
                count += self.plain.count_within(at_ms - 1, to_ms - 1, cap - count);
            }
            at_ms = to_ms;
        }
        count
    }

    pub(crate) fn zone(&self) -> Zone {
        self.limits.zone().clone()
    }

    pub(crate) fn digest(&self, digest: &mut Digest) {
        self.plain.digest(digest);
        self.limits.digest(digest);
    }

    /// Whether it has a tick from 2026 on. (In the far east the year begins before it does in UTC.)
    fn comes(&self) -> bool {
        let from_ms = (PRESENT_S - 2 * 86_400) * 1000;
        self.next_within(from_ms, i64::MAX).is_some()
    }

    /// The error for a schedule without a tick: which part of the restriction takes the last one.
    fn never(&self) -> ScheduleError {
        let comes = |limits: Limits| {
            Self {
                plain: self.plain.clone(),
                limits,
            }
            .comes()
        };
        let plain = &self.plain;
        let (kind, why, help) = if comes(self.limits.at_any_time()) {
            (
                ScheduleErrorKind::Within,
                "lies within the times of `within`",
                "move the times of the schedule into `within`, or widen `within`",
            )
        } else if comes(self.limits.on_any_day()) {
            (
                ScheduleErrorKind::Except,
                "is on a day that `except` leaves",
                "leave out an item of `except`, or add days to the schedule",
            )
        } else if comes(self.limits.in_any_year()) {
            (
                ScheduleErrorKind::End,
                "lies between `start` and `end`, from 2026 on",
                "write an earlier `start` or a later `end`",
            )
        } else {
            (
                ScheduleErrorKind::Never,
                "passes `start`, `end`, `within` and `except` together",
                "leave one of them out, or widen them",
            )
        };
        ScheduleError::new(
            kind,
            format!("the job is never due: no tick of {plain} {why}"),
        )
        .with_help(help)
    }
}

impl fmt::Display for Restricted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (plain, limits) = (&self.plain, &self.limits);
        write!(f, "{plain}")?;
        if plain.zone() != *limits.zone() {
            write!(f, ", in {}", limits.zone())?;
        }
        write!(f, "{limits}")
    }
}

/// The last instant in `(after, until]` of those that `next` finds one by one, by bisection: `next` gives the first
/// one in a range of that form.
pub(crate) fn latest(
    after: i64,
    until: i64,
    next: impl Fn(i64, i64) -> Option<i64>,
) -> Option<i64> {
    let mut latest = next(after, until)?;
    let mut none_after = until;
    // Invariant: `latest` is one of them, and after `none_after` there is none.
    while latest < none_after {
        let middle = latest + (none_after - latest) / 2;
        match next(middle, until) {
            Some(later) => latest = later,
            None => none_after = middle,
        }
    }
    Some(latest)
}
