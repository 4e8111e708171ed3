//! Outcomes on their way from a run to the store.

use tokio::sync::oneshot;

use scheduled_one_protocol::LedgerRecord;
use scheduled_one_protocol::message::{Finish, Finished};

/// An outcome that is to be recorded.
#[derive(Debug)]
pub(crate) enum OutcomeReport {
    /// The end of a run.
    Run(Finish),
    /// The end of an attempt that another attempt follows in the same run.
    ///
    /// The run waits until the attempt is recorded, so that no two nodes ever make an attempt of the same number.
    /// The sender carries whether it was recorded; `false` means that the lease is gone.
    Attempt(Finish, oneshot::Sender<bool>),
    /// A run whose end the store has recorded before.
    Committed(Finish, Finished),
    /// A ledger line of a local job.
    Local(LedgerRecord),
}
