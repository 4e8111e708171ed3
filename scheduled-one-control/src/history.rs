//! The ledger of a job.

use scheduled_one_protocol::LedgerRecord;

use crate::ask::ask;
use crate::control::Control;
use crate::error::Error;
use crate::rights::Action;

impl Control {
    /// The newest lines of a job's ledger, the newest first, at most `lines`. It costs one request, or two if there are
    /// none; of a job that no node has registered, the catalog is read as well.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownJob`], [`Error::Store`].
    pub async fn history(&self, job: &str, lines: usize) -> Result<Vec<LedgerRecord>, Error> {
        self.check_right(Action::View, job).await?;
        // A wrong name may be no part of a key.
        if scheduled_one_schedule::name::check_stored_name(job).is_ok() {
            let store = self.reader(job);
            let found = ask(|| store.ledger(job, lines)).await?;
            if !found.is_empty() || self.was_registered(job).await? {
                return Ok(found);
            }
        }
        self.check_job(job).await?;
        Ok(Vec::new())
    }
}
