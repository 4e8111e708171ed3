//! Brings the outcomes of runs to the store, in batches, until it has recorded
//! them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::event;
use crate::metrics::labels::Op;
use crate::outcome_report::OutcomeReport;
use crate::request_each::Repeat;
use crate::store_client::{StoreClient, refusal};
use scheduled_one_protocol::message::{Finish, Finished, MAX_BATCH, Recorded};
use scheduled_one_protocol::{LedgerRecord, Outcome, Start, UnitName};

/// Most outcomes that are kept because the store refuses them. Beyond that the oldest is dropped.
const MAX_PENDING: usize = 1_024;
/// Wait before a refused outcome is reported again.
const REPEAT_AFTER: Duration = Duration::from_secs(10);
/// Most refused outcomes that are reported again in one turn. Each may need a request of its own, and new outcomes
/// wait for it.
const MAX_REPEATED: usize = 16;

/// A unit whose run has ended.
#[derive(Debug)]
pub(crate) struct UnitReleased {
    pub(crate) unit: UnitName,
    /// Tick of the run, and the last attempt that began.
    pub(crate) started: Start,
    /// Whether something waits in the unit.
    pub(crate) ready: bool,
    /// Whether the run has failed, and the store has recorded that.
    pub(crate) failed: bool,
}

/// How long the outcomes of runs that started on time wait for others. All nodes start the runs of a tick at the same
/// instant, and what reports them takes the processor and the store from those that are still to start.
const GATHER: Duration = Duration::from_millis(4);
/// A run that started so soon after its tick was due, and ended so soon after it started, is one of many.
const SOON_MS: i64 = 100;

/// An outcome without a reply, and the run that waits for its attempt to be recorded, if one does.
type PendingReport = (Finish, Option<oneshot::Sender<bool>>);

/// Reports outcomes to the store. Ends when all senders are gone and every report has a reply. `released` gets each
/// unit whose run has ended.
///
/// A run that ended before its deadline ended well, however late the store learns of it; so a report is repeated
/// until it has a reply. If the run was written off meanwhile, the store notes it as finished without lease. A
/// report that the store refuses is kept and repeated now and then: somebody may repair what its error names.
pub(crate) async fn report_outcomes(
    client: Arc<StoreClient>,
    mut reports: mpsc::UnboundedReceiver<OutcomeReport>,
    released: mpsc::UnboundedSender<UnitReleased>,
) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    let mut refused = PendingReports::default();
    loop {
        let count = tokio::select! {
            biased;
            count = reports.recv_many(&mut batch, MAX_BATCH) => Some(count),
            () = refused.wait(&client) => None,
        };
        if count == Some(0) {
            break;
        }
        // A virtual clock may stand still.
        if batch.iter().any(ended_with_its_tick) && !client.clock.is_virtual() {
            gather(&mut reports, &mut batch, client.sleep(GATHER)).await;
        }
        let mut finishes = Vec::with_capacity(batch.len());
        let mut lines = Vec::new();
        for report in batch.drain(..) {
            match report {
                OutcomeReport::Run(finish) => finishes.push((finish, None)),
                OutcomeReport::Attempt(finish, acknowledge) => {
                    finishes.push((finish, Some(acknowledge)));
                }
                OutcomeReport::Committed(finish, finished) => {
                    acknowledged(&client, (finish, None), finished, &released);
                }
                OutcomeReport::Local(line) => lines.push(line),
            }
        }
        let now = client.now();
        for batch in [finishes, refused.take_due(now)] {
            for report in report_finishes(&client, batch, &released).await {
                refused.keep(report, client.now(), &released);
            }
        }
        if !lines.is_empty() {
            report_lines(&client, &lines).await;
        }
    }
    // The last attempt for the outcomes that the store has refused so far.
    while let Some(batch) = refused.take_batch() {
        for report in report_finishes(&client, batch, &released).await {
            give_up(report, &released);
        }
    }
}

/// Whether the outcome is that of a run of a tick that just came due. Others may wait for what takes long, or is caught
/// up with.
fn ended_with_its_tick(report: &OutcomeReport) -> bool {
    let OutcomeReport::Run(finish) = report else {
        return false;
    };
    let soon = 0..=SOON_MS;
    finish.fired_at_ms.is_some_and(|fired_at_ms| {
        soon.contains(&(fired_at_ms - finish.run.tick.ms()))
            && soon.contains(&(finish.ended_at_ms - fired_at_ms))
    })
}

/// Adds the outcomes that come during this wait, unless a batch is full.
async fn gather(
    reports: &mut mpsc::UnboundedReceiver<OutcomeReport>,
    batch: &mut Vec<OutcomeReport>,
    wait: impl Future<Output = ()>,
) {
    if batch.len() >= MAX_BATCH {
        return;
    }
    wait.await;
    while batch.len() < MAX_BATCH
        && let Ok(report) = reports.try_recv()
    {
        batch.push(report);
    }
}

/// Outcomes that the store refuses, each with the instant at which it is reported again, in their order.
#[derive(Default)]
struct PendingReports(VecDeque<(Duration, PendingReport)>);

impl PendingReports {
    fn keep(
        &mut self,
        report: PendingReport,
        now: Duration,
        released: &mpsc::UnboundedSender<UnitReleased>,
    ) {
        if self.0.len() >= MAX_PENDING
            && let Some((_, oldest)) = self.0.pop_front()
        {
            give_up(oldest, released);
        }
        self.0.push_back((now + REPEAT_AFTER, report));
    }

    /// Waits until an outcome is to be reported again; without one, without limit.
    async fn wait(&self, client: &StoreClient) {
        match self.0.front() {
            Some((at, _)) => client.sleep(at.saturating_sub(client.now())).await,
            None => std::future::pending().await,
        }
    }

    /// Takes the outcomes that are to be reported again at `now`.
    fn take_due(&mut self, now: Duration) -> Vec<PendingReport> {
        let is_due = |(at, _): &&(Duration, PendingReport)| *at <= now;
        let due = self.0.iter().take(MAX_REPEATED).take_while(is_due).count();
        self.0.drain(..due).map(|(_, report)| report).collect()
    }

    /// Takes a batch, whether it is due or not; `None` if no outcome is left.
    fn take_batch(&mut self) -> Option<Vec<PendingReport>> {
        let most = self.0.len().min(MAX_BATCH);
        let batch = self.0.drain(..most).map(|(_, report)| report);
        Some(batch.collect()).filter(|batch: &Vec<PendingReport>| !batch.is_empty())
    }
}

/// The newest start of the run. An attempt that did not begin is none: it may
/// wait in the unit, to be taken over, and would never run if nodes believed that
/// it has started.
fn newest_start(finish: &Finish) -> Start {
    let begun = finish.fired_at_ms.is_some();
    Start {
        tick: finish.run.tick,
        attempt: finish.run.attempt.saturating_sub(u32::from(!begun)),
    }
}

/// Whether a run that ended so has failed. One that was cancelled has not: somebody wanted that.
pub(crate) fn is_failure(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Failed | Outcome::Panicked | Outcome::TimedOut | Outcome::Lost
    )
}

/// Reports a batch until it has replies. Returns the reports that the store refuses.
async fn report_finishes(
    client: &StoreClient,
    batch: Vec<PendingReport>,
    released: &mpsc::UnboundedSender<UnitReleased>,
) -> Vec<PendingReport> {
    if batch.is_empty() {
        return batch;
    }
    let (finishes, acknowledge): (Vec<Finish>, Vec<_>) = batch.into_iter().unzip();
    let replies = client
        .request_each(
            Op::Finish,
            &finishes,
            Repeat::UntilReply,
            |store, caller, finishes| store.finish(caller, finishes),
        )
        .await;
    let mut refused = Vec::new();
    for (report, reply) in finishes.into_iter().zip(acknowledge).zip(replies) {
        match reply {
            Ok(finished) => acknowledged(client, report, finished.body, released),
            Err(error) => {
                let run = &report.0.run;
                client.log_refused(&run.unit, run.tick, &error);
                refused.push(report);
            }
        }
    }
    refused
}

/// The store has replied to a report.
fn acknowledged(
    client: &StoreClient,
    report: PendingReport,
    finished: Finished,
    released: &mpsc::UnboundedSender<UnitReleased>,
) {
    if !finished.recorded {
        client.metrics.finished_without_lease(&report.0.run);
    }
    pass_on(report, &finished, released);
}

/// Passes the reply on to the run or to the node.
fn pass_on(
    (finish, acknowledge): PendingReport,
    finished: &Finished,
    released: &mpsc::UnboundedSender<UnitReleased>,
) {
    if !finished.recorded {
        event::finish_refused(&finish.run.unit, finish.run.tick);
    }
    // The receiver may be gone: then nobody waits for the reply any more.
    match acknowledge {
        Some(acknowledge) => drop(acknowledge.send(finished.recorded)),
        None => drop(released.send(UnitReleased {
            started: newest_start(&finish),
            failed: finished.recorded && is_failure(finish.outcome),
            unit: finish.run.unit,
            ready: finished.ready,
        })),
    }
}

/// Drops an outcome for good.
fn give_up(report: PendingReport, released: &mpsc::UnboundedSender<UnitReleased>) {
    let (finish, _) = &report;
    event::given_up(&finish.run.unit, finish.run.tick, finish.outcome);
    let not_recorded = Finished {
        recorded: false,
        ready: false,
    };
    pass_on(report, &not_recorded, released);
}

/// Reports ledger lines until they have replies. A refused line is dropped: these lines are many, and nothing waits
/// for them.
async fn report_lines(client: &StoreClient, lines: &[LedgerRecord]) {
    let replies = client
        .request_each(
            Op::Record,
            lines,
            Repeat::UntilReply,
            |store, caller, lines| store.record(caller, lines),
        )
        .await;
    for (line, reply) in lines.iter().zip(replies) {
        match reply.map(|replied| replied.body) {
            Ok(Recorded::Written) => {}
            Ok(Recorded::Lost(why)) => event::refused(&line.unit, line.tick, &why),
            Err(error) => event::refused(&line.unit, line.tick, &refusal(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scheduled_one_protocol::message::RunId;
    use scheduled_one_protocol::{FencingToken, TickMs};

    fn report(fired_at_ms: Option<i64>, ended_at_ms: i64) -> OutcomeReport {
        OutcomeReport::Run(Finish {
            run: RunId {
                unit: UnitName::new("job", 0),
                nonce: String::new(),
                tick: TickMs(1_000),
                origin: None,
                attempt: 1,
                token: FencingToken(1),
                lease_ms: 1_000,
                granted_at_ms: 0,
                takeovers: 0,
            },
            outcome: Outcome::Ok,
            retried: false,
            reason: String::new(),
            error: String::new(),
            fired_at_ms,
            ended_at_ms,
        })
    }

    #[test]
    fn a_short_run_of_a_tick_that_is_due_now_is_one_of_many() {
        assert!(ended_with_its_tick(&report(Some(1_000), 1_000)));
        assert!(ended_with_its_tick(&report(Some(1_100), 1_200)));
        assert!(!ended_with_its_tick(&report(Some(1_101), 1_101)), "late");
        assert!(!ended_with_its_tick(&report(Some(1_000), 1_101)), "long");
        assert!(!ended_with_its_tick(&report(None, 1_000)), "never began");
    }

    #[tokio::test]
    async fn what_ends_meanwhile_shares_a_request_of_a_full_batch_at_most() {
        let (sender, mut reports) = mpsc::unbounded_channel();
        let mut batch = vec![report(None, 1)];
        let ends = async {
            for _ in 0..MAX_BATCH + 5 {
                sender.send(report(None, 1)).expect("open");
            }
        };
        gather(&mut reports, &mut batch, ends).await;
        assert_eq!((batch.len(), reports.len()), (MAX_BATCH, 6));
        let never = std::future::pending();
        gather(&mut reports, &mut batch, never).await;
        assert_eq!(batch.len(), MAX_BATCH, "a full batch does not wait");
    }

    #[test]
    fn an_attempt_that_did_not_begin_is_no_start_whatever_its_number() {
        for (attempt, fired_at_ms, newest) in
            [(2, Some(5), 2), (2, None, 1), (1, None, 0), (0, None, 0)]
        {
            let OutcomeReport::Run(mut finish) = report(fired_at_ms, 6) else {
                panic!("a run");
            };
            finish.run.attempt = attempt;
            assert_eq!(newest_start(&finish).attempt, newest, "{attempt}");
        }
    }
}
