//! Directives: what operators want of a job, or of all jobs: that it is paused, that it has another schedule. They are
//! versioned, and each living node keeps a copy of all, from which a store that forgot them learns them again.

mod all;
mod backfill;
mod text;

use crate::schedule::ScheduleId;
use crate::value::TickMs;

pub use all::{Directives, InForce};
pub use backfill::{Backfill, BackfillRange, MAX_BACKFILL_RANGES, MAX_BACKFILL_TICKS};

/// The subject of the directive for all jobs.
pub const ALL_JOBS: &str = "*";

/// Past pauses that a directive keeps; of more, the oldest are forgotten, and their undecided ticks count as missed.
pub const MAX_PAST_PAUSES: usize = 8;

/// What operators want of a job. `Display` gives the text that a store keeps; it begins with the version, and beginning
/// and end of the pause, which is all that a claim needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Directive {
    /// Its version: each change has a higher one than all before it. 0 if nothing was ever wanted.
    pub version: u64,
    /// When it was changed last, by the store's clock.
    pub changed_at_ms: i64,
    /// Who changed it last.
    pub by: String,
    /// Why, in words for a reader; may be empty.
    pub note: String,
    /// Who asked for what lasts: the pause, or the backfill of a subject that is one's. Other changes leave it.
    pub asked_by: String,
    /// Why that was asked for.
    pub asked_note: String,
    /// The pause that was asked for last and not ended. It may have ended by itself.
    pub pause: Option<Pause>,
    /// Pauses that are over, oldest first, at most [`MAX_PAST_PAUSES`]: undecided ticks in them are skipped.
    pub past: Vec<PastPause>,
    /// The schedule in place of that in the code.
    pub schedule: Option<ScheduleOverride>,
    /// Of the subject of a backfill: the ticks that are to run once more. Its pause is that of the backfill.
    pub backfill: Option<Backfill>,
}

/// A pause: nothing of the job's schedule starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pause {
    /// Its beginning, by the store's clock.
    pub since_ms: i64,
    /// When it ends by itself; `None` if somebody has to end it.
    pub until_ms: Option<i64>,
}

impl Pause {
    /// Whether it is not over at `now_ms`.
    pub fn holds(&self, now_ms: i64) -> bool {
        self.until_ms.is_none_or(|until_ms| now_ms < until_ms)
    }
}

/// A pause that is over: from its first instant to the first one after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PastPause {
    /// Its beginning.
    pub from_ms: i64,
    /// Its end, which is no part of it.
    pub to_ms: i64,
}

impl PastPause {
    /// Whether the tick is in the pause.
    pub fn has(&self, tick: TickMs) -> bool {
        (self.from_ms..self.to_ms).contains(&tick.ms())
    }
}

/// A schedule in place of that in the code, for as long as the code has the schedule that it replaces.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ScheduleOverride {
    /// The schedule in the code that it replaces: for code with another one, the override is void.
    pub base: ScheduleId,
    /// A cron expression, or a duration such as `5m` behind `every `. Empty if the schedule in the code is in force
    /// again: it has no tick between the instant at which it was replaced and `since_ms`.
    pub text: String,
    /// The time zone of a cron expression.
    pub zone: String,
    /// When it was asked for, by the store's clock: it has no tick up to then.
    pub since_ms: i64,
    /// Who asked for it.
    pub by: String,
}

impl ScheduleOverride {
    /// Whether it is that in the code again: its text is empty.
    pub fn is_reset(&self) -> bool {
        self.text.is_empty()
    }
}

impl Directive {
    /// Whether the job is paused at `now_ms`.
    pub fn is_paused(&self, now_ms: i64) -> bool {
        self.pause.is_some_and(|pause| pause.holds(now_ms))
    }

    /// Whether nothing is wanted, and no pause is remembered.
    pub fn is_empty(&self) -> bool {
        let wants = self.pause.is_some() || self.schedule.is_some() || self.backfill.is_some();
        !wants && self.past.is_empty()
    }

    /// The pauses that are over at `now_ms`, oldest first; one that ended by itself is among them.
    pub fn past_pauses(&self, now_ms: i64) -> impl Iterator<Item = PastPause> + '_ {
        let ended = self.pause.filter(|pause| !pause.holds(now_ms));
        let ended = ended.and_then(|pause| {
            Some(PastPause {
                from_ms: pause.since_ms,
                to_ms: pause.until_ms?,
            })
        });
        self.past.iter().copied().chain(ended)
    }

    /// Ends the pause at `now_ms`, and keeps it among the past ones unless its ticks are to be caught up with.
    pub fn end_pause(&mut self, now_ms: i64, catch_up: bool) {
        let Some(pause) = self.pause.take() else {
            return;
        };
        self.asked_by.clear();
        self.asked_note.clear();
        let to_ms = pause
            .until_ms
            .map_or(now_ms, |until_ms| until_ms.min(now_ms));
        if !catch_up && to_ms > pause.since_ms {
            self.past.push(PastPause {
                from_ms: pause.since_ms,
                to_ms,
            });
        }
        let surplus = self.past.len().saturating_sub(MAX_PAST_PAUSES);
        self.past.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_that_ends_is_remembered_unless_its_ticks_are_caught_up_with() {
        let pause = Pause {
            since_ms: 9,
            until_ms: Some(10),
        };
        let mut one = Directive {
            pause: Some(pause),
            ..Directive::default()
        };
        assert_eq!(one.past_pauses(9).count(), 0);
        let ended = PastPause {
            from_ms: 9,
            to_ms: 10,
        };
        assert_eq!(one.past_pauses(10).collect::<Vec<_>>(), [ended]);
        one.end_pause(1_000, false);
        assert_eq!((one.pause, &one.past[..]), (None, &[ended][..]));
        let open = Pause {
            since_ms: 20,
            until_ms: None,
        };
        one.pause = Some(open);
        one.end_pause(30, true);
        assert_eq!(one.past, [ended]);
        for n in 0..20 {
            one.pause = Some(Pause {
                since_ms: 100 * n,
                ..open
            });
            one.end_pause(100 * n + 50, false);
        }
        assert_eq!(one.past.len(), MAX_PAST_PAUSES);
        assert!(one.past[0].has(TickMs(1_249)) && !one.past[0].has(TickMs(1_250)));
    }
}
