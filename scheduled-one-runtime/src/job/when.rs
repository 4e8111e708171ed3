//! When a job is due, as the program said it: texts and durations, which are checked at start.

use std::collections::HashMap;
use std::time::Duration;

use scheduled_one_schedule::policy::Scope;
use scheduled_one_schedule::{Calendar, Restriction, Schedule, ScheduleError, Zone, ZoneData};

use crate::environment::variable;

/// What was said of the schedule, not checked yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct When {
    pub(super) rate: Rate,
    /// Name of the time zone, if one was given.
    pub(super) zone: Option<String>,
    /// Environment variable that overrides the cron expression.
    pub(super) cron_env: Option<String>,
    /// Whether an offset was given.
    pub(super) has_offset: bool,
    pub(super) start: Option<String>,
    pub(super) end: Option<String>,
    pub(super) within: Option<String>,
    /// `None` if nothing was said; a list without an item is a mistake.
    pub(super) except: Option<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Rate {
    Cron(String),
    Every {
        period: Duration,
        offset: Duration,
    },
    /// Only if somebody asks for a run.
    Manual,
}

impl When {
    pub(super) fn new(rate: Rate) -> Self {
        When {
            rate,
            zone: None,
            cron_env: None,
            has_offset: false,
            start: None,
            end: None,
            within: None,
            except: None,
        }
    }

    /// Whether anything is taken from the schedule.
    fn is_restricted(&self) -> bool {
        let texts = [&self.start, &self.end, &self.within];
        texts.into_iter().any(Option::is_some) || self.except.is_some()
    }

    /// A setting that does not go with this kind of schedule, as a text with the way out.
    pub(super) fn misplaced(&self, scope: Option<Scope>) -> Option<String> {
        match &self.rate {
            Rate::Cron(_) if self.has_offset => Some("`offset` goes only with `every`".to_owned()),
            Rate::Every { .. } if self.cron_env.is_some() => {
                Some("`cron_env` goes only with `cron`".to_owned())
            }
            Rate::Manual if scope == Some(Scope::EveryNode) => {
                Some(MANUAL_ON_EVERY_NODE.to_owned())
            }
            Rate::Manual => self
                .of_ticks()
                .map(|key| format!("`{key}` {MANUAL_HAS_NO_TICKS}")),
            Rate::Every { .. } if self.zone.is_some() && !self.is_restricted() => {
                Some(EVERY_HAS_NO_ZONE.to_owned())
            }
            _ => None,
        }
    }

    /// A setting that is about ticks.
    fn of_ticks(&self) -> Option<&'static str> {
        let settings = [
            ("tz", self.zone.is_some()),
            ("offset", self.has_offset),
            ("cron_env", self.cron_env.is_some()),
            ("start", self.start.is_some()),
            ("end", self.end.is_some()),
            ("within", self.within.is_some()),
            ("except", self.except.is_some()),
        ];
        let found = settings.into_iter().find(|(_, is_set)| *is_set);
        found.map(|(key, _)| key)
    }

    /// The schedule, with what the environment overrides. The error names the variable.
    pub(super) fn compile(&self, schedules: &mut Schedules<'_>) -> Result<Schedule, String> {
        let of_environment = match (&self.cron_env, &self.rate) {
            (Some(name), Rate::Cron(_)) => variable(name)?.map(|expression| (name, expression)),
            _ => None,
        };
        let Some((name, expression)) = of_environment else {
            return schedules.of(self).map_err(|error| error.to_string());
        };
        let overridden = When {
            rate: Rate::Cron(expression),
            ..self.clone()
        };
        schedules.of(&overridden).map_err(|error| {
            format!(
                "environment variable {name}: {error}; to switch the job off, use `enabled_env`"
            )
        })
    }

    fn schedule(
        &self,
        zones: &ZoneData,
        calendars: &[Calendar],
    ) -> Result<Schedule, ScheduleError> {
        let zone = match &self.zone {
            Some(name) => zones.zone(name)?,
            None => Zone::utc(),
        };
        let plain = match &self.rate {
            Rate::Cron(expression) => Schedule::cron(expression, zone.clone())?,
            Rate::Every { period, offset } => Schedule::every(*period, *offset)?,
            Rate::Manual => Schedule::manual(),
        };
        let mut restriction = Restriction::new(zone).zone_data(zones.clone());
        if let Some(start) = &self.start {
            restriction = restriction.start(start)?;
        }
        if let Some(end) = &self.end {
            restriction = restriction.end(end)?;
        }
        if let Some(within) = &self.within {
            restriction = restriction.within(within)?;
        }
        if let Some(items) = &self.except {
            restriction = restriction.except_all(items)?;
        }
        plain.restricted(restriction.calendars(calendars)?)
    }
}

/// Why a job without a schedule is none of every node.
const MANUAL_ON_EVERY_NODE: &str = "a job that runs only on request would never run with `scope = every_node`: nobody \
                                    can ask each node; leave `scope` out";

/// Why a job without ticks takes no settings of ticks.
const MANUAL_HAS_NO_TICKS: &str = "has no effect on a job that runs only on request: leave it out";

/// Why `every` takes no `tz` by itself.
const EVERY_HAS_NO_ZONE: &str = "`tz` has no effect on `every` without `start`, `end`, `within` or `except`: \
                                 leave `tz` out";

/// The schedules of a program's jobs. Jobs of which the same was said share one: a cron expression is costly to check.
pub(crate) struct Schedules<'a> {
    zones: &'a ZoneData,
    calendars: &'a [Calendar],
    compiled: HashMap<When, Schedule>,
}

impl<'a> Schedules<'a> {
    pub(crate) fn new(zones: &'a ZoneData, calendars: &'a [Calendar]) -> Self {
        Schedules {
            zones,
            calendars,
            compiled: HashMap::new(),
        }
    }

    /// The rules by which they are made.
    pub(crate) fn zones(&self) -> &'a ZoneData {
        self.zones
    }

    fn of(&mut self, when: &When) -> Result<Schedule, ScheduleError> {
        if let Some(compiled) = self.compiled.get(when) {
            return Ok(compiled.clone());
        }
        let schedule = when.schedule(self.zones, self.calendars)?;
        self.compiled.insert(when.clone(), schedule.clone());
        Ok(schedule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_another_schedule_in_another_zone() {
        let zones = ZoneData::compiled_in();
        let mut schedules = Schedules::new(&zones, &[]);
        let mut next_hour = |expression: &str, zone: &str| {
            let mut when = When::new(Rate::Cron(expression.to_owned()));
            when.zone = Some(zone.to_owned());
            let next_ms = schedules.of(&when)?.next_after(1_767_225_600_000);
            Ok::<_, ScheduleError>(next_ms.expect("a tick") % 86_400_000 / 3_600_000)
        };
        for _ in 0..2 {
            assert_eq!(next_hour("0 0 9 * * *", "UTC"), Ok(9));
            assert_eq!(next_hour("0 0 9 * * *", "Asia/Tokyo"), Ok(0));
            assert_eq!(next_hour("0 0 8 * * *", "UTC"), Ok(8));
        }
        assert!(next_hour("0 0 9 * * *", "Asia/Tokio").is_err());
    }
}
