//! The handle to a started scheduler.

// Settings and what they choose: jobs and a store.
pub(crate) mod builder;
mod job_selection;
mod store_config;

// The life of a scheduler.
mod bucket_worker;
mod node_shared;
pub(crate) mod program;
mod start_line;
mod startup;

mod shutdown;
mod signals;

// What a program may ask of it.
#[cfg(feature = "alerts")]
pub(crate) mod alert_source;
#[cfg(feature = "alerts")]
pub(crate) mod alerting;
mod audit;
mod declared_rules;
pub(crate) mod doctor;
mod metrics;
#[cfg(feature = "alerts")]
mod monitoring;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use scheduled_one_control::Control;
use scheduled_one_schedule::name::check_stored_name;
use scheduled_one_schedule::{Calendar, ZoneData};
use tokio::sync::{Mutex, watch};

use crate::active_runs::ActiveRuns;
use crate::compiled_job::CompiledJob;
use crate::error::Error;
use crate::event;
use crate::lease::CancelReason;
use crate::ledger::{LedgerEntry, instant};
use crate::metrics::Metrics;
use crate::node::outlook::{JobOutlook, Outlook};
use crate::run::Stopping;
use crate::scheduler::bucket_worker::BucketWorker;
use crate::scheduler::builder::SchedulerBuilder;
use crate::scheduler::job_selection::unknown_job;
use crate::scheduler::shutdown::{DRAIN_PATIENCE, ShutdownState};
use crate::scheduler::signals::Signals;
use crate::scheduler::store_config::StoreConfig;
use crate::user_code;
use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::{Bucket, Store};

/// Most lines that [`Scheduler::ledger`] returns.
const MAX_LEDGER_LINES: usize = 10_000;
/// Number of next ticks that [`Scheduler::jobs`] shows.
const NEXT_TICKS: usize = 5;

/// Starts a scheduler with all annotated jobs of this program.
///
/// `url` is `redis://…`, `redis+sentinel://…` (the Redis that sentinels name) or
/// `redis+cluster://…` (the node of a Redis Cluster that owns the namespace),
/// each with `rediss` for TLS, `redis+unix:///path` (a socket), `postgres://…`,
/// `sqlite:///path/jobs.db` (for one machine), or `memory://[name]` (embedded, for
/// one process).
/// [`RedisStore::connect`](scheduled_one_redis::RedisStore::connect) has their
/// forms. Short for `Scheduler::builder(url).start()`.
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
/// Dropping it stops it without grace: nothing new starts, and active runs are
/// cancelled. Keep it for as long as jobs should run, and end it with
/// [`shutdown`](Self::shutdown) or [`run_until_signal`](Self::run_until_signal).
#[must_use = "a scheduler that is dropped stops at once"]
pub struct Scheduler {
    /// The parts of this node in the first bucket, and in each bucket in which it has jobs, by bucket.
    workers: Vec<BucketWorker>,
    /// The stores of all buckets.
    stores: Vec<Arc<dyn Store>>,
    jobs: Vec<Arc<CompiledJob>>,
    /// The label of this node.
    node: Arc<str>,
    shortest_lease: Duration,
    zone_data: ZoneData,
    calendars: Vec<Calendar>,
    clock: Arc<dyn Clock>,
    active_runs: ActiveRuns,
    /// When jobs start again that stand still.
    outlook: Outlook,
    metrics: Arc<Metrics>,
    /// What alerts are made of.
    #[cfg(feature = "alerts")]
    alert_source: Arc<alert_source::AlertSource>,
    /// Signs of runs on their way to monitors.
    #[cfg(feature = "alerts")]
    monitoring: Option<Arc<monitoring::Monitoring>>,
    /// Set when the scheduler stops: nothing new starts, and no attempt is followed by another one.
    stopping: watch::Sender<Option<Stopping>>,
    shutdown_grace: Duration,
    /// How far a shutdown has come.
    shutdown: Mutex<ShutdownState>,
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
    /// Its next ticks, at most five. Ticks that are decided already are none of them.
    pub next_ticks: Vec<Timestamp>,
    /// No run starts on this node before this instant, although ticks are due: the store may have forgotten runs of the
    /// job, or its clock was set. Then the newest tick that came due meanwhile starts, as the policies allow. `None` if
    /// ticks start when they are due.
    pub claims_from: Option<Timestamp>,
}

/// The result of a shutdown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Runs that ended by themselves within the grace.
    pub finished: usize,
    /// Runs that were cancelled, because they did not end in the time that the grace leaves to runs.
    pub cancelled: usize,
    /// Whether the store recorded all outcomes in time. If not, or if a run blocks
    /// its thread and has no outcome, another node finds these runs standing still
    /// and records them as lost.
    pub recorded: bool,
}

impl Scheduler {
    /// Sets up a scheduler; [`start`](SchedulerBuilder::start) starts it.
    pub fn builder(url: impl Into<String>) -> SchedulerBuilder {
        SchedulerBuilder::of(StoreConfig::new(url.into()))
    }

    /// Sets up a scheduler whose URL is the value of an environment variable.
    ///
    /// There is no default: an unset or empty variable is an error of
    /// [`start`](SchedulerBuilder::start), which says what to set. With a default
    /// of `memory://`, a forgotten variable would give each replica a store of
    /// its own, and each tick would run on all of them.
    ///
    /// ```no_run
    /// use scheduled_one_runtime::{Error, Scheduler};
    ///
    /// // REDIS_URL=redis://redis.internal, or memory:// while you try it
    /// #[tokio::main]
    /// async fn main() -> Result<(), Error> {
    ///     let scheduler = Scheduler::builder_from_env("REDIS_URL").start().await?;
    ///     scheduler.run_until_signal().await
    /// }
    /// ```
    pub fn builder_from_env(variable: &str) -> SchedulerBuilder {
        SchedulerBuilder::of(StoreConfig::from_env(variable))
    }

    /// Name of this node, as ledger and logs show it.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The jobs of this node, by name. Jobs of the scheduler's own, such as `$alerts`, are not among them;
    /// [`job`](Self::job) and [`ledger`](Self::ledger) show them by their names.
    pub fn jobs(&self) -> Vec<JobInfo> {
        let now_ms = |job| self.worker(job).map_or(0, BucketWorker::now_ms);
        let jobs = self.jobs.iter().filter(|job| !job.is_internal);
        jobs.map(|job| info(job, self.outlook.of(&job.name), now_ms(&job.name)))
            .collect()
    }

    /// One of them.
    pub fn job(&self, name: &str) -> Option<JobInfo> {
        let job = self.jobs.iter().find(|job| *job.name == *name)?;
        let now_ms = self.worker(name).map_or(0, BucketWorker::now_ms);
        Some(info(job, self.outlook.of(&job.name), now_ms))
    }

    /// How many runs are active on this node.
    pub fn running(&self) -> usize {
        self.active_runs.count()
    }

    /// The newest lines of a job's ledger, newest first, at most `limit` (and
    /// never more than 10,000): the outcome of each tick, on whichever node it ran.
    /// The store keeps 1,000 lines a job, see
    /// [`ledger_limit`](SchedulerBuilder::ledger_limit).
    ///
    /// # Errors
    ///
    /// [`Error::UnknownJob`] if this node has no such job and the store no
    /// ledger of it; [`Error::Store`] if the store does not reply.
    pub async fn ledger(&self, job: &str, limit: usize) -> Result<Vec<LedgerEntry>, Error> {
        let known = self.jobs.iter().any(|known| *known.name == *job);
        if !known && check_stored_name(job).is_err() {
            return Err(self.unknown(job));
        }
        let limit = limit.min(MAX_LEDGER_LINES);
        let lines = user_code::request(|| self.store(job).ledger(job, limit)).await?;
        if lines.is_empty() && !known {
            return Err(self.unknown(job));
        }
        Ok(lines.into_iter().map(LedgerEntry::of).collect())
    }

    /// Looks at the jobs of the namespace and controls them: pause, resume, describe. Uses the connections of this
    /// scheduler. A process without jobs uses [`Control::connect`].
    ///
    /// # Errors
    ///
    /// [`Error::Identity`] if the operating system gives no random numbers.
    pub fn control(&self) -> Result<Control, Error> {
        control_of(&self.stores, &self.calendars)
    }

    fn bucket(&self, job: &str) -> Bucket {
        Bucket::of_job(job, self.stores.len() as u32)
    }

    /// The store that has the ledger of a job, whether this node has the job or not.
    fn store(&self, job: &str) -> &dyn Store {
        &*self.stores[self.bucket(job).index() as usize]
    }

    /// The part of this node in the bucket of a job. There is one for each job that the node has.
    fn worker(&self, job: &str) -> Option<&BucketWorker> {
        let bucket = self.bucket(job);
        let mut workers = self.workers.iter();
        workers.find(|worker| worker.client.bucket == bucket)
    }

    fn unknown(&self, job: &str) -> Error {
        let known = self.jobs.iter().filter(|job| !job.is_internal);
        unknown_job(job, known.map(|job| &*job.name))
    }

    /// Stops gracefully, and returns within `grace`: no new ticks start; active
    /// runs may end by themselves; those that do not are cancelled (signalled,
    /// and dropped later). Leases are released and outcomes recorded, so that
    /// other nodes can continue at once. A second call does nothing, unless the
    /// future of the first call was dropped: then it continues the shutdown, with
    /// its own `grace`.
    ///
    /// The end of `grace` is kept for the last steps: for runs to return, a fifth
    /// of their lease and at most 5 s; for outcomes to be recorded, 2 s. Of a
    /// short grace, runs keep at least three eighths, and outcomes have a quarter.
    /// It returns by then whether or not the store has replied
    /// ([`recorded`](ShutdownReport::recorded)). A grace below 1 s counts as 1 s
    /// for the last steps. A job that blocks all threads of the Tokio runtime
    /// stops this as well.
    pub async fn shutdown(&self, grace: Duration) -> ShutdownReport {
        let stopped = self.stop_within(grace, std::future::pending());
        user_code::catch_wakes(Box::pin(stopped)).await
    }

    /// Runs until the process is asked to end (SIGINT, SIGTERM), then shuts
    /// down within
    /// [`shutdown_grace`](SchedulerBuilder::shutdown_grace) (25 s; Kubernetes
    /// kills after 30). A second signal cancels the runs at once.
    ///
    /// # Errors
    ///
    /// [`Error::Signal`] if signals cannot be listened for.
    pub async fn run_until_signal(self) -> Result<(), Error> {
        let mut signals = Signals::listen().map_err(Error::Signal)?;
        event::signal(signals.next().await);
        let stopped = self.stop_within(self.shutdown_grace, async {
            event::signal(signals.next().await);
        });
        user_code::catch_wakes(Box::pin(stopped)).await;
        Ok(())
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.stop(DRAIN_PATIENCE);
        self.active_runs.cancel_all(CancelReason::Shutdown);
    }
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler")
            .field("node", &self.node)
            .field("jobs", &self.jobs.len())
            .finish_non_exhaustive()
    }
}

fn info(job: &CompiledJob, outlook: JobOutlook, now_ms: i64) -> JobInfo {
    let schedule = job.schedule();
    let ticks = schedule.after(now_ms.max(outlook.decided_to_ms));
    let claims_from_ms = Some(outlook.claims_from_ms).filter(|from_ms| *from_ms > now_ms);
    JobInfo {
        name: job.name.to_string(),
        schedule: schedule.to_string(),
        description: job.description.as_deref().map(str::to_owned),
        next_ticks: ticks.take(NEXT_TICKS).map(instant).collect(),
        claims_from: claims_from_ms.map(instant),
    }
}

/// A handle with the calendars of a scheduler.
fn control_of(stores: &[Arc<dyn Store>], calendars: &[Calendar]) -> Result<Control, Error> {
    let control = Control::of_stores(stores.to_vec());
    let control = control.map_err(|error| Error::Identity(error.to_string()))?;
    let calendars = calendars.iter().cloned();
    Ok(calendars.fold(control, Control::calendar))
}
