//! What is claimed: the newest tick that is due, and what lies behind it.

use std::time::Duration;

use scheduled_one_schedule::Schedule;

use crate::store::message::{Intent, Missed};

/// A tick that cannot start within this is recorded as missed, not run late.
pub(crate) const START_DEADLINE: Duration = Duration::from_secs(60);

/// Missed ticks are counted up to this many.
const MAX_COUNT: u64 = 10_000;

/// The decision to ask the store for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) tick_ms: i64,
    /// The newest tick known to be decided.
    pub(crate) after_ms: i64,
    pub(crate) intent: Intent,
    pub(crate) missed: Option<Missed>,
}

/// What is due at `now_ms` of a unit decided up to `after_ms`: the newest tick
/// runs, if it is not too late for it; older ones are missed, for the reason
/// that holds for the first of them. None if nothing is due.
pub(crate) fn plan(
    schedule: &Schedule,
    after_ms: i64,
    now_ms: i64,
    reason: impl FnOnce(i64) -> &'static str,
) -> Option<Plan> {
    let first_ms = schedule.next_after(after_ms).filter(|t| *t <= now_ms)?;
    let newest_ms = schedule.latest_within(after_ms, now_ms).unwrap_or(first_ms);
    let too_late = now_ms - newest_ms > START_DEADLINE.as_millis() as i64;
    let (intent, missed_to_ms) = if too_late {
        (Intent::Forgo, newest_ms)
    } else {
        (Intent::Run, newest_ms - 1)
    };
    let missed = schedule
        .latest_within(after_ms, missed_to_ms)
        .map(|last_ms| Missed {
            first_ms,
            last_ms,
            count: schedule.count_within(after_ms, last_ms, MAX_COUNT),
            reason: reason(first_ms).to_owned(),
        });
    Some(Plan {
        tick_ms: newest_ms,
        after_ms,
        intent,
        missed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds() -> Schedule {
        Schedule::every(Duration::from_secs(1), Duration::ZERO).expect("a schedule")
    }

    #[test]
    fn nothing_is_due_between_ticks() {
        assert_eq!(plan(&seconds(), 5_000, 5_999, |_| ""), None);
    }

    #[test]
    fn the_usual_tick_leaves_nothing_behind() {
        let plan = plan(&seconds(), 5_000, 6_003, |_| "").expect("due");
        assert_eq!((plan.tick_ms, plan.intent), (6_000, Intent::Run));
        assert_eq!(plan.missed, None);
    }

    #[test]
    fn of_several_the_newest_runs_and_the_others_are_missed() {
        let plan = plan(&seconds(), 5_000, 9_500, |_| "store down").expect("due");
        assert_eq!((plan.tick_ms, plan.intent), (9_000, Intent::Run));
        let missed = plan.missed.expect("missed");
        assert_eq!((missed.first_ms, missed.last_ms), (6_000, 8_000));
        assert_eq!(missed.count, 3);
    }

    #[test]
    fn a_tick_over_a_minute_late_is_missed_too() {
        let hourly = Schedule::every(Duration::from_secs(3600), Duration::ZERO).expect("ok");
        let hour = 3_600_000;
        let run = plan(&hourly, 0, hour + 60_000, |_| "").expect("due");
        assert_eq!((run.intent, run.missed), (Intent::Run, None));
        let late = plan(&hourly, 0, hour + 60_001, |_| "").expect("due");
        assert_eq!(late.intent, Intent::Forgo);
        assert_eq!(late.missed.map(|m| (m.first_ms, m.count)), Some((hour, 1)));
    }
}
