//! Checkpoints: a row for each unit whose runs leave something.

use rusqlite::{OptionalExtension, params, params_from_iter};
use scheduled_one_protocol::fields::CHECKPOINT;
use scheduled_one_protocol::message::Checkpoint;
use scheduled_one_protocol::{StoreError, UnitName};

use crate::rows::{names, parameters, read, replaced, values};
use crate::statements::{Failure, Rows};

impl Rows<'_> {
    pub(crate) fn checkpoint(&self, unit: &UnitName) -> Result<Option<Checkpoint>, Failure> {
        let select = format!(
            "SELECT {} FROM checkpoint WHERE bucket = ?1 AND unit = ?2",
            names(CHECKPOINT)
        );
        let found = self
            .connection
            .query_row(&select, params![self.bucket, unit.as_str()], |row| {
                read(CHECKPOINT, row, 0, Checkpoint::default())
            })
            .optional()?;
        found
            .transpose()
            .map_err(|damage| Failure::Damaged(StoreError::damaged_checkpoint(unit, &damage)))
    }

    pub(crate) fn save_checkpoint(
        &self,
        unit: &UnitName,
        new: &Checkpoint,
    ) -> rusqlite::Result<()> {
        let upsert = format!(
            "INSERT INTO checkpoint (bucket, unit, {}) VALUES (?1, ?2, {}) ON CONFLICT DO UPDATE SET {}",
            names(CHECKPOINT),
            parameters(CHECKPOINT, 2),
            replaced(CHECKPOINT)
        );
        let key = [
            self.bucket.to_owned().into(),
            unit.as_str().to_owned().into(),
        ];
        let row = key.into_iter().chain(values(CHECKPOINT, new));
        self.connection.execute(&upsert, params_from_iter(row))?;
        Ok(())
    }
}
