//! The schedule of a job that is in force: that in the code, or one that operators want in its place.

use std::sync::{PoisonError, RwLock};

use scheduled_one_protocol::{ScheduleId, ScheduleOverride};
use scheduled_one_schedule::{Schedule, ScheduleError, ZoneData};

/// The schedules of a job.
#[derive(Debug)]
pub(crate) struct JobSchedules {
    /// That in the code.
    own: Schedule,
    now: RwLock<Now>,
}

#[derive(Debug)]
struct Now {
    in_force: InForce,
    /// What operators want, as far as it was taken into account.
    wanted: Option<ScheduleOverride>,
}

/// The schedule in force, and since when.
#[derive(Clone, Debug)]
pub(crate) struct InForce {
    pub(crate) schedule: Schedule,
    /// It has no tick up to this instant.
    pub(crate) since_ms: i64,
    /// It is in place of one that this node cannot use.
    pub(crate) is_unknown: bool,
}

/// What became of the schedule that operators want.
#[derive(Debug)]
pub(crate) enum Rescheduled {
    /// It is in force.
    To(Schedule, ScheduleOverride),
    /// That in the code is in force again.
    Reset(Schedule),
    /// The code has another schedule than the one that it was to replace: that in the code decides.
    Void(ScheduleOverride),
    /// This node cannot use it, for this reason: it claims no tick of the job.
    Unusable(ScheduleOverride, String),
}

impl JobSchedules {
    pub(crate) fn new(own: Schedule) -> Self {
        let in_force = InForce {
            schedule: own.clone(),
            since_ms: 0,
            is_unknown: false,
        };
        let now = Now {
            in_force,
            wanted: None,
        };
        JobSchedules {
            own,
            now: RwLock::new(now),
        }
    }

    /// That in the code.
    pub(crate) fn own(&self) -> &Schedule {
        &self.own
    }

    pub(crate) fn in_force(&self) -> InForce {
        let now = self.now.read().unwrap_or_else(PoisonError::into_inner);
        now.in_force.clone()
    }

    /// Takes into account what operators want. Returns what became of that, if it is news.
    pub(crate) fn follow(
        &self,
        wanted: Option<&ScheduleOverride>,
        zones: &ZoneData,
    ) -> Option<Rescheduled> {
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        if now.wanted.as_ref() == wanted {
            return None;
        }
        let was_wanted = now.wanted.take();
        now.wanted = wanted.cloned();
        let own = |since_ms| InForce {
            schedule: self.own.clone(),
            since_ms,
            is_unknown: false,
        };
        let Some(wanted) = wanted else {
            now.in_force = own(0);
            return was_wanted.map(|_| Rescheduled::Reset(self.own.clone()));
        };
        if wanted.base != ScheduleId(self.own.identity().as_u64()) {
            now.in_force = own(0);
            let is_reset = wanted.is_reset();
            return (!is_reset).then(|| Rescheduled::Void(wanted.clone()));
        }
        if wanted.is_reset() {
            now.in_force = own(wanted.since_ms);
            return Some(Rescheduled::Reset(self.own.clone()));
        }
        match in_place_of(&self.own, wanted, zones) {
            Ok(schedule) => {
                now.in_force = InForce {
                    schedule: schedule.clone(),
                    since_ms: wanted.since_ms,
                    is_unknown: false,
                };
                Some(Rescheduled::To(schedule, wanted.clone()))
            }
            Err(error) => {
                now.in_force = InForce {
                    schedule: Schedule::manual(),
                    since_ms: wanted.since_ms,
                    is_unknown: true,
                };
                Some(Rescheduled::Unusable(wanted.clone(), error.to_string()))
            }
        }
    }
}

/// The schedule that operators want, with the restriction of that in the code.
fn in_place_of(
    own: &Schedule,
    wanted: &ScheduleOverride,
    zones: &ZoneData,
) -> Result<Schedule, ScheduleError> {
    own.with_rate_of(Schedule::parse(&wanted.text, zones.zone(&wanted.zone)?)?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn wanted(own: &Schedule, text: &str) -> ScheduleOverride {
        ScheduleOverride {
            base: ScheduleId(own.identity().as_u64()),
            text: text.to_owned(),
            zone: "UTC".to_owned(),
            since_ms: 7,
            by: "ann".to_owned(),
        }
    }

    #[test]
    fn what_operators_want_is_in_force_while_the_code_has_the_schedule_that_it_replaces() {
        let zones = ZoneData::compiled_in();
        let hourly = Schedule::every(Duration::from_secs(3_600), Duration::ZERO).unwrap();
        let schedules = JobSchedules::new(hourly.clone());
        let follow = |wanted: &ScheduleOverride| schedules.follow(Some(wanted), &zones);
        let other = wanted(&hourly, "every 5m");
        assert!(matches!(follow(&other), Some(Rescheduled::To(..))));
        assert!(follow(&other).is_none(), "it is no news");
        let in_force = schedules.in_force();
        assert_eq!(
            (in_force.schedule.next_after(0), in_force.since_ms),
            (Some(300_000), 7)
        );

        let of_other_code = ScheduleOverride {
            base: ScheduleId(1),
            ..other.clone()
        };
        assert!(matches!(follow(&of_other_code), Some(Rescheduled::Void(_))));
        assert_eq!(schedules.in_force().schedule, hourly);
        assert_eq!(schedules.in_force().since_ms, 0);

        // A node that cannot read it must not go on with another schedule than the others.
        let edited = wanted(&hourly, "each noon");
        assert!(matches!(follow(&edited), Some(Rescheduled::Unusable(..))));
        assert_eq!(schedules.in_force().schedule.next_after(0), None);

        let reset = wanted(&hourly, "");
        assert!(matches!(follow(&reset), Some(Rescheduled::Reset(_))));
        let in_force = schedules.in_force();
        assert_eq!((in_force.schedule, in_force.since_ms), (hourly, 7));
    }
}
