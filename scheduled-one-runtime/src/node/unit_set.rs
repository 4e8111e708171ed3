//! A set of units of a node.

use crate::node::units::Units;
use crate::timer::UnitIndex;
use scheduled_one_protocol::message::JobList;

/// Some units of this node, a bit each.
#[derive(Debug)]
pub(super) struct UnitSet(Vec<u64>);

impl UnitSet {
    /// The units whose jobs are in the list, with their schedules. Many lists have none of them: nothing is made for a
    /// name that this node does not have.
    pub(super) fn of(list: &JobList, units: &Units) -> Self {
        let mut set = UnitSet::none(units.indices().len());
        for entry in list.names() {
            let Some((name, schedule)) = entry.split_once('=') else {
                continue;
            };
            for unit in units.of_job(name) {
                if units.get(unit).schedule.to_string() == schedule {
                    set.add(unit);
                }
            }
        }
        set
    }

    /// No unit, of so many.
    pub(super) fn none(units: usize) -> Self {
        UnitSet(vec![0; units.div_ceil(64)])
    }

    pub(super) fn add(&mut self, unit: UnitIndex) {
        self.0[unit as usize / 64] |= 1 << (unit % 64);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub(super) fn contains(&self, unit: UnitIndex) -> bool {
        self.0[unit as usize / 64] & (1 << (unit % 64)) != 0
    }
}
