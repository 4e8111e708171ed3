//! Which units catch up with missed ticks (`misfire = run_all`): the log has a
//! line when that begins and one when it ends, however many ticks there are.

use std::collections::HashMap;

use crate::event;
use crate::node::units::Unit;
use crate::timer::UnitIndex;

/// The units that catch up, as far as this node takes part.
#[derive(Debug, Default)]
pub(super) struct CatchUps(HashMap<UnitIndex, CatchUp>);

/// A unit that catches up.
#[derive(Debug)]
struct CatchUp {
    began_ms: i64,
    /// Runs that this node has started since.
    runs: u64,
}

impl CatchUps {
    /// A tick of a unit was granted to this node when `newest_ms` was the newest due tick. If that is a later one, the
    /// unit catches up.
    pub(super) fn granted(
        &mut self,
        index: UnitIndex,
        unit: &Unit,
        tick_ms: i64,
        newest_ms: i64,
        now_ms: i64,
    ) {
        if let Some(catch_up) = self.0.get_mut(&index) {
            catch_up.runs += 1;
        } else if tick_ms < newest_ms {
            let count = unit.job.ticks().count(tick_ms - 1, newest_ms);
            event::catching_up(&unit.name(), tick_ms, newest_ms, count);
            let began = CatchUp {
                began_ms: now_ms,
                runs: 1,
            };
            self.0.insert(index, began);
        }
    }

    /// The store decided something about a unit: perhaps no tick is left to catch up with.
    pub(super) fn decided(&mut self, index: UnitIndex, unit: &Unit, now_ms: i64) {
        if !self.0.contains_key(&index) {
            return;
        }
        let ticks = unit.job.ticks();
        let next_ms = unit.job.schedule().next_after(unit.decided_to_ms());
        let is_behind = next_ms.is_some_and(|next_ms| ticks.due_ms(next_ms) <= now_ms);
        if !is_behind && let Some(catch_up) = self.0.remove(&index) {
            let took_ms = now_ms.saturating_sub(catch_up.began_ms);
            event::caught_up(&unit.name(), catch_up.runs, took_ms);
        }
    }
}
