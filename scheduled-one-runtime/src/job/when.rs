//! When a job is due, as the program said it: texts and durations, which are checked at start.

use std::time::Duration;

use scheduled_one_schedule::{Calendar, Restriction, Schedule, ScheduleError, Zone, ZoneData};

use crate::environment::variable;

/// What was said of the schedule, not checked yet.
#[derive(Clone, Debug)]
pub(super) struct When {
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

#[derive(Clone, Debug)]
pub(super) enum Rate {
    Cron(String),
    Every { period: Duration, offset: Duration },
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
    pub(super) fn misplaced(&self) -> Option<String> {
        match &self.rate {
            Rate::Cron(_) if self.has_offset => Some("`offset` goes only with `every`".to_owned()),
            Rate::Every { .. } if self.cron_env.is_some() => {
                Some("`cron_env` goes only with `cron`".to_owned())
            }
            Rate::Every { .. } if self.zone.is_some() && !self.is_restricted() => {
                Some(EVERY_HAS_NO_ZONE.to_owned())
            }
            _ => None,
        }
    }

    /// The schedule, with what the environment overrides. The error names the variable.
    pub(super) fn compile(
        &self,
        zones: &ZoneData,
        calendars: &[Calendar],
    ) -> Result<Schedule, String> {
        let (Some(name), Rate::Cron(_)) = (&self.cron_env, &self.rate) else {
            return self
                .schedule(zones, calendars)
                .map_err(|error| error.to_string());
        };
        let Some(expression) = variable(name)? else {
            return self
                .schedule(zones, calendars)
                .map_err(|error| error.to_string());
        };
        let rate = Rate::Cron(expression);
        let overridden = When {
            rate,
            ..self.clone()
        };
        overridden.schedule(zones, calendars).map_err(|error| {
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

/// Why `every` takes no `tz` by itself.
const EVERY_HAS_NO_ZONE: &str = "`tz` has no effect on `every` without `start`, `end`, `within` or `except`: \
                                 leave `tz` out";
