//! Restrictions from lines of text.

use scheduled_one_schedule::{Restriction, ScheduleError, Zone, ZoneData};

/// A restriction from lines `key value`, in a zone.
pub(crate) fn restriction(zone: Zone, lines: &[&str]) -> Result<Restriction, ScheduleError> {
    let restriction = Restriction::new(zone).zone_data(ZoneData::compiled_in());
    lines.iter().try_fold(restriction, |restriction, line| {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        match key {
            "start" => restriction.start(value),
            "end" => restriction.end(value),
            "within" => restriction.within(value),
            "except" => restriction.except(value),
            _ => panic!("{line}"),
        }
    })
}
