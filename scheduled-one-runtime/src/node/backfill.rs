//! Backfills: the node that a job prefers asks for the ticks of its backfill, a few at a time, and notes now and then
//! how far it has come. Should it die, another one goes on from there: what was asked for twice has one id.

mod portion;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::node::Node;
use crate::node::mode::Mode;
use crate::store_client::StoreHealth;
use crate::timer::UnitIndex;
use portion::Portion;
use scheduled_one_control::backfill::{PlannedTick, ticks};
use scheduled_one_protocol::message::OnBusy;
use scheduled_one_protocol::{Backfill, Directive, ScheduleId, StoreError, UnitName};

/// Between two looks at the lanes: the shortest and the longest.
const LOOKS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// Before a tick of the schedule, at least, the lane is empty.
const CLEAR: Duration = Duration::from_millis(100);

/// The backfills that this node drives, by job.
#[derive(Default)]
pub(super) struct Backfills(BTreeMap<String, Driven>);

/// A backfill that this node drives.
struct Driven {
    backfill: Backfill,
    /// Its ticks, in their order.
    plan: Arc<[PlannedTick]>,
    /// How many of them were asked for.
    position: usize,
    /// How long one run takes with all that comes with it; `None` before the first has ended.
    pace: Option<Duration>,
    /// At the last look: when, and how many requests were open after it.
    last: (Duration, usize),
    /// When something was asked for last.
    asked_at: Duration,
    /// When the next look is due, by the boot clock.
    next: Duration,
    is_pending: bool,
}

impl Driven {
    fn new(backfill: &Backfill, plan: Arc<[PlannedTick]>, now: Duration) -> Self {
        Driven {
            position: usize::try_from(backfill.asked)
                .unwrap_or(usize::MAX)
                .min(plan.len()),
            backfill: backfill.clone(),
            plan,
            pace: None,
            last: (now, 0),
            asked_at: now,
            next: now,
            is_pending: false,
        }
    }

    /// Most requests that may be open now: as many as end before the next tick of the schedule, which comes after `gap`
    /// and `period` after the one before it; at least one now and then.
    fn most(&self, gap: Option<Duration>, period: Duration, now: Duration) -> usize {
        let at_a_time = self.backfill.at_a_time as usize;
        let Some(gap) = gap.filter(|_| self.backfill.on_busy != OnBusy::Allow) else {
            return at_a_time;
        };
        let pace = self.pace.unwrap_or(gap / 4).max(Duration::from_micros(100));
        let room = gap.saturating_sub(CLEAR.max(pace)) * 4 / 5;
        let fits = (room.as_micros() / pace.as_micros()) as usize;
        fits.max(self.least(period, now)).min(at_a_time)
    }

    /// Requests that may be open in any case: one, if there was no room for any during two periods.
    fn least(&self, period: Duration, now: Duration) -> usize {
        usize::from(now.saturating_sub(self.asked_at) > 2 * period)
    }

    /// Takes a look into account: so many requests were open, and so many came.
    fn learn(&mut self, open: usize, asked: usize, now: Duration) {
        let (since, before) = self.last;
        let ended = before.saturating_sub(open) as u32;
        if ended > 0 {
            let each = now.saturating_sub(since) / ended;
            self.pace = Some(self.pace.map_or(each, |pace| smoothed(pace, each)));
        }
        if ended > 0 || asked > 0 || open == 0 {
            self.last = (now, open + asked);
        }
        if asked > 0 {
            self.asked_at = now;
        }
        self.position += asked;
        // The next look comes when half of it should have ended. If all has ended by then, the pace was taken for
        // slower than it is, as after a moment of load: a look that waited for all would measure its own wait.
        let work = self.pace.unwrap_or(LOOKS.1 / 10) * (open + asked) as u32;
        self.next = now + (work / 2).clamp(LOOKS.0, LOOKS.1);
    }
}

/// The pace after another measurement. Ticks of the schedule would wait if it were taken for faster than it is: it
/// rises at once, and falls slowly.
fn smoothed(pace: Duration, each: Duration) -> Duration {
    match each > pace {
        true => (pace + each) / 2,
        false => (pace * 3 + each) / 4,
    }
}

impl Backfills {
    /// When the next look is due.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let due = self.0.values().filter(|driven| !driven.is_pending);
        due.map(|driven| driven.next).min()
    }

    /// The requests were dropped.
    pub(super) fn abandon(&mut self) {
        self.0.clear();
    }
}

impl Node {
    /// Asks for the next ticks of backfills that are this node's to drive.
    pub(super) fn drive_backfills(&mut self, mode: Mode, seen: &StoreHealth) {
        if mode != Mode::Working || !seen.up {
            return;
        }
        let (now, now_ms) = (self.client.now(), self.runner.cluster.now_ms());
        let wanted: Vec<(String, Directive)> = self.directives.backfills(now_ms);
        let is_wanted = |job: &String| wanted.iter().any(|(wanted, _)| wanted == job);
        self.backfills
            .0
            .retain(|job, driven| driven.is_pending || is_wanted(job));
        for (job, directive) in wanted {
            if let Some(portion) = self.next_portion(job, directive, now, now_ms) {
                let client = Arc::clone(&self.client);
                self.inbox
                    .request(async move { portion.carry_out(&client).await });
            }
        }
    }

    /// Whether a backfill of the job with this unit is this node's to drive.
    fn may_drive(&self, index: UnitIndex) -> bool {
        let preference = &self.claiming.preference;
        preference.version() > 0
            && preference.reports(&self.units, index)
            && !self.units.is_aside(index)
            // Without it the node knows no tick of the backfill, nor whether the job has another schedule.
            && !self.units.get(index).job.is_schedule_unknown()
    }

    fn next_portion(
        &mut self,
        job: String,
        directive: Directive,
        now: Duration,
        now_ms: i64,
    ) -> Option<Portion> {
        let backfill = directive.backfill.clone()?;
        let index = self.units.find(&UnitName::new(&job, 0))?;
        if !self.may_drive(index) {
            self.backfills.0.remove(&job);
            return None;
        }
        let unit = self.units.get(index);
        let schedule = &unit.job.schedule();
        let is_same = ScheduleId(schedule.identity().as_u64()) == backfill.schedule;
        let driven = self.backfills.0.entry(job.clone()).or_insert_with(|| {
            let plan = if is_same {
                ticks(&backfill, schedule)
            } else {
                Vec::new()
            };
            Driven::new(&backfill, plan.into(), now)
        });
        if driven.is_pending {
            return None;
        }
        let is_other = driven.backfill.ranges != backfill.ranges
            || driven.backfill.newest_first != backfill.newest_first
            || backfill.asked < driven.backfill.asked;
        if is_other {
            *driven = Driven::new(&backfill, ticks(&backfill, schedule).into(), now);
        }
        driven.backfill = backfill;
        if now < driven.next {
            return None;
        }
        let is_paused = unit.paused_until_ms(now_ms) > 0;
        let next_ms = schedule.next_after(now_ms).filter(|_| !is_paused);
        let after_ms = next_ms.and_then(|next_ms| schedule.next_after(next_ms));
        let between = |from: i64, to: i64| Duration::from_millis((to - from).max(0).unsigned_abs());
        let gap = next_ms.map(|next_ms| between(now_ms, next_ms));
        let period = next_ms
            .zip(after_ms)
            .map_or(Duration::MAX / 4, |(next_ms, after_ms)| {
                between(next_ms, after_ms)
            });
        driven.is_pending = true;
        Some(Portion {
            job,
            unit: index,
            own: unit.schedule,
            directive,
            plan: Arc::clone(&driven.plan),
            position: driven.position,
            most: driven.most(gap, period, now),
            most_while_busy: match driven.backfill.on_busy {
                OnBusy::Allow => driven.most(gap, period, now),
                _ => driven.least(period, now),
            },
            ended: match is_same {
                true => String::new(),
                false => "the job has another schedule".to_owned(),
            },
        })
    }

    /// Takes a look into account. What was asked for starts at once.
    pub(super) fn backfilled(&mut self, job: &str, read: Result<(usize, usize), StoreError>) {
        let now = self.client.now();
        let Some(driven) = self.backfills.0.get_mut(job) else {
            return;
        };
        driven.is_pending = false;
        match read {
            Ok((open, asked)) => {
                let of = driven.plan.iter().skip(driven.position).take(asked);
                let lanes: Vec<UnitName> = of
                    .map(|tick| UnitName::new(job, tick.shard).lane())
                    .collect();
                driven.learn(open, asked, now);
                self.claiming.ready.extend(lanes);
            }
            Err(_) => driven.next = now + LOOKS.1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn tick(tick_ms: i64) -> PlannedTick {
        PlannedTick {
            tick_ms,
            shard: 0,
            again: 0,
        }
    }

    fn driven(pace_ms: Option<u32>, on_busy: OnBusy) -> Driven {
        let backfill = Backfill {
            schedule: ScheduleId(1),
            ranges: Vec::new(),
            newest_first: false,
            at_a_time: 10,
            on_busy,
            total: 3,
            asked: 0,
            ended: String::new(),
        };
        Driven {
            pace: pace_ms.map(|pace_ms| pace_ms * MS),
            ..Driven::new(&backfill, [1, 2, 3].map(tick).into(), Duration::ZERO)
        }
    }

    #[test]
    fn no_more_is_open_than_ends_before_the_next_tick() {
        let most = |pace_ms, gap_ms: u32| {
            driven(pace_ms, OnBusy::Wait).most(Some(gap_ms * MS), 1_000 * MS, 1_500 * MS)
        };
        assert_eq!(most(Some(100), 1_000), 7, "four fifths of the time");
        assert_eq!(most(Some(100), 450), 2);
        assert_eq!(most(Some(100), 150), 0);
        assert_eq!(most(Some(5), 1_000), 10, "at a time");
        assert_eq!(most(None, 1_000), 2, "the pace is not known yet");
        let beside = driven(Some(100), OnBusy::Allow);
        assert_eq!(beside.most(Some(MS), 1_000 * MS, 1_500 * MS), 10);
        let without_ticks = driven(Some(100), OnBusy::Wait);
        assert_eq!(without_ticks.most(None, Duration::MAX / 4, 1_500 * MS), 10);
    }

    #[test]
    fn runs_that_take_longer_than_a_period_go_on_one_by_one() {
        let slow = driven(Some(3_000), OnBusy::Wait);
        assert_eq!(slow.most(Some(900 * MS), 1_000 * MS, 1_900 * MS), 0);
        assert_eq!(slow.most(Some(900 * MS), 1_000 * MS, 2_100 * MS), 1);
    }

    #[test]
    fn the_pace_follows_from_what_ended() {
        let mut driven = driven(None, OnBusy::Wait);
        driven.learn(0, 2, 100 * MS);
        assert_eq!((driven.pace, driven.position), (None, 2));
        driven.learn(2, 0, 150 * MS);
        assert_eq!(driven.pace, None);
        driven.learn(0, 1, 300 * MS);
        assert_eq!(driven.pace, Some(100 * MS));
    }

    #[test]
    fn a_pace_that_was_slow_for_a_moment_recovers() {
        let mut driven = driven(Some(3_000), OnBusy::Wait);
        driven.learn(0, 1, Duration::ZERO);
        // Now each run has ended long before the next look.
        for _ in 0..40 {
            let now = driven.next;
            driven.learn(0, 1, now);
        }
        let pace = driven.pace.unwrap();
        assert!(pace < 100 * MS, "{pace:?}");
    }
}
