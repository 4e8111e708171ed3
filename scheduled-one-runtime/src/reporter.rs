//! Reports the ends of runs and of attempts: sends them on their way to the store,
//! where `finish.rs` brings them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot};

use crate::active_run::RunKind;
use crate::cluster_clock::ClusterClock;
use crate::event;
use crate::outcome_report::OutcomeReport;
use crate::run_result::RunResult;
use scheduled_one_protocol::LedgerRecord;
use scheduled_one_protocol::message::{Finish, Finished, RunId};

type Sender = mpsc::UnboundedSender<OutcomeReport>;

/// Reports the outcomes of a node's runs in one bucket.
pub(crate) struct Reporter {
    cluster: Arc<ClusterClock>,
    /// The label of this node.
    node: Arc<str>,
    /// The random identity of this node.
    identity: String,
    /// The way to [`report_outcomes`](crate::finish::report_outcomes). `None` when the scheduler has stopped.
    sender: Mutex<Option<Sender>>,
}

impl Reporter {
    pub(crate) fn new(
        cluster: Arc<ClusterClock>,
        node: Arc<str>,
        identity: String,
        sender: Sender,
    ) -> Self {
        Reporter {
            cluster,
            node,
            identity,
            sender: Mutex::new(Some(sender)),
        }
    }

    /// No run reports any more.
    pub(crate) fn close(&self) {
        *self.sender() = None;
    }

    /// Whether no run reports any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender().is_none()
    }

    /// Reports the end of a run.
    pub(crate) fn end(
        &self,
        kind: RunKind,
        run: RunId,
        result: RunResult,
        fired_at_ms: Option<i64>,
    ) {
        let finish = self.finish(run, result, fired_at_ms, false);
        match kind {
            RunKind::Leased { .. } => self.send(OutcomeReport::Run(finish)),
            RunKind::Local => self.local(&finish),
        }
    }

    /// Reports the end of an attempt that another one follows. The receiver gets
    /// whether it is recorded, where the next attempt must wait for that.
    pub(crate) fn attempt(
        &self,
        kind: RunKind,
        run: RunId,
        result: RunResult,
        fired_at_ms: Option<i64>,
    ) -> Option<oneshot::Receiver<bool>> {
        let finish = self.finish(run, result, fired_at_ms, true);
        match kind {
            RunKind::Leased { .. } => {
                let (acknowledge, acknowledged) = oneshot::channel();
                self.send(OutcomeReport::Attempt(finish, acknowledge));
                Some(acknowledged)
            }
            RunKind::Local => {
                self.local(&finish);
                None
            }
        }
    }

    /// Passes the end of a run on that the store has recorded.
    pub(crate) fn committed(&self, finish: Finish, finished: Finished) {
        self.send(OutcomeReport::Committed(finish, finished));
    }

    /// The report of an end.
    pub(crate) fn finish(
        &self,
        run: RunId,
        result: RunResult,
        fired_at_ms: Option<i64>,
        retried: bool,
    ) -> Finish {
        Finish {
            run,
            outcome: result.outcome,
            retried,
            reason: result.reason,
            error: result.error,
            fired_at_ms,
            ended_at_ms: self.cluster.now_ms(),
        }
    }

    fn local(&self, finish: &Finish) {
        self.line(LedgerRecord::finished(finish, finish.outcome, &self.node));
    }

    /// Reports a ledger line of a local job. It gets the identity of this node: several nodes may have one label.
    pub(crate) fn line(&self, line: LedgerRecord) {
        self.send(OutcomeReport::Local(LedgerRecord {
            identity: Some(self.identity.clone()),
            ..line
        }));
    }

    fn send(&self, report: OutcomeReport) {
        match &*self.sender() {
            // Fails only when the receiver is gone, and that is aborted last.
            Some(sender) => drop(sender.send(report)),
            None => event::unrecorded(&report),
        }
    }

    fn sender(&self) -> MutexGuard<'_, Option<Sender>> {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
