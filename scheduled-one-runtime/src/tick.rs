//! Plans claims: which of the due ticks is claimed, whether it runs or is only
//! recorded, and which ticks were missed before it. Pure: schedule, rules and
//! time in, plan out.

use scheduled_one_schedule::Schedule;
use scheduled_one_schedule::policy::Misfire;

use crate::rules::Rules;
use scheduled_one_protocol::hash;
use scheduled_one_protocol::message::{Intent, Missed};
use scheduled_one_protocol::{Outcome, PastPause, SkipReason, TickMs};

/// Most ticks that are counted.
const MAX_COUNT: u64 = u32::MAX as u64;

/// The decision that is requested from the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) tick_ms: i64,
    /// When the tick may start: the tick itself, or later by its jitter.
    pub(crate) due_ms: i64,
    pub(crate) intent: Intent,
    pub(crate) missed: Option<Missed>,
    /// Number of missed ticks in the catch-up window that the run stands for in addition to its own.
    pub(crate) coalesced: u64,
    /// The newest tick that is due: later than the tick where several are to run.
    pub(crate) newest_ms: i64,
}

/// The ticks of one job, as its rules see them.
pub(crate) struct Ticks<'a> {
    pub(crate) job: &'a str,
    pub(crate) schedule: Schedule,
    pub(crate) rules: &'a Rules,
}

impl Ticks<'_> {
    /// When a tick may start: spread by its jitter, the same on all nodes, and
    /// never past the next tick.
    pub(crate) fn due_ms(&self, tick_ms: i64) -> i64 {
        let jitter_ms = self.rules.jitter.as_millis() as u64;
        if jitter_ms == 0 {
            return tick_ms;
        }
        let gap_ms = match self.schedule.next_after(tick_ms) {
            Some(next_ms) => (next_ms - tick_ms) as u64,
            None => jitter_ms + 1,
        };
        let spread_ms = jitter_ms.min(gap_ms - 1) + 1;
        tick_ms + (hash(self.job, tick_ms as u64) % spread_ms) as i64
    }

    /// The newest tick after `after_ms` that may start at `now_ms`.
    fn newest_due(&self, after_ms: i64, now_ms: i64) -> Option<i64> {
        let newest_ms = self.schedule.latest_within(after_ms, now_ms)?;
        if self.due_ms(newest_ms) <= now_ms {
            return Some(newest_ms);
        }
        // Jitter never passes the next tick, so the one before may start.
        self.schedule.latest_within(after_ms, newest_ms - 1)
    }

    /// Plans the claim at `now_ms` of a unit that is decided up to `after_ms`;
    /// `None` if nothing is due. `reason` says why a tick was not run.
    pub(crate) fn plan(
        &self,
        after_ms: i64,
        now_ms: i64,
        reason: impl Fn(i64) -> &'static str,
    ) -> Option<Plan> {
        // The usual case first: one tick is due, and none was missed before it.
        let first_ms = self.schedule.next_after(after_ms)?;
        if self.due_ms(first_ms) > now_ms {
            return None;
        }
        let newest_ms = self.newest_due(after_ms, now_ms).unwrap_or(first_ms);
        let oldest_ms = now_ms - self.rules.catch_up.as_millis() as i64;
        let (tick_ms, intent) = match self.rules.misfire {
            Misfire::RunAll => {
                let next_ms = self.schedule.next_after(after_ms.max(oldest_ms - 1));
                let tick_ms = next_ms.map_or(newest_ms, |next_ms| next_ms.min(newest_ms));
                (tick_ms, Intent::CatchUp)
            }
            _ => (newest_ms, Intent::Run),
        };
        if now_ms - self.due_ms(tick_ms) > self.window_ms() {
            return Some(self.mark_missed(after_ms, newest_ms, reason(first_ms)));
        }
        let behind_ms = tick_ms - 1;
        let missed = self.missed(after_ms, behind_ms, reason(first_ms));
        let coalesced = match self.rules.misfire {
            Misfire::RunOnce => self.count(after_ms.max(oldest_ms - 1), behind_ms),
            _ => 0,
        };
        Some(Plan {
            tick_ms,
            due_ms: self.due_ms(tick_ms),
            intent,
            missed,
            coalesced,
            newest_ms,
        })
    }

    /// The same for a job that was paused: the ticks of each pause are skipped, with one line. Of the ticks before a
    /// pause none runs after it, unless all are to be caught up with, or no later tick is due.
    pub(crate) fn plan_around(
        &self,
        pauses: &[PastPause],
        after_ms: i64,
        now_ms: i64,
        reason: impl Fn(i64) -> &'static str,
    ) -> Option<Plan> {
        let first_ms = self.schedule.next_after(after_ms)?;
        let first = pauses.iter().filter(|pause| pause.has(TickMs(first_ms)));
        if let Some(to_ms) = first.map(|pause| pause.to_ms.min(now_ms + 1)).max() {
            let last_ms = self.schedule.latest_within(after_ms, to_ms - 1)?;
            return Some(self.skip(after_ms, last_ms, SkipReason::Paused));
        }
        let plan = self.plan(after_ms, now_ms, &reason)?;
        let behind = pauses.iter().map(|pause| pause.from_ms);
        let next = behind.filter(|from_ms| (first_ms..=plan.tick_ms).contains(from_ms));
        let Some(from_ms) = next.min() else {
            return Some(plan);
        };
        let last_ms = self.schedule.latest_within(after_ms, from_ms - 1)?;
        Some(self.mark_missed(after_ms, last_ms, reason(first_ms)))
    }

    /// How late a tick may start: within its start deadline, or within the
    /// catch-up window where ticks are caught up with.
    pub(crate) fn window_ms(&self) -> i64 {
        let window = match self.rules.misfire {
            Misfire::RunOnce | Misfire::RunAll => {
                self.rules.start_deadline.max(self.rules.catch_up)
            }
            _ => self.rules.start_deadline,
        };
        window.as_millis() as i64
    }

    /// Plans the claim of a job that is not enabled on this node: ticks up to
    /// `now_ms` that no other node has decided are skipped.
    pub(crate) fn disabled(&self, after_ms: i64, now_ms: i64) -> Option<Plan> {
        let newest_ms = self.newest_due(after_ms, now_ms)?;
        Some(self.skip(after_ms, newest_ms, SkipReason::Disabled))
    }

    /// Ticks that are recorded as skipped. They are decided at once, whatever their jitter.
    fn skip(&self, after_ms: i64, newest_ms: i64, why: SkipReason) -> Plan {
        let mut plan = self.mark_missed(after_ms, newest_ms, why.as_str());
        if let Some(missed) = &mut plan.missed {
            missed.outcome = Outcome::Skipped;
        }
        plan.due_ms = plan.due_ms.min(newest_ms);
        plan
    }

    fn mark_missed(&self, after_ms: i64, newest_ms: i64, reason: &str) -> Plan {
        Plan {
            tick_ms: newest_ms,
            due_ms: self.due_ms(newest_ms),
            intent: Intent::MarkMissed,
            missed: self.missed(after_ms, newest_ms, reason),
            coalesced: 0,
            newest_ms,
        }
    }

    fn missed(&self, after_ms: i64, to_ms: i64, reason: &str) -> Option<Missed> {
        let last_ms = self.schedule.latest_within(after_ms, to_ms)?;
        Some(Missed {
            first: TickMs(self.schedule.next_after(after_ms)?),
            last: TickMs(last_ms),
            count: self.count(after_ms, last_ms),
            outcome: Outcome::Missed,
            reason: reason.to_owned(),
        })
    }

    /// The number of ticks after `after_ms` up to `to_ms`, counted up to [`MAX_COUNT`].
    pub(crate) fn count(&self, after_ms: i64, to_ms: i64) -> u64 {
        self.schedule.count_within(after_ms, to_ms, MAX_COUNT)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const S: Duration = Duration::from_secs(1);
    const HOUR: Duration = Duration::from_secs(3600);
    const HOUR_MS: i64 = 3_600_000;

    fn plan(every: Duration, rules: &Rules, after_ms: i64, now_ms: i64) -> Option<Plan> {
        let schedule = Schedule::every(every, Duration::ZERO).expect("a schedule");
        let ticks = Ticks {
            job: "j",
            schedule: schedule.clone(),
            rules,
        };
        ticks.plan(after_ms, now_ms, |_| "store down")
    }

    fn due(every: Duration, rules: &Rules, after_ms: i64, now_ms: i64) -> Plan {
        plan(every, rules, after_ms, now_ms).expect("due")
    }

    fn range(plan: &Plan) -> Option<(i64, i64, u64)> {
        let missed = plan.missed.as_ref()?;
        Some((missed.first.ms(), missed.last.ms(), missed.count))
    }

    fn rules(misfire: Misfire) -> Rules {
        Rules {
            misfire,
            ..Rules::default()
        }
    }

    #[test]
    fn nothing_is_due_between_ticks() {
        assert_eq!(plan(S, &Rules::default(), 5_000, 5_999), None);
    }

    #[test]
    fn the_usual_tick_leaves_nothing_behind() {
        let plan = due(S, &Rules::default(), 5_000, 6_003);
        assert_eq!((plan.tick_ms, plan.intent), (6_000, Intent::Run));
        assert_eq!(plan.missed, None);
    }

    #[test]
    fn of_several_the_newest_runs_and_the_others_are_missed() {
        let plan = due(S, &Rules::default(), 5_000, 9_500);
        assert_eq!((plan.tick_ms, plan.intent), (9_000, Intent::Run));
        assert_eq!(range(&plan), Some((6_000, 8_000, 3)));
        assert_eq!(plan.coalesced, 0);
    }

    #[test]
    fn a_tick_past_its_start_deadline_is_missed_too() {
        let run = due(HOUR, &Rules::default(), 0, HOUR_MS + 60_000);
        assert_eq!((run.intent, range(&run)), (Intent::Run, None));
        let late = due(HOUR, &Rules::default(), 0, HOUR_MS + 60_001);
        assert_eq!(late.intent, Intent::MarkMissed);
        assert_eq!(range(&late), Some((HOUR_MS, HOUR_MS, 1)));
    }

    #[test]
    fn run_once_runs_the_newest_within_the_window_for_all_of_it() {
        let rules = Rules {
            catch_up: 3 * HOUR,
            ..rules(Misfire::RunOnce)
        };
        // Six ticks were missed; four of them lie in the window.
        let plan = due(HOUR, &rules, 0, 6 * HOUR_MS);
        assert_eq!((plan.tick_ms, plan.intent), (6 * HOUR_MS, Intent::Run));
        assert_eq!(range(&plan), Some((HOUR_MS, 5 * HOUR_MS, 5)));
        assert_eq!(plan.coalesced, 3);
        let daily = due(24 * HOUR, &rules, 0, 24 * HOUR_MS + 3 * HOUR_MS + 1);
        assert_eq!(daily.intent, Intent::MarkMissed);
    }

    #[test]
    fn run_all_runs_the_oldest_within_the_window() {
        let rules = Rules {
            catch_up: 3 * HOUR,
            ..rules(Misfire::RunAll)
        };
        let first = due(HOUR, &rules, 0, 6 * HOUR_MS + 1);
        assert_eq!(
            (first.tick_ms, first.intent),
            (4 * HOUR_MS, Intent::CatchUp)
        );
        assert_eq!(range(&first), Some((HOUR_MS, 3 * HOUR_MS, 3)));
        let next = due(HOUR, &rules, first.tick_ms, 6 * HOUR_MS + 1);
        assert_eq!((next.tick_ms, range(&next)), (5 * HOUR_MS, None));
        let newest = due(HOUR, &rules, next.tick_ms, 6 * HOUR_MS + 1);
        assert_eq!(newest.tick_ms, 6 * HOUR_MS);
        // A window shorter than the start deadline is a window all the same:
        // only the newest tick may be as late as that allows.
        let rules = Rules {
            catch_up: S,
            ..rules
        };
        let only = due(S, &rules, 0, 50_500);
        assert_eq!(
            (only.tick_ms, range(&only)),
            (50_000, Some((1_000, 49_000, 49)))
        );
    }

    #[test]
    fn the_ticks_of_a_pause_are_skipped_and_none_before_it_runs_after_it() {
        let schedule = Schedule::every(S, Duration::ZERO).expect("a schedule");
        let around = |rules: &Rules, pauses: &[(i64, i64)], after_ms| {
            let ticks = Ticks {
                job: "j",
                schedule: schedule.clone(),
                rules,
            };
            let pause = |(from_ms, to_ms): &(i64, i64)| PastPause {
                from_ms: *from_ms,
                to_ms: *to_ms,
            };
            let pauses: Vec<PastPause> = pauses.iter().map(pause).collect();
            let plan = ticks.plan_around(&pauses, after_ms, 20_001, |_| "store down");
            let plan = plan.expect("due");
            let outcome = plan.missed.as_ref().map(|missed| missed.outcome);
            (plan.tick_ms, plan.intent, range(&plan), outcome)
        };
        let skip = rules(Misfire::Skip);
        let pause = [(8_500, 15_500)];
        let missed = Some(Outcome::Missed);
        let before = (8_000, Intent::MarkMissed, Some((6_000, 8_000, 3)), missed);
        assert_eq!(around(&skip, &pause, 5_000), before);
        let within = (
            15_000,
            Intent::MarkMissed,
            Some((9_000, 15_000, 7)),
            Some(Outcome::Skipped),
        );
        assert_eq!(around(&skip, &pause, 8_000), within);
        let after = (20_000, Intent::Run, Some((16_000, 19_000, 4)), missed);
        assert_eq!(around(&skip, &pause, 15_000), after);
        // Pauses that overlap come to one; two that do not are two lines.
        let both = [(8_500, 15_500), (12_500, 18_500)];
        assert_eq!(around(&skip, &both, 8_000).0, 15_000);
        assert_eq!(around(&skip, &both, 15_000).0, 18_000);
        // What is to be caught up with is: the ticks before the pause, and those after it.
        let all = Rules {
            catch_up: HOUR,
            ..rules(Misfire::RunAll)
        };
        assert_eq!(around(&all, &pause, 5_000).0, 6_000);
        assert_eq!(around(&all, &pause, 8_000), within);
        assert_eq!(around(&all, &pause, 15_000).0, 16_000);
        let none = (20_000, Intent::Run, Some((6_000, 19_000, 14)), missed);
        assert_eq!(around(&skip, &[(30_000, 40_000)], 5_000), none);
        // A pause behind the newest tick leaves that tick as it is.
        let newest = (20_000, Intent::Run, None, None);
        assert_eq!(around(&skip, &[(20_001, 20_001)], 19_000), newest);
    }

    #[test]
    fn jitter_spreads_and_never_passes_the_next_tick() {
        let schedule = Schedule::every(S, Duration::ZERO).expect("a schedule");
        let rules = Rules {
            jitter: 5 * S,
            ..Rules::default()
        };
        let ticks = Ticks {
            job: "j",
            schedule: schedule.clone(),
            rules: &rules,
        };
        let spread: Vec<i64> = (1..1000)
            .map(|n| ticks.due_ms(n * 1000) - n * 1000)
            .collect();
        assert!(spread.iter().all(|late| (0..1000).contains(late)));
        assert!(spread.iter().any(|late| *late > 900) && spread.iter().any(|late| *late < 100));
        let due_ms = ticks.due_ms(7_000);
        assert_eq!(ticks.plan(6_000, due_ms - 1, |_| ""), None);
        let plan = ticks.plan(6_000, due_ms, |_| "").expect("due");
        assert_eq!((plan.tick_ms, plan.due_ms), (7_000, due_ms));
        // What is not due yet does not count as missed.
        let plan = ticks.plan(5_000, due_ms - 1, |_| "").expect("due");
        assert_eq!((plan.tick_ms, plan.missed), (6_000, None));
    }
}
