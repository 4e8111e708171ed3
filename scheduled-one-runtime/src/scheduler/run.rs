//! One run: from the grant to its outcome.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tracing::Instrument;

use crate::clock::Clock;
use crate::cluster_clock::ClusterClock;
use crate::context::{JobContext, RunFacts};
use crate::event;
use crate::guard::{End, Guard};
use crate::handler::States;
use crate::job::CompiledJob;
use crate::lease::{Cancel, Lease};
use crate::ledger::instant;
use crate::renewal::{ActiveRun, Watchdog};
use crate::store::message::{Finish, Outcome, RunId};

/// What all runs of a node share.
pub(crate) struct Runner {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) cluster: Arc<ClusterClock>,
    pub(crate) watchdog: Watchdog,
    pub(crate) states: Arc<States>,
    pub(crate) node: Arc<str>,
    pub(crate) going: Going,
    /// To [`tell_outcomes`](crate::finish::tell_outcomes); taken away when
    /// the scheduler has stopped.
    pub(crate) outcomes: Mutex<Option<mpsc::UnboundedSender<Finish>>>,
}

impl Runner {
    /// Starts the run that was granted to a claim first sent at `sent`.
    pub(crate) fn start(self: &Arc<Self>, job: Arc<CompiledJob>, id: RunId, sent: Duration) {
        let length = Duration::from_millis(id.lease_ms.max(0) as u64);
        let lease = Arc::new(Lease::new(Arc::clone(&self.clock), length, sent));
        if lease.cancelled().is_some() {
            event::claimed_too_late(&id.unit, id.tick_ms);
            self.tell(id, not_started(), 0);
            return;
        }
        let run = Arc::new(ActiveRun::new(id, lease));
        self.watchdog.keep(Arc::clone(&run));
        let ticket = self.going.enter(Arc::clone(&run));
        let span = event::run_span(&run.id, instant(run.id.tick_ms), &self.node);
        let runner = Arc::clone(self);
        tokio::spawn(async move { runner.run(job, run, ticket).await }.instrument(span));
    }

    async fn run(self: Arc<Self>, job: Arc<CompiledJob>, run: Arc<ActiveRun>, ticket: Ticket) {
        let fired_at_ms = self.cluster.now_ms();
        let ctx = self.context(&job, &run, fired_at_ms);
        let began = self.clock.boottime();
        let timeout = job.policies.timeout;
        // The call is inside, so that a panic of a plain closure is caught too.
        let future = Box::pin(async move { job.handler.call(&ctx).await });
        let end = Guard::new(future, Arc::clone(&run.lease), timeout).await;
        run.end();
        let took = self.clock.boottime().saturating_sub(began);
        event::ended(end.outcome, &end.reason, &end.error, took);
        self.tell(run.id.clone(), end, fired_at_ms);
        drop(ticket);
    }

    fn context(&self, job: &CompiledJob, run: &ActiveRun, fired_at_ms: i64) -> JobContext {
        JobContext::new(RunFacts {
            job: Arc::clone(&job.name),
            zone: job.schedule.zone(),
            scheduled_at: instant(run.id.tick_ms),
            fired_at: instant(fired_at_ms),
            attempt: run.id.attempt,
            token: run.id.token,
            node: Arc::clone(&self.node),
            states: Arc::clone(&self.states),
            lease: Arc::clone(&run.lease),
            clock_offset_us: self.cluster.offset_us(),
        })
    }

    /// No more outcomes will come.
    pub(crate) fn close_outcomes(&self) {
        let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        *outcomes = None;
    }

    fn tell(&self, run: RunId, end: End, fired_at_ms: i64) {
        let finish = Finish {
            run,
            outcome: end.outcome,
            reason: end.reason,
            error: end.error,
            fired_at_ms,
            ended_at_ms: self.cluster.now_ms(),
        };
        let outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        match &*outcomes {
            // Fails only when the receiver is gone, and that is aborted last.
            Some(outcomes) => drop(outcomes.send(finish)),
            None => event::unrecorded(&finish.run.unit, finish.run.tick_ms, finish.outcome),
        }
    }
}

/// The outcome of a tick that was granted too late to be started.
fn not_started() -> End {
    End {
        reason: "the claim was answered too late to start".to_owned(),
        ..End::of(Outcome::Missed)
    }
}

/// The runs of a node that are going.
#[derive(Debug, Default)]
pub(crate) struct Going {
    shared: Arc<GoingShared>,
}

#[derive(Debug)]
struct GoingShared {
    runs: Mutex<(u64, HashMap<u64, Arc<ActiveRun>>)>,
    count: watch::Sender<usize>,
}

impl Default for GoingShared {
    fn default() -> Self {
        GoingShared {
            runs: Mutex::default(),
            count: watch::Sender::new(0),
        }
    }
}

impl GoingShared {
    fn runs(&self) -> MutexGuard<'_, (u64, HashMap<u64, Arc<ActiveRun>>)> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Going {
    fn enter(&self, run: Arc<ActiveRun>) -> Ticket {
        let mut runs = self.shared.runs();
        runs.0 += 1;
        let serial = runs.0;
        runs.1.insert(serial, Arc::clone(&run));
        self.shared.count.send_replace(runs.1.len());
        Ticket {
            serial,
            run,
            going: Arc::clone(&self.shared),
        }
    }

    /// How many runs are going.
    pub(crate) fn count(&self) -> usize {
        *self.shared.count.borrow()
    }

    /// How many runs have ended so far.
    pub(crate) fn ended(&self) -> usize {
        let runs = self.shared.runs();
        runs.0 as usize - runs.1.len()
    }

    /// Completes when no run is going.
    pub(crate) async fn none(&self) {
        let mut count = self.shared.count.subscribe();
        let _ = count.wait_for(|count| *count == 0).await;
    }

    /// Tells all runs to stop; returns how many there were, and the longest
    /// time one of them may take.
    pub(crate) fn cancel_all(&self, reason: Cancel) -> (usize, Duration) {
        let runs = self.shared.runs();
        let mut budget = Duration::ZERO;
        for run in runs.1.values() {
            run.lease.cancel(reason);
            budget = budget.max(run.lease.cancel_budget());
        }
        (runs.1.len(), budget)
    }
}

/// A run that is going, until dropped: also when its runtime goes away.
struct Ticket {
    serial: u64,
    run: Arc<ActiveRun>,
    going: Arc<GoingShared>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.run.end();
        let mut runs = self.going.runs();
        runs.1.remove(&self.serial);
        self.going.count.send_replace(runs.1.len());
    }
}
