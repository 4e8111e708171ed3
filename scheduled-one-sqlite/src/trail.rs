//! The statements on the trail, of one bucket.

use rusqlite::{params, params_from_iter};
use scheduled_one_protocol::fields::TRAIL;
use scheduled_one_protocol::machine::damage::Damage;
use scheduled_one_protocol::{MAX_TRAIL, StoreError, TrailEntry, TrailId, TrailLine};

use crate::rows::{names, parameters, read, values};
use crate::statements::{Failure, Rows};

impl Rows<'_> {
    /// The entries before one, or of all, the newest first.
    pub(crate) fn trail(
        &self,
        before: Option<TrailId>,
        limit: usize,
    ) -> Result<Vec<TrailLine>, Failure> {
        let select = format!(
            "SELECT entry, {} FROM trail WHERE bucket = ?1 AND entry < ?2 ORDER BY entry DESC LIMIT ?3",
            names(TRAIL)
        );
        let most = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let before = before.map_or(i64::MAX, |id| most(id.minor));
        let limit = most(limit as u64);
        let mut select = self.connection.prepare(&select)?;
        let lines = select.query_map(params![self.bucket, before, limit], |row| {
            let number: i64 = row.get(0)?;
            Ok((number, read(TRAIL, row, 1, TrailEntry::default())?))
        })?;
        let line = |(number, entry): (i64, Result<TrailEntry, Damage>)| match entry {
            Ok(entry) => Ok(TrailLine {
                id: TrailId {
                    major: 0,
                    minor: number.unsigned_abs(),
                },
                entry,
            }),
            Err(Damage { field, value }) => Err(Failure::Damaged(StoreError::Refused(format!(
                "entry {number} of the trail has {value} as {field}: somebody edited it; delete that row"
            )))),
        };
        lines.map(|found| line(found?)).collect()
    }

    /// Appends entries, and deletes the oldest of those that are too many.
    pub(crate) fn enter(&self, entries: &[TrailEntry]) -> rusqlite::Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let insert = format!(
            "INSERT INTO trail (bucket, entry, {}) VALUES (?1, \
             (SELECT coalesce(max(entry), 0) + 1 FROM trail WHERE bucket = ?1), {})",
            names(TRAIL),
            parameters(TRAIL, 1)
        );
        let mut insert = self.connection.prepare(&insert)?;
        for entry in entries {
            let key = [self.bucket.to_owned().into()];
            let row = key.into_iter().chain(values(TRAIL, entry));
            insert.execute(params_from_iter(row))?;
        }
        let delete = "DELETE FROM trail WHERE bucket = ?1 AND entry <= \
                      (SELECT max(entry) FROM trail WHERE bucket = ?1) - ?2";
        let most = MAX_TRAIL as i64;
        self.connection
            .execute(delete, params![self.bucket, most])?;
        Ok(())
    }
}
