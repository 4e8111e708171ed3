//! The trail: a row for each entry. Only steps that enter something write it.

use scheduled_one_protocol::fields::TRAIL;
use scheduled_one_protocol::machine::damage::Damage;
use scheduled_one_protocol::{StoreError, TrailEntry, TrailId, TrailLine, WorkingSet};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

use crate::classify::{Failure, Stage, failure};
use crate::rows::{Column, columns, read};
use crate::statements::ORDER_TRAIL;
use crate::store::PostgresStore;
use crate::transaction::Step;

/// A column for each field of the new entries.
pub(crate) fn changes(set: &WorkingSet) -> Option<Vec<Column>> {
    let entries: Vec<&TrailEntry> = set.trail.iter().collect();
    (!entries.is_empty()).then(|| columns(TRAIL, &entries))
}

impl PostgresStore {
    /// The entries before one, or of all, the newest first.
    pub(crate) async fn read_trail(
        &self,
        before: Option<TrailId>,
        limit: usize,
    ) -> Result<Vec<TrailLine>, StoreError> {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let before = before.map_or(i64::MAX, |id| number(id.minor));
        let limit = number(limit as u64);
        let parameters: [(&(dyn ToSql + Sync), Type); 3] = [
            (&self.bucket, Type::TEXT),
            (&before, Type::INT8),
            (&limit, Type::INT8),
        ];
        let rows = self
            .read(&self.shared.statements.trail, &parameters)
            .await?;
        let lines: Result<_, _> = rows.iter().map(line).collect();
        lines.map_err(Failure::into_error)
    }
}

/// An entry with its number.
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

impl Step<'_> {
    /// Appends entries, and deletes the oldest of those that are too many.
    pub(crate) async fn enter(
        &self,
        client: &Client,
        entries: &Option<Vec<Column>>,
    ) -> Result<(), Error> {
        let forgets = entries.as_ref().map(|_| Vec::new());
        let entries = entries.as_ref().map(|columns| columns.iter().collect());
        let ordered = entries.as_ref().map(|_| Vec::new());
        self.execute(client, ORDER_TRAIL, ordered).await?;
        self.execute(client, &self.statements.enter, entries)
            .await?;
        self.execute(client, &self.statements.forget_trail, forgets)
            .await?;
        Ok(())
    }
}
