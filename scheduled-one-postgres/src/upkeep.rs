//! Ledgers are kept short, in small steps: not with each line, but after every so many.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use scheduled_one_protocol::LedgerRecord;

/// A ledger is trimmed after as many lines as this part of its limit.
const PART: usize = 8;

/// Fewest lines between two deletions.
const FEWEST: usize = 32;

/// How many lines this node wrote to each ledger since it trimmed it. A node that has not yet trimmed a ledger does so
/// with its first line.
#[derive(Debug, Default)]
pub(crate) struct Upkeep {
    since: Mutex<HashMap<String, usize>>,
}

impl Upkeep {
    /// Counts lines that were written. Returns the ledgers that are to be trimmed now.
    pub(crate) fn count(&self, lines: &[LedgerRecord], limit: usize) -> BTreeSet<String> {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let most = (limit / PART).max(FEWEST);
        let mut due = BTreeSet::new();
        for line in lines {
            let job = line.unit.job();
            match since.get_mut(job) {
                Some(count) if *count < most => *count += 1,
                _ => {
                    since.insert(job.to_owned(), 1);
                    due.insert(job.to_owned());
                }
            }
        }
        due
    }

    /// More is left than one deletion deletes: the next line trims again.
    pub(crate) fn again(&self, job: &str) {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.remove(job);
    }
}

#[cfg(test)]
mod tests {
    use scheduled_one_protocol::{SkipReason, TickMs, UnitName};

    use super::*;

    #[test]
    fn a_ledger_is_trimmed_at_first_and_then_now_and_then() {
        let upkeep = Upkeep::default();
        let line = LedgerRecord::skipped(
            &UnitName::new("a", 3),
            TickMs(1),
            SkipReason::Overlap,
            "node",
            1,
        );
        let due = |limit| upkeep.count(std::slice::from_ref(&line), limit).len();
        let trimmed: usize = (0..1_000).map(|_| due(800)).sum();
        assert_eq!(trimmed, 10);
        assert_eq!(due(800), 1);
        upkeep.again("a");
        assert_eq!(due(800), 1);
        assert_eq!(due(800), 0);
        // A small ledger is not trimmed with each line.
        assert_eq!((0..320).map(|_| due(1)).sum::<usize>(), 10);
    }
}
