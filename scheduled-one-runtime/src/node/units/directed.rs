//! What operators want of the units of a node.

use scheduled_one_schedule::ZoneData;

use crate::event;
use crate::timer::UnitIndex;
use scheduled_one_protocol::{Directive, Directives, PastPause};

use super::{Unit, Units};

impl Unit {
    /// The version of the directives, with which its ticks are planned.
    pub(crate) fn control(&self) -> u64 {
        let versions = self.directives.iter().map(|directive| directive.version);
        versions.max().unwrap_or(0)
    }

    /// Until when it is paused at `now_ms`: [`i64::MAX`] if somebody has to end the pause, 0 if it is not paused.
    pub(crate) fn paused_until_ms(&self, now_ms: i64) -> i64 {
        paused_until_ms(&self.directives, now_ms)
    }

    /// The pauses that are over at `now_ms`.
    pub(crate) fn past_pauses(&self, now_ms: i64) -> Vec<PastPause> {
        past_pauses(&self.directives, now_ms)
    }
}

/// Until when these directives pause a job at `now_ms`: [`i64::MAX`] if somebody has to end the pause, 0 if none does.
pub(crate) fn paused_until_ms(directives: &[Directive], now_ms: i64) -> i64 {
    let pauses = directives.iter().filter_map(|one| one.pause);
    let holding = pauses.filter(|pause| pause.holds(now_ms));
    let ends = holding.map(|pause| pause.until_ms.unwrap_or(i64::MAX));
    ends.max().unwrap_or(0)
}

/// The pauses of these directives that are over at `now_ms`.
pub(crate) fn past_pauses(directives: &[Directive], now_ms: i64) -> Vec<PastPause> {
    let all = directives.iter();
    all.flat_map(|one| one.past_pauses(now_ms)).collect()
}

impl Units {
    /// Takes directives into account. Returns the units of which others are in force than before.
    pub(crate) fn direct(&mut self, directives: &Directives, zones: &ZoneData) -> Vec<UnitIndex> {
        let mut changed = Vec::new();
        for (index, unit) in (0..).zip(self.all.iter_mut()) {
            let own: Vec<Directive> = directives.of(&unit.job.name).cloned().collect();
            if own != unit.directives {
                unit.directives = own;
                changed.push(index);
                let wanted = directives.get(&unit.job.name);
                let wanted = wanted.and_then(|own| own.schedule.as_ref());
                // All shards of a job have one schedule.
                if let Some(became) = unit.job.reschedule(wanted, zones) {
                    event::rescheduled(&unit.job.name, unit.job.schedules.own(), &became);
                }
            }
        }
        changed
    }
}
