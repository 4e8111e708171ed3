//! Whether the store holds what the model holds.

use scheduled_one_protocol::message::CheckpointRequest;
use scheduled_one_protocol::{LedgerRecord, Store, UnitName};

use super::Breach;
use super::requests::{JOBS, units};
use super::step::replied;
use super::workload::Workload;

/// Lines of a ledger that are compared, at most.
const LINES: usize = 100;

impl Workload {
    /// Compares everything that a store can show: all units and all ledgers.
    ///
    /// # Errors
    ///
    /// Something differs, or there is no reply.
    pub async fn compare(&mut self, store: &dyn Store) -> Result<(), Breach> {
        let caller = self.caller();
        self.inspect(store, &caller, &units()).await?;
        for unit in units().into_iter().filter(UnitName::is_whole) {
            let read = CheckpointRequest::read(unit);
            self.send_checkpoint(store, &caller, read).await?;
        }
        let limit = *self.random.pick(&[1, 3, LINES]);
        for job in JOBS {
            let found = replied(&job, store.ledger(job, limit)).await?;
            let expected: Vec<LedgerRecord> = self.model.newest_lines(job, limit);
            // A store may keep lines for longer than it has to.
            let newest = found.get(..expected.len()).unwrap_or(&found).to_vec();
            Breach::unless_same("the newest lines of the ledger", &job, &expected, &newest)?;
            let most = found.len().min(limit);
            Breach::unless_same("the number of lines", &(job, limit), &most, &found.len())?;
        }
        self.compare_trail(store, limit).await
    }
}
