//! When to look at which unit next, by the cluster's clock.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Index of a unit in its node.
pub(crate) type UnitIndex = u32;

/// Units by the instant they want to be looked at. A unit is in it once at
/// most: it is taken out, decided, and put back.
#[derive(Debug, Default)]
pub(crate) struct Timer {
    heap: BinaryHeap<Reverse<(i64, UnitIndex)>>,
}

impl Timer {
    pub(crate) fn set(&mut self, at_ms: i64, unit: UnitIndex) {
        self.heap.push(Reverse((at_ms, unit)));
    }

    /// When the next unit wants to be looked at.
    pub(crate) fn next_ms(&self) -> Option<i64> {
        self.heap.peek().map(|Reverse((at_ms, _))| *at_ms)
    }

    /// Takes out one unit whose instant has come.
    pub(crate) fn take_due(&mut self, now_ms: i64) -> Option<UnitIndex> {
        if self.next_ms()? > now_ms {
            return None;
        }
        self.heap.pop().map(|Reverse((_, unit))| unit)
    }
}
