//! The schedules of a program's jobs. Jobs with the same expression and zone share one.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use scheduled_one_schedule::{Schedule, ScheduleError, ZoneData};

/// What a job says of its schedule, not checked yet.
#[derive(Debug)]
pub(crate) enum When {
    Cron {
        expression: String,
        zone: Cow<'static, str>,
    },
    Every {
        period: Duration,
        offset: Duration,
    },
}

/// Cron schedules that were parsed before, and the zone data for others.
pub(crate) struct Schedules<'a> {
    zones: &'a ZoneData,
    /// By zone and expression.
    parsed: HashMap<String, HashMap<String, Schedule>>,
}

impl<'a> Schedules<'a> {
    pub(crate) fn new(zones: &'a ZoneData) -> Self {
        Schedules {
            zones,
            parsed: HashMap::new(),
        }
    }

    pub(crate) fn of(&mut self, when: &When) -> Result<Schedule, ScheduleError> {
        match when {
            When::Cron { expression, zone } => self.cron(expression, zone),
            When::Every { period, offset } => Schedule::every(*period, *offset),
        }
    }

    /// The schedule of an expression in a zone.
    pub(crate) fn cron(&mut self, expression: &str, zone: &str) -> Result<Schedule, ScheduleError> {
        let of_zone = self.parsed.get(zone);
        if let Some(parsed) = of_zone.and_then(|of_zone| of_zone.get(expression)) {
            return Ok(parsed.clone());
        }
        let schedule = Schedule::cron(expression, self.zones.zone(zone)?)?;
        let of_zone = self.parsed.entry(zone.to_owned()).or_default();
        of_zone.insert(expression.to_owned(), schedule.clone());
        Ok(schedule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_another_schedule_in_another_zone() {
        let zones = ZoneData::compiled_in();
        let mut schedules = Schedules::new(&zones);
        let mut next_ms = |expression, zone| {
            let schedule = schedules.cron(expression, zone).expect("a schedule");
            schedule.next_after(1_767_225_600_000).expect("a tick") % 86_400_000 / 3_600_000
        };
        for _ in 0..2 {
            assert_eq!(next_ms("0 0 9 * * *", "UTC"), 9);
            assert_eq!(next_ms("0 0 9 * * *", "Asia/Tokyo"), 0);
            assert_eq!(next_ms("0 0 8 * * *", "UTC"), 8);
        }
        assert!(schedules.cron("0 0 9 * * *", "Asia/Tokio").is_err());
    }
}
