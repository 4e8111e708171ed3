//! One run: from the grant to its outcome, with its attempts.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use scheduled_one_schedule::policy::OnLeaseLost;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::Instrument;

use super::going::{Going, Ticket};
use crate::attempt::Attempt;
use crate::cluster_clock::ClusterClock;
use crate::context::{JobContext, RunFacts, Shard};
use crate::event;
use crate::finish::Report;
use crate::guard::{End, Guard};
use crate::handler::States;
use crate::lease::{Cancel, Lease};
use crate::ledger::instant;
use crate::renewal::{ActiveRun, Watchdog};
use crate::rules::CompiledJob;
use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::hash;
use scheduled_one_protocol::message::{Finish, Overlap, RunId};
use scheduled_one_protocol::{LedgerRecord, Outcome};

/// How long a run without a lease may take to end when it is told to.
const OWN_CANCEL_BUDGET: Duration = Duration::from_secs(1);

/// What all runs of a node share.
pub(crate) struct Runner {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) cluster: Arc<ClusterClock>,
    pub(crate) watchdog: Watchdog,
    pub(crate) states: Arc<States>,
    pub(crate) node: Arc<str>,
    pub(crate) going: Going,
    /// The scheduler stops: retries give way.
    pub(crate) stopping: watch::Sender<bool>,
    /// To [`tell_outcomes`](crate::finish::tell_outcomes); taken away when
    /// the scheduler has stopped.
    pub(crate) reports: Mutex<Option<mpsc::UnboundedSender<Report>>>,
}

/// A run that may start.
pub(crate) struct Granted {
    pub(crate) job: Arc<CompiledJob>,
    pub(crate) id: RunId,
    /// When it may start, by the cluster's clock.
    pub(crate) due_ms: i64,
    /// When the claim was sent first.
    pub(crate) sent: Duration,
    /// Shard of the tick that the run is.
    pub(crate) shard: Shard,
    /// Ticks it stands for beside its own.
    pub(crate) missed: u64,
    /// Whether the store granted it, and is to be told how it ends. Else it
    /// is one of the runs that each node makes by itself.
    pub(crate) leased: bool,
}

impl Runner {
    /// Starts a run. None if it is too late for it.
    pub(crate) fn start(self: &Arc<Self>, granted: Granted) -> Option<Arc<ActiveRun>> {
        let id = &granted.id;
        let (clock, length) = (Arc::clone(&self.clock), id.lease_ms.max(0) as u64);
        let mut lease = match granted.leased {
            true => Lease::new(clock, Duration::from_millis(length), granted.sent),
            false => Lease::unlimited(clock, OWN_CANCEL_BUDGET),
        };
        if lease.cancelled().is_some() {
            event::claimed_too_late(&id.unit, id.tick.ms());
            let end = not_started(id, "the claim was answered too late to start");
            self.tell(&granted, id.clone(), end, None);
            return None;
        }
        if granted.job.rules.on_lease_lost == OnLeaseLost::Finish {
            lease = lease.going_on();
        }
        let run = Arc::new(ActiveRun::new(id.clone(), Arc::new(lease)));
        if granted.leased {
            self.watchdog.keep(Arc::clone(&run));
        }
        let ticket = self.going.enter(Arc::clone(&run));
        let span = event::run_span(id, instant(id.tick.ms()), &self.node);
        let runner = Arc::clone(self);
        let of_task = Arc::clone(&run);
        let task = async move { runner.run(granted, of_task, ticket).await };
        tokio::spawn(task.instrument(span));
        Some(run)
    }

    /// Ends a run that must not start, because a store that takes the place of
    /// this one may not know it and grant its tick again.
    pub(crate) fn decline(&self, granted: &Granted) {
        let id = &granted.id;
        event::not_replicated(&id.unit, id.tick.ms());
        let end = not_started(id, "too few replicas had the claim");
        self.tell(granted, id.clone(), end, None);
    }

    async fn run(self: Arc<Self>, granted: Granted, run: Arc<ActiveRun>, ticket: Ticket) {
        let waited = self.wait_until_due(&granted, &run).await;
        if waited.outcome != Outcome::Ok {
            run.end();
            self.tell(&granted, run.id(), waited, None);
            return drop(ticket);
        }
        let began = self.clock.boottime();
        let mut tries = 1;
        loop {
            let fired_at_ms = self.cluster.now_ms();
            let end = self.attempt(&granted, &run, fired_at_ms, began).await;
            let fired_at_ms = run.has_begun().then_some(fired_at_ms);
            let wait = self.wait_before_retry(&granted, &run, &end, tries, began);
            let goes_on = match wait {
                Some(wait) => self.back_off(&granted.id.unit, &run, tries, wait).await,
                None => false,
            };
            if !goes_on {
                run.end();
                self.tell(&granted, run.id(), end, fired_at_ms);
                break;
            }
            let heard = self.tell_attempt(&granted, run.id(), end, fired_at_ms);
            tries += 1;
            let ended = self.wait_recorded(&run, heard).await;
            if ended.is_some() {
                run.end();
            }
            // Not before: a renewal that tells of the next attempt would say
            // that this one was recorded.
            run.retry();
            if let Some(ended) = ended {
                self.tell(&granted, run.id(), ended, None);
                break;
            }
        }
        drop(ticket);
    }

    /// A run that was claimed ahead waits for its time, and a bit longer than
    /// this node's idea of the cluster's clock may be wrong: a job of midnight
    /// must not see yesterday.
    async fn wait_until_due(&self, granted: &Granted, run: &ActiveRun) -> End {
        let left = self.cluster.until_surely(granted.due_ms);
        if left.is_zero() {
            return End::of(Outcome::Ok);
        }
        let sleep = self.clock.sleep(left);
        let sleep = Box::pin(async move {
            sleep.await;
            Ok(())
        });
        Guard::new(sleep, Attempt::new(Arc::clone(&run.lease)), None).await
    }

    /// Calls the function once, under the lease.
    async fn attempt(
        &self,
        granted: &Granted,
        run: &Arc<ActiveRun>,
        fired_at_ms: i64,
        began: Duration,
    ) -> End {
        let control = Attempt::new(Arc::clone(&run.lease));
        let ctx = self.context(granted, run, control.clone(), fired_at_ms);
        let job = Arc::clone(&granted.job);
        let started = self.clock.boottime();
        let rules = &granted.job.rules;
        let of_attempt = rules.timeout.map(|timeout| started + timeout);
        let of_all = rules.timeout_total.map(|timeout| began + timeout);
        let timeout_at = of_attempt.into_iter().chain(of_all).min();
        // The call is inside, so that a panic of a plain closure is caught too.
        let begins = Arc::clone(run);
        let future = Box::pin(async move {
            begins.begin();
            job.handler.call(&ctx).await
        });
        let end = Guard::new(future, control.clone(), timeout_at).await;
        control.stop(Cancel::Ended);
        let took = self.clock.boottime().saturating_sub(started);
        event::ended(end.outcome, &end.reason, &end.error, took);
        end
    }

    /// How long to wait before another attempt; None if there is none.
    fn wait_before_retry(
        &self,
        granted: &Granted,
        run: &ActiveRun,
        end: &End,
        tries: u32,
        began: Duration,
    ) -> Option<Duration> {
        let rules = &granted.job.rules;
        let wanted = match end.outcome {
            Outcome::Failed => rules.retry_on.error,
            Outcome::Panicked => rules.retry_on.panic,
            Outcome::TimedOut => rules.retry_on.timeout,
            _ => false,
        };
        let stopping = *self.stopping.borrow() || run.lease.cancelled().is_some();
        if !wanted || tries > rules.retries || stopping {
            return None;
        }
        let id = run.id();
        let random = (hash(&id.nonce, id.tick.ms() as u64 ^ u64::from(id.attempt)) >> 11) as f64
            / (1_u64 << 53) as f64;
        let wait = rules.backoff.wait(tries + 1, random);
        if let Some(timeout) = rules.timeout_total
            && self.clock.boottime() + wait >= began + timeout
        {
            return None;
        }
        // Where ticks do not wait for their turn, the next one goes first.
        let gives_way = matches!(rules.overlap, Overlap::Skip | Overlap::CancelRunning);
        let next_ms = granted.job.schedule.next_after(id.tick.ms());
        let starts_ms = self.cluster.now_ms() + wait.as_millis() as i64;
        if gives_way && next_ms.is_some_and(|next_ms| starts_ms >= next_ms) {
            return None;
        }
        Some(wait)
    }

    /// Waits before another attempt. False if there is to be none: the run was
    /// told to stop, or the scheduler stops.
    async fn back_off(&self, unit: &str, run: &ActiveRun, tries: u32, wait: Duration) -> bool {
        event::retry(unit, tries, wait);
        let control = Attempt::new(Arc::clone(&run.lease));
        let mut stopping = self.stopping.subscribe();
        tokio::select! {
            biased;
            () = control.wait_cancelled() => false,
            _ = stopping.wait_for(|stopping| *stopping) => false,
            () = self.clock.sleep(wait) => control.cancelled().is_none(),
        }
    }

    /// Waits until the store has recorded an attempt, for as long as the run
    /// may go on. Some if there is to be no other one.
    async fn wait_recorded(
        &self,
        run: &ActiveRun,
        heard: Option<oneshot::Receiver<bool>>,
    ) -> Option<End> {
        let heard = heard?;
        let control = Attempt::new(Arc::clone(&run.lease));
        let refused = control.clone();
        let recorded = Box::pin(async move {
            if !heard.await.unwrap_or(false) {
                // Another run may have its place: no further attempt, even
                // where a run goes on without its lease.
                refused.stop(Cancel::LeaseLost);
            }
            Ok(())
        });
        let end = Guard::new(recorded, control, None).await;
        (end.outcome != Outcome::Ok).then_some(end)
    }

    fn context(
        &self,
        granted: &Granted,
        run: &ActiveRun,
        control: Attempt,
        fired_at_ms: i64,
    ) -> JobContext {
        let id = run.id();
        JobContext::new(RunFacts {
            job: Arc::clone(&granted.job.name),
            zone: granted.job.schedule.zone(),
            scheduled_at: instant(id.tick.ms()),
            fired_at: instant(fired_at_ms),
            attempt: id.attempt,
            token: id.token.get(),
            node: Arc::clone(&self.node),
            states: Arc::clone(&self.states),
            control,
            shard: granted.shard,
            missed: granted.missed,
            clock_offset_us: self.cluster.offset_us(),
        })
    }

    /// No more outcomes will come.
    pub(crate) fn close_reports(&self) {
        *self.reports() = None;
    }

    /// Has the store told how a run ended.
    fn tell(&self, granted: &Granted, run: RunId, end: End, fired_at_ms: Option<i64>) {
        let finish = self.finish(run, end, fired_at_ms, false);
        match granted.leased {
            true => self.report(Report::Finish(finish)),
            false => self.report(Report::Line(LedgerRecord::finished(
                &finish,
                finish.outcome,
                &self.node,
            ))),
        }
    }

    /// Has the store told how an attempt ended that another one follows; what
    /// comes back tells when it is recorded, where that must be waited for.
    fn tell_attempt(
        &self,
        granted: &Granted,
        run: RunId,
        end: End,
        fired_at_ms: Option<i64>,
    ) -> Option<oneshot::Receiver<bool>> {
        let finish = self.finish(run, end, fired_at_ms, true);
        if !granted.leased {
            self.report(Report::Line(LedgerRecord::finished(
                &finish,
                finish.outcome,
                &self.node,
            )));
            return None;
        }
        let (told, heard) = oneshot::channel();
        self.report(Report::Attempt(finish, told));
        Some(heard)
    }

    fn finish(&self, run: RunId, end: End, fired_at_ms: Option<i64>, retried: bool) -> Finish {
        Finish {
            run,
            outcome: end.outcome,
            retried,
            reason: end.reason,
            error: end.error,
            fired_at_ms,
            ended_at_ms: self.cluster.now_ms(),
        }
    }

    /// Has the store told.
    pub(crate) fn report(&self, report: Report) {
        match &*self.reports() {
            // Fails only when the receiver is gone, and that is aborted last.
            Some(reports) => drop(reports.send(report)),
            None => event::unrecorded(&report),
        }
    }

    fn reports(&self) -> MutexGuard<'_, Option<mpsc::UnboundedSender<Report>>> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of a run that was granted and is not started: its tick is missed,
/// or, if a run of it was taken over, lost.
fn not_started(id: &RunId, reason: &str) -> End {
    let outcome = match id.attempt {
        1 => Outcome::Missed,
        _ => Outcome::Lost,
    };
    End {
        reason: reason.to_owned(),
        ..End::of(outcome)
    }
}
