//! When each unit is due next, by the cluster's clock.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Index of a unit in its node.
pub(crate) type UnitIndex = u32;

/// The instant of a unit that is not in the timer.
const UNSET: i64 = i64::MAX;
/// The instant of a unit that was taken out and will be set again.
const TAKEN: i64 = i64::MAX - 1;

/// Outdated entries that the heap may have in addition to as many as there are units.
const MOST_OUTDATED: usize = 1_024;

/// Units by the instant at which they are due. A unit has one such instant at
/// most: it is taken out, decided, and set again. A unit that this node does not
/// claim rests.
#[derive(Debug, Default)]
pub(crate) struct Timer {
    heap: BinaryHeap<Reverse<(i64, UnitIndex)>>,
    /// The instant of each unit; entries of the heap with another instant are
    /// outdated.
    at_ms: Vec<i64>,
}

impl Timer {
    pub(crate) fn set(&mut self, at_ms: i64, unit: UnitIndex) {
        if self.at(unit) == at_ms {
            return;
        }
        self.store(unit, at_ms);
        self.heap.push(Reverse((at_ms, unit)));
        if self.heap.len() > 2 * self.at_ms.len() + MOST_OUTDATED {
            self.forget_outdated();
        }
    }

    /// A unit that is set again and again, or rests before its instant, leaves outdated entries behind.
    fn forget_outdated(&mut self) {
        let set = self.at_ms.iter().zip(0..);
        let set = set.filter(|(at_ms, _)| **at_ms < TAKEN);
        self.heap = set.map(|(at_ms, unit)| Reverse((*at_ms, unit))).collect();
    }

    /// The unit is not due until it is set again.
    pub(crate) fn rest(&mut self, unit: UnitIndex) {
        self.store(unit, UNSET);
    }

    /// Takes out a unit, due or not.
    pub(crate) fn take(&mut self, unit: UnitIndex) {
        self.store(unit, TAKEN);
    }

    /// Whether the unit rests: it is not due, and was not taken out.
    pub(crate) fn rests(&self, unit: UnitIndex) -> bool {
        self.at(unit) == UNSET
    }

    /// Whether the unit is due at `now_ms`.
    pub(crate) fn is_due(&self, unit: UnitIndex, now_ms: i64) -> bool {
        self.at(unit) <= now_ms
    }

    /// Whether the unit was taken out.
    pub(crate) fn is_taken(&self, unit: UnitIndex) -> bool {
        self.at(unit) == TAKEN
    }

    fn at(&self, unit: UnitIndex) -> i64 {
        self.at_ms.get(unit as usize).copied().unwrap_or(UNSET)
    }

    fn store(&mut self, unit: UnitIndex, at_ms: i64) {
        let index = unit as usize;
        if index >= self.at_ms.len() {
            self.at_ms.resize(index + 1, UNSET);
        }
        self.at_ms[index] = at_ms;
    }

    /// Makes a unit due now. Returns false if the unit is taken out: then it is set
    /// again when it is decided.
    pub(crate) fn hasten(&mut self, now_ms: i64, unit: UnitIndex) -> bool {
        if self.is_taken(unit) {
            return false;
        }
        if self.at(unit) > now_ms {
            self.set(now_ms, unit);
        }
        true
    }

    /// When the next unit is due.
    pub(crate) fn next_ms(&mut self) -> Option<i64> {
        while let Some(Reverse((at_ms, unit))) = self.heap.peek() {
            if self.at_ms[*unit as usize] == *at_ms {
                return Some(*at_ms);
            }
            self.heap.pop();
        }
        None
    }

    /// Takes out one unit that is due.
    pub(crate) fn take_due(&mut self, now_ms: i64) -> Option<UnitIndex> {
        if self.next_ms()? > now_ms {
            return None;
        }
        let Reverse((_, unit)) = self.heap.pop()?;
        self.at_ms[unit as usize] = TAKEN;
        Some(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_come_out_in_their_order_and_once() {
        let mut timer = Timer::default();
        timer.set(30, 0);
        timer.set(10, 1);
        timer.set(20, 2);
        assert!(timer.hasten(5, 2));
        assert_eq!(timer.next_ms(), Some(5));
        assert_eq!(timer.take_due(25), Some(2));
        assert_eq!(timer.take_due(25), Some(1));
        assert_eq!(timer.take_due(25), None);
        assert!(!timer.hasten(25, 1));
        assert_eq!(timer.take_due(30), Some(0));
        assert_eq!(timer.next_ms(), None);
    }

    #[test]
    fn a_unit_that_is_set_to_its_instant_again_comes_out_once() {
        let mut timer = Timer::default();
        timer.set(10, 0);
        timer.rest(0);
        timer.set(10, 0);
        timer.set(10, 0);
        assert_eq!(timer.take_due(10), Some(0));
        assert_eq!(timer.take_due(10), None);
    }

    #[test]
    fn outdated_entries_do_not_pile_up() {
        let mut timer = Timer::default();
        for time in 0..1_000 {
            for unit in 0..100 {
                timer.set(1_000_000 + time * 1_000 + i64::from(unit), unit);
                if unit % 3 == 0 {
                    timer.rest(unit);
                }
            }
        }
        assert!(timer.heap.len() <= 2 * 100 + MOST_OUTDATED + 1);
        let out: Vec<UnitIndex> = std::iter::from_fn(|| timer.take_due(i64::MAX - 2)).collect();
        let set: Vec<UnitIndex> = (0..100).filter(|unit| unit % 3 != 0).collect();
        assert_eq!(out, set);
    }
}
