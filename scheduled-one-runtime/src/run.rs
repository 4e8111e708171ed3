//! One run: from the grant to its outcome, with its attempts. A run always ends
//! in an outcome: its task is watched.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use scheduled_one_schedule::policy::OnLeaseLost;
use tokio::sync::watch;

use crate::active_run::{ActiveRun, RunKind};
use crate::active_runs::{ActiveRuns, RunGuard};
use crate::alarm::Alarm;
use crate::attempt::Attempt;
use crate::cluster_clock::ClusterClock;
use crate::committing::CommittedRun;
use crate::compiled_job::CompiledJob;
use crate::context::{JobContext, RunFacts, Shard};
use crate::event::{self, spans};
use crate::guard::{Guard, SlowPolls};
use crate::lease::{CancelReason, Lease, LeaseMode};
use crate::ledger::instant;
use crate::log_throttle::LogThrottle;
use crate::metrics::Metrics;
use crate::metrics::labels::{NOT_REPLICATED, REQUEST_DELETED, TOO_LATE, cause};
use crate::permits::{Permit, Permits};
use crate::reporter::Reporter;
use crate::run_result::RunResult;
use crate::state::States;
use crate::store_client::StoreClient;
use crate::user_code;
use crate::watchdog::Watchdog;
use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::message::RunId;
use scheduled_one_protocol::{Outcome, TickMs};

/// How long a cancelled local job may take to return.
const LOCAL_CANCEL_BUDGET: Duration = Duration::from_secs(1);

/// Makes the runs of a node in one bucket.
pub(crate) struct Runner {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) cluster: Arc<ClusterClock>,
    /// Wakes runs when their ticks are due.
    pub(crate) alarm: Alarm,
    /// Renews the leases of granted runs.
    pub(crate) watchdog: Watchdog,
    /// The values that job functions take as `State`.
    pub(crate) states: Arc<States>,
    /// The label of this node.
    pub(crate) node: Arc<str>,
    pub(crate) active_runs: ActiveRuns,
    /// How many runs may be active.
    pub(crate) permits: Permits,
    /// Set when the scheduler stops: then no attempt is followed by another one.
    pub(crate) stopping: watch::Sender<Option<Stopping>>,
    /// Limits the warnings of polls that block.
    pub(crate) slow_polls: Arc<LogThrottle>,
    /// Ends runs with statements.
    pub(crate) client: Arc<StoreClient>,
    /// Reports the outcomes.
    pub(crate) reporter: Reporter,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) signs: Option<Arc<dyn crate::run_signs::RunSigns>>,
}

/// The scheduler stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stopping {
    /// How long nodes wait for the replies to their claims, by the boot clock.
    pub(crate) drain_until: Duration,
}

/// A run that may start.
pub(crate) struct NewRun {
    pub(crate) job: Arc<CompiledJob>,
    pub(crate) kind: RunKind,
    pub(crate) id: RunId,
    /// When it may start, by the cluster's clock; `None` for a tick that waited, and may start at once.
    pub(crate) due_ms: Option<i64>,
    /// Shard of the tick that the run is.
    pub(crate) shard: Shard,
    /// Number of missed ticks that the run stands for in addition to its own.
    pub(crate) coalesced: u64,
    /// Parameters of a requested run, as JSON; `None` of a tick.
    pub(crate) parameters: Option<Arc<str>>,
    /// How the node came to run it, in words for its ledger line; may be empty.
    pub(crate) placing: String,
    /// Given back when the run has ended.
    pub(crate) permit: Permit,
}

impl Runner {
    /// Starts a run; `None` if it is too late for it.
    pub(crate) fn start(self: &Arc<Self>, new: NewRun) -> Option<Arc<ActiveRun>> {
        let id = &new.id;
        let lease = self.lease(&new);
        // Whatever happens later without a lease, a run starts only under a proven one.
        if new.kind != RunKind::Local && self.clock.boottime() >= lease.cancel_at() {
            event::claimed_too_late(&id.unit, id.tick);
            self.not_started(&new, TOO_LATE);
            return None;
        }
        let run = Arc::new(ActiveRun::new(id.clone(), Arc::new(lease)));
        if new.kind != RunKind::Local {
            self.watchdog.add(Arc::clone(&run));
        }
        let guard = self.active_runs.enter(Arc::clone(&run));
        tokio::spawn(Arc::clone(self).watch(new, Arc::clone(&run), guard));
        Some(run)
    }

    /// The task of a run. A panic that no part of the run expects is its outcome too: a run that ended without one
    /// would look like that of a node that died.
    async fn watch(self: Arc<Self>, new: NewRun, run: Arc<ActiveRun>, guard: RunGuard) {
        let (tick, cause) = (instant(logical(&new.id).ms()), cause(&new.id));
        let span = spans::run_span(&new.id, tick, &self.node, cause, &new.job.schedule());
        let path = user_code::in_span(&span, Box::pin(self.run(&new, &run)));
        match user_code::catch(Box::pin(path)).await {
            Ok(outcome) => spans::set_status(&span, outcome),
            Err(panic) if !run.is_reported() => {
                let result = RunResult::panicked(panic);
                event::broken(&span, run.unit(), &result.error);
                self.end(&new, &run, result, None);
            }
            Err(_) => {}
        }
        user_code::ignore(|| drop(span));
        drop(guard);
        drop(new.permit);
    }

    /// Ends a granted run that must not start: a store that replaces this one may not know it and grant its tick again,
    /// or somebody deleted the request with its parameters.
    pub(crate) fn decline(&self, new: &NewRun) {
        let id = &new.id;
        let reason = if id.unit.is_lane() && id.origin.is_none() {
            event::request_deleted(&id.unit, id.tick);
            REQUEST_DELETED
        } else {
            event::not_replicated(&id.unit, id.tick);
            NOT_REPLICATED
        };
        self.not_started(new, reason);
    }

    /// Reports a run that was granted and is not started.
    fn not_started(&self, new: &NewRun, reason: &str) {
        let result = RunResult::not_started(&new.id, reason);
        self.count_end(new, &result, None);
        self.reporter.end(new.kind, new.id.clone(), result, None);
    }

    fn lease(&self, new: &NewRun) -> Lease {
        let clock = Arc::clone(&self.clock);
        match new.kind {
            RunKind::Leased { claim_sent } => {
                let mode = match new.job.rules.on_lease_lost {
                    OnLeaseLost::Finish => LeaseMode::Continue,
                    _ => LeaseMode::Cancel,
                };
                let length = Duration::from_millis(new.id.lease_ms.max(0) as u64);
                Lease::new(clock, length, claim_sent, mode)
            }
            RunKind::Local => Lease::unlimited(clock, LOCAL_CANCEL_BUDGET),
        }
    }

    /// The path of a run: it waits until its tick is due, makes attempts, and reports its end.
    async fn run(&self, new: &NewRun, run: &Arc<ActiveRun>) -> Outcome {
        let waited = self.wait_until_due(new, run).await;
        if waited.outcome != Outcome::Ok {
            return self.end(new, run, waited, None);
        }
        let began = self.clock.boottime();
        self.count_start(new);
        let mut tries = 1;
        loop {
            let fired_at_ms = self.cluster.now_ms();
            let (result, committed) = self.attempt(new, run, fired_at_ms, began).await;
            if let Some(committed) = committed {
                return self.end_committed(new, run, &result, committed, began);
            }
            let wait = self.wait_before_retry(new, run, &result, tries, began);
            let retries = match wait {
                Some(wait) => self.back_off(run, tries, wait).await,
                None => false,
            };
            if !retries {
                let cancelled = wait.and_then(|_| run.lease.cancelled());
                return self.end(new, run, result.unless(cancelled), Some(began));
            }
            let acknowledged = self.reporter.attempt(
                new.kind,
                run.id(),
                result.placed(&new.placing),
                run.fired_at_ms(),
            );
            new.job.metrics.retried();
            tries += 1;
            let ended = self.wait_recorded(run, acknowledged).await;
            if ended.is_some() {
                run.end();
            }
            // Only after the reply: a renewal that names the next attempt says
            // that this attempt was recorded.
            run.start_next_attempt();
            if let Some(ended) = ended {
                return self.end(new, run, ended, Some(began));
            }
        }
    }

    /// Ends the run, and reports that. `began`: when its function was called first, by the boot clock.
    fn end(
        &self,
        new: &NewRun,
        run: &ActiveRun,
        result: RunResult,
        began: Option<Duration>,
    ) -> Outcome {
        run.end();
        let outcome = result.outcome;
        self.count_end(new, &result, began);
        self.reporter.end(
            new.kind,
            run.id(),
            result.placed(&new.placing),
            run.fired_at_ms(),
        );
        run.mark_reported();
        outcome
    }

    /// Counts how late the function of a first attempt is called. A tick that waited for the run before is late, too.
    fn count_start(&self, new: &NewRun) {
        self.sign_start(new);
        // A request has no instant at which it was due.
        if new.id.attempt == 1 && new.id.origin.is_none() {
            let tick_ms = new.id.tick.ms();
            let due_ms = new
                .due_ms
                .unwrap_or_else(|| new.job.ticks().due_ms(tick_ms));
            let late_us = self.cluster.now_us() - due_ms.saturating_mul(1_000);
            let lateness = Duration::from_micros(late_us.max(0) as u64);
            self.metrics.run_began(&new.job, lateness);
        }
    }

    pub(crate) fn count_end(&self, new: &NewRun, result: &RunResult, began: Option<Duration>) {
        let took = began.map(|began| self.clock.boottime().saturating_sub(began));
        self.sign_end(new, result, took);
        let ended = (result.outcome, result.reason.as_str());
        let now_ms = self.cluster.now_ms();
        self.metrics.run_ended(
            &new.job,
            (cause(&new.id), new.shard.index),
            ended,
            took,
            now_ms,
        );
    }

    /// Waits until the tick is due, and a bit longer than this node may be wrong
    /// about the cluster's clock: a job of midnight must not see the day before.
    async fn wait_until_due(&self, new: &NewRun, run: &ActiveRun) -> RunResult {
        let left = new.due_ms.map(|due_ms| self.cluster.until_surely(due_ms));
        let Some(left) = left.filter(|left| !left.is_zero()) else {
            return RunResult::with_outcome(Outcome::Ok);
        };
        tokio::select! {
            biased;
            () = run.lease.wait_cancelled() => {}
            () = self.alarm.sleep(left) => {}
        }
        match run.lease.cancelled() {
            Some(reason) => RunResult::dropped(reason),
            None => RunResult::with_outcome(Outcome::Ok),
        }
    }

    /// Calls the function once, under the lease. What it wants to be committed with the outcome ends the run in the
    /// store.
    async fn attempt(
        &self,
        new: &NewRun,
        run: &Arc<ActiveRun>,
        fired_at_ms: i64,
        began: Duration,
    ) -> (RunResult, Option<CommittedRun>) {
        let control = Attempt::new(Arc::clone(&run.lease));
        let ctx = self.context(new, run, control.clone(), fired_at_ms);
        let effects = ctx.clone();
        let job = Arc::clone(&new.job);
        let started = self.clock.boottime();
        let rules = &new.job.rules;
        let of_attempt = rules.timeout.map(|timeout| started + timeout);
        let of_all = rules.timeout_total.map(|timeout| began + timeout);
        let timeout_at = of_attempt.into_iter().chain(of_all).min();
        // The call is inside the guarded future, so that a panic of a plain closure is caught too.
        let begins = Arc::clone(run);
        let future = Box::pin(async move {
            begins.mark_begun(fired_at_ms);
            job.handler.call(&ctx).await
        });
        let slow_polls = SlowPolls {
            unit: run.unit().clone(),
            throttle: Arc::clone(&self.slow_polls),
        };
        let span = spans::attempt_span(run.id().attempt);
        let guard = Guard::of_job(future, control.clone(), timeout_at, slow_polls);
        let result = user_code::in_span(&span, Box::pin(guard)).await;
        control.cancel(CancelReason::Ended);
        let statements = effects.take_statements();
        let (result, committed) = match result.outcome {
            Outcome::Ok if !statements.is_empty() => {
                Box::pin(self.commit(new, run, result, &statements)).await
            }
            _ => (result, None),
        };
        let took = self.clock.boottime().saturating_sub(started);
        event::ended(span, result.outcome, &result.reason, &result.error, took);
        (result, committed)
    }

    fn context(
        &self,
        new: &NewRun,
        run: &ActiveRun,
        control: Attempt,
        fired_at_ms: i64,
    ) -> JobContext {
        let id = run.id();
        JobContext::new(RunFacts {
            job: Arc::clone(&new.job.name),
            zone: new.job.schedule().zone(),
            scheduled_at: instant(logical(&id).ms()),
            origin: id.origin.clone(),
            parameters: new.parameters.clone(),
            fired_at: instant(fired_at_ms),
            attempt: id.attempt,
            token: id.token.get(),
            node: Arc::clone(&self.node),
            states: Arc::clone(&self.states),
            control,
            shard: new.shard,
            missed: new.coalesced,
            clock_offset_us: self.cluster.offset_us(),
            statements: Mutex::default(),
        })
    }
}

/// The instant that a run is for: its tick, or what a request says.
fn logical(id: &RunId) -> TickMs {
    id.origin.as_ref().map_or(id.tick, |origin| origin.logical)
}
