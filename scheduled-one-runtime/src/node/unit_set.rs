//! A set of units of a node.

use std::collections::HashSet;

use crate::node::preference::job_and_schedule;
use crate::node::units::Units;
use crate::timer::UnitIndex;
use scheduled_one_protocol::message::JobList;

/// Some units of this node, a bit each.
pub(super) struct UnitSet(Vec<u64>);

impl UnitSet {
    /// The units whose jobs are in the list.
    pub(super) fn of(list: &JobList, units: &Units) -> Self {
        let names: HashSet<&str> = list.names().collect();
        let mut set = UnitSet::none(units.indices().len());
        for unit in units.indices() {
            if names.contains(&*job_and_schedule(units.get(unit))) {
                set.add(unit);
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

    pub(super) fn contains(&self, unit: UnitIndex) -> bool {
        self.0[unit as usize / 64] & (1 << (unit % 64)) != 0
    }
}
