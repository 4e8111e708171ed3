//! The end of a run whose job has effects in the store's database: outcome and statements in one transaction.

use std::time::Duration;

use crate::active_run::{ActiveRun, RunKind};
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
    /// Ends the run in the store with these statements, after its function has returned `Ok`. The lease is renewed
    /// meanwhile, and the request is repeated until it has a reply: whether it was carried out is known then.
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
        match self.client.commit(&finish, statements, goes_on).await {
            Ok(finished) => {
                let result = match finished.recorded {
                    true => result,
                    false => RunResult::dropped(CancelReason::LeaseLost),
                };
                (result, Some(CommittedRun { finish, finished }))
            }
            Err(error) => (RunResult::failed(user_code::cut(&error.to_string())), None),
        }
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
