//! Ledgers are kept short, in small steps: not with each line, but after every so many.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use scheduled_one_protocol::LedgerRecord;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

use crate::bounded;
use crate::rows::Column;

/// A ledger is trimmed after as many lines as this part of its limit.
const PART: usize = 8;

/// Fewest lines between two deletions.
const FEWEST: usize = 32;

/// Lines that one deletion goes through to find the oldest of those that are kept, at most, if there is more than one
/// ledger.
const MOST: usize = 256_000;

/// How many lines this node wrote to each ledger since it trimmed it. A node that has not yet trimmed a ledger does so
/// with its first line.
#[derive(Debug, Default)]
pub(crate) struct Upkeep {
    since: Mutex<HashMap<String, usize>>,
}

impl Upkeep {
    /// Whether [`count`](Self::count) would return a ledger.
    pub(crate) fn is_due(&self, lines: &[LedgerRecord], limit: usize) -> bool {
        let since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let most = lines_between(limit);
        let mut written: HashMap<&str, usize> = HashMap::with_capacity(lines.len());
        let mut jobs = lines.iter().map(|line| line.unit.job());
        jobs.any(|job| {
            let before = written.entry(job).or_default();
            let is_due = since.get(job).is_none_or(|count| count + *before >= most);
            *before += 1;
            is_due
        })
    }

    /// Counts lines that were written. Returns the ledgers that are to be trimmed now, with their newest lines.
    pub(crate) fn count(
        &self,
        lines: &[LedgerRecord],
        newest: BTreeMap<String, i64>,
        limit: usize,
    ) -> Vec<(String, i64)> {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let most = lines_between(limit);
        let mut due = BTreeSet::new();
        for line in lines {
            let job = line.unit.job();
            match since.get_mut(job) {
                Some(count) if *count < most => *count += 1,
                _ => {
                    since.insert(job.to_owned(), 1);
                    due.insert(job);
                }
            }
        }
        // Where another step wrote to the ledger meanwhile, this one does not know the newest line: the next one trims.
        for job in due.iter().filter(|job| !newest.contains_key(**job)) {
            since.remove(*job);
        }
        newest
            .into_iter()
            .filter(|(job, _)| due.contains(job.as_str()))
            .collect()
    }

    /// More is left than one deletion deletes: the next line trims again.
    pub(crate) fn again(&self, job: &str) {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.remove(job);
    }
}

/// Lines between two deletions.
fn lines_between(limit: usize) -> usize {
    (limit / PART).max(FEWEST)
}

/// Ledgers that one deletion trims, at most.
pub(crate) fn at_once(limit: usize) -> usize {
    (MOST / limit.max(1)).max(1)
}

/// Trims ledgers, each up to a line. Returns how many lines were deleted.
pub(crate) async fn trim(
    client: &Client,
    statement: &str,
    bucket: &str,
    ledgers: &[(String, i64)],
    limit: usize,
) -> Result<usize, Error> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let jobs = Column::texts(ledgers.iter().map(|(job, _)| job.as_str()));
    let newest = Column::Int(ledgers.iter().map(|(_, line)| Some(*line)).collect());
    let parameters = [
        (&bucket as &(dyn ToSql + Sync), Type::TEXT),
        jobs.parameter(),
        (&limit, Type::INT8),
        newest.parameter(),
    ];
    let deleted = bounded::query(client, statement, &parameters).await?;
    Ok(deleted.len())
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
        let lines = std::slice::from_ref(&line);
        let due = |limit| {
            let is_due = upkeep.is_due(lines, limit);
            let newest = BTreeMap::from([("a".to_owned(), 7)]);
            let due = upkeep.count(lines, newest, limit);
            assert_eq!(is_due, !due.is_empty());
            due.len()
        };
        let trimmed: usize = (0..1_000).map(|_| due(800)).sum();
        assert_eq!(trimmed, 10);
        assert_eq!(due(800), 1);
        upkeep.again("a");
        assert_eq!(due(800), 1);
        assert_eq!(due(800), 0);
        // A small ledger is not trimmed with each line.
        assert_eq!((0..320).map(|_| due(1)).sum::<usize>(), 10);
    }

    #[test]
    fn a_ledger_whose_newest_line_is_unknown_is_trimmed_with_the_next() {
        let upkeep = Upkeep::default();
        let unit = UnitName::new("a", 3);
        let line = LedgerRecord::skipped(&unit, TickMs(1), SkipReason::Overlap, "node", 1);
        let lines = [line];
        assert_eq!(upkeep.count(&lines, BTreeMap::new(), 800), []);
        assert!(upkeep.is_due(&lines, 800));
        let newest = BTreeMap::from([("a".to_owned(), 7)]);
        assert_eq!(upkeep.count(&lines, newest, 800), [("a".to_owned(), 7)]);
        assert!(!upkeep.is_due(&lines, 800));
    }

    #[test]
    fn long_ledgers_are_trimmed_one_by_one() {
        assert_eq!(at_once(1_000), 256);
        assert_eq!(at_once(1_000_000), 1);
        assert_eq!(at_once(0), MOST);
    }
}
