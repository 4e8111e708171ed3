//! The end of a run whose job has effects in the store's database: outcome and statements in one transaction.

use std::time::Duration;

use crate::active_run::{ActiveRun, RunKind};
use crate::event;
use crate::lease::CancelReason;
use crate::metrics::labels::Op;
use crate::run::{NewRun, Runner};
use crate::run_result::RunResult;
use crate::store_client::StoreClient;
use crate::user_code;
use scheduled_one_protocol::message::{Finish, Finished};
use scheduled_one_protocol::{Outcome, Statement, StoreError};

/// A run that the store has ended together with the statements of its job.
pub(crate) struct CommittedRun {
    finish: Finish,
    finished: Finished,
}

impl Runner {
    /// Ends the run in the store with these statements, after its function has returned `Ok`. The request is repeated
    /// until it has a reply: whether it was carried out is known then. Renewals go on meanwhile; one that waits for the
    /// row which the statements lock comes to its end with them, and what it says of a lost lease does not count.
    pub(crate) async fn commit(
        &self,
        new: &NewRun,
        run: &ActiveRun,
        result: RunResult,
        statements: &[Statement],
    ) -> (RunResult, Option<CommittedRun>) {
        if new.kind == RunKind::Local {
            let why = "a run with scope = every_node has no outcome in the store that statements could commit with";
            return (RunResult::failed(why.to_owned()), None);
        }
        let placed = result.clone().placed(&new.placing);
        let finish = self
            .reporter
            .finish(run.id(), placed, run.fired_at_ms(), false);
        // A scheduler that has ended waits for no outcome.
        let goes_on = || !self.reporter.is_closed();
        run.mark_committing(true);
        match self.client.commit(&finish, statements, goes_on).await {
            Ok(finished) => {
                let result = match finished.recorded {
                    true => result,
                    false => self.lost(run),
                };
                (result, Some(CommittedRun { finish, finished }))
            }
            Err(error) => {
                run.mark_committing(false);
                (RunResult::failed(user_code::cut(&error.to_string())), None)
            }
        }
    }

    /// The store has given the run away before its commit.
    fn lost(&self, run: &ActiveRun) -> RunResult {
        // A renewal may have said so before.
        if run.lease.cancelled() != Some(CancelReason::LeaseLost) {
            event::lease_lost(run.unit(), run.token());
            self.metrics.lease_lost();
        }
        RunResult::dropped(CancelReason::LeaseLost)
    }

    /// Ends a run here that has ended in the store.
    pub(crate) fn end_committed(
        &self,
        new: &NewRun,
        run: &ActiveRun,
        result: &RunResult,
        committed: CommittedRun,
        began: Duration,
    ) -> Outcome {
        run.end();
        self.count_end(new, result, Some(began));
        self.reporter
            .committed(committed.finish, committed.finished);
        run.mark_reported();
        result.outcome
    }
}

impl StoreClient {
    /// Ends a run with statements, repeated until the store replies, as long as it `goes_on`.
    ///
    /// Errors: a statement failed, or the store refuses the request, and nothing was changed; or it has not replied.
    async fn commit(
        &self,
        finish: &Finish,
        statements: &[Statement],
        goes_on: impl Fn() -> bool,
    ) -> Result<Finished, StoreError> {
        let mut failures = 0;
        loop {
            let reply = self.request(Op::Finish, |store, caller| {
                store.commit(caller, finish, statements)
            });
            match reply.await {
                Ok(finished) => return Ok(finished.body),
                Err(error @ (StoreError::Statement(_) | StoreError::Refused(_))) => {
                    return Err(error);
                }
                Err(error) if !goes_on() => return Err(error),
                Err(_) => {
                    failures += 1;
                    self.back_off(failures).await;
                }
            }
        }
    }
}
