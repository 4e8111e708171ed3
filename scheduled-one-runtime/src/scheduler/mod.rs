//! The handle to a started scheduler.

mod builder;
mod every_node;
mod going;
mod node;
mod run;
mod units;

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use scheduled_one_schedule::policy::Scope;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

pub use builder::SchedulerBuilder;

use crate::audit::{AuditedTick, Books, UnitState};
use crate::doctor::Report;
use crate::error::Error;
use crate::event;
use crate::job::check_name;
use crate::lease::Cancel;
use crate::ledger::{LedgerEntry, instant};
use crate::link::Link;
use crate::rules::CompiledJob;
use crate::store::JobNeeds;
use crate::store::message::{Beat, Overlap, place_of};
use run::Runner;

/// How long outcomes may take to be recorded when the scheduler stops.
const RECORD_PATIENCE: Duration = Duration::from_secs(2);
/// Longest answer of [`Scheduler::ledger`].
const MAX_LEDGER_LINES: usize = 10_000;
/// How many of the next ticks [`Scheduler::jobs`] tells.
const NEXT_TICKS: usize = 5;

/// Starts a scheduler with all annotated jobs of this program.
///
/// `url` is `redis://…`, `rediss://…` (TLS) or `memory://[name]` (embedded,
/// for one process). Short for `Scheduler::builder(url).start()`.
///
/// # Errors
///
/// See [`SchedulerBuilder::start`].
///
/// ```no_run
/// use scheduled_one_runtime::scheduled_one;
///
/// #[scheduled_one(cron = "0 0 9 * * MON", tz = "Asia/Shanghai", name = "weekly_report")]
/// async fn weekly_report() { /* … */ }
///
/// #[tokio::main]
/// async fn main() -> Result<(), scheduled_one_runtime::Error> {
///     let scheduler = scheduled_one_runtime::start("redis://127.0.0.1/").await?;
///     scheduler.run_until_signal().await
/// }
/// ```
pub async fn start(url: impl Into<String>) -> Result<Scheduler, Error> {
    Scheduler::builder(url).start().await
}

/// A started scheduler: one node of the cluster.
///
/// Dropping it stops it without grace: nothing new starts, and what runs is
/// cancelled. Keep it for as long as jobs should run, and end it with
/// [`shutdown`](Self::shutdown) or [`run_until_signal`](Self::run_until_signal).
#[must_use = "a scheduler that is dropped stops at once"]
pub struct Scheduler {
    link: Arc<Link>,
    runner: Arc<Runner>,
    jobs: Vec<Arc<CompiledJob>>,
    shortest_lease: Duration,
    stop: watch::Sender<bool>,
    shutdown_grace: Duration,
    /// The tasks, until [`shutdown`](Self::shutdown) has ended them.
    tasks: Mutex<Option<Tasks>>,
}

struct Tasks {
    node: JoinHandle<()>,
    outcomes: JoinHandle<()>,
}

/// A job as [`Scheduler::jobs`] shows it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JobInfo {
    /// Its name, which is its identity in the cluster.
    pub name: String,
    /// When it is due, in words.
    pub schedule: String,
    /// What it is for, if that was said.
    pub description: Option<String>,
    /// Its next ticks, at most five.
    pub next_ticks: Vec<DateTime<Utc>>,
}

/// What happened when a scheduler stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shutdown {
    /// Runs that ended by themselves within the grace.
    pub finished: usize,
    /// Runs that were cancelled because the grace had passed.
    pub cancelled: usize,
    /// Whether the store learned all outcomes. If not, another node finds
    /// these runs standing still and records them as lost.
    pub recorded: bool,
}

impl Scheduler {
    /// Sets up a scheduler; [`start`](SchedulerBuilder::start) starts it.
    pub fn builder(url: impl Into<String>) -> SchedulerBuilder {
        SchedulerBuilder::new(url.into())
    }

    /// Name of this node, as ledger and logs show it.
    pub fn node(&self) -> &str {
        &self.runner.node
    }

    /// The jobs of this node, by name.
    pub fn jobs(&self) -> Vec<JobInfo> {
        let now_ms = self.runner.cluster.now_ms();
        self.jobs.iter().map(|job| info(job, now_ms)).collect()
    }

    /// How many runs are going on this node.
    pub fn running(&self) -> usize {
        self.runner.going.count()
    }

    /// The newest lines of a job's ledger, newest first, at most `limit` (and
    /// never more than 10,000): what became of each tick, on whichever node.
    /// The store keeps 1,000 lines a job, see
    /// [`ledger_limit`](SchedulerBuilder::ledger_limit).
    ///
    /// # Errors
    ///
    /// [`Error::UnknownJob`] if this node has no such job and the store no
    /// ledger of it; [`Error::Store`] if the store does not answer.
    pub async fn ledger(&self, job: &str, limit: usize) -> Result<Vec<LedgerEntry>, Error> {
        let known = self.jobs.iter().any(|known| *known.name == *job);
        if !known && check_name(job).is_err() {
            return Err(self.unknown(job));
        }
        let limit = limit.min(MAX_LEDGER_LINES);
        let lines = self.link.store().ledger(job, limit).await?;
        if lines.is_empty() && !known {
            return Err(self.unknown(job));
        }
        Ok(lines.into_iter().map(LedgerEntry::from).collect())
    }

    /// Each tick of a job of this node in a range of time, by its schedule,
    /// oldest first, with what became of it: nothing is absent. At most
    /// 10,000 ticks of each shard. Where each node runs the job by itself, nodes
    /// are told apart by name, and each accounts for the ticks from its first
    /// line to its last: a run that its node died in is
    /// [`Fate::Unknown`](crate::Fate::Unknown). The ledger keeps 1,000 lines a job: what is older is
    /// [`Fate::NoLongerKept`](crate::Fate::NoLongerKept).
    ///
    /// A tick counts by the schedule and the time zone the job has now, and
    /// only from when the job was first seen.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownJob`] if this node has no such job; [`Error::Store`] if
    /// the store does not answer.
    pub async fn audit(
        &self,
        job: &str,
        range: Range<DateTime<Utc>>,
    ) -> Result<Vec<AuditedTick>, Error> {
        let found = self.jobs.iter().find(|known| *known.name == *job);
        let found = found.ok_or_else(|| self.unknown(job))?;
        // The state first: what ends meanwhile is in the ledger by then.
        let mut units = Vec::new();
        if found.rules.scope == Scope::One {
            for (shard, unit) in found.units().enumerate() {
                units.push((shard as u32, self.unit_state(found, &unit).await?));
            }
        }
        let lines = self.link.store().ledger(job, MAX_LEDGER_LINES).await?;
        let most = self.link.caller.ledger_limit.min(MAX_LEDGER_LINES);
        let books = Books {
            full: lines.len() >= most,
            lines: lines.into_iter().rev().map(Into::into).collect(),
            units,
        };
        let from_ms = range.start.timestamp_millis() - 1;
        let now_ms = self.runner.cluster.now_ms();
        let to_ms = (range.end.timestamp_millis() - 1).min(now_ms);
        Ok(books.audit(&found.schedule, from_ms, to_ms))
    }

    async fn unit_state(&self, job: &CompiledJob, unit: &str) -> Result<UnitState, Error> {
        let places = match job.rules.overlap {
            Overlap::Allow(most) => most,
            _ => 0,
        };
        let units: Vec<String> = (0..=places).map(|place| place_of(unit, place)).collect();
        let ask = self.link.ask(|store, caller| store.inspect(caller, &units));
        let inspected = ask.await?.body;
        let marks = inspected.first().map(|own| own.marks).unwrap_or_default();
        let waiting = inspected.iter().flat_map(|unit| unit.waiting_ms.clone());
        Ok(UnitState {
            decided_to_ms: marks.decided_to_ms(),
            born_ms: marks.born_ms,
            waiting: waiting.collect(),
            running: inspected
                .iter()
                .filter_map(|unit| unit.running_ms)
                .collect(),
        })
    }

    /// Looks at the store again, as at start and more closely: see
    /// [`SchedulerBuilder::doctor`]. Changes nothing.
    ///
    /// ```
    /// # use scheduled_one_runtime::{Error, Job, Scheduler};
    /// # async fn demo(job: Job) -> Result<(), Error> {
    /// let scheduler = Scheduler::builder("memory://").job(job).start().await?;
    /// let report = scheduler.doctor().await;
    /// assert!(report.is_usable(), "{report}");
    /// # Ok(()) }
    /// ```
    pub async fn doctor(&self) -> Report {
        let needs = JobNeeds {
            shortest_lease: self.shortest_lease,
            units: self.jobs.iter().flat_map(|job| job.units()).collect(),
            clock: Arc::clone(&self.runner.clock),
        };
        self.link.store().examine(&needs).await
    }

    fn unknown(&self, job: &str) -> Error {
        builder::unknown_job(job, self.jobs.iter().map(|job| &*job.name))
    }

    /// Stops gracefully: no new ticks; running ones may finish within `grace`,
    /// then they are cancelled (told to stop, and dropped a fifth of their
    /// lease later). Leases are released and outcomes recorded, so that other
    /// nodes go on at once. Calling it again does nothing.
    ///
    /// Takes at most `grace`, a fifth of the longest lease, and about 5 s for
    /// a store that does not answer.
    pub async fn shutdown(&self, grace: Duration) -> Shutdown {
        self.stop_after(self.runner.clock.sleep(grace)).await
    }

    /// Shuts down; runs may go on until `grace` completes.
    async fn stop_after(&self, grace: impl Future<Output = ()>) -> Shutdown {
        self.stop.send_replace(true);
        self.runner.stopping.send_replace(true);
        let mut tasks = self.tasks.lock().await;
        let Some(Tasks { node, outcomes }) = tasks.take() else {
            return Shutdown {
                recorded: true,
                ..Shutdown::default()
            };
        };
        let clock = &self.runner.clock;
        let ended_before = self.runner.going.ended();
        // Ends by itself: it waits a bounded time for claims under way.
        let _ = node.await;
        tokio::select! {
            biased;
            () = self.runner.going.none() => {}
            () = grace => {}
        }
        let finished = self.runner.going.ended() - ended_before;
        let (cancelled, budget) = self.runner.going.cancel_all(Cancel::Shutdown);
        tokio::select! {
            biased;
            () = self.runner.going.none() => {}
            // A job that blocks its thread cannot be dropped.
            () = clock.sleep(budget + RECORD_PATIENCE) => {}
        }
        let recorded = self.record_all(outcomes).await;
        event::stopped(finished, cancelled);
        Shutdown {
            finished,
            cancelled,
            recorded,
        }
    }

    /// Waits until all outcomes are told to the store, and says good-bye.
    async fn record_all(&self, mut outcomes: JoinHandle<()>) -> bool {
        self.runner.close_reports();
        let told = tokio::select! {
            biased;
            _ = &mut outcomes => true,
            () = self.runner.clock.sleep(RECORD_PATIENCE) => false,
        };
        if !told {
            outcomes.abort();
            event::unrecorded_at_stop();
        }
        let leaving = self
            .link
            .ask(|store, caller| store.beat(caller, Beat::Leaving));
        tokio::select! {
            biased;
            _ = leaving => {}
            () = self.runner.clock.sleep(RECORD_PATIENCE / 4) => {}
        }
        told
    }

    /// Runs until the process is asked to end (SIGINT, SIGTERM), then shuts
    /// down with the grace of
    /// [`shutdown_grace`](SchedulerBuilder::shutdown_grace) (25 s; Kubernetes
    /// kills after 30). A second signal ends the grace.
    ///
    /// # Errors
    ///
    /// [`Error::Signal`] if signals cannot be listened for.
    pub async fn run_until_signal(self) -> Result<(), Error> {
        let mut signals = Signals::listen().map_err(Error::Signal)?;
        event::signal(signals.next().await);
        let grace = self.runner.clock.sleep(self.shutdown_grace);
        self.stop_after(async {
            tokio::select! {
                biased;
                () = grace => {}
                again = signals.next() => event::signal(again),
            }
        })
        .await;
        Ok(())
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.runner.stopping.send_replace(true);
        self.runner.going.cancel_all(Cancel::Shutdown);
    }
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler")
            .field("node", &self.runner.node)
            .field("jobs", &self.jobs.len())
            .finish_non_exhaustive()
    }
}

fn info(job: &CompiledJob, now_ms: i64) -> JobInfo {
    let next = |after: &i64| job.schedule.next_after(*after);
    let ticks = std::iter::successors(next(&now_ms), next);
    JobInfo {
        name: job.name.to_string(),
        schedule: job.schedule.to_string(),
        description: job.description.as_deref().map(str::to_owned),
        next_ticks: ticks.take(NEXT_TICKS).map(instant).collect(),
    }
}

/// The signals that ask a process to end.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next one and names it.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}
