//! The trail: a row for each entry. Only steps that enter something write it.

use scheduled_one_protocol::fields::TRAIL;
use scheduled_one_protocol::machine::damage::Damage;
use scheduled_one_protocol::{StoreError, TrailEntry, TrailId, TrailLine, WorkingSet};
use tokio_postgres::{Error, Row};

use crate::classify::{Failure, Stage, failure};
use crate::rows::{Column, columns, read};

/// A column for each field of the new entries.
pub(crate) fn changes(set: &WorkingSet) -> Option<Vec<Column>> {
    let entries: Vec<&TrailEntry> = set.trail.iter().collect();
    (!entries.is_empty()).then(|| columns(TRAIL, &entries))
}

/// The number that the wanted entries are below, and how many are wanted at most.
pub(crate) fn bounds(before: Option<TrailId>, limit: usize) -> [i64; 2] {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let before = before.map_or(i64::MAX, |id| number(id.minor));
    [before, number(limit as u64)]
}

/// Entries with their numbers.
pub(crate) fn lines(rows: &[Row]) -> Result<Vec<TrailLine>, StoreError> {
    let lines: Result<_, _> = rows.iter().map(line).collect();
    lines.map_err(Failure::into_error)
}

fn line(row: &Row) -> Result<TrailLine, Failure> {
    let failed = |error: Error| failure(&error, Stage::Load);
    let number: i64 = row.try_get(0).map_err(failed)?;
    match read(TRAIL, row, 1, TrailEntry::default()).map_err(failed)? {
        Ok(entry) => Ok(TrailLine {
            id: TrailId {
                major: 0,
                minor: number.unsigned_abs(),
            },
            entry,
        }),
        Err(Damage { field, value }) => Err(Failure::Fatal(StoreError::Refused(format!(
            "entry {number} of the trail has {value} as {field}: somebody edited it; delete that row"
        )))),
    }
}
