//! The runs of a job that go on now, of however many shards.

use crate::control::Control;
use crate::error::Error;
use crate::glance::OpenRun;
use crate::rights::Action;
use crate::unit_record::UnitRecord;

impl Control {
    /// All runs of a job that go on now, and those that wait behind them, in all shards: of the schedule, and requested
    /// ones. A job that each node runs by itself has none. Of up to 64 shards,
    /// [`JobDescription::open_runs`](crate::JobDescription::open_runs) has the same.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownJob`], [`Error::Store`].
    pub async fn active_runs(&self, job: &str) -> Result<Vec<OpenRun>, Error> {
        self.check_right(Action::View, job).await?;
        let shards = match self.shards(job).await {
            Ok(shards) => shards,
            Err(Error::Argument { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let records = self.unit_records(job, shards.max(1)).await?;
        Ok(records.iter().flat_map(UnitRecord::open_runs).collect())
    }
}
