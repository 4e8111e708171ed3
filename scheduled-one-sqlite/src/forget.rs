//! Removes what is stored of a job.

use rusqlite::params;
use scheduled_one_protocol::UnitName;

use crate::statements::Rows;

/// Rows of units, slots and lanes; the requests of lanes; ids and checkpoints of units.
const OF_UNITS: [&str; 4] = [
    "DELETE FROM unit WHERE bucket = ?1 AND name = ?2",
    "DELETE FROM request WHERE bucket = ?1 AND lane = ?2",
    "DELETE FROM asked WHERE bucket = ?1 AND unit = ?2",
    "DELETE FROM checkpoint WHERE bucket = ?1 AND unit = ?2",
];

/// The ledger, and the entry of the catalog.
const OF_JOB: [&str; 2] = [
    "DELETE FROM ledger WHERE bucket = ?1 AND job = ?2",
    "DELETE FROM job WHERE bucket = ?1 AND name = ?2",
];

impl Rows<'_> {
    /// Removes what is stored of these units of a job, its ledger and its catalog entry.
    pub(crate) fn forget(&self, job: &str, units: &[UnitName]) -> rusqlite::Result<()> {
        for delete in OF_UNITS {
            let mut delete = self.connection.prepare(delete)?;
            for unit in units {
                delete.execute(params![self.bucket, unit.as_str()])?;
            }
        }
        for delete in OF_JOB {
            self.connection.execute(delete, params![self.bucket, job])?;
        }
        Ok(())
    }
}
